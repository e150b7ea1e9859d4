/* activation.c: pointwise non-linearities, plain and gated.
 *
 * gelu(u) = u Phi(u), exact by erf (Hendrycks & Gimpel 2016): d = Phi(u) + u phi(u). erf is Abramowitz &
 * Stegun 7.1.26 (error below 1.5e-7). */
#include <math.h>

#include "nn/ref/isa.h"
#include "nn/ref/lanes.h"

/* Phi(u), and *density = phi(u), the standard normal's distribution and density. */
static inline float normal(float u, float *density)
{
    const float z = fabsf(u) * 0.70710678f;
    const float e = dulm_exp(-z * z);
    const float t = 1.0f / (1.0f + 0.3275911f * z);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const float tail = 0.5f * p * t * e;
    *density = e * 0.39894228f;
    return u < 0 ? tail : 1.0f - tail;
}

static inline float sigmoid(float u)
{
    return 1.0f / (1.0f + dulm_exp(-u));
}

/* Value and derivative together; `kind` is a constant in each loop below. */
static inline float act(enum dulm_activation kind, float u, float *slope)
{
    switch (kind) {
    case DULM_GELU: {
        float density;
        const float phi = normal(u, &density);
        *slope = phi + u * density;
        return u * phi;
    }
    case DULM_RELU:
        *slope = u > 0 ? 1.0f : 0.0f;
        return u > 0 ? u : 0.0f;
    case DULM_GELU_TANH: {
        const float c = 0.7978845608f, inner = c * (u + 0.044715f * u * u * u);
        const float th = 2 * sigmoid(2 * inner) - 1;
        *slope = 0.5f * (1 + th) + 0.5f * u * (1 - th * th) * c * (1 + 3 * 0.044715f * u * u);
        return 0.5f * u * (1 + th);
    }
    case DULM_SILU: {
        const float s = sigmoid(u);
        *slope = s * (1 + u * (1 - s));
        return u * s;
    }
    case DULM_TANH: {
        const float th = tanhf(u);
        *slope = 1 - th * th;
        return th;
    }
    case DULM_IDENTITY:
        break;
    }
    *slope = 1;
    return u;
}

static inline void forward(enum dulm_activation kind, size_t count, const float *restrict u,
                           float *restrict y)
{
    float slope;
    for (size_t i = 0; i < count; i++)
        y[i] = act(kind, u[i], &slope);
}

static inline void in_place(enum dulm_activation kind, size_t count, float *y)
{
    float slope;
    for (size_t i = 0; i < count; i++)
        y[i] = act(kind, y[i], &slope);
}

static inline void backward(enum dulm_activation kind, size_t count, const float *restrict u,
                            const float *dy, float *du)
{
    for (size_t i = 0; i < count; i++) {
        float slope;
        act(kind, u[i], &slope);
        du[i] = dy[i] * slope;
    }
}

static inline void gated(enum dulm_activation kind, size_t f, const float *restrict u,
                         float *restrict y)
{
    float slope;
    for (size_t j = 0; j < f; j++)
        y[j] = act(kind, u[j], &slope) * u[f + j];
}

static inline void gated_back(enum dulm_activation kind, size_t f, const float *restrict u,
                              const float *restrict dy, float *restrict du)
{
    for (size_t j = 0; j < f; j++) {
        float slope;
        const float value = act(kind, u[j], &slope);
        du[j] = dy[j] * u[f + j] * slope;
        du[f + j] = dy[j] * value;
    }
}

/* One loop for each kind, so that the compiler sees a constant. */
#define EACH_KIND(call)                                                                            \
    switch (kind) {                                                                                \
    case DULM_GELU:                                                                                \
        call(DULM_GELU) break;                                                                     \
    case DULM_RELU:                                                                                \
        call(DULM_RELU) break;                                                                     \
    case DULM_GELU_TANH:                                                                           \
        call(DULM_GELU_TANH) break;                                                                \
    case DULM_SILU:                                                                                \
        call(DULM_SILU) break;                                                                     \
    case DULM_TANH:                                                                                \
        call(DULM_TANH) break;                                                                     \
    case DULM_IDENTITY:                                                                            \
        call(DULM_IDENTITY) break;                                                                 \
    }

void K(activation)(enum dulm_activation kind, size_t count, const float *u, float *y)
{
    if (u == y) {
#define CALL(k) in_place(k, count, y);
        EACH_KIND(CALL)
#undef CALL
        return;
    }
#define CALL(k) forward(k, count, u, y);
    EACH_KIND(CALL)
#undef CALL
}

void K(activation_backward)(enum dulm_activation kind, size_t count, const float *u,
                            const float *dy, float *du)
{
#define CALL(k) backward(k, count, u, dy, du);
    EACH_KIND(CALL)
#undef CALL
}

void K(gated)(enum dulm_activation kind, size_t rows, size_t f, const float *u, float *y)
{
    for (size_t r = 0; r < rows; r++) {
#define CALL(k) gated(k, f, u + r * 2 * f, y + r * f);
        EACH_KIND(CALL)
#undef CALL
    }
}

void K(gated_backward)(enum dulm_activation kind, size_t rows, size_t f, const float *u,
                       const float *dy, float *du)
{
    for (size_t r = 0; r < rows; r++) {
#define CALL(k) gated_back(k, f, u + r * 2 * f, dy + r * f, du + r * 2 * f);
        EACH_KIND(CALL)
#undef CALL
    }
}

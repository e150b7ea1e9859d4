/* activation.c: pointwise non-linearities, plain and gated.
 *
 * gelu(u) = u Phi(u), exact by erf (Hendrycks & Gimpel 2016): d = Phi(u) + u phi(u). */
#include <math.h>

#include "nn/ref/isa.h"
#include "nn/ref/lanes.h"

/* The standard normal's distribution, 1/2 + u P(u^2) / Q(u^2): the quotient of least greatest error (1e-8) up to 5.6, found by
 * linear programs; in single precision within 3e-7. Beyond, what is left is below 1.1e-8. */
static inline float normal(float u)
{
    const float most = 5.6f, s = u * u;
    float p = 2.21395292e-8f, q = 1.18012337e-6f;
    p = p * s + 6.35761894e-6f;
    q = q * s + 7.51382731e-5f;
    p = p * s + 1.73958392e-4f;
    q = q * s + 1.91358559e-3f;
    p = p * s + 4.7079168e-3f;
    q = q * s + 2.89459993e-2f;
    p = p * s + 3.43862829e-2f;
    q = q * s + 0.252859333f;
    p = p * s + 0.398942221f;
    q = q * s + 1.0f;
    const float phi = 0.5f + u * (p / q);
    const float lower = u < -most ? 0.0f : phi;
    return u > most ? 1.0f : lower;
}

static inline float density(float u)
{
    return 0.39894228f * dulm_exp(-0.5f * u * u);
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
        const float phi = normal(u);
        *slope = phi + u * density(u);
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

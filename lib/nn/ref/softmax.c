/* softmax.c: softmax over rows, and cross entropy with its gradient in place of the logits. */
#include <math.h>

#include "nn/ref/isa.h"
#include "nn/ref/lanes.h"

float K(max)(size_t n, const float *x)
{
    return dulm_max(n, x);
}

void K(softmax)(size_t rows, size_t n, float scale, float *s)
{
    const float by = scale * DULM_LOG2E;
    for (size_t r = 0; r < rows; r++) {
        float *restrict x = s + r * n;
        const float top = dulm_max(n, x);
        if (!(top > -INFINITY)) {
            for (size_t j = 0; j < n; j++)
                x[j] = x[j] < 0 ? 0 : x[j]; /* a NaN stays one: it must reach the loss */
            continue;
        }
        for (size_t j = 0; j < n; j++)
            x[j] = dulm_power_of_two((x[j] - top) * by);
        const float factor = 1.0f / dulm_sum(n, x);
        for (size_t j = 0; j < n; j++)
            x[j] *= factor;
    }
}

void K(softmax_backward)(size_t rows, size_t n, float scale, const float *p, float *dp)
{
    for (size_t r = 0; r < rows; r++) {
        const float *restrict q = p + r * n;
        float *restrict g = dp + r * n;
        const float inner = dulm_dot(n, q, g);
        for (size_t j = 0; j < n; j++)
            g[j] = scale * q[j] * (g[j] - inner);
    }
}

/* Sum of e^(factor (x - top)): lanes in single within blocks of 1024, blocks in double, so that the error does
 * not grow with the vocabulary. */
double K(exp_sum)(size_t n, const float *restrict x, float top, float factor)
{
    const float by = factor * DULM_LOG2E;
    double total = 0;
    for (size_t b = 0; b < n; b += 1024) {
        const size_t m = n - b < 1024 ? n - b : 1024;
        float s[DULM_LANES] = {0};
        size_t i = 0;
        for (; i + DULM_LANES <= m; i += DULM_LANES)
            for (int l = 0; l < DULM_LANES; l++)
                s[l] += dulm_power_of_two((x[b + i + (size_t)l] - top) * by);
        for (int l = 0; i < m; i++, l++)
            s[l] += dulm_power_of_two((x[b + i] - top) * by);
        total += (double)dulm_lanes_total(s);
    }
    return total;
}

/* In blocks as above. */
double K(sum)(size_t n, const float *x)
{
    double total = 0;
    for (size_t b = 0; b < n; b += 1024)
        total += (double)dulm_sum(n - b < 1024 ? n - b : 1024, x + b);
    return total;
}

void K(softmax_shifted)(size_t n, float *x, float top, float factor, float floor)
{
    float *restrict p = x;
    for (size_t j = 0; j < n; j++)
        p[j] = factor * dulm_power_of_two((p[j] - top) * DULM_LOG2E) - floor;
}

void K(cross_entropy)(size_t n, float *logits, size_t target, float d_ce, float d_uniform,
                      double *ce, double *uniform_ce)
{
    const float top = dulm_max(n, logits);
    const double sum = K(exp_sum)(n, logits, top, 1);
    const double lse = (double)top + log(sum);
    *ce = lse - (double)logits[target];
    *uniform_ce = lse - K(sum)(n, logits) / (double)n;
    if (d_ce == 0 && d_uniform == 0)
        return;
    K(softmax_shifted)
    (n, logits, top, (float)((double)(d_ce + d_uniform) / sum), d_uniform / (float)n);
    logits[target] -= d_ce;
}

/* layer_norm.c: layer normalisation (Ba et al. 2016) over rows of d.
 *
 * With h = (x - mean) * r, r = 1/sqrt(var + eps), y = h w + b:
 *   dx = r * (g - mean(g) - h mean(g h)),  g = dy w;   dw = sum dy h;   db = sum dy. */
#include <math.h>

#include "nn/ref/isa.h"
#include "nn/ref/lanes.h"

static void moments(size_t d, const float *restrict x, float eps, float *mean, float *rstd)
{
    const float m = dulm_sum(d, x) / (float)d;
    float s[DULM_LANES] = {0};
    size_t i = 0;
    for (; i + DULM_LANES <= d; i += DULM_LANES)
        for (int l = 0; l < DULM_LANES; l++) {
            const float c = x[i + (size_t)l] - m;
            s[l] += c * c;
        }
    for (int l = 0; i < d; i++, l++)
        s[l] += (x[i] - m) * (x[i] - m);
    *mean = m;
    *rstd = 1.0f / sqrtf(dulm_lanes_total(s) / (float)d + eps);
}

void K(layer_norm)(size_t rows, size_t d, const float *x, const float *weight, const float *bias,
                   float eps, float *y)
{
    for (size_t t = 0; t < rows; t++) {
        const float *restrict in = x + t * d;
        float *restrict out = y + t * d;
        float mean, rstd;
        moments(d, in, eps, &mean, &rstd);
        if (bias)
            for (size_t j = 0; j < d; j++)
                out[j] = (in[j] - mean) * rstd * weight[j] + bias[j];
        else
            for (size_t j = 0; j < d; j++)
                out[j] = (in[j] - mean) * rstd * weight[j];
    }
}

void K(layer_norm_backward)(size_t rows, size_t d, const float *x, const float *weight, float eps,
                            const float *dy, float *dx, float *stats)
{
    for (size_t t = 0; t < rows; t++) {
        const float *restrict in = x + t * d;
        const float *restrict g = dy + t * d;
        float *restrict out = dx + t * d;
        float mean, rstd;
        moments(d, in, eps, &mean, &rstd);
        stats[2 * t] = mean;
        stats[2 * t + 1] = rstd;
        float s[DULM_LANES] = {0}, sh[DULM_LANES] = {0};
        size_t i = 0;
        for (; i + DULM_LANES <= d; i += DULM_LANES)
            for (int l = 0; l < DULM_LANES; l++) {
                const size_t j = i + (size_t)l;
                const float gw = g[j] * weight[j];
                s[l] += gw;
                sh[l] += gw * ((in[j] - mean) * rstd);
            }
        for (int l = 0; i < d; i++, l++) {
            s[l] += g[i] * weight[i];
            sh[l] += g[i] * weight[i] * ((in[i] - mean) * rstd);
        }
        const float mg = dulm_lanes_total(s) / (float)d, mgh = dulm_lanes_total(sh) / (float)d;
        for (size_t j = 0; j < d; j++)
            out[j] += rstd * (g[j] * weight[j] - mg - (in[j] - mean) * rstd * mgh);
    }
}

void K(layer_norm_parameters)(size_t begin, size_t end, size_t rows, size_t d, const float *x,
                              const float *stats, const float *dy, float *dweight, float *dbias)
{
    for (size_t t = 0; t < rows; t++) {
        const float mean = stats[2 * t], rstd = stats[2 * t + 1];
        const float *restrict in = x + t * d;
        const float *restrict g = dy + t * d;
        float *restrict dw = dweight;
        for (size_t j = begin; j < end; j++)
            dw[j] += g[j] * ((in[j] - mean) * rstd);
        if (dbias) {
            float *restrict db = dbias;
            for (size_t j = begin; j < end; j++)
                db[j] += g[j];
        }
    }
}

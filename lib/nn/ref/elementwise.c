/* elementwise.c: sums over columns, rounding, additions, the AdamW update. */
#include <math.h>
#include <string.h>

#include "nn/ref/isa.h"

#if defined(__SSE__)
#include <immintrin.h>
#endif

void K(column_sums)(size_t begin, size_t end, size_t rows, size_t stride, const float *x,
                    float *out)
{
    for (size_t r = 0; r < rows; r++) {
        const float *restrict in = x + r * stride;
        float *restrict to = out;
        for (size_t j = begin; j < end; j++)
            to[j] += in[j];
    }
}

void K(to_bf16)(size_t count, const float *x, uint16_t *y)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        const bool nan = (bits & 0x7fffffff) > 0x7f800000;
        y[i] = (uint16_t)(nan ? bits >> 16 | 0x40 : rounded);
    }
}

void K(from_bf16)(size_t count, const uint16_t *x, float *y)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t bits = (uint32_t)x[i] << 16;
        memcpy(y + i, &bits, sizeof bits);
    }
}

/* Subnormal numbers by way of whole ones: hosts may have the CPU take them for 0. */
void K(from_f16)(size_t count, const uint16_t *x, float *y)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t magnitude = x[i] & 0x7fffu, exponent = magnitude >> 10;
        const float small = (float)(int32_t)magnitude * 0x1p-24f;
        uint32_t bits;
        memcpy(&bits, &small, sizeof bits);
        bits =
            exponent == 0 ? bits : (magnitude << 13) + (exponent == 31 ? 224u << 23 : 112u << 23);
        bits |= (uint32_t)(x[i] & 0x8000u) << 16;
        memcpy(y + i, &bits, sizeof bits);
    }
}

void K(add)(size_t count, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = a[i] + b[i];
}

/* Lines that are written whole need not be read first, and leave what is in the caches there. */
void K(copy_past)(size_t count, const float *x, float *y)
{
    size_t i = 0;
#if defined(__SSE__)
    enum { LINE = 16 };
    while (i < count && (uintptr_t)(y + i) % (LINE * sizeof *y)) {
        y[i] = x[i];
        i++;
    }
    for (; i + LINE <= count; i += LINE) {
#if defined(__AVX512F__)
        _mm512_stream_ps(y + i, _mm512_loadu_ps(x + i));
#elif defined(__AVX__)
        _mm256_stream_ps(y + i, _mm256_loadu_ps(x + i));
        _mm256_stream_ps(y + i + 8, _mm256_loadu_ps(x + i + 8));
#else
        for (size_t j = 0; j < LINE; j += 4)
            _mm_stream_ps(y + i + j, _mm_loadu_ps(x + i + j));
#endif
    }
#endif
    for (; i < count; i++)
        y[i] = x[i];
}

void K(copied_past)(void)
{
#if defined(__SSE__)
    _mm_sfence();
#endif
}

void K(adamw)(size_t count, float *theta, const float *g, float *m, float *v, float scale, float lr,
              float decay, float beta1, float beta2, float epsilon, float correction1,
              float correction2)
{
    float *restrict th = theta;
    const float *restrict gr = g;
    float *restrict mm = m;
    float *restrict vv = v;
    const float keep = 1.0f - lr * decay;
    for (size_t i = 0; i < count; i++) {
        const float x = gr[i] * scale;
        mm[i] = beta1 * mm[i] + (1 - beta1) * x;
        vv[i] = beta2 * vv[i] + (1 - beta2) * x * x;
        th[i] = th[i] * keep - lr * (mm[i] / correction1) / (sqrtf(vv[i] / correction2) + epsilon);
    }
}

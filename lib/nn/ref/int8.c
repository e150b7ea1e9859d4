/* int8.c: rounding rows to 8 bits, products of such rows in whole numbers, and back. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "nn/ref/isa.h"

/* Bits of a float as a whole number of the same order; its own inverse. Infinities and NaN are at both ends. */
static inline int32_t ordered(int32_t bits)
{
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

static float float_of(int32_t order)
{
    const int32_t bits = ordered(order);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Least and greatest value, 0 counted; false where one is not finite. In whole numbers, which compilers vectorise. */
static bool range_of(size_t n, const float *restrict x, float *low, float *high)
{
    int32_t least = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        const int32_t order = ordered(bits);
        least = order < least ? order : least;
        most = order > most ? order : most;
    }
    *low = float_of(least);
    *high = float_of(most);
    return most < 0x7f800000 && least > ~0x7f800000;
}

/* To the nearest, ties to even, for |x| < 2^22: a sum of this size has no room for a fraction. */
static inline int32_t nearest(float x)
{
    const float shifted = x + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return bits - 0x4b400000;
}

void K(quantize_row)(size_t n, const float *x, int32_t top, uint8_t *u, float *scale, int32_t *zero)
{
    float low, high;
    const bool finite = range_of(n, x, &low, &high);
    const float step = high / (float)top - low / (float)top;
    *zero = 0;
    if (!finite || !(step >= FLT_MIN)) {
        memset(u, 0, n);
        *scale = finite ? 0.0f : NAN;
        return;
    }
    const float inverse = 1.0f / step;
    const int32_t offset = nearest(-low * inverse);
    const float *restrict from = x;
    uint8_t *restrict to = u;
    for (size_t i = 0; i < n; i++) {
        int32_t v = nearest(from[i] * inverse) + offset;
        v = v < 0 ? 0 : v;
        to[i] = (uint8_t)(v > top ? top : v);
    }
    *scale = step;
    *zero = offset;
}

float K(quantize_weights)(size_t n, const float *w, int8_t *q)
{
    float low, high;
    const bool finite = range_of(n, w, &low, &high);
    const float most = -low > high ? -low : high, scale = most / 127.0f;
    if (!finite || !(scale >= FLT_MIN)) {
        memset(q, 0, n);
        return finite ? 0.0f : NAN;
    }
    const float inverse = 1.0f / scale;
    for (size_t i = 0; i < n; i++) {
        int32_t v = nearest(w[i] * inverse);
        v = v < -127 ? -127 : v;
        q[i] = (int8_t)(v > 127 ? 127 : v);
    }
    return scale;
}

int32_t K(sum_int8)(size_t n, const int8_t *q)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += q[i];
    return sum;
}

void K(gemm_u8s8)(size_t begin, size_t end, size_t n, size_t k, const uint8_t *a, const int8_t *b,
                  int32_t *c, size_t ldc)
{
    const size_t block = 64; /* rows of B that stay in the cache while rows of A pass by */
    for (size_t j0 = 0; j0 < n; j0 += block)
        for (size_t i = begin; i < end; i++)
            for (size_t j = j0; j < n && j < j0 + block; j++) {
                const uint8_t *restrict x = a + i * k;
                const int8_t *restrict y = b + j * k;
                int32_t sum = 0;
                for (size_t p = 0; p < k; p++)
                    sum += (int32_t)x[p] * y[p];
                c[i * ldc + j] = sum;
            }
}

void K(dequantize_row)(size_t n, const int32_t *c, float scale, int32_t zero, const float *scales,
                       const int32_t *sums, const float *bias, float *y)
{
    float *restrict to = y;
    if (bias)
        for (size_t j = 0; j < n; j++)
            to[j] = (float)(c[j] - zero * sums[j]) * (scale * scales[j]) + bias[j];
    else
        for (size_t j = 0; j < n; j++)
            to[j] = (float)(c[j] - zero * sums[j]) * (scale * scales[j]);
}

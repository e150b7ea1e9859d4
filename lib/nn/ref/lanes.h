/* lanes.h: sums in a fixed order that a compiler can vectorise, and a branch-free exponential.
 *
 * A sum over n elements is kept in 16 partial sums (element i goes to sum i % 16), added pairwise at
 * the end. The order depends on n alone, so equal rows give bit-equal results wherever they stand. */
#ifndef DULM_NN_REF_LANES_H
#define DULM_NN_REF_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DULM_LANES 16

static inline float dulm_lanes_total(const float s[DULM_LANES])
{
    float t[8];
    for (int i = 0; i < 8; i++)
        t[i] = s[i] + s[i + 8];
    return ((t[0] + t[4]) + (t[2] + t[6])) + ((t[1] + t[5]) + (t[3] + t[7]));
}

static inline float dulm_dot(size_t n, const float *restrict a, const float *restrict b)
{
    float s[DULM_LANES] = {0};
    size_t i = 0;
    for (; i + DULM_LANES <= n; i += DULM_LANES)
        for (int l = 0; l < DULM_LANES; l++)
            s[l] += a[i + (size_t)l] * b[i + (size_t)l];
    for (int l = 0; i < n; i++, l++)
        s[l] += a[i] * b[i];
    return dulm_lanes_total(s);
}

static inline float dulm_sum(size_t n, const float *restrict a)
{
    float s[DULM_LANES] = {0};
    size_t i = 0;
    for (; i + DULM_LANES <= n; i += DULM_LANES)
        for (int l = 0; l < DULM_LANES; l++)
            s[l] += a[i + (size_t)l];
    for (int l = 0; i < n; i++, l++)
        s[l] += a[i];
    return dulm_lanes_total(s);
}

/* NaN is passed over. The pragma keeps GCC from unrolling the lanes into scalar code. */
static inline float dulm_max(size_t n, const float *restrict a)
{
    float s[DULM_LANES];
    for (int l = 0; l < DULM_LANES; l++)
        s[l] = -__builtin_inff();
    size_t i = 0;
    for (; i + DULM_LANES <= n; i += DULM_LANES)
#pragma omp simd
        for (int l = 0; l < DULM_LANES; l++)
            s[l] = a[i + (size_t)l] > s[l] ? a[i + (size_t)l] : s[l];
    for (int l = 0; i < n; i++, l++)
        s[l] = a[i] > s[l] ? a[i] : s[l];
    for (int half = DULM_LANES / 2; half > 0; half /= 2)
#pragma omp simd
        for (int l = 0; l < half; l++)
            s[l] = s[l + half] > s[l] ? s[l + half] : s[l];
    return s[0];
}

/* e^x to about 2 units in the last place: x = n ln 2 + r, |r| <= ln 2 / 2, Taylor to r^7. Below -87.3 the
 * result is 0 (no subnormals), above 88.7 the largest power. -inf gives 0; NaN is the caller's. */
static inline float dulm_exp(float x)
{
    /* At -88 the scale below is 0: a second choice at the end costs GCC a tenth of the loops. */
    const float most = x > 88.0f ? 88.0f : x, limited = x < -87.3f ? -88.0f : most;
    const float n = (limited * 1.44269504f + 12582912.0f) - 12582912.0f;
    const float r = (limited - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

/* 2^t for t below 127, to about 2 units in the last place: whole n and fraction r, |r| <= 1/2, whose polynomial is the one of least
 * greatest error (9e-8) that is 1 at 0. Below -126.5, and for -inf, the result is 0; NaN stays NaN. */
static inline float dulm_power_of_two(float t)
{
    const float magic =
        12582912.0f + 127.0f; /* has no room for a fraction, and n + 127 in its last bits */
    const float limited = t < -127.0f ? -127.0f : t, shifted = limited + magic;
    const float r = limited - (shifted - magic);
    float p = 1.32931505e-3f;
    p = p * r + 9.67197178e-3f;
    p = p * r + 5.55063023e-2f;
    p = p * r + 0.240222333f;
    p = p * r + 0.693147063f;
    p = p * r + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits <<= 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}
#define DULM_LOG2E 1.44269504f

#endif

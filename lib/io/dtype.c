/* dtype.c: element types: names, sizes, widening to float and narrowing from it. */
#include <stdio.h>
#include <string.h>

#include "io/safetensors.h"

static const struct {
    const char *name;
    size_t size;
} dtypes[DULM_DTYPES] = {
    [DULM_F32] = {"F32", 4},   [DULM_F16] = {"F16", 2}, [DULM_BF16] = {"BF16", 2},
    [DULM_F64] = {"F64", 8},   [DULM_I64] = {"I64", 8}, [DULM_I32] = {"I32", 4},
    [DULM_I16] = {"I16", 2},   [DULM_I8] = {"I8", 1},   [DULM_U8] = {"U8", 1},
    [DULM_BOOL] = {"BOOL", 1},
};

const char *dulm_dtype_name(enum dulm_dtype dtype)
{
    return dtypes[dtype].name;
}

size_t dulm_dtype_size(enum dulm_dtype dtype)
{
    return dtypes[dtype].size;
}

void dulm_shape_text(int rank, const int64_t *shape, char *out, size_t capacity)
{
    size_t at = (size_t)snprintf(out, capacity, "[");
    for (int i = 0; i < rank && at < capacity; i++)
        at +=
            (size_t)snprintf(out + at, capacity - at, "%s%lld", i ? ", " : "", (long long)shape[i]);
    if (at < capacity)
        snprintf(out + at, capacity - at, "]");
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float widen_half(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = (half >> 10) & 31, fraction = half & 0x3ff;
    if (exponent == 31)
        return from_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent)
        return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    /* Subnormal: fraction * 2^-24, exact in float. */
    const float value = (float)fraction * 0x1p-24f;
    return sign ? -value : value;
}

/* Rounds to nearest even; overflow becomes infinity, NaN stays NaN. */
static uint16_t narrow_half(float value)
{
    const uint32_t bits = to_bits(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude >= 0x7f800000u)
        return (uint16_t)(sign | (magnitude > 0x7f800000u ? 0x7e00 : 0x7c00));
    if (magnitude >= 0x477ff000u)
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000u) {
        /* Adding 2^-1 * 2^... aligns the fraction to 2^-24 with the FPU's own rounding. */
        const float aligned = from_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (to_bits(aligned) - 0x3f000000u));
    }
    const uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | (magnitude - 0x38000000u + 0xfff + odd) >> 13);
}

void dulm_widen(enum dulm_dtype dtype, const void *data, size_t elements, float *out)
{
    if (dtype == DULM_F32) {
        memcpy(out, data, elements * sizeof *out);
        return;
    }
    const unsigned char *bytes = data;
    for (size_t i = 0; i < elements; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, 2);
        out[i] = dtype == DULM_F16 ? widen_half(half) : from_bits((uint32_t)half << 16);
    }
}

static uint16_t narrow_brain(float value)
{
    const uint32_t bits = to_bits(value);
    if ((bits & 0x7fffffff) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void dulm_narrow(enum dulm_dtype dtype, const float *data, size_t elements, void *out)
{
    if (dtype == DULM_F32) {
        memcpy(out, data, elements * sizeof *data);
        return;
    }
    unsigned char *bytes = out;
    for (size_t i = 0; i < elements; i++) {
        const uint16_t half = dtype == DULM_F16 ? narrow_half(data[i]) : narrow_brain(data[i]);
        memcpy(bytes + 2 * i, &half, 2);
    }
}

/* head.c: head.h with AVX512_BF16, whose one instruction multiplies pairs of rounded numbers, 16 of them by 16 others, and adds both
 * products to 16 sums. Pairs are words: of two features for scores, of two keys for the context.
 *   key_words    for each 16 keys [features / 2, 16]
 *   value_words  [padded / 2, features] */
#include "nn/head.h"

#include <immintrin.h>
#include <math.h>

enum { LANES = 16, ROWS = 6, VECTORS = 4 }; /* sums of a tile: 24 of 32 registers */

static inline __m512i pair_rows(const float *first, const float *second)
{
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(second), _mm512_loadu_ps(first));
}

/* A square of 16 x 16 words, transposed: pairs of rows, fours of rows, then quarters of registers. */
static inline void transpose(__m512i r[LANES])
{
    __m512i t[LANES];
    for (int i = 0; i < LANES; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        const __m512i even = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        const __m512i odd = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        const __m512i even2 = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        const __m512i odd2 = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
        t[i] = _mm512_shuffle_i32x4(even, even2, 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(odd, odd2, 0x88);
        t[i + 8] = _mm512_shuffle_i32x4(even, even2, 0xdd);
        t[i + 12] = _mm512_shuffle_i32x4(odd, odd2, 0xdd);
    }
    for (int i = 0; i < LANES; i++)
        r[i] = t[i];
}

static void pack_keys(const struct dulm_head *h, const float *k, size_t stride)
{
    for (size_t first = 0; first < h->keys; first += LANES)
        for (size_t f = 0; f < h->features; f += 2 * LANES) {
            const float *from = k + first * stride + f;
            uint32_t *to = h->key_words + first * h->features / 2 + f / 2 * LANES;
            __m512i r[LANES];
            for (size_t i = 0; i < LANES; i++)
                r[i] = first + i < h->keys ? pair_rows(from + i * stride, from + i * stride + LANES)
                                           : _mm512_setzero_si512();
            transpose(r);
            for (size_t i = 0; i < LANES; i++)
                _mm512_store_si512(to + i * LANES, r[i]);
        }
}

static void pack_values(const struct dulm_head *h, const float *v, size_t stride)
{
    static const float none[LANES];
    uint16_t order[2 * LANES];
    for (size_t i = 0; i < 2 * LANES; i++)
        order[i] = (uint16_t)(i / 2 + i % 2 * LANES);
    const __m512i index = _mm512_loadu_si512(order);
    for (size_t j = 0; j < h->padded; j += 2)
        for (size_t f = 0; f < h->features; f += LANES) {
            const float *first = j < h->keys ? v + j * stride + f : none;
            const float *second = j + 1 < h->keys ? v + (j + 1) * stride + f : none;
            _mm512_store_si512(h->value_words + j / 2 * h->features + f,
                               _mm512_permutexvar_epi16(index, pair_rows(first, second)));
        }
}

static void pack(const struct dulm_head *h, const float *k, const float *v, size_t stride)
{
    pack_keys(h, k, stride);
    pack_values(h, v, stride);
}

/* y[rows, 16 count] = factor x m: x [rows, words] of pairs, m's vectors of word i at m + i * word + c * vector. */
struct product {
    size_t rows, words, count;
    const uint32_t *x;
    const uint32_t *m;
    size_t word, vector;
    float *y;
    size_t stride;
    const float *factor; /* of each row; NULL: 1 */
};

/* One tile of sums, held in registers: `rows` and `count` are constants where it is called. */
static inline __attribute__((always_inline)) void tile(const struct product *p, size_t rows,
                                                       size_t count, size_t row, size_t column)
{
    const uint32_t *x = p->x + row * p->words, *m = p->m + column * p->vector;
    __m512 sums[ROWS][VECTORS];
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (size_t c = 0; c < count; c++)
            sums[i][c] = _mm512_setzero_ps();
    for (size_t w = 0; w < p->words; w++, m += p->word) {
        __m512bh factor[VECTORS];
#pragma GCC unroll 4
        for (size_t c = 0; c < count; c++)
            factor[c] = (__m512bh)_mm512_load_si512(m + c * p->vector);
#pragma GCC unroll 6
        for (size_t i = 0; i < rows; i++) {
            const __m512bh pair = (__m512bh)_mm512_set1_epi32((int)x[i * p->words + w]);
#pragma GCC unroll 4
            for (size_t c = 0; c < count; c++)
                sums[i][c] = _mm512_dpbf16_ps(sums[i][c], pair, factor[c]);
        }
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++) {
        const __m512 by = _mm512_set1_ps(p->factor ? p->factor[row + i] : 1.0f);
#pragma GCC unroll 4
        for (size_t c = 0; c < count; c++)
            _mm512_storeu_ps(p->y + (row + i) * p->stride + (column + c) * LANES,
                             _mm512_mul_ps(by, sums[i][c]));
    }
}

static inline __attribute__((always_inline)) void
tile_of_rows(const struct product *p, size_t rows, size_t count, size_t row, size_t column)
{
    switch (rows) {
    case 1:
        tile(p, 1, count, row, column);
        break;
    case 2:
        tile(p, 2, count, row, column);
        break;
    case 3:
        tile(p, 3, count, row, column);
        break;
    case 4:
        tile(p, 4, count, row, column);
        break;
    case 5:
        tile(p, 5, count, row, column);
        break;
    default:
        tile(p, ROWS, count, row, column);
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void multiply(const struct product *p)
{
    for (size_t column = 0; column < p->count; column += VECTORS)
        for (size_t row = 0; row < p->rows; row += ROWS) {
            const size_t rows = least(p->rows - row, ROWS);
            switch (least(p->count - column, VECTORS)) {
            case 1:
                tile_of_rows(p, rows, 1, row, column);
                break;
            case 2:
                tile_of_rows(p, rows, 2, row, column);
                break;
            case 3:
                tile_of_rows(p, rows, 3, row, column);
                break;
            default:
                tile_of_rows(p, rows, VECTORS, row, column);
            }
        }
}

static void scores(const struct dulm_head *h, size_t queries, const float *q, size_t stride)
{
    for (size_t i = 0; i < queries; i++)
        for (size_t f = 0; f < h->features; f += 2 * LANES) {
            const float *from = q + i * stride + f;
            _mm512_store_si512(h->queries + i * h->features + f, pair_rows(from, from + LANES));
        }
    multiply(&(struct product){.rows = queries,
                               .words = h->features / 2,
                               .count = h->padded / LANES,
                               .x = (const uint32_t *)(const void *)h->queries,
                               .m = h->key_words,
                               .word = LANES,
                               .vector = h->features / 2 * LANES,
                               .y = h->scores,
                               .stride = h->padded});
}

/* 2^t within 3e-6 of it, t <= 0: whole and fraction, whose polynomial is of least greatest error. -inf gives 0; NaN stays, as the
 * second argument of a maximum does. */
static inline __m512 power_of_two(__m512 t)
{
    const __m512 limited = _mm512_max_ps(_mm512_set1_ps(-200.0f), t);
    const __m512 whole =
        _mm512_roundscale_ps(limited, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 r = _mm512_sub_ps(limited, whole);
    __m512 p = _mm512_set1_ps(9.57010165e-3f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.59178605e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.240247448f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.693121815f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.999999261f));
    return _mm512_scalef_ps(p, whole);
}

static __mmask16 lanes_left(size_t count)
{
    return count >= LANES ? 0xffff : (__mmask16)((1u << count) - 1);
}

/* Rounded weights of one query, 0 behind its last key; returns what divides their context. */
static float weigh(size_t keys, float scale, const float *s, uint16_t *rounded)
{
    const __m512 none = _mm512_set1_ps(-INFINITY);
    __m512 tops = none, total = _mm512_setzero_ps();
    for (size_t j = 0; j < keys; j += LANES)
        tops = _mm512_max_ps(_mm512_mask_loadu_ps(none, lanes_left(keys - j), s + j), tops);
    const float top = _mm512_reduce_max_ps(tops);
    const __m512 by = _mm512_set1_ps(scale * 1.44269504f);
    const __m512 shift = _mm512_set1_ps(top > -INFINITY ? top * scale * -1.44269504f : 0.0f);
    for (size_t j = 0; j < keys; j += LANES) {
        const __m512 x = _mm512_mask_loadu_ps(none, lanes_left(keys - j), s + j);
        const __m512 e = power_of_two(_mm512_fmadd_ps(x, by, shift));
        total = _mm512_add_ps(total, e);
        _mm256_store_si256((__m256i *)(void *)(rounded + j), (__m256i)_mm512_cvtneps_pbh(e));
    }
    const float sum = _mm512_reduce_add_ps(total);
    return sum == 0 ? 0 : 1 / sum;
}

static void context(const struct dulm_head *h, size_t queries, float scale, float *to,
                    size_t stride)
{
    float factor[DULM_HEAD_QUERIES];
    for (size_t i = 0; i < queries; i++)
        factor[i] = weigh(h->keys, scale, h->scores + i * h->padded, h->weights + i * h->padded);
    multiply(&(struct product){.rows = queries,
                               .words = h->padded / 2,
                               .count = h->features / LANES,
                               .x = (const uint32_t *)(const void *)h->weights,
                               .m = h->value_words,
                               .word = h->features,
                               .vector = LANES,
                               .y = to,
                               .stride = stride,
                               .factor = factor});
}

const struct dulm_head_kernels dulm_head_avx512 = {pack, scores, context};

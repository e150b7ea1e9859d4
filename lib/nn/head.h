/* head.h: softmax(q k^T / sqrt(h)) v of one head of one row, its factors rounded to bfloat16: queries, keys, values, and weights
 * e^(s - top) before they are divided by their sum. All sums are single. A query's result is the same bits whichever queries it is
 * computed beside. */
#ifndef DULM_NN_HEAD_H
#define DULM_NN_HEAD_H

#include <stddef.h>
#include <stdint.h>

/* Queries at once at most, what the number of features is a multiple of, and keys whose scores lie beside each other. */
enum { DULM_HEAD_QUERIES = 12, DULM_HEAD_FEATURES = 32, DULM_HEAD_KEYS = 16 };

static inline size_t dulm_head_padded(size_t keys)
{
    return (keys + DULM_HEAD_KEYS - 1) / DULM_HEAD_KEYS * DULM_HEAD_KEYS;
}

/* Where a head is computed, all within one block of memory. */
struct dulm_head {
    size_t keys, features, padded;
    uint32_t *key_words,
        *value_words; /* pairs of rounded numbers: [padded, features / 2] each, in an order of the kernels' own */
    uint16_t *queries; /* [DULM_HEAD_QUERIES, features] */
    uint16_t *weights; /* [DULM_HEAD_QUERIES, padded] */
    float *scores;     /* the same */
};
/* Floats of that block. */
size_t dulm_head_floats(size_t keys, size_t features);
struct dulm_head dulm_head_in(float *block, size_t keys, size_t features);

struct dulm_head_kernels {
    /* Keys and values, rows `stride` apart, rounded and put in order. */
    void (*pack)(const struct dulm_head *head, const float *k, const float *v, size_t stride);
    /* scores = q k^T of so many queries. */
    void (*scores)(const struct dulm_head *head, size_t queries, const float *q, size_t stride);
    /* context = softmax(scale scores) v; a query all of whose scores are -inf has 0. The scores are used up. */
    void (*context)(const struct dulm_head *head, size_t queries, float scale, float *context,
                    size_t stride);
};

extern const struct dulm_head_kernels dulm_head_plain;
#ifdef DULM_HEAD_AVX512
extern const struct dulm_head_kernels dulm_head_avx512; /* with AVX512_BF16 */
#endif

#endif

/* head.c: the plain form of head.h, and where its numbers lie. */
#include "nn/head.h"

#include <math.h>
#include <string.h>

#include "nn/kernels.h"
#include "nn/ref/lanes.h"

/* Floats; rows of this alignment are read by whole vectors. */
#define LINE ((size_t)16)

size_t dulm_head_floats(size_t keys, size_t features)
{
    const size_t padded = dulm_head_padded(keys), queries = DULM_HEAD_QUERIES;
    return LINE + padded * features + queries * (features / 2 + padded / 2 + padded);
}

struct dulm_head dulm_head_in(float *block, size_t keys, size_t features)
{
    const size_t padded = dulm_head_padded(keys), off = (uintptr_t)block / sizeof *block % LINE;
    uint32_t *at = (uint32_t *)(void *)(block + (LINE - off) % LINE);
    struct dulm_head h = {.keys = keys, .features = features, .padded = padded, .key_words = at};
    h.value_words = h.key_words + padded * features / 2;
    h.queries = (uint16_t *)(void *)(h.value_words + padded * features / 2);
    h.weights = h.queries + DULM_HEAD_QUERIES * features;
    h.scores = (float *)(void *)(h.weights + DULM_HEAD_QUERIES * padded);
    return h;
}

static float widened(uint16_t x)
{
    const uint32_t bits = (uint32_t)x << 16;
    float y;
    memcpy(&y, &bits, sizeof y);
    return y;
}

static void round_rows(size_t rows, size_t count, const float *x, size_t stride, uint16_t *y)
{
    for (size_t r = 0; r < rows; r++)
        dulm_kernels_baseline.to_bf16(count, x + r * stride, y + r * count);
}

static void pack(const struct dulm_head *h, const float *k, const float *v, size_t stride)
{
    round_rows(h->keys, h->features, k, stride, (uint16_t *)h->key_words);
    round_rows(h->keys, h->features, v, stride, (uint16_t *)h->value_words);
}

static void scores(const struct dulm_head *h, size_t queries, const float *q, size_t stride)
{
    const uint16_t *keys = (const uint16_t *)h->key_words;
    round_rows(queries, h->features, q, stride, h->queries);
    for (size_t i = 0; i < queries; i++)
        for (size_t j = 0; j < h->keys; j++) {
            float sum = 0;
            for (size_t f = 0; f < h->features; f++)
                sum +=
                    widened(h->queries[i * h->features + f]) * widened(keys[j * h->features + f]);
            h->scores[i * h->padded + j] = sum;
        }
}

/* Their sum. */
static float weights(size_t keys, float scale, float *s, uint16_t *rounded)
{
    const float top = dulm_max(keys, s);
    for (size_t j = 0; j < keys; j++)
        s[j] = s[j] == -INFINITY ? 0.0f : dulm_exp((s[j] - top) * scale);
    dulm_kernels_baseline.to_bf16(keys, s, rounded);
    return dulm_sum(keys, s);
}

static void context(const struct dulm_head *h, size_t queries, float scale, float *to,
                    size_t stride)
{
    const uint16_t *values = (const uint16_t *)h->value_words;
    for (size_t i = 0; i < queries; i++) {
        const uint16_t *w = h->weights + i * h->padded;
        const float sum =
            weights(h->keys, scale, h->scores + i * h->padded, h->weights + i * h->padded);
        const float factor = sum == 0 ? 0 : 1 / sum;
        for (size_t f = 0; f < h->features; f++) {
            float total = 0;
            for (size_t j = 0; j < h->keys; j++)
                total += widened(w[j]) * widened(values[j * h->features + f]);
            to[i * stride + f] = factor * total;
        }
    }
}

const struct dulm_head_kernels dulm_head_plain = {pack, scores, context};

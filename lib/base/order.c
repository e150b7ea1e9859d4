/* order.c: the shuffled order of an epoch, in stretches; the source of a mixture's row; other items. */
#include "base/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"

static int by_key(const void *a, const void *b)
{
    const struct dulm_keyed *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

/* The high word of a key says which part it is in: parts are ranges of keys, so that sorting each sorts
 * the whole. */
diffulm_status dulm_order_stretch(uint64_t seed, uint32_t epoch, size_t n, uint32_t parts,
                                  uint32_t part, struct dulm_stretch *out)
{
    size_t before = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t word[4];
        dulm_draw4(seed, DULM_STREAM_SHUFFLE, epoch, 0, (uint32_t)i, 0, word);
        const uint32_t of = dulm_below(word[1], parts);
        before += of < part;
        if (of != part)
            continue;
        if (!dulm_grow((void **)&out->items, &out->capacity, count + 1, sizeof *out->items))
            return dulm_fail_memory();
        out->items[count++] = (struct dulm_keyed){word[0] | (uint64_t)word[1] << 32, (uint32_t)i};
    }
    if (count)
        qsort(out->items, count, sizeof *out->items, by_key);
    out->count = count;
    out->before = before;
    return DIFFULM_OK;
}

diffulm_status dulm_mixture_pick(uint64_t seed, uint64_t number, size_t n, const double *weights,
                                 size_t *source)
{
    const double u = dulm_uniform(
        dulm_draw(seed, DULM_STREAM_MIXTURE, 0, (uint32_t)(number >> 32), (uint32_t)number, 0));
    double total = 0, sum = 0;
    for (size_t v = 0; v < n; v++) {
        if (!(weights[v] >= 0) || !isfinite(weights[v]))
            return dulm_fail(DIFFULM_E_ARGUMENT, "mixture: weight %zu is %g, expected 0 or more", v,
                             weights[v]);
        total += weights[v];
    }
    if (!(total > 0))
        return dulm_fail(DIFFULM_E_ARGUMENT, "mixture: all weights are 0");
    /* Sums in the same order: the last one is `total`, and u < 1, so that some v always passes. */
    size_t v = 0;
    for (; v + 1 < n; v++) {
        sum += weights[v];
        if (sum > u * total)
            break;
    }
    *source = v;
    return DIFFULM_OK;
}

/* Draw j is a rank among the items that are left; `taken` is kept sorted to turn it into an item. */
void dulm_draw_others(uint64_t seed, uint32_t epoch, uint32_t item, uint32_t n, uint32_t k,
                      uint32_t *out)
{
    uint32_t taken[DULM_OTHERS_MAX + 1] = {item};
    for (uint32_t j = 0; j < k; j++) {
        uint32_t x =
            dulm_below(dulm_draw(seed, DULM_STREAM_FEW_SHOT, epoch, 0, item, j), n - 1 - j);
        uint32_t at = 0;
        for (; at <= j && x >= taken[at]; at++)
            x++;
        memmove(taken + at + 1, taken + at, (j + 1 - at) * sizeof *taken);
        taken[at] = x;
        out[j] = x;
    }
}

/* order.c: shuffled epochs and mixtures. Both are functions of the seed and of a number, so that a
 * run can be resumed, or split over processes, at any row. */
#include <diffulm/schedule.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"

struct keyed {
    uint64_t key;
    size_t item;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

diffulm_status diffulm_shuffle(uint64_t seed, uint32_t epoch, size_t n, size_t *order)
{
    dulm_error_clear();
    if (!order || n > UINT32_MAX)
        return dulm_fail(DIFFULM_E_ARGUMENT, "shuffle: order is NULL, or more than 2^32 items");
    struct keyed *items = dulm_alloc(n, sizeof *items);
    if (!items)
        return dulm_fail_memory();
    for (size_t i = 0; i < n; i++) {
        uint32_t word[4];
        dulm_draw4(seed, DULM_STREAM_SHUFFLE, epoch, 0, (uint32_t)i, 0, word);
        items[i] = (struct keyed){word[0] | (uint64_t)word[1] << 32, i};
    }
    qsort(items, n, sizeof *items, by_key);
    for (size_t i = 0; i < n; i++)
        order[i] = items[i].item;
    dulm_free(items);
    return DIFFULM_OK;
}

diffulm_status diffulm_mixture_pick(uint64_t seed, uint32_t number, size_t n, const double *weights,
                                    size_t *source)
{
    dulm_error_clear();
    if (n == 0 || !weights || !source)
        return dulm_fail(DIFFULM_E_ARGUMENT, "mixture: no sources, or an argument is NULL");
    const double u = dulm_uniform(dulm_draw(seed, DULM_STREAM_MIXTURE, 0, 0, number, 0));
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

/* order.c: shuffled epochs and mixtures. Both are functions of the seed and of a number, so that a
 * run can be resumed, or split over processes, at any row. */
#include "train/order.h"

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

diffulm_status dulm_shuffle(uint64_t seed, uint32_t epoch, size_t n, size_t *order)
{
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

size_t dulm_mixture_pick(uint64_t seed, uint32_t number, size_t n, const double *weights)
{
    const double u = dulm_uniform(dulm_draw(seed, DULM_STREAM_MIXTURE, 0, 0, number, 0));
    double total = 0, sum = 0;
    for (size_t v = 0; v < n; v++)
        total += weights[v];
    /* Sums in the same order: the last one is `total`, and u < 1, so that some v always passes. */
    size_t v = 0;
    for (; v + 1 < n; v++) {
        sum += weights[v];
        if (sum > u * total)
            break;
    }
    return v;
}

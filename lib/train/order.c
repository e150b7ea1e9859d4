/* order.c: shuffled epochs and mixtures for hosts that keep their own data. */
#include <diffulm/schedule.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/order.h"

diffulm_status diffulm_shuffle(uint64_t seed, uint32_t epoch, size_t n, size_t *order)
{
    dulm_error_clear();
    if (!order || n > UINT32_MAX)
        return dulm_fail(DIFFULM_E_ARGUMENT, "shuffle: order is NULL, or more than 2^32 items");
    struct dulm_stretch whole = {0};
    diffulm_status rc = dulm_order_stretch(seed, epoch, n, 1, 0, &whole);
    for (size_t i = 0; rc == DIFFULM_OK && i < n; i++)
        order[i] = whole.items[i].item;
    dulm_free(whole.items);
    return rc;
}

diffulm_status diffulm_mixture_pick(uint64_t seed, uint32_t number, size_t n, const double *weights,
                                    size_t *source)
{
    dulm_error_clear();
    if (n == 0 || !weights || !source)
        return dulm_fail(DIFFULM_E_ARGUMENT, "mixture: no sources, or an argument is NULL");
    return dulm_mixture_pick(seed, number, n, weights, source);
}

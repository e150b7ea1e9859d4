/* order.h: which row comes next: shuffled epochs, mixtures of data sets (diffusion, section 8). */
#ifndef DULM_TRAIN_ORDER_H
#define DULM_TRAIN_ORDER_H

#include <diffulm/common.h>

/* order[0..n): the items of an epoch, sorted by a 64-bit key of (seed, epoch, item), then by item.
 * n < 2^32. */
diffulm_status dulm_shuffle(uint64_t seed, uint32_t epoch, size_t n,
                            size_t *order) DIFFULM_MUST_USE;

/* The data set that row number `number` of a run is drawn from, by weights [n] (not all 0). */
size_t dulm_mixture_pick(uint64_t seed, uint32_t number, size_t n, const double *weights);

#endif

/* order.h: seeded orders of an epoch and seeded choices, as functions of their arguments alone, so that a
 * run can be resumed, or split over processes, at any row. */
#ifndef DULM_BASE_ORDER_H
#define DULM_BASE_ORDER_H

#include <diffulm/common.h>

struct dulm_keyed {
    uint64_t key; /* what items are sorted by */
    uint32_t item;
};

/* A stretch of the order of n items. */
struct dulm_stretch {
    struct dulm_keyed *items; /* [count], sorted; grown here, freed by the owner */
    size_t capacity, count;
    size_t before; /* items of the order that stand before items[0] */
};

/* Stretch `part` of the `parts` that the order of n <= 2^32 - 1 items in `epoch` is cut into, each
 * about n / parts long: one pass over n draws, memory for the stretch alone. One part is the whole. */
diffulm_status dulm_order_stretch(uint64_t seed, uint32_t epoch, size_t n, uint32_t parts,
                                  uint32_t part, struct dulm_stretch *out) DIFFULM_MUST_USE;

/* Which of n sources row `number` of a mixture comes from: see diffulm_mixture_pick. */
diffulm_status dulm_mixture_pick(uint64_t seed, uint64_t number, size_t n, const double *weights,
                                 size_t *source) DIFFULM_MUST_USE;

/* k different items of n, none of them `item` (so k < n), drawn for that item and epoch (stream
 * few-shot), each order of each choice equally likely up to the 2^-32 of a draw. out: [k]. */
void dulm_draw_others(uint64_t seed, uint32_t epoch, uint32_t item, uint32_t n, uint32_t k,
                      uint32_t *out);

/* The most that dulm_draw_others draws. */
#define DULM_OTHERS_MAX 64

#endif

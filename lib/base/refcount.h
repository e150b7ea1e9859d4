/* refcount.h: the atomic count that every frozen handle starts with. */
#ifndef DULM_BASE_REFCOUNT_H
#define DULM_BASE_REFCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct {
    atomic_int count;
} dulm_refcount;

static inline void dulm_refcount_init(dulm_refcount *r)
{
    atomic_init(&r->count, 1);
}
static inline void dulm_refcount_take(dulm_refcount *r)
{
    atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);
}
/* True when the caller dropped the last reference and must free the object. */
static inline bool dulm_refcount_drop(dulm_refcount *r)
{
    return atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel) == 1;
}

#endif

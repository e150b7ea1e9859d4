/* alloc.h: every allocation of the library goes through here. Sizes are checked for overflow; a
 * failed call returns NULL and leaves the message to the caller (dulm_fail_memory). */
#ifndef DULM_BASE_ALLOC_H
#define DULM_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* count * size bytes, uninitialised; NULL if out of memory or if the product overflows. A count or
 * size of 0 gives a valid pointer to free. */
void *dulm_alloc(size_t count, size_t size);
/* The same, zeroed. */
void *dulm_alloc_zero(size_t count, size_t size);
/* The same, aligned to 64 bytes, for tensors. Freed by dulm_free. */
void *dulm_alloc_tensor(size_t count, size_t size);
/* Grows or shrinks; on failure the old block is untouched. Not for tensors. */
void *dulm_realloc(void *block, size_t count, size_t size);
void dulm_free(void *block);
/* A NUL-terminated copy of `length` bytes. */
char *dulm_strndup(const char *text, size_t length);

/* Doubles *capacity until it holds `needed` elements and reallocates *block; false if it cannot. */
bool dulm_grow(void **block, size_t *capacity, size_t needed, size_t size);

/* *out = a * b, or a + b; false on overflow. */
static inline bool dulm_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool dulm_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

#endif

/* alloc.c: checked allocation over the C library's. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

void *dulm_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (!dulm_mul(count, size, &bytes))
        return NULL;
    return malloc(bytes ? bytes : 1);
}

void *dulm_alloc_zero(size_t count, size_t size)
{
    return calloc(count ? count : 1, size ? size : 1);
}

void *dulm_alloc_tensor(size_t count, size_t size)
{
    size_t bytes;
    if (!dulm_mul(count, size, &bytes) || !dulm_add(bytes, 64, &bytes))
        return NULL;
    return aligned_alloc(64, bytes & ~(size_t)63);
}

void *dulm_realloc(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (!dulm_mul(count, size, &bytes))
        return NULL;
    return realloc(block, bytes ? bytes : 1);
}

void dulm_free(void *block)
{
    free(block);
}

char *dulm_strndup(const char *text, size_t length)
{
    char *copy = dulm_alloc(length + 1, 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

bool dulm_grow(void **block, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity)
        return true;
    size_t next = *capacity ? *capacity : 16;
    while (next < needed)
        if (!dulm_mul(next, 2, &next))
            return false;
    void *grown = dulm_realloc(*block, next, size);
    if (!grown)
        return false;
    *block = grown;
    *capacity = next;
    return true;
}

/* abi.h: the size that every public struct opens with. */
#ifndef DULM_BASE_ABI_H
#define DULM_BASE_ABI_H

#include <stdbool.h>
#include <stddef.h>

/* True where the struct behind `s` is at least `known` bytes long by its own struct_size and holds
 * only zeros past them: a newer caller may hand over a longer struct, as long as it asks for
 * nothing new. */
static inline bool dulm_struct_fits(const void *s, size_t known)
{
    const size_t size = *(const size_t *)s;
    if (size < known)
        return false;
    const unsigned char *bytes = s;
    for (size_t i = known; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

#endif

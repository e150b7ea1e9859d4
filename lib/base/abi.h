/* abi.h: the size that every public struct opens with, and callers that were built against other headers. */
#ifndef DULM_BASE_ABI_H
#define DULM_BASE_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* True where the struct behind `s` can be one of ours. It may be shorter than the `known` bytes, as
 * older headers have it, or longer, as newer ones do, if it holds only zeros past them: then it asks
 * for nothing new. Sizes that no header gives are refused: a pointer's, or a broken number of words. */
static inline bool dulm_struct_fits(const void *s, size_t known)
{
    size_t size;
    memcpy(&size, s, sizeof size);
    if (size < 2 * sizeof size || size % sizeof size != 0)
        return false;
    const unsigned char *bytes = s;
    for (size_t i = known; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

static inline size_t dulm_struct_common(const void *s, size_t known)
{
    size_t size;
    memcpy(&size, s, sizeof size);
    return size < known ? size : known;
}

/* Reads a caller's struct into `to`, of `known` bytes, where members that the caller's headers did not
 * have keep what is there: the defaults, or zeros. False, and nothing read, where it does not fit. */
static inline bool dulm_struct_read(void *to, size_t known, const void *from)
{
    if (!dulm_struct_fits(from, known))
        return false;
    memcpy(to, from, dulm_struct_common(from, known));
    memcpy(to, &known, sizeof known);
    return true;
}

/* Gives a caller's struct of `size` bytes the defaults, as far as it has room for them; what this version does not know is 0. */
static inline void dulm_struct_init(void *to, size_t size, const void *defaults, size_t known)
{
    if (size < sizeof size)
        return;
    memset(to, 0, size);
    memcpy(to, defaults, size < known ? size : known);
    memcpy(to, &size, sizeof size);
}

/* Writes `from`, of `known` bytes, as far as a caller's struct that fits has room; its size stays. */
static inline void dulm_struct_write(void *to, size_t known, const void *from)
{
    const size_t head = sizeof(size_t);
    memcpy((unsigned char *)to + head, (const unsigned char *)from + head,
           dulm_struct_common(to, known) - head);
}

#endif

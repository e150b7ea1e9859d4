/* memory.h: where the library's memory comes from. */
#ifndef DIFFULM_MEMORY_H
#define DIFFULM_MEMORY_H

#include <diffulm/common.h>

DIFFULM_BEGIN_DECLS

/* The callbacks run on whichever thread needs memory, several at a time, and must not call the library. */
struct diffulm_allocator {
    size_t struct_size;
    void *user; /* handed to the callbacks */
    /* `bytes` (never 0) at a multiple of `alignment`, 16 or 64; NULL: there are none, and the call fails with
     * E_OUT_OF_MEMORY. */
    void *(*allocate)(void *user, size_t bytes, size_t alignment);
    /* Gives back what allocate returned. `bytes` is what was asked for. */
    void (*release)(void *user, void *block, size_t bytes);
};

/* Takes all memory of the library's own from the host, in the whole process, from now on; NULL: from the C library, as at the
 * start. The struct is copied. What oneDNN, JSON and regular expressions allocate inside is not the library's own, nor are
 * mapped files. Call it before anything else: E_STATE while a block is in use. Not beside any other call. Since 0.1. */
DIFFULM_API diffulm_status diffulm_set_allocator(const struct diffulm_allocator *allocator)
    DIFFULM_MUST_USE;

/* Blocks of memory that the library holds now: 0 when every handle has been given back, so a host can look for those it
 * forgot. A default runtime's team of threads holds none. Any thread. Since 0.1. */
DIFFULM_API size_t diffulm_memory_blocks(void);

DIFFULM_END_DECLS

#endif

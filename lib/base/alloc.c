/* alloc.c: checked allocation over the C library's, or over the host's. */
#include "base/alloc.h"

#include <diffulm/memory.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/abi.h"
#include "base/error.h"

/* Changes only while no block is in use. */
static struct diffulm_allocator host;
static atomic_size_t blocks;

/* Stands in front of a block of the host's, which is `offset` bytes behind what the host gave. */
struct head {
    size_t bytes, offset;
};

diffulm_status diffulm_set_allocator(const struct diffulm_allocator *allocator)
{
    dulm_error_clear();
    struct diffulm_allocator given = {0};
    if (allocator &&
        (!dulm_struct_read(&given, sizeof given, allocator) || !given.allocate || !given.release))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "allocator: struct_size must be %zu, allocate and release not NULL",
                         sizeof given);
    const size_t used = atomic_load(&blocks);
    if (used)
        return dulm_fail(DIFFULM_E_STATE, "allocator: %zu blocks of memory are in use", used);
    host = given;
    return DIFFULM_OK;
}

size_t diffulm_memory_blocks(void)
{
    return atomic_load(&blocks);
}

static void *counted(void *block)
{
    if (block)
        atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);
    return block;
}

static struct head *head_of(void *block)
{
    return (struct head *)block - 1;
}

static void *from_host(size_t bytes, size_t alignment)
{
    size_t whole;
    if (!dulm_add(bytes, alignment, &whole))
        return NULL;
    unsigned char *start = host.allocate(host.user, whole, alignment);
    if (!start)
        return NULL;
    void *block = start + alignment;
    *head_of(block) = (struct head){bytes, alignment};
    return counted(block);
}

static void to_host(void *block)
{
    const struct head head = *head_of(block);
    host.release(host.user, (unsigned char *)block - head.offset, head.bytes + head.offset);
}

void *dulm_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (!dulm_mul(count, size, &bytes))
        return NULL;
    bytes = bytes ? bytes : 1;
    return host.allocate ? from_host(bytes, 16) : counted(malloc(bytes));
}

void *dulm_alloc_zero(size_t count, size_t size)
{
    if (!host.allocate)
        return counted(calloc(count ? count : 1, size ? size : 1));
    void *block = dulm_alloc(count, size);
    if (block)
        memset(block, 0, count * size);
    return block;
}

void *dulm_alloc_tensor(size_t count, size_t size)
{
    size_t bytes;
    if (!dulm_mul(count, size, &bytes) || !dulm_add(bytes, 64, &bytes))
        return NULL;
    bytes &= ~(size_t)63;
    bytes = bytes ? bytes : 64;
    return host.allocate ? from_host(bytes, 64) : counted(aligned_alloc(64, bytes));
}

static void *host_realloc(void *block, size_t bytes)
{
    void *grown = from_host(bytes, 16);
    if (!grown || !block)
        return grown;
    const size_t old = head_of(block)->bytes;
    memcpy(grown, block, old < bytes ? old : bytes);
    dulm_free(block);
    return grown;
}

void *dulm_realloc(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (!dulm_mul(count, size, &bytes))
        return NULL;
    bytes = bytes ? bytes : 1;
    if (host.allocate)
        return host_realloc(block, bytes);
    return block ? realloc(block, bytes) : counted(malloc(bytes));
}

void dulm_free(void *block)
{
    if (!block)
        return;
    atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
    if (host.allocate)
        to_host(block);
    else
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

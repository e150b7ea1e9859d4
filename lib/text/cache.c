/* cache.c: a hash table whose slots go from empty to full once and never change again. A slot holds bits of the word's hash and
 * the place of an entry, which is written before the slot is published and is immutable from then on. Two threads that add
 * the same word at the same time may leave it there twice, which costs room and nothing else. */
#include "text/cache.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* A slot: 14 bits of the hash over an 18-bit place in units of 4 bytes; 0: empty. */
enum { SLOTS = 1 << 16, BUCKET = 4, BLOCKS = DULM_CACHE_BYTES / DULM_CACHE_BLOCK, UNIT = 4 };
enum { PLACE_BITS = 18, TAG_SHIFT = 64 - (32 - PLACE_BITS) };

/* Followed by count ids (int32_t), count beginnings, count ends, and the word: bytes. */
struct entry {
    uint8_t length, count;
};
enum { IDS = UNIT }; /* where the ids begin */

struct dulm_cache {
    atomic_uint_least32_t slot[SLOTS];
    _Atomic(unsigned char *) block[BLOCKS];
    atomic_size_t used; /* bytes given out, and what is lost at the ends of blocks */
};

diffulm_status dulm_cache_create(struct dulm_cache **out)
{
    struct dulm_cache *cache = dulm_alloc_zero(1, sizeof *cache);
    if (!cache)
        return dulm_fail_memory();
    atomic_store_explicit(&cache->used, UNIT, memory_order_relaxed); /* place 0 is none */
    *out = cache;
    return DIFFULM_OK;
}

void dulm_cache_free(struct dulm_cache *cache)
{
    for (size_t i = 0; cache && i < BLOCKS; i++)
        dulm_free(atomic_load_explicit(&cache->block[i], memory_order_relaxed));
    dulm_free(cache);
}

static uint64_t mixed(uint64_t h, uint64_t bytes)
{
    h = (h ^ bytes) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
}

/* Up to 8 bytes. */
static uint64_t load(const char *bytes, size_t n)
{
    uint32_t low, high;
    const unsigned char *b = (const unsigned char *)bytes;
    if (n < 4)
        return n ? (uint64_t)b[0] | (uint64_t)b[n / 2] << 8 | (uint64_t)b[n - 1] << 16 : 0;
    memcpy(&low, bytes, 4);
    memcpy(&high, bytes + n - 4, 4);
    return low | (uint64_t)high << 32;
}

static uint64_t hash(const char *word, size_t length)
{
    uint64_t h = length, last;
    for (; length > 8; word += 8, length -= 8) {
        memcpy(&last, word, 8);
        h = mixed(h, last);
    }
    return mixed(mixed(h, load(word, length)), 0);
}

static const unsigned char *at(const struct dulm_cache *cache, uint32_t slot)
{
    const size_t place = (size_t)(slot & ((1u << PLACE_BITS) - 1)) * UNIT;
    /* Whoever published the slot had seen the block. */
    return atomic_load_explicit(&cache->block[place / DULM_CACHE_BLOCK], memory_order_relaxed) +
           place % DULM_CACHE_BLOCK;
}

static size_t size_of(size_t length, size_t count)
{
    return (IDS + count * (sizeof(int32_t) + 2) + length + UNIT - 1) / UNIT * UNIT;
}

static const unsigned char *word_of(const unsigned char *entry, size_t count)
{
    return entry + IDS + count * (sizeof(int32_t) + 2);
}

static void append(const unsigned char *entry, size_t count, struct dulm_tokens *out)
{
    const unsigned char *begin = entry + IDS + count * sizeof(int32_t), *end = begin + count;
    for (size_t i = 0; i < count; i++) {
        int32_t id;
        memcpy(&id, entry + IDS + i * sizeof id, sizeof id);
        dulm_tokens_add(out, id, begin[i], end[i]);
    }
}

bool dulm_cache_find(const struct dulm_cache *cache, const char *word, size_t length,
                     struct dulm_tokens *out)
{
    if (length > DULM_CACHE_LONGEST)
        return false;
    const uint64_t h = hash(word, length);
    const size_t bucket = (size_t)(h % SLOTS) / BUCKET * BUCKET;
    for (size_t i = bucket; i < bucket + BUCKET; i++) {
        const uint32_t slot = atomic_load_explicit(&cache->slot[i], memory_order_acquire);
        if (!slot)
            return false;
        if (slot >> PLACE_BITS != h >> TAG_SHIFT)
            continue;
        const unsigned char *bytes = at(cache, slot);
        struct entry entry;
        memcpy(&entry, bytes, sizeof entry);
        if (entry.length != length || memcmp(word_of(bytes, entry.count), word, length) != 0)
            continue;
        append(bytes, entry.count, out);
        return true;
    }
    return false;
}

/* Room for an entry, in a block that is there; 0: none. */
static size_t take(struct dulm_cache *cache, size_t size)
{
    size_t place;
    do {
        if (atomic_load_explicit(&cache->used, memory_order_relaxed) >= DULM_CACHE_BYTES)
            return 0;
        place = atomic_fetch_add_explicit(&cache->used, size, memory_order_relaxed);
    } while (place % DULM_CACHE_BLOCK + size > DULM_CACHE_BLOCK);
    if (place + size > DULM_CACHE_BYTES) /* another thread took the last */
        return 0;
    _Atomic(unsigned char *) *block = &cache->block[place / DULM_CACHE_BLOCK];
    unsigned char *now = atomic_load_explicit(block, memory_order_acquire);
    if (now)
        return place;
    unsigned char *fresh = dulm_alloc(DULM_CACHE_BLOCK, 1);
    if (!fresh)
        return 0;
    if (!atomic_compare_exchange_strong_explicit(block, &now, fresh, memory_order_acq_rel,
                                                 memory_order_acquire))
        dulm_free(fresh); /* another thread was first */
    return place;
}

static void write(unsigned char *entry, const char *word, size_t length,
                  const struct dulm_token *tokens, size_t count)
{
    const struct entry head = {(uint8_t)length, (uint8_t)count};
    unsigned char *begin = entry + IDS + count * sizeof(int32_t), *end = begin + count;
    memcpy(entry, &head, sizeof head);
    for (size_t i = 0; i < count; i++) {
        memcpy(entry + IDS + i * sizeof(int32_t), &tokens[i].id, sizeof(int32_t));
        begin[i] = (unsigned char)tokens[i].begin;
        end[i] = (unsigned char)tokens[i].end;
    }
    memcpy(end + count, word, length);
}

void dulm_cache_add(struct dulm_cache *cache, const char *word, size_t length,
                    const struct dulm_token *tokens, size_t count)
{
    if (length > DULM_CACHE_LONGEST || count > UINT8_MAX)
        return;
    const uint64_t h = hash(word, length);
    size_t i = (size_t)(h % SLOTS) / BUCKET * BUCKET;
    const size_t end = i + BUCKET;
    while (i < end && atomic_load_explicit(&cache->slot[i], memory_order_relaxed))
        i++;
    const size_t place = i < end ? take(cache, size_of(length, count)) : 0;
    if (!place)
        return;
    const uint32_t full = (uint32_t)(h >> TAG_SHIFT) << PLACE_BITS | (uint32_t)(place / UNIT);
    write(atomic_load_explicit(&cache->block[place / DULM_CACHE_BLOCK], memory_order_relaxed) +
              place % DULM_CACHE_BLOCK,
          word, length, tokens, count);
    for (; i < end; i++) {
        uint_least32_t empty = 0;
        if (atomic_compare_exchange_strong_explicit(&cache->slot[i], &empty, full,
                                                    memory_order_release, memory_order_relaxed))
            return;
    }
}

size_t dulm_cache_count(const struct dulm_cache *cache)
{
    size_t count = 0;
    for (size_t i = 0; i < SLOTS; i++)
        count += atomic_load_explicit(&cache->slot[i], memory_order_relaxed) != 0;
    return count;
}

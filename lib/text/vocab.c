/* vocab.c: a hash table over pieces (FNV-1a, linear probing). */
#include "text/vocab.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/limits.h"

static uint32_t fold(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 29);
}

static void insert(struct dulm_vocab *v, struct dulm_slot slot)
{
    size_t at = slot.hash & (v->table_size - 1);
    while (v->table[at].id >= 0)
        at = (at + 1) & (v->table_size - 1);
    v->table[at] = slot;
    v->used++;
}

static bool grow_table(struct dulm_vocab *v)
{
    if (v->used * 2 < v->table_size)
        return true;
    const size_t size = v->table_size ? v->table_size * 2 : 1024;
    struct dulm_slot *table = dulm_alloc(size, sizeof *table);
    if (!table)
        return false;
    struct dulm_slot *old = v->table;
    const size_t old_size = v->table_size;
    memset(table, 0xff, size * sizeof *table);
    v->table = table;
    v->table_size = size;
    v->used = 0;
    for (size_t i = 0; i < old_size; i++)
        if (old[i].id >= 0)
            insert(v, old[i]);
    dulm_free(old);
    return true;
}

diffulm_status dulm_vocab_add(struct dulm_vocab *v, const char *piece, size_t length, int64_t id,
                              const char *what)
{
    if (id < 0 || (uint64_t)id >= DULM_LIMIT_VOCABULARY)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: vocab: id %lld of %.40s is out of range", what,
                         (long long)id, piece);
    const size_t before = v->capacity, at = (size_t)id;
    if (!dulm_grow((void **)&v->piece, &v->capacity, at + 1, sizeof *v->piece))
        return dulm_fail_memory();
    if (v->capacity > before)
        memset(v->piece + before, 0, (v->capacity - before) * sizeof *v->piece);
    if (v->piece[at].present)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: vocab: id %lld stands twice, again for %.40s", what,
                         (long long)id, piece);
    if (!dulm_grow((void **)&v->bytes, &v->bytes_capacity, v->bytes_length + length + 1, 1) ||
        !grow_table(v))
        return dulm_fail_memory();
    if (length)
        memcpy(v->bytes + v->bytes_length, piece, length);
    v->bytes[v->bytes_length + length] = '\0';
    v->piece[at] = (struct dulm_piece){v->bytes_length, length, true};
    v->bytes_length += length + 1;
    v->size = at + 1 > v->size ? at + 1 : v->size;
    v->longest = length > v->longest ? length : v->longest;
    insert(v,
           (struct dulm_slot){fold(dulm_vocab_hash(DULM_VOCAB_HASH, piece, length)), (int32_t)id});
    return DIFFULM_OK;
}

int32_t dulm_vocab_find(const struct dulm_vocab *v, const char *piece, size_t length)
{
    return dulm_vocab_find_hashed(v, dulm_vocab_hash(DULM_VOCAB_HASH, piece, length), piece,
                                  length);
}

int32_t dulm_vocab_find_hashed(const struct dulm_vocab *v, uint64_t hash, const char *piece,
                               size_t length)
{
    if (!v->table_size)
        return -1;
    const uint32_t wanted = fold(hash);
    size_t at = wanted & (v->table_size - 1);
    for (; v->table[at].id >= 0; at = (at + 1) & (v->table_size - 1)) {
        const struct dulm_piece *p = &v->piece[v->table[at].id];
        if (v->table[at].hash == wanted && p->length == length &&
            memcmp(v->bytes + p->offset, piece, length) == 0)
            return v->table[at].id;
    }
    return -1;
}

const char *dulm_vocab_piece(const struct dulm_vocab *v, int32_t id, size_t *length)
{
    if (id < 0 || (size_t)id >= v->size || !v->piece[id].present)
        return NULL;
    *length = v->piece[id].length;
    return v->bytes + v->piece[id].offset;
}

void dulm_vocab_release(struct dulm_vocab *v)
{
    dulm_free(v->bytes);
    dulm_free(v->piece);
    dulm_free(v->table);
    *v = (struct dulm_vocab){0};
}

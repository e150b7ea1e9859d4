/* trie.c: building a trie level by level: a node's pieces are a range of one array, which its children cut up by their
 * next byte. Linear in the bytes of all pieces. */
#include "text/trie.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

struct entry {
    const char *bytes;
    uint32_t length;
    int32_t id;
};

/* Of each node: its pieces, entries [low, high), all longer than the path or equal to it. */
struct range {
    uint32_t low, high, depth;
};

struct build {
    struct entry *entry, *spare;
    struct range *range; /* by node */
    struct dulm_trie trie;
    size_t ranges, labels, nodes; /* capacities */
};

void dulm_trie_release(struct dulm_trie *t)
{
    dulm_free(t->label);
    dulm_free(t->node);
    *t = (struct dulm_trie){0};
}

static bool add_node(struct build *b, uint8_t label, struct range range)
{
    struct dulm_trie *t = &b->trie;
    const size_t n = t->count + 1;
    if (!dulm_grow((void **)&b->range, &b->ranges, n, sizeof *b->range) ||
        !dulm_grow((void **)&t->label, &b->labels, n, sizeof *t->label) ||
        !dulm_grow((void **)&t->node, &b->nodes, n + 1, sizeof *t->node))
        return false;
    b->range[t->count] = range;
    t->label[t->count] = label;
    t->node[t->count++].piece = -1;
    return true;
}

/* Brings the entries of a range into the order of their byte at its depth: by counting, or few by insertion. */
static void sort_by_byte(struct build *b, struct range r)
{
    struct entry *e = b->entry;
    if (r.high - r.low <= 24) {
        for (uint32_t i = r.low + 1; i < r.high; i++) {
            const struct entry moved = e[i];
            uint32_t to = i;
            for (; to > r.low && (uint8_t)e[to - 1].bytes[r.depth] > (uint8_t)moved.bytes[r.depth];
                 to--)
                e[to] = e[to - 1];
            e[to] = moved;
        }
        return;
    }
    uint32_t at[257] = {0};
    for (uint32_t i = r.low; i < r.high; i++)
        at[(uint8_t)e[i].bytes[r.depth] + 1]++;
    at[0] = r.low;
    for (int c = 0; c < 256; c++)
        at[c + 1] += at[c];
    memcpy(b->spare + r.low, e + r.low, (r.high - r.low) * sizeof *e);
    for (uint32_t i = r.low; i < r.high; i++)
        e[at[(uint8_t)b->spare[i].bytes[r.depth]]++] = b->spare[i];
}

/* The piece that ends at the node goes to the front of its range and out of it; equal pieces: the first id counts. */
static struct range take_own(struct build *b, size_t node)
{
    struct range r = b->range[node];
    for (uint32_t i = r.low; i < r.high; i++) {
        if (b->entry[i].length != r.depth)
            continue;
        const struct entry own = b->entry[i];
        b->entry[i] = b->entry[r.low];
        b->entry[r.low++] = own;
        if (b->trie.node[node].piece < 0 || own.id < b->trie.node[node].piece)
            b->trie.node[node].piece = own.id;
    }
    return r;
}

static bool add_children(struct build *b, size_t node)
{
    const struct range r = take_own(b, node);
    b->trie.node[node].begin = (uint32_t)b->trie.count;
    if (r.low == r.high)
        return true;
    if (r.high - r.low == 1 && b->trie.node[node].piece < 0 && node > 0) {
        b->trie.node[node].piece = -2 - b->entry[r.low].id;
        return true;
    }
    sort_by_byte(b, r);
    for (uint32_t low = r.low, high; low < r.high; low = high) {
        const uint8_t byte = (uint8_t)b->entry[low].bytes[r.depth];
        for (high = low + 1; high < r.high && (uint8_t)b->entry[high].bytes[r.depth] == byte;)
            high++;
        if (!add_node(b, byte, (struct range){low, high, r.depth + 1}))
            return false;
    }
    return true;
}

diffulm_status dulm_trie_build(const struct dulm_vocab *vocab, struct dulm_trie *out)
{
    struct build b = {.entry = dulm_alloc(vocab->size, sizeof *b.entry),
                      .spare = dulm_alloc(vocab->size, sizeof *b.spare)};
    uint32_t count = 0;
    bool good = b.entry && b.spare;
    for (size_t i = 0; good && i < vocab->size; i++) {
        size_t length;
        const char *piece = dulm_vocab_piece(vocab, (int32_t)i, &length);
        if (piece && length <= UINT32_MAX)
            b.entry[count++] = (struct entry){piece, (uint32_t)length, (int32_t)i};
    }
    good = good && add_node(&b, 0, (struct range){0, count, 0});
    for (size_t node = 0; good && node < b.trie.count; node++)
        good = add_children(&b, node);
    if (good)
        b.trie.node[b.trie.count].begin = (uint32_t)b.trie.count;
    dulm_free(b.entry);
    dulm_free(b.spare);
    dulm_free(b.range);
    if (!good) {
        dulm_trie_release(&b.trie);
        return dulm_fail_memory();
    }
    *out = b.trie;
    return DIFFULM_OK;
}

/* trie.h: the pieces of a vocabulary by their bytes: which of them a text begins with. */
#ifndef DULM_TEXT_TRIE_H
#define DULM_TEXT_TRIE_H

#include <string.h>

#include "text/vocab.h"

struct dulm_trie_node {
    uint32_t begin; /* the first child; its last is before the first of the next node */
    /* >= 0: this piece ends here; -1: none does; <= -2: one piece is below, -2 - piece, longer than the path, and the node
     * has no children: the rest of its bytes is not spelt out. */
    int32_t piece;
};

/* Nodes in breadth-first order, so that the children of a node are together, by rising label; node 0 is the root. */
struct dulm_trie {
    uint8_t *label;              /* [count] the byte that leads to the node */
    struct dulm_trie_node *node; /* [count + 1] */
    size_t count;
};

diffulm_status dulm_trie_build(const struct dulm_vocab *vocab,
                               struct dulm_trie *out) DIFFULM_MUST_USE;
void dulm_trie_release(struct dulm_trie *trie);

/* The child of a node by a byte, 0 (the root) if there is none. */
static inline uint32_t dulm_trie_child(const struct dulm_trie *t, uint32_t node, uint8_t byte)
{
    const uint32_t low = t->node[node].begin, count = t->node[node + 1].begin - low;
    if (count > 8) {
        const uint8_t *found = memchr(t->label + low, byte, count);
        return found ? (uint32_t)(found - t->label) : 0;
    }
    for (uint32_t i = low; i < low + count; i++)
        if (t->label[i] == byte)
            return i;
    return 0;
}

#endif

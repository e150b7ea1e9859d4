/* trie.h: the pieces of a vocabulary by their bytes: which of them a text begins with. */
#ifndef DULM_TEXT_TRIE_H
#define DULM_TEXT_TRIE_H

#include "text/vocab.h"

/* Nodes in breadth-first order, so that the children of node i are begin[i] … begin[i + 1] - 1, by rising label. */
struct dulm_trie {
    uint8_t *label;  /* [count] the byte that leads to the node */
    uint32_t *begin; /* [count + 1] */
    /* [count] >= 0: this piece ends here; -1: none does; <= -2: one piece is below, -2 - piece, longer than the path, and
     * the node has no children: the rest of its bytes is not spelt out. */
    int32_t *piece;
    size_t count;
};

diffulm_status dulm_trie_build(const struct dulm_vocab *vocab,
                               struct dulm_trie *out) DIFFULM_MUST_USE;
void dulm_trie_release(struct dulm_trie *trie);

/* The child of a node by a byte, 0 (the root) if there is none. */
static inline uint32_t dulm_trie_child(const struct dulm_trie *t, uint32_t node, uint8_t byte)
{
    uint32_t low = t->begin[node], high = t->begin[node + 1];
    while (high - low > 8) {
        const uint32_t middle = low + (high - low) / 2;
        if (t->label[middle] <= byte)
            low = middle;
        else
            high = middle;
    }
    while (low < high && t->label[low] != byte)
        low++;
    return low < high ? low : 0;
}

#endif

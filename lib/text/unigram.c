/* unigram.c: the most probable segmentation (Kudo 2018), by Viterbi in double: starts from left to right,
 * a candidate replaces the best one only if strictly better. Pieces that begin at a place come from the trie. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/subword.h"
#include "text/utf8.h"

diffulm_status dulm_unigram_finish(struct dulm_subword *m, const char *path)
{
    if (m->vocab.size == 0)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: vocab is empty", path);
    bool any = false;
    m->lowest = 0;
    for (size_t i = 0; i < m->vocab.size; i++) {
        if (!m->vocab.piece[i].present)
            continue;
        m->lowest = !any || m->score[i] < m->lowest ? m->score[i] : m->lowest;
        any = true;
    }
    return dulm_trie_build(&m->vocab, &m->trie);
}

struct best {
    double score;
    size_t begin; /* where the piece that ends here begins */
    int32_t id;
    bool reached;
};

static void offer(struct best *best, size_t end, double score, size_t begin, int32_t id)
{
    if (!best[end].reached || score > best[end].score)
        best[end] = (struct best){score, begin, id, true};
}

static void extend(const struct dulm_subword *m, const char *text, size_t length, size_t begin,
                   struct best *best)
{
    const struct dulm_trie *t = &m->trie;
    uint32_t node = 0;
    size_t first;
    bool single = false;
    dulm_utf8_decode(text + begin, &first);
    for (size_t end = begin; end < length;) {
        node = dulm_trie_child(t, node, (uint8_t)text[end++]);
        int32_t id = node ? t->node[node].piece : -1;
        if (!node)
            break;
        if (id == -1)
            continue;
        if (id < -1) { /* the rest of the only piece below */
            id = -2 - id;
            const struct dulm_piece *p = &m->vocab.piece[id];
            const size_t done = end - begin;
            if (p->length > length - begin ||
                memcmp(m->vocab.bytes + p->offset + done, text + end, p->length - done) != 0)
                break;
            end = begin + p->length;
        }
        single = single || end - begin == first;
        offer(best, end, m->score[id] + best[begin].score, begin, id);
    }
    if (!single)
        offer(best, begin + first, m->lowest - 10.0 + best[begin].score, begin, m->unk_id);
}

/* known: the id of a span that is one piece, -1 for one of what is unknown, which may still be a piece as a whole. */
static void emit(const struct dulm_subword *m, const char *text, size_t begin, size_t end,
                 int32_t known, struct dulm_tokens *out)
{
    const int32_t id = known >= 0 ? known : dulm_vocab_find(&m->vocab, text + begin, end - begin);
    bool bytes = id < 0 && m->byte_fallback;
    for (size_t i = begin; bytes && i < end; i++)
        bytes = m->byte_id[(unsigned char)text[i]] >= 0;
    if (!bytes) {
        dulm_tokens_add(out, id >= 0 ? id : m->unk_id, begin, end);
        return;
    }
    for (size_t i = begin; i < end; i++)
        dulm_tokens_add(out, m->byte_id[(unsigned char)text[i]], begin, end);
}

struct cut {
    size_t end;
    int32_t known;
};

void dulm_unigram_encode(const struct dulm_subword *m, const char *text, size_t length,
                         struct dulm_tokens *out)
{
    struct best *best =
        dulm_tokens_scratch(out, length + 1, sizeof(struct best) + sizeof(struct cut));
    if (!best)
        return;
    struct cut *cut = (struct cut *)(void *)(best + length + 1);
    size_t n, pieces = 0;
    memset(best, 0, (length + 1) * sizeof *best);
    best[0].reached = true;
    for (size_t i = 0; i < length; i += n) {
        dulm_utf8_decode(text + i, &n);
        if (best[i].reached)
            extend(m, text, length, i, best);
    }
    /* Backwards; neighbouring unknowns become one. */
    for (size_t end = length; end > 0;) {
        const bool unknown = best[end].id == m->unk_id;
        size_t begin = best[end].begin;
        while (unknown && begin > 0 && best[begin].id == m->unk_id)
            begin = best[begin].begin;
        cut[pieces++] = (struct cut){end, unknown ? -1 : best[end].id};
        end = begin;
    }
    for (size_t begin = 0; pieces > 0; begin = cut[pieces].end) {
        pieces--;
        emit(m, text, begin, cut[pieces].end, cut[pieces].known, out);
    }
}

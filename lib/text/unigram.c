/* unigram.c: the most probable segmentation (Kudo 2018), by Viterbi in double: starts from left to right,
 * a candidate replaces the best one only if strictly better. Pieces that begin at a place are found in the
 * sorted list of pieces, narrowed byte by byte. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/subword.h"
#include "text/utf8.h"

struct sort_entry {
    const char *bytes;
    size_t length;
    int32_t id;
};

static int by_bytes(const void *a, const void *b)
{
    const struct sort_entry *x = a, *y = b;
    const size_t n = x->length < y->length ? x->length : y->length;
    const int order = memcmp(x->bytes, y->bytes, n);
    return order ? order : x->length < y->length ? -1 : x->length > y->length;
}

diffulm_status dulm_unigram_finish(struct dulm_subword *m, const char *path)
{
    if (m->vocab.size == 0)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: vocab is empty", path);
    struct sort_entry *entries = dulm_alloc(m->vocab.size, sizeof *entries);
    m->sorted = dulm_alloc(m->vocab.size, sizeof *m->sorted);
    if (!entries || !m->sorted) {
        dulm_free(entries);
        return dulm_fail_memory();
    }
    m->lowest = 0;
    for (size_t i = 0; i < m->vocab.size; i++) {
        size_t length;
        const char *piece = dulm_vocab_piece(&m->vocab, (int32_t)i, &length);
        if (piece && (m->sorted_count == 0 || m->score[i] < m->lowest))
            m->lowest = m->score[i];
        if (piece)
            entries[m->sorted_count++] = (struct sort_entry){piece, length, (int32_t)i};
    }
    qsort(entries, m->sorted_count, sizeof *entries, by_bytes);
    for (size_t i = 0; i < m->sorted_count; i++)
        m->sorted[i] = entries[i].id;
    dulm_free(entries);
    return DIFFULM_OK;
}

/* First place in [low, high) whose piece has byte > limit at `depth` (or >= with limit - 1). */
static size_t bound(const struct dulm_subword *m, size_t low, size_t high, size_t depth, int limit)
{
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct dulm_piece *p = &m->vocab.piece[m->sorted[middle]];
        const int byte = depth < p->length ? (unsigned char)m->vocab.bytes[p->offset + depth] : -1;
        if (byte > limit)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
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
    size_t first, low = 0, high = m->sorted_count;
    bool single = false;
    dulm_utf8_decode(text + begin, &first);
    for (size_t depth = 0; begin + depth < length && low < high; depth++) {
        const int byte = (unsigned char)text[begin + depth];
        low = bound(m, low, high, depth, byte - 1);
        high = bound(m, low, high, depth, byte);
        if (low >= high)
            break;
        const int32_t id = m->sorted[low];
        if (m->vocab.piece[id].length != depth + 1)
            continue;
        single = single || depth + 1 == first;
        offer(best, begin + depth + 1, m->score[id] + best[begin].score, begin, id);
    }
    if (!single)
        offer(best, begin + first, m->lowest - 10.0 + best[begin].score, begin, m->unk_id);
}

static void emit(const struct dulm_subword *m, const char *text, size_t begin, size_t end,
                 struct dulm_tokens *out)
{
    const int32_t id = dulm_vocab_find(&m->vocab, text + begin, end - begin);
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

void dulm_unigram_encode(const struct dulm_subword *m, const char *text, size_t length,
                         struct dulm_tokens *out)
{
    struct best *best = dulm_alloc_zero(length + 1, sizeof *best);
    size_t *cut = dulm_alloc(length + 1, sizeof *cut);
    if (!best || !cut) {
        out->failed = true;
        dulm_free(best);
        dulm_free(cut);
        return;
    }
    size_t n, pieces = 0;
    best[0].reached = true;
    for (size_t i = 0; i < length; i += n) {
        dulm_utf8_decode(text + i, &n);
        if (best[i].reached)
            extend(m, text, length, i, best);
    }
    /* Backwards; neighbouring unknowns become one. */
    for (size_t end = length; end > 0;) {
        size_t begin = best[end].begin;
        while (best[end].id == m->unk_id && begin > 0 && best[begin].id == m->unk_id)
            begin = best[begin].begin;
        cut[pieces++] = end;
        end = begin;
    }
    for (size_t begin = 0; pieces > 0; begin = cut[pieces])
        emit(m, text, begin, cut[--pieces], out);
    dulm_free(best);
    dulm_free(cut);
}

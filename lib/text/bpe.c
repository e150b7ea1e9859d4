/* bpe.c: byte-pair encoding (Sennrich et al. 2016): the lowest-ranked merge first, the leftmost among
 * equals; in short words by looking at all, in long ones from a heap. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/subword.h"
#include "text/utf8.h"

static size_t slot_of(const struct dulm_subword *m, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    size_t at = (size_t)(h >> 20) & (m->merge_size - 1);
    while (m->merge[at].rank >= 0 && (m->merge[at].left != left || m->merge[at].right != right))
        at = (at + 1) & (m->merge_size - 1);
    return at;
}

diffulm_status dulm_bpe_add_merges(struct dulm_subword *m, size_t count)
{
    m->merge_size = 16;
    while (m->merge_size < 2 * count)
        m->merge_size *= 2;
    m->merge = dulm_alloc(m->merge_size, sizeof *m->merge);
    if (!m->merge)
        return dulm_fail_memory();
    for (size_t i = 0; i < m->merge_size; i++)
        m->merge[i].rank = -1;
    return DIFFULM_OK;
}

diffulm_status dulm_bpe_merge(struct dulm_subword *m, const char *left, size_t left_length,
                              const char *right, size_t right_length, int32_t rank,
                              const char *path)
{
    const int32_t a = dulm_vocab_find(&m->vocab, left, left_length);
    const int32_t b = dulm_vocab_find(&m->vocab, right, right_length);
    if (a < 0 || b < 0)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: merge %d: %.*s is not in the vocabulary", path,
                         rank, (int)(a < 0 ? left_length : right_length), a < 0 ? left : right);
    const size_t skip = right_length >= m->prefix_length ? m->prefix_length : 0;
    const size_t length = left_length + right_length - skip;
    char *joined = dulm_alloc(length + 1, 1);
    if (!joined)
        return dulm_fail_memory();
    memcpy(joined, left, left_length);
    memcpy(joined + left_length, right + skip, right_length - skip);
    const int32_t result = dulm_vocab_find(&m->vocab, joined, length);
    diffulm_status rc = DIFFULM_OK;
    if (result < 0)
        rc = dulm_fail(DIFFULM_E_FORMAT, "%s: merge %d gives %.*s, which is not in the vocabulary",
                       path, rank, (int)length, joined);
    else
        m->merge[slot_of(m, a, b)] = (struct dulm_merge){a, b, rank, result};
    dulm_free(joined);
    return rc;
}

enum { SHORT = 32 }; /* symbols, for which looking at all pairs is faster than a heap */

struct symbol {
    int32_t id; /* -1: merged away */
    size_t length;
};

/* The neighbours of a symbol that are left; -1: none. */
struct link {
    int64_t before, after;
};

struct candidate {
    int32_t rank, result, left, right;
    int64_t at;
};

struct heap {
    struct candidate *list;
    size_t count, capacity;
    bool failed;
};

static bool sooner(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void push(struct heap *h, struct candidate c)
{
    if (!dulm_grow((void **)&h->list, &h->capacity, h->count + 1, sizeof *h->list)) {
        h->failed = true;
        return;
    }
    size_t i = h->count++;
    for (; i > 0 && sooner(&c, &h->list[(i - 1) / 2]); i = (i - 1) / 2)
        h->list[i] = h->list[(i - 1) / 2];
    h->list[i] = c;
}

static struct candidate pop(struct heap *h)
{
    const struct candidate top = h->list[0], last = h->list[--h->count];
    size_t i = 0;
    for (size_t child = 1; child < h->count; child = 2 * i + 1) {
        if (child + 1 < h->count && sooner(&h->list[child + 1], &h->list[child]))
            child++;
        if (!sooner(&h->list[child], &last))
            break;
        h->list[i] = h->list[child];
        i = child;
    }
    h->list[i] = last;
    return top;
}

static void consider(const struct dulm_subword *m, const struct symbol *s, const struct link *link,
                     int64_t at, struct heap *h)
{
    const int64_t next = at < 0 ? -1 : link[at].after;
    if (next < 0)
        return;
    const struct dulm_merge *merge = &m->merge[slot_of(m, s[at].id, s[next].id)];
    if (merge->rank >= 0)
        push(h, (struct candidate){merge->rank, merge->result, s[at].id, s[next].id, at});
}

static void merge_long(const struct dulm_subword *m, struct symbol *s, struct link *link,
                       size_t count, struct heap *h)
{
    for (size_t i = 0; i < count; i++)
        link[i] = (struct link){(int64_t)i - 1, i + 1 < count ? (int64_t)i + 1 : -1};
    for (size_t i = 0; i + 1 < count; i++)
        consider(m, s, link, (int64_t)i, h);
    while (h->count && !h->failed) {
        const struct candidate c = pop(h);
        struct symbol *left = &s[c.at];
        const int64_t next = link[c.at].after;
        if (left->id != c.left || next < 0 || s[next].id != c.right)
            continue;
        left->id = c.result;
        left->length += s[next].length;
        s[next].id = -1;
        link[c.at].after = link[next].after;
        if (link[c.at].after >= 0)
            link[link[c.at].after].before = c.at;
        consider(m, s, link, link[c.at].before, h);
        consider(m, s, link, c.at, h);
    }
}

/* Returns how many symbols are left, at the front. */
static size_t merge_short(const struct dulm_subword *m, struct symbol *s, size_t count)
{
    const struct dulm_merge *pair[SHORT]; /* of a symbol and the next; rank -1: they do not merge */
    for (size_t i = 0; i + 1 < count; i++)
        pair[i] = &m->merge[slot_of(m, s[i].id, s[i + 1].id)];
    for (;;) {
        size_t best = 0;
        uint32_t rank = UINT32_MAX; /* which -1 is, too */
        for (size_t i = 0; i + 1 < count; i++)
            if ((uint32_t)pair[i]->rank < rank) {
                rank = (uint32_t)pair[i]->rank;
                best = i;
            }
        if (rank == UINT32_MAX)
            return count;
        s[best].id = pair[best]->result;
        s[best].length += s[best + 1].length;
        count--;
        for (size_t i = best + 1; i < count; i++) {
            s[i] = s[i + 1];
            pair[i - 1] = pair[i];
        }
        if (best > 0)
            pair[best - 1] = &m->merge[slot_of(m, s[best - 1].id, s[best].id)];
        if (best + 1 < count)
            pair[best] = &m->merge[slot_of(m, s[best].id, s[best + 1].id)];
    }
}

struct word {
    struct symbol *s;
    size_t count;
};

static void add_symbol(struct word *w, int32_t id, size_t length)
{
    w->s[w->count++] = (struct symbol){id, length};
}

/* The character as the vocabulary writes it at this place of a word. */
static size_t decorate(const struct dulm_subword *m, const char *c, size_t n, bool first, bool last,
                       char *out)
{
    size_t at = 0;
    if (!first && m->prefix_length) {
        memcpy(out, m->prefix, m->prefix_length);
        at = m->prefix_length;
    }
    memcpy(out + at, c, n);
    at += n;
    if (last && m->suffix_length) {
        memcpy(out + at, m->suffix, m->suffix_length);
        at += m->suffix_length;
    }
    return at;
}

/* A character without a piece: its bytes, or the unknown token, or nothing. */
static bool add_bytes(const struct dulm_subword *m, const char *text, size_t n, struct word *w)
{
    for (size_t i = 0; i < n; i++)
        if (!m->byte_fallback || m->byte_id[(unsigned char)text[i]] < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        add_symbol(w, m->byte_id[(unsigned char)text[i]], 1);
    return true;
}

static void split_word(const struct dulm_subword *m, const char *text, size_t length, char *scratch,
                       struct word *w)
{
    size_t n, unknown = 0;
    for (size_t i = 0; i < length; i += n) {
        dulm_utf8_decode(text + i, &n);
        const size_t size = decorate(m, text + i, n, i == 0, i + n == length, scratch);
        const int32_t id = dulm_vocab_find(&m->vocab, scratch, size);
        if (id < 0 && add_bytes(m, scratch, size, w))
            continue;
        if (unknown && (id >= 0 || !m->fuse_unk)) {
            add_symbol(w, m->unk_id, unknown);
            unknown = 0;
        }
        if (id >= 0)
            add_symbol(w, id, n);
        else if (m->unk_id >= 0)
            unknown += n;
    }
    if (unknown)
        add_symbol(w, m->unk_id, unknown);
}

void dulm_bpe_encode(const struct dulm_subword *m, const char *text, size_t length,
                     struct dulm_tokens *out)
{
    const int32_t whole = m->ignore_merges ? dulm_vocab_find(&m->vocab, text, length) : -1;
    if (whole >= 0) {
        dulm_tokens_add(out, whole, 0, length);
        return;
    }
    const size_t extra = m->prefix_length + m->suffix_length + 4;
    const size_t most = length * (1 + m->prefix_length) + extra;
    struct word w = {
        dulm_tokens_scratch(out, most, sizeof(struct link) + sizeof(struct symbol) + 1), 0};
    if (!w.s)
        return;
    struct link *link = (struct link *)(w.s + most);
    struct heap heap = {0};
    split_word(m, text, length, (char *)(link + most), &w);
    if (w.count > SHORT)
        merge_long(m, w.s, link, w.count, &heap);
    else
        w.count = merge_short(m, w.s, w.count);
    for (size_t i = 0, at = 0; i < w.count; i++)
        if (w.s[i].id >= 0) {
            const size_t end = at + w.s[i].length;
            dulm_tokens_add(out, w.s[i].id, at < length ? at : length, end < length ? end : length);
            at = end;
        }
    out->failed = out->failed || heap.failed;
    dulm_free(heap.list);
}

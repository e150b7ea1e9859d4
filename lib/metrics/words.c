/* words.c: white space, lower case, words, and n-grams numbered order by order: an n-gram is a pair of the (n-1)-gram it
 * begins with and its last word. */
#include "metrics/words.h"

#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/utf8.h"
#include "text/vocab.h"

bool dulm_is_space(int32_t c)
{
    return dulm_is_white_space(c) || (c >= 0x1C && c <= 0x1F);
}

diffulm_status dulm_string_check(const struct diffulm_string *text, const char *what)
{
    if (!text || (!text->data && text->length))
        return dulm_fail(DIFFULM_E_ARGUMENT, "%s: the text is NULL", what);
    return text->length ? dulm_utf8_check(text->data, text->length, what) : DIFFULM_OK;
}

static void put(struct dulm_strbuf *out, int32_t c)
{
    char bytes[4];
    dulm_strbuf_append(out, bytes, dulm_utf8_encode(c, bytes));
}

static bool is_cased(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LT;
}

/* Marks, formats, modifiers and the signs that may stand inside a word. */
static bool is_case_ignorable(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
           k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' ||
           c == ':' || c == 0xB7 || c == 0x387 || c == 0x2018 || c == 0x2019 || c == 0x2024 ||
           c == 0x2027 || c == 0xFE13 || c == 0xFE52 || c == 0xFE55 || c == 0xFF07 || c == 0xFF0E ||
           c == 0xFF1A;
}

static bool cased_after(const char *text, size_t at, size_t length)
{
    size_t n;
    for (; at < length; at += n) {
        const int32_t c = dulm_utf8_decode(text + at, &n);
        if (!is_case_ignorable(c))
            return is_cased(c);
    }
    return false;
}

void dulm_lower_text(const char *text, size_t length, struct dulm_strbuf *out)
{
    size_t n;
    bool cased_before = false; /* the last character that is not case-ignorable has case */
    for (size_t i = 0; i < length; i += n) {
        const int32_t c = dulm_utf8_decode(text + i, &n);
        if (c == 0x3A3)
            put(out, cased_before && !cased_after(text, i + n, length) ? 0x3C2 : 0x3C3);
        else
            put(out, dulm_lower(c));
        if (c == 0x130)
            put(out, 0x307);
        cased_before = is_case_ignorable(c) ? cased_before : is_cased(c);
    }
}

struct diffulm_string dulm_strip(const char *text, size_t length, bool both)
{
    size_t begin = 0, end = 0, n;
    for (size_t i = 0; i < length; i += n)
        if (!dulm_is_space(dulm_utf8_decode(text + i, &n)))
            end = i + n;
    for (; both && begin < end; begin += n)
        if (!dulm_is_space(dulm_utf8_decode(text + begin, &n)))
            break;
    return (struct diffulm_string){text + begin, end - begin};
}

void dulm_words_add(struct dulm_words *w, const char *word, size_t length)
{
    size_t a = w->capacity;
    if (!dulm_grow((void **)&w->begin, &a, w->count + 1, sizeof *w->begin) ||
        !dulm_grow((void **)&w->length, &w->capacity, w->count + 1, sizeof *w->length)) {
        w->failed = true;
        return;
    }
    w->begin[w->count] = w->text.length;
    w->length[w->count++] = length;
    dulm_strbuf_append(&w->text, word, length);
    w->failed |= w->text.failed;
}

void dulm_words_split(struct dulm_words *w, const char *text, size_t length)
{
    size_t begin = 0, n;
    for (size_t i = 0; i < length; i += n) {
        if (!dulm_is_space(dulm_utf8_decode(text + i, &n)))
            continue;
        if (i > begin)
            dulm_words_add(w, text + begin, i - begin);
        begin = i + n;
    }
    if (length > begin)
        dulm_words_add(w, text + begin, length - begin);
}

void dulm_words_release(struct dulm_words *w)
{
    dulm_strbuf_release(&w->text);
    dulm_free(w->begin);
    dulm_free(w->length);
    *w = (struct dulm_words){0};
}

const char *dulm_word(const struct dulm_words *w, size_t i)
{
    return w->text.data + w->begin[i];
}

void dulm_grams_release(struct dulm_grams *g)
{
    for (size_t k = 0; k < g->lists; k++) {
        if (g->list)
            dulm_free(g->list[k].id);
        if (g->words)
            dulm_free(g->words[k].id);
    }
    dulm_free(g->list);
    dulm_free(g->words);
    dulm_free(g->counts);
    *g = (struct dulm_grams){0};
}

static diffulm_status reserve_counts(struct dulm_grams *g)
{
    return dulm_grow((void **)&g->counts, &g->counts_capacity, 2 * (size_t)g->distinct + 1,
                     sizeof *g->counts)
               ? DIFFULM_OK
               : dulm_fail_memory();
}

diffulm_status dulm_grams_begin(const struct dulm_words *words, size_t lists,
                                struct dulm_grams *out)
{
    struct dulm_grams g = {.lists = lists};
    struct dulm_vocab seen = {0};
    diffulm_status rc = DIFFULM_OK;
    g.list = dulm_alloc_zero(lists, sizeof *g.list);
    g.words = dulm_alloc_zero(lists, sizeof *g.words);
    if (!g.list || !g.words)
        rc = dulm_fail_memory();
    for (size_t k = 0; rc == DIFFULM_OK && k < lists; k++) {
        const struct dulm_words *w = &words[k];
        g.list[k] = (struct dulm_ids){dulm_alloc(w->count + 1, 4), w->count};
        g.words[k] = (struct dulm_ids){dulm_alloc(w->count + 1, 4), w->count};
        if (w->failed || !g.list[k].id || !g.words[k].id)
            rc = dulm_fail_memory();
        for (size_t i = 0; rc == DIFFULM_OK && i < w->count; i++) {
            int32_t id = dulm_vocab_find(&seen, dulm_word(w, i), w->length[i]);
            if (id < 0) {
                id = g.distinct++;
                rc = dulm_vocab_add(&seen, dulm_word(w, i), w->length[i], id, "words");
            }
            g.words[k].id[i] = g.list[k].id[i] = id;
        }
    }
    dulm_vocab_release(&seen);
    if (rc == DIFFULM_OK)
        rc = reserve_counts(&g);
    if (rc < 0) {
        dulm_grams_release(&g);
        return rc;
    }
    *out = g;
    return DIFFULM_OK;
}

/* Numbers pairs in the order they come; open addressing over (first, second). */
struct pairs {
    uint64_t *key; /* pair + 1; 0: empty */
    int32_t *id;
    size_t size;
    int32_t used;
};

static int32_t number_of(struct pairs *p, int32_t first, int32_t second)
{
    const uint64_t key = ((uint64_t)(uint32_t)first << 32 | (uint32_t)second) + 1;
    size_t at = (size_t)((key * 0x9E3779B97F4A7C15u) >> 20) & (p->size - 1);
    while (p->key[at] && p->key[at] != key)
        at = (at + 1) & (p->size - 1);
    if (!p->key[at]) {
        p->key[at] = key;
        p->id[at] = p->used++;
    }
    return p->id[at];
}

diffulm_status dulm_grams_extend(struct dulm_grams *g)
{
    struct pairs pairs = {.size = 16};
    size_t total = 0;
    for (size_t k = 0; k < g->lists; k++)
        total += g->list[k].count;
    while (pairs.size < 2 * total)
        pairs.size *= 2;
    pairs.key = dulm_alloc_zero(pairs.size, sizeof *pairs.key);
    pairs.id = dulm_alloc(pairs.size, sizeof *pairs.id);
    diffulm_status rc = pairs.key && pairs.id ? DIFFULM_OK : dulm_fail_memory();
    for (size_t k = 0; rc == DIFFULM_OK && k < g->lists; k++) {
        struct dulm_ids *l = &g->list[k];
        const size_t order = g->words[k].count - l->count + 1; /* of the (n-1)-grams held */
        l->count = l->count ? l->count - 1 : 0;
        for (size_t i = 0; i < l->count; i++)
            l->id[i] = number_of(&pairs, l->id[i], g->words[k].id[i + order]);
    }
    g->distinct = pairs.used;
    dulm_free(pairs.key);
    dulm_free(pairs.id);
    return rc == DIFFULM_OK ? reserve_counts(g) : rc;
}

static void count_list(const struct dulm_ids *l, int32_t distinct, int32_t *counts)
{
    memset(counts, 0, (size_t)distinct * sizeof *counts);
    for (size_t i = 0; i < l->count; i++)
        counts[l->id[i]]++;
}

int64_t dulm_grams_matched(const struct dulm_grams *g, size_t a, size_t b)
{
    int32_t *of_a = g->counts, *left = g->counts + g->distinct;
    int64_t most_total = 0;
    if (b < g->lists) {
        count_list(&g->list[b], g->distinct, left);
        for (size_t i = 0; i < g->list[a].count; i++)
            most_total += left[g->list[a].id[i]]-- > 0;
        return most_total;
    }
    /* left: the richest count of each n-gram over the others, by way of one list at a time. */
    memset(left, 0, (size_t)g->distinct * sizeof *left);
    for (size_t k = 0; k < g->lists; k++) {
        if (k == a)
            continue;
        count_list(&g->list[k], g->distinct, of_a);
        for (int32_t v = 0; v < g->distinct; v++)
            left[v] = of_a[v] > left[v] ? of_a[v] : left[v];
    }
    for (size_t i = 0; i < g->list[a].count; i++)
        most_total += left[g->list[a].id[i]]-- > 0;
    return most_total;
}

/* changes.c: strings as lists of changes, and Unicode normalisation expressed so. */
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "text/normalize.h"

void dulm_changes_add(struct dulm_changes *changes, int32_t c, int32_t change)
{
    if (changes->failed || !dulm_grow((void **)&changes->list, &changes->capacity,
                                      changes->count + 1, sizeof *changes->list)) {
        changes->failed = true;
        return;
    }
    changes->list[changes->count++] = (struct dulm_change){c, change};
}

void dulm_changes_apply(const struct dulm_changes *changes, const struct dulm_doc *in, size_t begin,
                        size_t end, struct dulm_doc *out)
{
    if (changes->failed)
        out->failed = true;
    size_t at = begin;
    for (size_t i = 0; i < changes->count; i++) {
        const int32_t change = changes->list[i].change;
        char bytes[4];
        const size_t size = dulm_utf8_encode(changes->list[i].c, bytes);
        size_t from = 0, to = 0;
        const size_t source = change > 0 ? at - 1 : at;
        if ((change <= 0 || at > begin) && source < end) {
            from = dulm_doc_from(in, source);
            to = dulm_doc_to(in, source);
        } else if (end > begin) {
            from = dulm_doc_from(in, change > 0 ? begin : end - 1);
            to = change > 0 ? from : dulm_doc_to(in, end - 1);
        }
        dulm_doc_put(out, bytes, size, from, to);
        for (int32_t k = change; k <= 0 && at < end; k++)
            at += dulm_utf8_length(in->text[at]);
    }
}

/* Long runs: one pass per combining class into a copy. */
static void sort_many_marks(struct dulm_changes *c, size_t first)
{
    const size_t count = c->count - first;
    struct dulm_change *copy = dulm_alloc(count, sizeof *copy);
    size_t out = first;
    if (!copy) {
        c->failed = true;
        return;
    }
    memcpy(copy, c->list + first, count * sizeof *copy);
    for (int class = 0; class < 256; class ++)
        for (size_t i = 0; i < count; i++)
            if (dulm_combining_class(copy[i].c) == class)
                c->list[out++] = copy[i];
    dulm_free(copy);
}

/* Marks after a starter (the first, of class 0), sorted by combining class; changes travel with their
 * characters. */
static void sort_marks(struct dulm_changes *c, size_t first)
{
    if (c->count - first > 256) {
        sort_many_marks(c, first);
        return;
    }
    for (size_t i = first + 1; i < c->count; i++) {
        const struct dulm_change mark = c->list[i];
        const int class = dulm_combining_class(mark.c);
        size_t j = i;
        while (class != 0 && j > first && dulm_combining_class(c->list[j - 1].c) > class) {
            c->list[j] = c->list[j - 1];
            j--;
        }
        c->list[j] = mark;
    }
}

static int32_t compose_pair(int32_t a, int32_t b)
{
    if (a < 0x80 && b < 0x300)
        return -1;
    utf8proc_int32_t pair[2] = {a, b};
    const bool one = utf8proc_normalize_utf32(pair, 2, UTF8PROC_STABLE | UTF8PROC_COMPOSE) == 1;
    return one && dulm_unicode_age(pair[0]) <= 9 ? pair[0] : -1;
}

/* Canonical composition in place (Unicode 3.11): each mark joins the last starter unless blocked. */
static void compose_all(struct dulm_changes *c)
{
    size_t out = 0, starter = SIZE_MAX;
    int last_class = -1;
    for (size_t i = 0; i < c->count; i++) {
        const struct dulm_change x = c->list[i];
        const int class = dulm_combining_class(x.c);
        if (starter != SIZE_MAX && (last_class == -1 || (last_class < class && last_class != 0))) {
            const int32_t joined = compose_pair(c->list[starter].c, x.c);
            if (joined >= 0) {
                c->list[starter].c = joined;
                c->list[starter].change += x.change - 1;
                continue;
            }
        }
        if (class == 0) {
            starter = out;
            last_class = -1;
        } else
            last_class = class;
        c->list[out++] = x;
    }
    c->count = out;
}

size_t dulm_decompose(int32_t c, bool compatible, int32_t parts[DULM_PARTS])
{
    utf8proc_int32_t list[DULM_PARTS];
    int state = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        c, list, DULM_PARTS, UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0), &state);
    if (count < 1 || count > DULM_PARTS || dulm_unicode_age(c) > 9) {
        parts[0] = c;
        return 1;
    }
    for (utf8proc_ssize_t k = 0; k < count; k++)
        parts[k] = list[k];
    return (size_t)count;
}

void dulm_changes_unicode(struct dulm_changes *changes, const char *text, size_t length,
                          bool compatible, bool compose)
{
    size_t n, first = 0;
    int32_t parts[DULM_PARTS];
    for (size_t i = 0; i < length; i += n) {
        const size_t count = dulm_decompose(dulm_utf8_decode(text + i, &n), compatible, parts);
        for (size_t k = 0; k < count; k++) {
            if (dulm_combining_class(parts[k]) == 0) {
                sort_marks(changes, first);
                first = changes->count;
            }
            dulm_changes_add(changes, parts[k], k > 0);
        }
    }
    if (changes->failed)
        return;
    sort_marks(changes, first);
    if (compose)
        compose_all(changes);
}

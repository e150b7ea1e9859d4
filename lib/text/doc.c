/* doc.c: a text cut into splits whose bytes remember where they came from. */
#include <string.h>

#include "base/alloc.h"
#include "text/utf8.h"

void dulm_doc_clear(struct dulm_doc *doc)
{
    doc->length = doc->splits = 0;
    doc->failed = false;
}

void dulm_doc_release(struct dulm_doc *doc)
{
    dulm_free(doc->text);
    dulm_free(doc->from);
    dulm_free(doc->to);
    dulm_free(doc->split);
    *doc = (struct dulm_doc){0};
}

static bool reserve(struct dulm_doc *doc, size_t more)
{
    size_t needed, a = doc->capacity, b = doc->capacity;
    if (doc->failed || !dulm_add(doc->length, more, &needed))
        return false;
    if (needed <= doc->capacity)
        return true;
    if (!dulm_grow((void **)&doc->from, &a, needed, sizeof *doc->from) ||
        !dulm_grow((void **)&doc->to, &b, needed, sizeof *doc->to) ||
        !dulm_grow((void **)&doc->text, &doc->capacity, needed, 1))
        doc->failed = true;
    return !doc->failed;
}

void dulm_doc_put(struct dulm_doc *doc, const char *bytes, size_t n, size_t from, size_t to)
{
    if (!n || !reserve(doc, n))
        return;
    memcpy(doc->text + doc->length, bytes, n);
    for (size_t i = 0; i < n; i++) {
        doc->from[doc->length + i] = from;
        doc->to[doc->length + i] = to;
    }
    doc->length += n;
}

void dulm_doc_copy(struct dulm_doc *doc, const struct dulm_doc *in, size_t begin, size_t end)
{
    const size_t n = end - begin;
    if (!n || !reserve(doc, n))
        return;
    memcpy(doc->text + doc->length, in->text + begin, n);
    memcpy(doc->from + doc->length, in->from + begin, n * sizeof *doc->from);
    memcpy(doc->to + doc->length, in->to + begin, n * sizeof *doc->to);
    doc->length += n;
}

void dulm_doc_close(struct dulm_doc *doc, size_t begin, size_t origin, int32_t id)
{
    if (doc->failed || !dulm_grow((void **)&doc->split, &doc->split_capacity, doc->splits + 1,
                                  sizeof *doc->split)) {
        doc->failed = true;
        return;
    }
    doc->split[doc->splits++] = (struct dulm_split){begin, doc->length, origin, id};
}

void dulm_doc_slice(struct dulm_doc *doc, const struct dulm_doc *in, size_t begin, size_t end)
{
    if (begin >= end)
        return;
    const size_t start = doc->length;
    dulm_doc_copy(doc, in, begin, end);
    dulm_doc_close(doc, start, in->from[begin], -1);
}

/* doc.c: a text cut into splits whose bytes remember where they came from. */
#include <string.h>

#include "base/alloc.h"
#include "text/utf8.h"

void dulm_doc_clear(struct dulm_doc *doc)
{
    doc->text = doc->buffer;
    doc->plain = doc->failed = false;
    doc->length = doc->splits = doc->cuts = 0;
}

void dulm_doc_release(struct dulm_doc *doc)
{
    dulm_free(doc->buffer);
    dulm_free(doc->from);
    dulm_free(doc->to);
    dulm_free(doc->split);
    dulm_free(doc->cut);
    *doc = (struct dulm_doc){0};
}

void dulm_doc_lend(struct dulm_doc *doc, const char *text, size_t length)
{
    doc->text = text;
    doc->length = length;
    doc->plain = true;
    dulm_doc_split(doc, 0, length, 0, -1);
}

bool dulm_doc_reserve(struct dulm_doc *doc, size_t more)
{
    size_t needed, a = doc->capacity, b = doc->capacity;
    if (doc->failed || !dulm_add(doc->length, more, &needed))
        return false;
    if (needed <= doc->capacity)
        return true;
    if (!dulm_grow((void **)&doc->from, &a, needed, sizeof *doc->from) ||
        !dulm_grow((void **)&doc->to, &b, needed, sizeof *doc->to) ||
        !dulm_grow((void **)&doc->buffer, &doc->capacity, needed, 1))
        doc->failed = true;
    doc->text = doc->buffer;
    return !doc->failed;
}

void dulm_doc_put(struct dulm_doc *doc, const char *bytes, size_t n, size_t from, size_t to)
{
    if (!n || !dulm_doc_reserve(doc, n))
        return;
    memcpy(doc->buffer + doc->length, bytes, n);
    for (size_t i = 0; i < n; i++) {
        doc->from[doc->length + i] = from;
        doc->to[doc->length + i] = to;
    }
    doc->length += n;
}

void dulm_doc_copy(struct dulm_doc *doc, const struct dulm_doc *in, size_t begin, size_t end)
{
    const size_t n = end - begin;
    if (!n || !dulm_doc_reserve(doc, n))
        return;
    size_t *from = doc->from + doc->length, *to = doc->to + doc->length;
    memcpy(doc->buffer + doc->length, in->text + begin, n);
    doc->length += n;
    if (!in->plain) {
        memcpy(from, in->from + begin, n * sizeof *from);
        memcpy(to, in->to + begin, n * sizeof *to);
        return;
    }
    for (size_t i = begin, size; i < end; i += size) {
        size = dulm_utf8_length(in->text[i]);
        for (size_t k = 0; k < size; k++) {
            *from++ = i;
            *to++ = i + size;
        }
    }
}

void dulm_doc_split(struct dulm_doc *doc, size_t begin, size_t end, size_t origin, int32_t id)
{
    if (doc->failed || !dulm_grow((void **)&doc->split, &doc->split_capacity, doc->splits + 1,
                                  sizeof *doc->split)) {
        doc->failed = true;
        return;
    }
    doc->split[doc->splits++] = (struct dulm_split){begin, end, origin, id};
}

void dulm_doc_close(struct dulm_doc *doc, size_t begin, size_t origin, int32_t id)
{
    dulm_doc_split(doc, begin, doc->length, origin, id);
}

void dulm_doc_keep(struct dulm_doc *doc, const struct dulm_split *split)
{
    if (doc->failed ||
        !dulm_grow((void **)&doc->cut, &doc->cut_capacity, doc->cuts + 1, sizeof *doc->cut)) {
        doc->failed = true;
        return;
    }
    doc->cut[doc->cuts++] = *split;
}

void dulm_doc_slice(struct dulm_doc *doc, size_t begin, size_t end)
{
    if (begin < end)
        dulm_doc_keep(doc, &(struct dulm_split){begin, end, dulm_doc_from(doc, begin), -1});
}

void dulm_doc_recut(struct dulm_doc *doc)
{
    struct dulm_split *split = doc->split;
    const size_t capacity = doc->split_capacity;
    doc->split = doc->cut;
    doc->splits = doc->cuts;
    doc->split_capacity = doc->cut_capacity;
    doc->cut = split;
    doc->cut_capacity = capacity;
    doc->cuts = 0;
}

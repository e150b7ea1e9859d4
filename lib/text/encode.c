/* encode.c: one text through the pipeline. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/tokenizer.h"

void dulm_encoded_release(struct dulm_encoded *e)
{
    dulm_free(e->ids);
    dulm_free(e->begin);
    dulm_free(e->end);
    dulm_free(e->cut);
    *e = (struct dulm_encoded){0};
}

static diffulm_status add(struct dulm_encoded *e, int32_t id, size_t begin, size_t end, bool cut)
{
    size_t a = e->capacity, b = e->capacity, c = e->capacity;
    if (!dulm_grow((void **)&e->begin, &a, e->count + 1, sizeof *e->begin) ||
        !dulm_grow((void **)&e->end, &b, e->count + 1, sizeof *e->end) ||
        !dulm_grow((void **)&e->cut, &c, e->count + 1, 1) ||
        !dulm_grow((void **)&e->ids, &e->capacity, e->count + 1, sizeof *e->ids))
        return dulm_fail_memory();
    e->ids[e->count] = id;
    e->begin[e->count] = begin;
    e->cut[e->count] = cut;
    e->end[e->count++] = end;
    return DIFFULM_OK;
}

static diffulm_status add_split(const struct diffulm_tokenizer *tok, const struct dulm_doc *doc,
                                const struct dulm_split *s, struct dulm_tokens *tokens,
                                struct dulm_encoded *out)
{
    if (s->begin == s->end)
        return DIFFULM_OK;
    if (s->id >= 0)
        return add(out, s->id, doc->from[s->begin], doc->to[s->end - 1], true);
    tokens->count = 0;
    diffulm_status rc =
        dulm_subword_encode(&tok->model, doc->text + s->begin, s->end - s->begin, tokens);
    for (size_t i = 0; rc == DIFFULM_OK && i < tokens->count; i++) {
        const struct dulm_token *t = &tokens->list[i];
        const size_t begin = s->begin + t->begin, end = s->begin + t->end;
        if (t->id < 0)
            return dulm_fail(DIFFULM_E_FORMAT, "the text at byte %zu has no token, and there is no "
                                               "unknown token",
                             doc->from[s->begin]);
        if (begin < end)
            rc = add(out, t->id, doc->from[begin], doc->to[end - 1], false);
        else
            rc = add(out, t->id, doc->to[s->end - 1], doc->to[s->end - 1], false);
    }
    return rc;
}

/* Byte-level tokens carry their space; trimming takes it (and other written white space) out of the
 * offsets. The first token keeps one when the pre-tokenizer put it there. */
static void trim(const struct diffulm_tokenizer *tok, const char *text, struct dulm_encoded *e)
{
    for (size_t i = 0; i < e->count; i++) {
        size_t length, n, leading = 0, trailing = 0, at = 0;
        const char *piece = dulm_token_text(tok, e->ids[i], &length);
        if (e->cut[i]) {
            piece = text + e->begin[i];
            length = e->end[i] - e->begin[i];
        }
        bool open = true;
        while (piece && at < length) {
            const int32_t c = dulm_utf8_decode(piece + at, &n);
            const bool space = c == 0x120 || dulm_is_white_space(c);
            open = open && space;
            leading += open;
            trailing = space ? trailing + 1 : 0;
            at += n;
        }
        if (leading && tok->trim_prefix_space && (i == 0 || e->begin[i] == 0))
            leading--;
        for (; leading && e->begin[i] < e->end[i]; leading--) {
            dulm_utf8_decode(text + e->begin[i], &n);
            e->begin[i] += n;
        }
        for (; trailing && e->end[i] > e->begin[i]; trailing--)
            do
                e->end[i]--;
            while (e->end[i] > e->begin[i] &&
                   ((unsigned char)text[e->end[i]] & 0xC0) == 0x80);
    }
}

diffulm_status dulm_encode_text(const struct diffulm_tokenizer *tok, const char *text, size_t length,
                                struct dulm_encoded *out)
{
    struct dulm_doc one = {0}, two = {0}, *doc = &one, *spare = &two;
    struct dulm_tokens tokens = {0};
    diffulm_status rc = dulm_utf8_check(text, length, "text");
    size_t n;
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < length; i += n) {
        dulm_utf8_decode(text + i, &n);
        dulm_doc_put(doc, text + i, n, i, i + n);
    }
    dulm_doc_close(doc, 0, 0, -1);
    rc = doc->failed ? dulm_fail_memory() : dulm_added_extract(tok, false, &doc, &spare);
    if (rc == DIFFULM_OK)
        rc = dulm_normalize(tok->normalizer, &doc, &spare);
    if (rc == DIFFULM_OK)
        rc = dulm_added_extract(tok, true, &doc, &spare);
    if (rc == DIFFULM_OK)
        rc = dulm_pretokenize(tok->pretokenizer, &doc, &spare);
    for (size_t i = 0; rc == DIFFULM_OK && i < doc->splits; i++)
        rc = add_split(tok, doc, &doc->split[i], &tokens, out);
    if (rc == DIFFULM_OK && tok->trims)
        trim(tok, text, out);
    dulm_free(tokens.list);
    dulm_doc_release(&one);
    dulm_doc_release(&two);
    return rc;
}

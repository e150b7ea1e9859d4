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
    *e = (struct dulm_encoded){0};
}

/* White space, or a space as byte-level models write it. */
static bool is_trimmed(const char *text, size_t *n)
{
    const int32_t c = dulm_utf8_decode(text, n);
    return c == 0x120 || dulm_is_white_space(c);
}

/* Byte-level tokens carry their space; trimming takes it (and other written white space) out of the
 * offsets. The first token keeps a single one, which the pre-tokenizer put there. piece: the token's own text. */
static void trim(const struct diffulm_tokenizer *tok, const char *text, const char *piece,
                 size_t length, struct dulm_encoded *e)
{
    size_t *begin = &e->begin[e->count - 1], *end = &e->end[e->count - 1];
    size_t n, leading = 0, trailing = 0;
    for (size_t at = 0; piece && at < length && is_trimmed(piece + at, &n); at += n)
        leading++;
    for (size_t at = length; piece && at > 0; trailing++) {
        do
            at--;
        while (at > 0 && dulm_utf8_continues(piece[at]));
        if (!is_trimmed(piece + at, &n))
            break;
    }
    if (leading == 1 && tok->trim_prefix_space && (e->count == 1 || *begin == 0))
        leading = 0;
    for (; leading && *begin < *end; leading--) {
        dulm_utf8_decode(text + *begin, &n);
        *begin += n;
    }
    for (; trailing && *end > *begin; trailing--)
        do
            --*end;
        while (*end > *begin && dulm_utf8_continues(text[*end]));
}

/* Room for that many more tokens. */
static bool reserve(struct dulm_encoded *e, size_t more)
{
    const size_t needed = e->count + more;
    size_t a = e->capacity, b = e->capacity;
    return needed <= e->capacity ||
           (dulm_grow((void **)&e->begin, &a, needed, sizeof *e->begin) &&
            dulm_grow((void **)&e->end, &b, needed, sizeof *e->end) &&
            dulm_grow((void **)&e->ids, &e->capacity, needed, sizeof *e->ids));
}

static diffulm_status add(struct dulm_encoded *e, int32_t id, size_t begin, size_t end)
{
    if (!reserve(e, 1))
        return dulm_fail_memory();
    e->ids[e->count] = id;
    e->begin[e->count] = begin;
    e->end[e->count++] = end;
    return DIFFULM_OK;
}

/* A token for bytes [begin, end) of the doc. */
static diffulm_status add_token(const struct diffulm_tokenizer *tok, const char *text,
                                const struct dulm_doc *doc, const struct dulm_split *s,
                                size_t begin, size_t end, int32_t id, struct dulm_encoded *out)
{
    const size_t last = dulm_doc_to(doc, begin < end ? end - 1 : s->end - 1);
    diffulm_status rc = add(out, id, begin < end ? dulm_doc_from(doc, begin) : last, last);
    if (rc < 0 || !tok->trims)
        return rc;
    /* Added tokens and what Unigram does not know are called by their text, others by their piece. */
    const char *piece = doc->text + begin;
    size_t length = end - begin;
    if (s->id < 0 && (tok->model.kind != DULM_UNIGRAM || id != tok->model.unk_id))
        piece = dulm_token_text(tok, id, &length);
    trim(tok, text, piece, length, out);
    return DIFFULM_OK;
}

/* The tokens of a pre-token, from the cache or the model. */
static diffulm_status find_tokens(const struct diffulm_tokenizer *tok, const char *text,
                                  size_t length, struct dulm_tokens *tokens)
{
    tokens->count = 0;
    if (tok->cache && dulm_cache_find(tok->cache, text, length, tokens))
        return tokens->failed ? dulm_fail_memory() : DIFFULM_OK;
    const diffulm_status rc = dulm_subword_encode(&tok->model, text, length, tokens);
    bool known = rc == DIFFULM_OK && tok->cache;
    for (size_t i = 0; known && i < tokens->count; i++)
        known = tokens->list[i].id >= 0;
    if (known)
        dulm_cache_add(tok->cache, text, length, tokens->list, tokens->count);
    return rc;
}

static diffulm_status add_split(const struct diffulm_tokenizer *tok, const char *text,
                                const struct dulm_doc *doc, const struct dulm_split *s,
                                struct dulm_tokens *tokens, struct dulm_encoded *out)
{
    if (s->begin == s->end)
        return DIFFULM_OK;
    if (s->id >= 0)
        return add_token(tok, text, doc, s, s->begin, s->end, s->id, out);
    diffulm_status rc = find_tokens(tok, doc->text + s->begin, s->end - s->begin, tokens);
    for (size_t i = 0; rc == DIFFULM_OK && i < tokens->count; i++) {
        const struct dulm_token *t = &tokens->list[i];
        if (t->id < 0)
            return dulm_fail(DIFFULM_E_FORMAT,
                             "the text at byte %zu has no token, and there is no "
                             "unknown token",
                             dulm_doc_from(doc, s->begin));
        rc = add_token(tok, text, doc, s, s->begin + t->begin, s->begin + t->end, t->id, out);
    }
    return rc;
}

diffulm_status dulm_encode_text(const struct diffulm_tokenizer *tok, const char *text,
                                size_t length, struct dulm_encoded *out)
{
    struct dulm_doc one = {0}, two = {0}, *doc = &one, *spare = &two;
    struct dulm_tokens tokens = {0};
    diffulm_status rc = dulm_utf8_check(text, length, "text");
    if (rc < 0)
        return rc;
    dulm_doc_lend(doc, text, length);
    rc = doc->failed ? dulm_fail_memory() : dulm_added_extract(tok, false, doc);
    if (rc == DIFFULM_OK)
        rc = dulm_normalize(tok->normalizer, &doc, &spare);
    if (rc == DIFFULM_OK)
        rc = dulm_added_extract(tok, true, doc);
    if (rc == DIFFULM_OK)
        rc = dulm_pretokenize(tok->pretokenizer, &doc, &spare);
    if (rc == DIFFULM_OK && !reserve(out, doc->splits + doc->splits / 2 + 8))
        rc = dulm_fail_memory();
    for (size_t i = 0; rc == DIFFULM_OK && i < doc->splits; i++)
        rc = add_split(tok, text, doc, &doc->split[i], &tokens, out);
    dulm_tokens_release(&tokens);
    dulm_doc_release(&one);
    dulm_doc_release(&two);
    return rc;
}

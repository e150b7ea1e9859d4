/* added.c: tokens that are cut out of a text before the model sees it: the leftmost, the longest. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/limits.h"
#include "text/tokenizer.h"

diffulm_status dulm_added_add(struct diffulm_tokenizer *tok, const struct dulm_added *token)
{
    if (!dulm_grow((void **)&tok->added, &tok->added_capacity, tok->added_count + 1,
                   sizeof *tok->added))
        return dulm_fail_memory();
    struct dulm_added *a = &tok->added[tok->added_count];
    *a = *token;
    a->matched = NULL;
    a->content = dulm_strndup(token->content, token->length);
    if (!a->content)
        return dulm_fail_memory();
    tok->added_count++;
    return DIFFULM_OK;
}

static bool flag(const json_t *json, const char *key)
{
    return json_is_true(json_object_get(json, key));
}

/* Hugging Face numbers added tokens itself, whatever the file says: as a token of that content, else after
 * the vocabulary and all added so far. */
static int32_t number_of(const struct diffulm_tokenizer *tok, const char *content, size_t length)
{
    const int32_t known = dulm_token_find(tok, content, length);
    int32_t next = (int32_t)tok->model.vocab.used;
    for (size_t i = 0; known < 0 && i < tok->added_count; i++)
        next = tok->added[i].id >= next ? tok->added[i].id + 1 : next;
    return known >= 0 ? known : next;
}

diffulm_status dulm_added_read(struct diffulm_tokenizer *tok, const json_t *json, const char *path)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)json, i, item)
    {
        const json_t *id = json_object_get(item, "id"), *content = json_object_get(item, "content");
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) >= (json_int_t)DULM_LIMIT_VOCABULARY || !json_is_string(content))
            return dulm_fail(DIFFULM_E_FORMAT,
                             "%s: added_tokens: entry %zu needs an integer id and a content", path,
                             i);
        const struct dulm_added token = {
            .content = (char *)(uintptr_t)json_string_value(content),
            .length = json_string_length(content),
            .id = number_of(tok, json_string_value(content), json_string_length(content)),
            .single_word = flag(item, "single_word"),
            .lstrip = flag(item, "lstrip"),
            .rstrip = flag(item, "rstrip"),
            .normalized = flag(item, "normalized"),
            .special = flag(item, "special")};
        diffulm_status rc = dulm_added_add(tok, &token);
        if (rc < 0)
            return rc;
    }
    return DIFFULM_OK;
}

static diffulm_status normalise(const struct diffulm_tokenizer *tok, struct dulm_added *a)
{
    struct dulm_doc one = {0}, two = {0}, *doc = &one, *spare = &two;
    dulm_doc_lend(doc, a->content, a->length);
    diffulm_status rc = doc->failed     ? dulm_fail_memory()
                        : a->normalized ? dulm_normalize(tok->normalizer, &doc, &spare)
                                        : DIFFULM_OK;
    if (rc == DIFFULM_OK) {
        a->matched_length = doc->length;
        a->matched = dulm_strndup(doc->text ? doc->text : "", doc->length);
        rc = a->matched ? DIFFULM_OK : dulm_fail_memory();
    }
    dulm_doc_release(&one);
    dulm_doc_release(&two);
    return rc;
}

/* A template may name ids that no piece has; Hugging Face emits them too. */
static void cover_template(struct diffulm_tokenizer *tok, const struct dulm_template *t)
{
    for (size_t i = 0; i < t->count; i++)
        for (size_t j = 0; j < t->item[i].count; j++)
            if ((size_t)t->item[i].ids[j] + 1 > tok->vocabulary)
                tok->vocabulary = (size_t)t->item[i].ids[j] + 1;
}

diffulm_status dulm_added_finish(struct diffulm_tokenizer *tok)
{
    tok->vocabulary = tok->model.vocab.size;
    cover_template(tok, &tok->single);
    cover_template(tok, &tok->pair);
    for (size_t i = 0; i < tok->added_count; i++) {
        struct dulm_added *a = &tok->added[i];
        diffulm_status rc = normalise(tok, a);
        if (rc < 0)
            return rc;
        if (a->matched_length)
            tok->first[a->normalized][(unsigned char)a->matched[0]] = 1;
        if ((size_t)a->id + 1 > tok->vocabulary)
            tok->vocabulary = (size_t)a->id + 1;
    }
    return DIFFULM_OK;
}

const struct dulm_added *dulm_added_of(const struct diffulm_tokenizer *tok, int32_t id)
{
    for (size_t i = 0; i < tok->added_count; i++)
        if (tok->added[i].id == id)
            return &tok->added[i];
    return NULL;
}

const char *dulm_token_text(const struct diffulm_tokenizer *tok, int32_t id, size_t *length)
{
    const struct dulm_added *a = dulm_added_of(tok, id);
    if (!a)
        return dulm_vocab_piece(&tok->model.vocab, id, length);
    *length = a->length;
    return a->content;
}

int32_t dulm_token_find(const struct diffulm_tokenizer *tok, const char *text, size_t length)
{
    for (size_t i = 0; i < tok->added_count; i++)
        if (tok->added[i].length == length && memcmp(tok->added[i].content, text, length) == 0)
            return tok->added[i].id;
    return dulm_vocab_find(&tok->model.vocab, text, length);
}

/* The longest added token at text[at], or NULL. */
static const struct dulm_added *match_at(const struct diffulm_tokenizer *tok, bool normalized,
                                         const char *text, size_t length)
{
    const struct dulm_added *best = NULL;
    for (size_t i = 0; i < tok->added_count; i++) {
        const struct dulm_added *a = &tok->added[i];
        if (a->normalized == normalized && a->matched_length && a->matched_length <= length &&
            (!best || a->matched_length > best->matched_length) &&
            memcmp(text, a->matched, a->matched_length) == 0)
            best = a;
    }
    return best;
}

static size_t back_up(const char *text, size_t at)
{
    do
        at--;
    while (at > 0 && dulm_utf8_continues(text[at]));
    return at;
}

static bool stands_alone(const char *text, size_t begin, size_t end, size_t from, size_t to)
{
    size_t n;
    if (from > begin && dulm_is_word(dulm_utf8_decode(text + back_up(text, from), &n)))
        return false;
    return to >= end || !dulm_is_word(dulm_utf8_decode(text + to, &n));
}

static void extract(const struct diffulm_tokenizer *tok, bool normalized, struct dulm_doc *in,
                    const struct dulm_split *s)
{
    const uint8_t *first = tok->first[normalized];
    size_t open = s->begin, n;
    for (size_t i = s->begin; i < s->end;) {
        while (i < s->end && !first[(unsigned char)in->text[i]])
            i++;
        if (i == s->end)
            break;
        const struct dulm_added *a = match_at(tok, normalized, in->text + i, s->end - i);
        size_t from = i, to = a ? i + a->matched_length : i + 1;
        const bool alone =
            a && (!a->single_word || stands_alone(in->text, s->begin, s->end, from, to));
        i = to;
        if (!alone)
            continue;
        while (a->lstrip && from > open) {
            const size_t back = back_up(in->text, from);
            if (!dulm_is_white_space(dulm_utf8_decode(in->text + back, &n)))
                break;
            from = back;
        }
        while (a->rstrip && to < s->end && dulm_is_white_space(dulm_utf8_decode(in->text + to, &n)))
            to += n;
        dulm_doc_slice(in, open, from);
        dulm_doc_keep(in, &(struct dulm_split){from, to, dulm_doc_from(in, from), a->id});
        i = open = to;
    }
    dulm_doc_slice(in, open, s->end);
}

diffulm_status dulm_added_extract(const struct diffulm_tokenizer *tok, bool normalized,
                                  struct dulm_doc *doc)
{
    for (size_t i = 0; i < doc->splits; i++) {
        const struct dulm_split s = doc->split[i];
        if (s.id < 0)
            extract(tok, normalized, doc, &s);
        else
            dulm_doc_keep(doc, &s);
    }
    dulm_doc_recut(doc);
    return doc->failed ? dulm_fail_memory() : DIFFULM_OK;
}

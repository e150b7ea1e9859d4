/* prune.c: which pieces of a tokenizer.json must stay, and the file without the others. */
#include "text/prune.h"

#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Calls `visit` with the JSON of every id in a post-processor. */
typedef diffulm_status visit_function(json_t *holder, size_t index, json_t *id, void *user);

static diffulm_status visit_ids(json_t *post, visit_function *visit, void *user)
{
    static const char *const pairs[] = {"cls", "sep"};
    const char *name;
    json_t *special;
    size_t i;
    diffulm_status rc = DIFFULM_OK;
    for (i = 0; rc == DIFFULM_OK && i < 2; i++) {
        json_t *pair = json_object_get(post, pairs[i]);
        if (json_array_size(pair) == 2)
            rc = visit(pair, 1, json_array_get(pair, 1), user);
    }
    json_object_foreach(json_object_get(post, "special_tokens"), name, special)
    {
        json_t *ids = json_object_get(special, "ids");
        for (i = 0; rc == DIFFULM_OK && i < json_array_size(ids); i++)
            rc = visit(ids, i, json_array_get(ids, i), user);
    }
    json_t *list = json_object_get(post, "processors");
    for (i = 0; rc == DIFFULM_OK && i < json_array_size(list); i++)
        rc = visit_ids(json_array_get(list, i), visit, user);
    return rc;
}

struct marks {
    uint8_t *keep;
    size_t vocabulary;
};

static diffulm_status mark_id(json_t *holder, size_t index, json_t *id, void *user)
{
    (void)holder, (void)index;
    const struct marks *m = user;
    if (json_integer_value(id) >= 0 && (size_t)json_integer_value(id) < m->vocabulary)
        m->keep[json_integer_value(id)] = 1;
    return DIFFULM_OK;
}

static void mark_piece(const struct diffulm_tokenizer *tok, const char *piece, size_t length,
                       uint8_t *keep)
{
    const int32_t id = dulm_vocab_find(&tok->model.vocab, piece, length);
    if (id >= 0)
        keep[id] = 1;
}

/* The two parts of a merge, "a b" or ["a", "b"]. */
static bool parts_of(const json_t *merge, const char *part[2], size_t length[2])
{
    for (int k = 0; k < 2 && json_is_array(merge); k++) {
        part[k] = json_string_value(json_array_get(merge, (size_t)k));
        length[k] = json_string_length(json_array_get(merge, (size_t)k));
    }
    if (json_is_array(merge))
        return part[0] && part[1];
    const char *text = json_string_value(merge), *space = text ? strchr(text, ' ') : NULL;
    if (!space)
        return false;
    part[0] = text;
    length[0] = (size_t)(space - text);
    part[1] = space + 1;
    length[1] = strlen(space + 1);
    return true;
}

/* The piece a merge makes: the second part's prefix is left out. */
static int32_t result_of(const struct dulm_subword *m, const char *const part[2],
                         const size_t length[2], struct dulm_strbuf *text)
{
    const bool prefixed = m->prefix_length && length[1] >= m->prefix_length &&
                          memcmp(part[1], m->prefix, m->prefix_length) == 0;
    const size_t skip = prefixed ? m->prefix_length : 0;
    text->length = 0;
    dulm_strbuf_append(text, part[0], length[0]);
    dulm_strbuf_append(text, part[1] + skip, length[1] - skip);
    return text->failed ? -1
                        : dulm_vocab_find(&m->vocab, text->data ? text->data : "", text->length);
}

/* Parts of what is kept stay too. Parts are made by earlier merges: one pass from the last to the first, and
 * another while files of another order bring something new. */
static diffulm_status mark_parts(const struct diffulm_tokenizer *tok, const json_t *merges,
                                 uint8_t *keep)
{
    struct dulm_strbuf text = {0};
    const char *part[2];
    size_t length[2];
    for (bool changed = true; changed && !text.failed;) {
        changed = false;
        for (size_t i = json_array_size(merges); i-- > 0;) {
            if (!parts_of(json_array_get(merges, i), part, length))
                continue;
            const int32_t whole = result_of(&tok->model, part, length, &text);
            if (whole < 0 || !keep[whole])
                continue;
            for (int k = 0; k < 2; k++) {
                const int32_t id = dulm_vocab_find(&tok->model.vocab, part[k], length[k]);
                changed |= id >= 0 && !keep[id];
                if (id >= 0)
                    keep[id] = 1;
            }
        }
    }
    const bool failed = text.failed;
    dulm_strbuf_release(&text);
    return failed ? dulm_fail_memory() : DIFFULM_OK;
}

diffulm_status dulm_prune_close(const struct diffulm_tokenizer *tok, const json_t *root,
                                uint8_t *keep)
{
    const struct dulm_subword *m = &tok->model;
    struct marks marks = {keep, tok->vocabulary};
    char piece[8];
    if (m->unk_id >= 0)
        keep[m->unk_id] = 1;
    for (size_t i = 0; i < tok->added_count; i++)
        keep[tok->added[i].id] = 1;
    for (int b = 0; b < 256; b++) {
        if (m->byte_id[b] >= 0)
            keep[m->byte_id[b]] = 1;
        if (m->kind == DULM_BPE)
            mark_piece(tok, piece, dulm_utf8_encode(dulm_byte_character((unsigned char)b), piece),
                       keep);
    }
    diffulm_status rc = visit_ids(json_object_get(root, "post_processor"), mark_id, &marks);
    if (rc == DIFFULM_OK && m->kind == DULM_BPE)
        rc = mark_parts(tok, json_object_get(json_object_get(root, "model"), "merges"), keep);
    return rc;
}

static diffulm_status renumber(json_t *holder, size_t index, json_t *id, void *user)
{
    const int32_t *place = user;
    json_t *fresh = json_integer(place[json_integer_value(id)]);
    return fresh && json_array_set_new(holder, index, fresh) == 0 ? DIFFULM_OK : dulm_fail_memory();
}

static diffulm_status prune_vocab(json_t *model, const int32_t *place)
{
    json_t *vocab = json_object_get(model, "vocab"), *value;
    json_t *fresh = json_is_array(vocab) ? json_array() : json_object();
    const char *piece;
    size_t i, length;
    int failed = !fresh;
    json_array_foreach(vocab, i, value)
    {
        if (place[i] >= 0)
            failed |= json_array_append(fresh, value);
    }
    json_object_keylen_foreach(vocab, piece, length, value)
    {
        const int32_t id = place[json_integer_value(value)];
        if (id >= 0)
            failed |= json_object_setn_new(fresh, piece, length, json_integer(id));
    }
    return failed | json_object_set_new(model, "vocab", fresh) ? dulm_fail_memory() : DIFFULM_OK;
}

static diffulm_status prune_merges(const struct diffulm_tokenizer *tok, json_t *model,
                                   const int32_t *place)
{
    const json_t *merges = json_object_get(model, "merges");
    struct dulm_strbuf text = {0};
    json_t *fresh = json_array(), *merge;
    const char *part[2];
    size_t i, length[2];
    int failed = !fresh;
    json_array_foreach((json_t *)merges, i, merge)
    {
        if (!parts_of(merge, part, length))
            continue;
        const int32_t ids[3] = {dulm_vocab_find(&tok->model.vocab, part[0], length[0]),
                                dulm_vocab_find(&tok->model.vocab, part[1], length[1]),
                                result_of(&tok->model, part, length, &text)};
        bool kept = true;
        for (int k = 0; k < 3; k++)
            kept = kept && ids[k] >= 0 && place[ids[k]] >= 0;
        if (kept)
            failed |= json_array_append(fresh, merge);
    }
    failed |= text.failed;
    dulm_strbuf_release(&text);
    return failed | json_object_set_new(model, "merges", fresh) ? dulm_fail_memory() : DIFFULM_OK;
}

/* Hugging Face numbers added tokens that the model does not know behind its vocabulary. */
static diffulm_status check_added(const struct diffulm_tokenizer *tok, const char *path)
{
    for (size_t i = 0; i < tok->added_count; i++) {
        const struct dulm_added *a = &tok->added[i];
        const bool known = dulm_vocab_find(&tok->model.vocab, a->content, a->length) == a->id;
        if (!known && (size_t)a->id < tok->model.vocab.size)
            return dulm_fail(DIFFULM_E_UNSUPPORTED,
                             "%s: added token %.40s has id %d, in the middle of the vocabulary",
                             path, a->content, a->id);
    }
    return DIFFULM_OK;
}

diffulm_status dulm_prune_json(const struct diffulm_tokenizer *tok, json_t *root, const char *path,
                               const int32_t *place)
{
    json_t *model = json_object_get(root, "model"), *item;
    size_t i;
    diffulm_status rc = check_added(tok, path);
    if (rc == DIFFULM_OK)
        rc = prune_vocab(model, place);
    if (rc == DIFFULM_OK && tok->model.kind == DULM_BPE)
        rc = prune_merges(tok, model, place);
    if (rc == DIFFULM_OK && json_is_integer(json_object_get(model, "unk_id")))
        json_object_set_new(model, "unk_id", json_integer(place[tok->model.unk_id]));
    json_array_foreach(json_object_get(root, "added_tokens"), i, item)
    {
        if (rc == DIFFULM_OK)
            rc = json_object_set_new(item, "id", json_integer(place[tok->added[i].id])) == 0
                     ? DIFFULM_OK
                     : dulm_fail_memory();
    }
    if (rc == DIFFULM_OK)
        rc = visit_ids(json_object_get(root, "post_processor"), renumber, (void *)(uintptr_t)place);
    json_object_del(root, "padding"); /* it names ids, and only batching code reads it */
    return rc;
}

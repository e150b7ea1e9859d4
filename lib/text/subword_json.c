/* subword_json.c: tokenizer.json's "model". Older files leave out its type. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/subword.h"
#include "text/utf8.h"

static diffulm_status read_object_vocab(struct dulm_subword *m, const json_t *vocab,
                                        const char *path)
{
    const char *piece;
    size_t length;
    json_t *id;
    if (!json_is_object(vocab))
        return dulm_fail(DIFFULM_E_FORMAT, "%s: model: vocab is missing or not an object", path);
    json_object_keylen_foreach((json_t *)vocab, piece, length, id)
    {
        if (!json_is_integer(id))
            return dulm_fail(DIFFULM_E_FORMAT, "%s: vocab: the id of %.40s is not an integer", path,
                             piece);
        diffulm_status rc = dulm_vocab_add(&m->vocab, piece, length, json_integer_value(id), path);
        if (rc < 0)
            return rc;
    }
    return DIFFULM_OK;
}

static diffulm_status read_unigram(struct dulm_subword *m, const json_t *json, const char *path)
{
    const json_t *vocab = json_object_get(json, "vocab"), *unk = json_object_get(json, "unk_id");
    const size_t count = json_array_size(vocab);
    if (!json_is_array(vocab))
        return dulm_fail(DIFFULM_E_FORMAT, "%s: model: vocab is missing or not an array", path);
    m->score = dulm_alloc(count, sizeof *m->score);
    if (!m->score)
        return dulm_fail_memory();
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(vocab, i), *piece = json_array_get(entry, 0);
        const json_t *score = json_array_get(entry, 1);
        if (json_array_size(entry) != 2 || !json_is_string(piece) || !json_is_number(score) ||
            !isfinite(json_number_value(score)))
            return dulm_fail(DIFFULM_E_FORMAT,
                             "%s: vocab: entry %zu is not [piece, score] with a finite number",
                             path, i);
        diffulm_status rc = dulm_vocab_add(&m->vocab, json_string_value(piece),
                                           json_string_length(piece), (int64_t)i, path);
        if (rc < 0)
            return rc;
        m->score[i] = json_number_value(score);
    }
    if (json_is_integer(unk)) {
        if (json_integer_value(unk) < 0 || (size_t)json_integer_value(unk) >= count)
            return dulm_fail(DIFFULM_E_FORMAT, "%s: unk_id %lld is out of range", path,
                             (long long)json_integer_value(unk));
        m->unk_id = (int32_t)json_integer_value(unk);
    }
    return dulm_unigram_finish(m, path);
}

static diffulm_status copy_text(const json_t *json, const char *key, char **out, size_t *length)
{
    const json_t *value = json_object_get(json, key);
    if (!json_is_string(value))
        return DIFFULM_OK;
    *length = json_string_length(value);
    *out = dulm_strndup(json_string_value(value), *length);
    return *out ? DIFFULM_OK : dulm_fail_memory();
}

static diffulm_status read_unk(struct dulm_subword *m, const json_t *json, const char *path)
{
    const json_t *unk = json_object_get(json, "unk_token");
    if (!json_is_string(unk))
        return DIFFULM_OK;
    m->unk_id = dulm_vocab_find(&m->vocab, json_string_value(unk), json_string_length(unk));
    if (m->unk_id < 0)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: unk_token %.40s is not in the vocabulary", path,
                         json_string_value(unk));
    return DIFFULM_OK;
}

/* "a b", or ["a", "b"]. */
static diffulm_status read_merge(struct dulm_subword *m, const json_t *merge, size_t rank,
                                 const char *path)
{
    const json_t *a = json_array_get(merge, 0), *b = json_array_get(merge, 1);
    if (json_array_size(merge) == 2 && json_is_string(a) && json_is_string(b))
        return dulm_bpe_merge(m, json_string_value(a), json_string_length(a), json_string_value(b),
                              json_string_length(b), (int32_t)rank, path);
    const char *text = json_string_value(merge), *space = text ? strchr(text, ' ') : NULL;
    if (!space || strchr(space + 1, ' '))
        return dulm_fail(DIFFULM_E_FORMAT, "%s: merge %zu: expected two pieces", path, rank);
    return dulm_bpe_merge(m, text, (size_t)(space - text), space + 1, strlen(space + 1),
                          (int32_t)rank, path);
}

static bool flag(const json_t *json, const char *key)
{
    return json_is_true(json_object_get(json, key));
}

static diffulm_status read_bpe(struct dulm_subword *m, const json_t *json, const char *path)
{
    const json_t *merges = json_object_get(json, "merges");
    m->fuse_unk = flag(json, "fuse_unk");
    m->ignore_merges = flag(json, "ignore_merges");
    diffulm_status rc = read_object_vocab(m, json_object_get(json, "vocab"), path);
    if (rc == DIFFULM_OK)
        rc = copy_text(json, "continuing_subword_prefix", &m->prefix, &m->prefix_length);
    if (rc == DIFFULM_OK)
        rc = copy_text(json, "end_of_word_suffix", &m->suffix, &m->suffix_length);
    if (rc == DIFFULM_OK)
        rc = read_unk(m, json, path);
    if (rc == DIFFULM_OK && !json_is_array(merges))
        rc = dulm_fail(DIFFULM_E_FORMAT, "%s: model: merges are missing or not an array", path);
    if (rc == DIFFULM_OK)
        rc = dulm_bpe_add_merges(m, json_array_size(merges));
    for (size_t i = 0; rc == DIFFULM_OK && i < json_array_size(merges); i++)
        rc = read_merge(m, json_array_get(merges, i), i, path);
    return rc;
}

static diffulm_status read_words(struct dulm_subword *m, const json_t *json, const char *path)
{
    const json_t *most = json_object_get(json, "max_input_chars_per_word");
    m->max_characters = json_is_integer(most) && json_integer_value(most) > 0
                            ? (size_t)json_integer_value(most)
                            : 100;
    diffulm_status rc = read_object_vocab(m, json_object_get(json, "vocab"), path);
    if (rc == DIFFULM_OK)
        rc = copy_text(json, "continuing_subword_prefix", &m->prefix, &m->prefix_length);
    if (rc == DIFFULM_OK && m->kind == DULM_WORDPIECE && !m->prefix) {
        m->prefix = dulm_strndup("##", 2);
        m->prefix_length = 2;
        rc = m->prefix ? DIFFULM_OK : dulm_fail_memory();
    }
    if (rc == DIFFULM_OK)
        rc = read_unk(m, json, path);
    if (rc == DIFFULM_OK && m->unk_id < 0 && m->kind == DULM_WORDPIECE) {
        m->unk_id = dulm_vocab_find(&m->vocab, "[UNK]", 5);
        if (m->unk_id < 0)
            rc = dulm_fail(DIFFULM_E_FORMAT, "%s: unk_token [UNK] is not in the vocabulary", path);
    }
    return rc;
}

static diffulm_status find_kind(const json_t *json, const char *path, enum dulm_subword_kind *kind)
{
    static const char *const names[] = {"Unigram", "BPE", "WordPiece", "WordLevel"};
    const json_t *type = json_object_get(json, "type");
    if (!json_is_object(json))
        return dulm_fail(DIFFULM_E_FORMAT, "%s: model is missing or not an object", path);
    for (int i = 0; json_is_string(type) && i < 4; i++)
        if (strcmp(json_string_value(type), names[i]) == 0) {
            *kind = (enum dulm_subword_kind)i;
            return DIFFULM_OK;
        }
    if (type)
        return dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: model: unknown type %.40s", path,
                         json_is_string(type) ? json_string_value(type) : "(not a string)");
    *kind = json_object_get(json, "merges")                     ? DULM_BPE
            : json_is_array(json_object_get(json, "vocab"))     ? DULM_UNIGRAM
            : json_object_get(json, "max_input_chars_per_word") ? DULM_WORDPIECE
                                                                : DULM_WORDLEVEL;
    return DIFFULM_OK;
}

diffulm_status dulm_subword_read(const json_t *json, const char *path, struct dulm_subword *out)
{
    struct dulm_subword m = {.unk_id = -1};
    diffulm_status rc = find_kind(json, path, &m.kind);
    if (rc < 0)
        return rc;
    m.byte_fallback = flag(json, "byte_fallback");
    if (m.kind == DULM_UNIGRAM)
        rc = read_unigram(&m, json, path);
    else if (m.kind == DULM_BPE)
        rc = read_bpe(&m, json, path);
    else
        rc = read_words(&m, json, path);
    if (rc < 0) {
        dulm_subword_release(&m);
        return rc;
    }
    dulm_subword_find_bytes(&m);
    *out = m;
    return DIFFULM_OK;
}

/* load.c: tokenizer.json, vocab.txt, and vocab.json with merges.txt. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/json.h"
#include "text/tokenizer.h"

void dulm_tokenizer_free(struct diffulm_tokenizer *tok)
{
    for (size_t i = 0; i < tok->added_count; i++) {
        dulm_free(tok->added[i].content);
        dulm_free(tok->added[i].matched);
    }
    dulm_free(tok->added);
    dulm_normalizer_free(tok->normalizer);
    dulm_pretokenizer_free(tok->pretokenizer);
    dulm_subword_release(&tok->model);
    dulm_cache_free(tok->cache);
    dulm_template_release(&tok->single);
    dulm_template_release(&tok->pair);
    dulm_decoder_free(tok->decoder);
    dulm_free(tok);
}

/* Nesting is bounded before the parser sees it. */
static diffulm_status check_depth(const char *bytes, size_t size, const char *path)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        const char c = bytes[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"')
            quoted = true;
        else if (c == '[' || c == '{') {
            if (++depth > 128)
                return dulm_fail(DIFFULM_E_LIMIT, "%s: JSON nested deeper than 128 at byte %zu",
                                 path, i);
        } else if ((c == ']' || c == '}') && depth)
            depth--;
    }
    return DIFFULM_OK;
}

diffulm_status dulm_load_json(struct diffulm_tokenizer *tok, const void *bytes, size_t size,
                              const char *path)
{
    json_t *root = NULL;
    diffulm_status rc = size == 0 ? dulm_fail(DIFFULM_E_FORMAT, "%s: the file is empty", path)
                                  : dulm_utf8_check(bytes, size, path);
    if (rc == DIFFULM_OK)
        rc = check_depth(bytes, size, path);
    if (rc == DIFFULM_OK)
        rc = dulm_json_parse(bytes, size, path, &root);
    if (rc == DIFFULM_OK && !json_is_object(root))
        rc = dulm_fail(DIFFULM_E_FORMAT, "%s: expected a JSON object at the top", path);
    if (rc == DIFFULM_OK)
        rc = dulm_subword_read(json_object_get(root, "model"), path, &tok->model);
    if (rc == DIFFULM_OK)
        rc = dulm_added_read(tok, json_object_get(root, "added_tokens"), path);
    if (rc == DIFFULM_OK)
        rc = dulm_normalizer_read(json_object_get(root, "normalizer"), path, &tok->normalizer);
    if (rc == DIFFULM_OK)
        rc = dulm_pretokenizer_read(json_object_get(root, "pre_tokenizer"), path,
                                    &tok->pretokenizer);
    if (rc == DIFFULM_OK)
        rc = dulm_postprocessor_read(tok, json_object_get(root, "post_processor"), path);
    if (rc == DIFFULM_OK)
        rc = dulm_decoder_read(json_object_get(root, "decoder"), path, &tok->decoder);
    json_decref(root);
    return rc;
}

/* Parts of the pipeline that a file without them implies, as JSON. Steals the references. */
diffulm_status dulm_load_parts(struct diffulm_tokenizer *tok, json_t *normalizer, json_t *pre,
                               json_t *post, json_t *decoder, const char *path)
{
    diffulm_status rc = DIFFULM_OK;
    if (normalizer)
        rc = dulm_normalizer_read(normalizer, path, &tok->normalizer);
    if (rc == DIFFULM_OK)
        rc = dulm_pretokenizer_read(pre, path, &tok->pretokenizer);
    if (rc == DIFFULM_OK)
        rc = dulm_postprocessor_read(tok, post, path);
    if (rc == DIFFULM_OK)
        rc = dulm_decoder_read(decoder, path, &tok->decoder);
    json_decref(normalizer);
    json_decref(pre);
    json_decref(post);
    json_decref(decoder);
    return rc;
}

static diffulm_status add_special(struct diffulm_tokenizer *tok, const char *name)
{
    const int32_t id = dulm_vocab_find(&tok->model.vocab, name, strlen(name));
    const struct dulm_added token = {
        .content = (char *)(uintptr_t)name, .length = strlen(name), .id = id, .special = true};
    return id < 0 ? DIFFULM_OK : dulm_added_add(tok, &token);
}

static diffulm_status read_lines(struct dulm_vocab *vocab, const char *bytes, size_t size,
                                 const char *path)
{
    int64_t line = 0;
    for (size_t at = 0; at < size; line++) {
        const char *end = memchr(bytes + at, '\n', size - at);
        size_t length = (end ? (size_t)(end - bytes) : size) - at, offset;
        const size_t next = at + length + 1;
        if (dulm_utf8_invalid(bytes + at, length, &offset))
            return dulm_fail(DIFFULM_E_UTF8, "%s: line %lld: not valid UTF-8 at byte %zu", path,
                             (long long)line + 1, offset);
        if (length && bytes[at + length - 1] == '\r')
            length--;
        diffulm_status rc = dulm_vocab_add(vocab, bytes + at, length, line, path);
        if (rc < 0)
            return rc;
        at = next;
    }
    return DIFFULM_OK;
}

diffulm_status dulm_load_wordpiece(struct diffulm_tokenizer *tok, const char *bytes, size_t size,
                                   bool lowercase, const char *path)
{
    static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    struct dulm_subword *m = &tok->model;
    *m = (struct dulm_subword){.kind = DULM_WORDPIECE, .unk_id = -1, .max_characters = 100};
    if (size == 0)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: the vocabulary is empty", path);
    diffulm_status rc = read_lines(&m->vocab, bytes, size, path);
    m->prefix = dulm_strndup("##", 2);
    m->prefix_length = 2;
    if (rc == DIFFULM_OK && !m->prefix)
        rc = dulm_fail_memory();
    m->unk_id = dulm_vocab_find(&m->vocab, "[UNK]", 5);
    if (rc == DIFFULM_OK && m->unk_id < 0)
        rc = dulm_fail(DIFFULM_E_FORMAT, "%s: there is no line [UNK]", path);
    for (size_t i = 0; rc == DIFFULM_OK && i < 5; i++)
        rc = add_special(tok, specials[i]);
    if (rc < 0)
        return rc;
    const int32_t cls = dulm_vocab_find(&m->vocab, "[CLS]", 5);
    const int32_t sep = dulm_vocab_find(&m->vocab, "[SEP]", 5);
    json_t *post = cls < 0 || sep < 0 ? NULL
                                      : json_pack("{s:s,s:[s,i],s:[s,i]}", "type", "BertProcessing",
                                                  "sep", "[SEP]", sep, "cls", "[CLS]", cls);
    return dulm_load_parts(
        tok,
        json_pack("{s:s,s:b,s:b,s:b}", "type", "BertNormalizer", "clean_text", 1,
                  "handle_chinese_chars", 1, "lowercase", lowercase),
        json_pack("{s:s}", "type", "BertPreTokenizer"), post,
        json_pack("{s:s,s:s,s:b}", "type", "WordPiece", "prefix", "##", "cleanup", 1), path);
}

/* merges.txt: "a b" lines after a version comment. */
static diffulm_status read_merges(struct dulm_subword *m, const char *bytes, size_t size,
                                  const char *path)
{
    size_t lines = 1;
    int32_t rank = 0;
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    diffulm_status rc = dulm_bpe_add_merges(m, lines);
    for (size_t at = 0; rc == DIFFULM_OK && at < size;) {
        const char *end = memchr(bytes + at, '\n', size - at), *line = bytes + at;
        size_t length = (end ? (size_t)(end - bytes) : size) - at;
        at += length + 1;
        if (length && line[length - 1] == '\r')
            length--;
        if (length == 0 || (length >= 8 && memcmp(line, "#version", 8) == 0))
            continue;
        const char *space = memchr(line, ' ', length);
        if (!space || memchr(space + 1, ' ', length - (size_t)(space + 1 - line)))
            return dulm_fail(DIFFULM_E_FORMAT, "%s: merge %d: expected two pieces", path, rank);
        rc = dulm_bpe_merge(m, line, (size_t)(space - line), space + 1,
                            length - (size_t)(space + 1 - line), rank, path);
        rank++;
    }
    return rc;
}

static diffulm_status read_vocab_json(struct dulm_vocab *vocab, const json_t *root,
                                      const char *path)
{
    const char *piece;
    size_t length;
    json_t *id;
    json_object_keylen_foreach((json_t *)root, piece, length, id)
    {
        diffulm_status rc =
            json_is_integer(id)
                ? dulm_vocab_add(vocab, piece, length, json_integer_value(id), path)
                : dulm_fail(DIFFULM_E_FORMAT, "%s: the id of %.40s is not an integer", path, piece);
        if (rc < 0)
            return rc;
    }
    return DIFFULM_OK;
}

diffulm_status dulm_load_bpe(struct diffulm_tokenizer *tok, const struct dulm_place *place,
                             const struct dulm_file *vocab)
{
    static const char *const specials[] = {"<s>",   "<pad>",  "</s>",
                                           "<unk>", "<mask>", "<|endoftext|>"};
    struct dulm_subword *m = &tok->model;
    *m = (struct dulm_subword){.kind = DULM_BPE, .unk_id = -1};
    json_t *root = NULL;
    struct dulm_file merges = {0};
    diffulm_status rc = dulm_json_parse(vocab->data, vocab->size, vocab->name, &root);
    if (rc == DIFFULM_OK)
        rc = read_vocab_json(&m->vocab, root, vocab->name);
    if (rc == DIFFULM_OK)
        rc = dulm_place_open(place, "merges.txt", &merges);
    if (rc == DIFFULM_OK)
        rc = read_merges(m, (const char *)merges.data, merges.size, merges.name);
    for (size_t i = 0; rc == DIFFULM_OK && i < 6; i++)
        rc = add_special(tok, specials[i]);
    const int32_t cls = dulm_vocab_find(&m->vocab, "<s>", 3);
    const int32_t sep = dulm_vocab_find(&m->vocab, "</s>", 4);
    if (rc == DIFFULM_OK)
        rc = dulm_load_parts(
            tok, NULL,
            json_pack("{s:s,s:b,s:b}", "type", "ByteLevel", "add_prefix_space", 0, "use_regex", 1),
            cls < 0 || sep < 0 ? NULL
                               : json_pack("{s:s,s:[s,i],s:[s,i],s:b,s:b}", "type",
                                           "RobertaProcessing", "sep", "</s>", sep, "cls", "<s>",
                                           cls, "trim_offsets", 1, "add_prefix_space", 0),
            json_pack("{s:s}", "type", "ByteLevel"), vocab->name);
    dulm_file_close(&merges);
    json_decref(root);
    return rc;
}

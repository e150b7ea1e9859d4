/* tokenizer.c: public face of tokenizers: opening by what is there, templates around encoded texts. */
#include <diffulm/files.h>
#include <string.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/json.h"
#include "io/place.h"
#include "text/tokenizer.h"

static bool ends_with(const char *text, const char *suffix)
{
    const size_t a = strlen(text), b = strlen(suffix);
    return a >= b && strcmp(text + a - b, suffix) == 0;
}

/* tokenizer_config.json's do_lower_case beside vocab.txt; true when it does not say. */
static bool lowercases(const struct dulm_place *place)
{
    struct dulm_file file;
    json_t *root = NULL;
    bool lower = true, found = false;
    if (dulm_place_find(place, "tokenizer_config.json", &file, &found) < 0 || !found)
        return true;
    if (dulm_json_parse(file.data, file.size, file.name, &root) == DIFFULM_OK)
        lower = !json_is_false(json_object_get(root, "do_lower_case"));
    json_decref(root);
    dulm_file_close(&file);
    return lower;
}

/* What a file is, its suffix tells. */
static diffulm_status load_file(struct diffulm_tokenizer *tok, const struct dulm_place *place,
                                const struct dulm_file *file)
{
    if (ends_with(file->name, ".model"))
        return dulm_load_sentencepiece(tok, file->data, file->size, file->name);
    if (ends_with(file->name, ".txt"))
        return dulm_load_wordpiece(tok, (const char *)file->data, file->size, lowercases(place),
                                   file->name);
    return dulm_load_json(tok, file->data, file->size, file->name);
}

static diffulm_status load_place(struct diffulm_tokenizer *tok, const struct dulm_place *place)
{
    static const char *const names[] = {"tokenizer.json", "sentencepiece.bpe.model", "vocab.txt",
                                        "vocab.json"};
    for (size_t i = 0; i < 4; i++) {
        struct dulm_file file;
        bool found = false;
        diffulm_status rc = dulm_place_find(place, names[i], &file, &found);
        if (rc == DIFFULM_OK && found) {
            rc = i == 3 ? dulm_load_bpe(tok, place, &file) : load_file(tok, place, &file);
            dulm_file_close(&file);
        }
        if (rc < 0 || found)
            return rc;
    }
    return dulm_fail(DIFFULM_E_IO,
                     "%s: no tokenizer.json, sentencepiece.bpe.model, vocab.txt or vocab.json",
                     dulm_place_label(place));
}

static diffulm_status load(struct diffulm_tokenizer *tok, const char *path)
{
    if (!ends_with(path, ".json") && !ends_with(path, ".model") && !ends_with(path, ".txt"))
        return load_place(tok, &(struct dulm_place){.folder = path});
    const char *slash = strrchr(path, '/');
    char *folder = slash ? dulm_strndup(path, (size_t)(slash - path)) : dulm_strndup(".", 1);
    struct dulm_file file = {0};
    diffulm_status rc = folder ? dulm_file_open(path, &file) : dulm_fail_memory();
    if (rc == DIFFULM_OK)
        rc = load_file(tok, &(struct dulm_place){.folder = folder}, &file);
    dulm_file_close(&file);
    dulm_free(folder);
    return rc;
}

static int32_t find_first(const struct diffulm_tokenizer *tok, const char *a, const char *b)
{
    const int32_t id = dulm_token_find(tok, a, strlen(a));
    return id >= 0 ? id : dulm_token_find(tok, b, strlen(b));
}

void diffulm_tokenizer_options_init(struct diffulm_tokenizer_options *options, size_t struct_size)
{
    const struct diffulm_tokenizer_options defaults = DIFFULM_TOKENIZER_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

static diffulm_status read_options(const struct diffulm_tokenizer_options *options,
                                   struct diffulm_tokenizer_options *o)
{
    diffulm_tokenizer_options_init(o, sizeof *o);
    if (options &&
        (!dulm_struct_read(o, sizeof *o, options) || o->mask_lstrip < 0 || o->mask_lstrip > 1))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "tokenizer options: struct_size must be %zu, mask_lstrip 0 or 1",
                         sizeof *o);
    return DIFFULM_OK;
}

static void widen_mask(struct diffulm_tokenizer *tok)
{
    const int32_t mask = find_first(tok, "<mask>", "[MASK]");
    for (size_t i = 0; i < tok->added_count; i++)
        if (tok->added[i].id == mask)
            tok->added[i].lstrip = true;
}

static diffulm_status finish(struct diffulm_tokenizer *tok, diffulm_status rc,
                             const struct diffulm_tokenizer_options *options,
                             diffulm_tokenizer **out)
{
    if (rc == DIFFULM_OK && options->mask_lstrip)
        widen_mask(tok);
    if (rc == DIFFULM_OK)
        rc = dulm_added_finish(tok);
    /* A model of whole words looks each up in one table as it is. */
    if (rc == DIFFULM_OK && tok->model.kind != DULM_WORDLEVEL)
        rc = dulm_cache_create(&tok->cache);
    if (rc < 0) {
        dulm_tokenizer_free(tok);
        return rc;
    }
    tok->special = (struct diffulm_special_ids){sizeof tok->special,
                                                find_first(tok, "<s>", "[CLS]"),
                                                find_first(tok, "</s>", "[SEP]"),
                                                find_first(tok, "<pad>", "[PAD]"),
                                                find_first(tok, "<unk>", "[UNK]"),
                                                find_first(tok, "<mask>", "[MASK]")};
    dulm_refcount_init(&tok->refs);
    *out = tok;
    return DIFFULM_OK;
}

diffulm_status diffulm_tokenizer_open(const char *path,
                                      const struct diffulm_tokenizer_options *options,
                                      diffulm_tokenizer **out)
{
    dulm_error_clear();
    if (!path || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "tokenizer open: path and out must not be NULL");
    struct diffulm_tokenizer_options o;
    if (read_options(options, &o) < 0)
        return DIFFULM_E_ARGUMENT;
    struct diffulm_tokenizer *tok = dulm_alloc_zero(1, sizeof *tok);
    return tok ? finish(tok, load(tok, path), &o, out) : dulm_fail_memory();
}

diffulm_status diffulm_tokenizer_open_files(const struct diffulm_files *files,
                                            const struct diffulm_tokenizer_options *options,
                                            diffulm_tokenizer **out)
{
    dulm_error_clear();
    if (!out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "tokenizer open: out must not be NULL");
    struct diffulm_files known;
    struct diffulm_tokenizer_options o;
    if (dulm_files_read(files, &known) < 0 || read_options(options, &o) < 0)
        return DIFFULM_E_ARGUMENT;
    struct diffulm_tokenizer *tok = dulm_alloc_zero(1, sizeof *tok);
    return tok ? finish(tok, load_place(tok, &(struct dulm_place){.files = &known}), &o, out)
               : dulm_fail_memory();
}

diffulm_status diffulm_tokenizer_open_memory(const void *bytes, size_t size,
                                             const struct diffulm_tokenizer_options *options,
                                             diffulm_tokenizer **out)
{
    dulm_error_clear();
    if (!bytes || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "tokenizer open: bytes and out must not be NULL");
    struct diffulm_tokenizer_options o;
    if (read_options(options, &o) < 0)
        return DIFFULM_E_ARGUMENT;
    struct diffulm_tokenizer *tok = dulm_alloc_zero(1, sizeof *tok);
    return tok ? finish(tok, dulm_load_json(tok, bytes, size, "tokenizer.json in memory"), &o, out)
               : dulm_fail_memory();
}

diffulm_tokenizer *diffulm_tokenizer_ref(diffulm_tokenizer *tokenizer)
{
    if (tokenizer)
        dulm_refcount_take(&tokenizer->refs);
    return tokenizer;
}

void diffulm_tokenizer_unref(diffulm_tokenizer *tokenizer)
{
    if (tokenizer && dulm_refcount_drop(&tokenizer->refs))
        dulm_tokenizer_free(tokenizer);
}

/* Appends one token while counting; writes only where there is room. */
static void put(struct diffulm_encoding *e, size_t *count, int32_t id, size_t begin, size_t end,
                int32_t sequence, int32_t type)
{
    const size_t i = (*count)++;
    if (i >= e->capacity)
        return;
    if (e->ids)
        e->ids[i] = id;
    if (e->begins)
        e->begins[i] = begin;
    if (e->ends)
        e->ends[i] = end;
    if (e->sequences)
        e->sequences[i] = sequence;
    if (e->types)
        e->types[i] = type;
}

static void assemble(const struct diffulm_tokenizer *tok, const struct dulm_encoded text[2],
                     bool pair, bool special, struct diffulm_encoding *out, size_t *count)
{
    const struct dulm_template *t = pair ? &tok->pair : &tok->single;
    struct dulm_template_item plain[2] = {{0, 0, NULL, 0}, {1, 1, NULL, 0}};
    const bool templated = tok->has_template && t->count;
    const struct dulm_template_item *items = templated ? t->item : plain;
    const size_t n = templated ? t->count : pair ? 2 : 1;
    for (size_t i = 0; i < n; i++) {
        if (items[i].sequence < 0) {
            for (size_t k = 0; special && k < items[i].count; k++)
                put(out, count, items[i].ids[k], 0, 0, -1, items[i].type);
            continue;
        }
        const struct dulm_encoded *e = &text[items[i].sequence];
        for (size_t k = 0; k < e->count; k++)
            put(out, count, e->ids[k], e->begin[k], e->end[k], items[i].sequence, items[i].type);
    }
}

void diffulm_encode_options_init(struct diffulm_encode_options *options, size_t struct_size)
{
    const struct diffulm_encode_options defaults = DIFFULM_ENCODE_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

diffulm_status diffulm_tokenizer_encode(const diffulm_tokenizer *tokenizer, const char *text,
                                        size_t length, const char *pair, size_t pair_length,
                                        const struct diffulm_encode_options *options,
                                        struct diffulm_encoding *encoding)
{
    dulm_error_clear();
    struct diffulm_encode_options o = DIFFULM_ENCODE_OPTIONS_INIT;
    struct diffulm_encoding room = {0};
    if (!tokenizer || (!text && length) || !encoding ||
        !dulm_struct_read(&room, sizeof room, encoding) ||
        (options && !dulm_struct_read(&o, sizeof o, options)))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "encode: an argument is NULL, or a struct_size is not %zu and %zu",
                         sizeof *encoding, sizeof *options);
    struct dulm_encoded texts[2] = {{0}, {0}};
    const bool special = !o.no_special;
    diffulm_status rc = dulm_encode_text(tokenizer, text ? text : "", length, &texts[0]);
    if (rc == DIFFULM_OK && pair)
        rc = dulm_encode_text(tokenizer, pair, pair_length, &texts[1]);
    if (rc == DIFFULM_OK) {
        /* Count first: nothing is written unless everything fits. */
        struct diffulm_encoding none = {sizeof none, 0, NULL, NULL, NULL, NULL, NULL, 0};
        size_t count = 0;
        assemble(tokenizer, texts, pair != NULL, special, &none, &count);
        room.count = count;
        rc = count > room.capacity ? DIFFULM_BUFFER_TOO_SMALL : DIFFULM_OK;
        count = 0;
        if (rc == DIFFULM_OK)
            assemble(tokenizer, texts, pair != NULL, special, &room, &count);
        dulm_struct_write(encoding, sizeof room, &room);
    }
    dulm_encoded_release(&texts[0]);
    dulm_encoded_release(&texts[1]);
    return rc;
}

static diffulm_status copy_text(const struct dulm_strbuf *text, char *buffer, size_t capacity,
                                size_t *length)
{
    *length = text->length;
    if (capacity <= text->length)
        return DIFFULM_BUFFER_TOO_SMALL;
    if (text->length)
        memcpy(buffer, text->data, text->length);
    buffer[text->length] = '\0';
    return DIFFULM_OK;
}

diffulm_status diffulm_tokenizer_decode(const diffulm_tokenizer *tokenizer, const int32_t *ids,
                                        size_t count, int32_t skip_special, char *buffer,
                                        size_t capacity, size_t *length)
{
    dulm_error_clear();
    if (!tokenizer || (!ids && count) || !length || (!buffer && capacity))
        return dulm_fail(DIFFULM_E_ARGUMENT, "decode: an argument is NULL");
    struct dulm_strbuf text = {0};
    diffulm_status rc = dulm_decode(tokenizer, ids, count, skip_special != 0, &text);
    if (rc == DIFFULM_OK)
        rc = copy_text(&text, buffer, capacity, length);
    dulm_strbuf_release(&text);
    return rc;
}

const char *diffulm_tokenizer_piece(const diffulm_tokenizer *tokenizer, int32_t id, size_t *length)
{
    size_t unused;
    return dulm_token_text(tokenizer, id, length ? length : &unused);
}

int32_t diffulm_tokenizer_id(const diffulm_tokenizer *tokenizer, const char *piece, size_t length)
{
    return dulm_token_find(tokenizer, piece, length);
}

size_t diffulm_tokenizer_vocabulary(const diffulm_tokenizer *tokenizer)
{
    return tokenizer->vocabulary;
}

diffulm_status diffulm_tokenizer_special_ids(const diffulm_tokenizer *tokenizer,
                                             struct diffulm_special_ids *out)
{
    dulm_error_clear();
    if (!tokenizer || !out || !dulm_struct_fits(out, sizeof *out))
        return dulm_fail(DIFFULM_E_ARGUMENT, "special ids: struct_size must be %zu", sizeof *out);
    dulm_struct_write(out, sizeof tokenizer->special, &tokenizer->special);
    return DIFFULM_OK;
}

diffulm_status diffulm_utf8_repair(const char *text, size_t length, char *buffer, size_t capacity,
                                   size_t *repaired)
{
    dulm_error_clear();
    if ((!text && length) || !repaired || (!buffer && capacity))
        return dulm_fail(DIFFULM_E_ARGUMENT, "repair: an argument is NULL");
    struct dulm_strbuf out = {0};
    size_t offset, n;
    while (length && (n = dulm_utf8_invalid(text, length, &offset)) > 0) {
        dulm_strbuf_append(&out, text, offset);
        dulm_strbuf_append(&out, "\xEF\xBF\xBD", 3);
        text += offset + n;
        length -= offset + n;
    }
    dulm_strbuf_append(&out, text ? text : "", length);
    diffulm_status rc = out.failed ? dulm_fail_memory() : DIFFULM_OK;
    if (rc == DIFFULM_OK) {
        *repaired = out.length;
        rc = out.length <= capacity ? DIFFULM_OK : DIFFULM_BUFFER_TOO_SMALL;
    }
    if (rc == DIFFULM_OK && out.length)
        memcpy(buffer, out.data, out.length);
    dulm_strbuf_release(&out);
    return rc;
}

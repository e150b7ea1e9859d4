/* sentencepiece.c: a SentencePiece model (protobuf) read as XLM-R's: <s> 0, <pad> 1, </s> 2, <unk> 3, piece
 * n (from 3 on) is id n + 1, <mask> last. Only the fields that matter are read:
 *   ModelProto: 1 pieces {1 piece, 2 score, 3 type}, 2 trainer_spec {3 model_type},
 *   3 normalizer_spec {2 precompiled_charsmap}. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/limits.h"
#include "text/tokenizer.h"

struct reader {
    const unsigned char *start, *at, *end;
    const char *path;
};

struct field {
    uint32_t number, wire;
    uint64_t value; /* varint, or the bits of a fixed field */
    const unsigned char *bytes;
    size_t length;
};

static diffulm_status bad(const struct reader *r, const char *what)
{
    return dulm_fail(DIFFULM_E_FORMAT, "%s: protobuf: byte %zu: %s", r->path,
                     (size_t)(r->at - r->start), what);
}

static diffulm_status varint(struct reader *r, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (r->at == r->end)
            return bad(r, "the file ends in a varint");
        const unsigned char b = *r->at++;
        if (shift < 64)
            *out |= (uint64_t)(b & 127) << shift;
        if (b < 128)
            return DIFFULM_OK;
    }
    return bad(r, "a varint of more than 10 bytes");
}

static diffulm_status next_field(struct reader *r, struct field *f)
{
    uint64_t tag, length;
    diffulm_status rc = varint(r, &tag);
    if (rc < 0)
        return rc;
    *f = (struct field){.number = (uint32_t)(tag >> 3), .wire = tag & 7};
    if (f->number == 0)
        return bad(r, "field number 0");
    if (f->wire == 0)
        return varint(r, &f->value);
    if (f->wire == 2) {
        rc = varint(r, &length);
        if (rc < 0)
            return rc;
        if (length > (size_t)(r->end - r->at))
            return bad(r, "a field's length runs past the end");
        f->bytes = r->at;
        f->length = (size_t)length;
        r->at += length;
        return DIFFULM_OK;
    }
    const size_t size = f->wire == 1 ? 8 : f->wire == 5 ? 4 : 0;
    if (!size)
        return bad(r, "an unknown wire type in a tag");
    if (size > (size_t)(r->end - r->at))
        return bad(r, "the file ends in a field");
    for (size_t i = 0; i < size; i++)
        f->value |= (uint64_t)r->at[i] << (8 * i);
    r->at += size;
    return DIFFULM_OK;
}

struct piece {
    const char *text;
    size_t length;
    float score;
    uint64_t type; /* 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte */
};

struct model {
    struct piece *piece;
    size_t count, capacity;
    uint64_t kind; /* 1 unigram */
    const unsigned char *charsmap;
    size_t charsmap_length;
};

static diffulm_status read_piece(struct reader *outer, const struct field *message, struct model *m)
{
    struct reader r = {outer->start, message->bytes, message->bytes + message->length, outer->path};
    struct piece p = {.text = "", .type = 1};
    struct field f;
    while (r.at < r.end) {
        diffulm_status rc = next_field(&r, &f);
        if (rc < 0)
            return rc;
        if (f.number == 1 && f.wire == 2) {
            p.text = (const char *)f.bytes;
            p.length = f.length;
        } else if (f.number == 2 && f.wire == 5) {
            const uint32_t bits = (uint32_t)f.value;
            memcpy(&p.score, &bits, 4);
        } else if (f.number == 3 && f.wire == 0)
            p.type = f.value;
    }
    size_t offset;
    if (p.length == 0)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: piece %zu is empty", r.path, m->count);
    if (dulm_utf8_invalid(p.text, p.length, &offset))
        return dulm_fail(DIFFULM_E_FORMAT, "%s: piece %zu is not valid UTF-8 at its byte %zu",
                         r.path, m->count, offset);
    if (!isfinite(p.score))
        return dulm_fail(DIFFULM_E_FORMAT, "%s: piece %zu: its score is not finite", r.path,
                         m->count);
    if (m->count >= DULM_LIMIT_VOCABULARY)
        return dulm_fail(DIFFULM_E_LIMIT, "%s: too many pieces", r.path);
    if (!dulm_grow((void **)&m->piece, &m->capacity, m->count + 1, sizeof *m->piece))
        return dulm_fail_memory();
    m->piece[m->count++] = p;
    return DIFFULM_OK;
}

/* The one field of a sub-message that is wanted. */
static diffulm_status read_spec(struct reader *outer, const struct field *message, uint32_t number,
                                struct field *out)
{
    struct reader r = {outer->start, message->bytes, message->bytes + message->length, outer->path};
    struct field f;
    while (r.at < r.end) {
        diffulm_status rc = next_field(&r, &f);
        if (rc < 0)
            return rc;
        if (f.number == number)
            *out = f;
    }
    return DIFFULM_OK;
}

static diffulm_status read_model(struct reader *r, struct model *m)
{
    struct field f, inner = {0};
    m->kind = 1;
    while (r->at < r->end) {
        diffulm_status rc = next_field(r, &f);
        if (rc == DIFFULM_OK && f.number == 1 && f.wire == 2)
            rc = read_piece(r, &f, m);
        if (rc == DIFFULM_OK && f.number == 2 && f.wire == 2) {
            inner = (struct field){.value = 1};
            rc = read_spec(r, &f, 3, &inner);
            m->kind = inner.value;
        }
        if (rc == DIFFULM_OK && f.number == 3 && f.wire == 2) {
            inner = (struct field){0};
            rc = read_spec(r, &f, 2, &inner);
            m->charsmap = inner.bytes;
            m->charsmap_length = inner.length;
        }
        if (rc < 0)
            return rc;
    }
    return DIFFULM_OK;
}

static bool is(const struct piece *p, const char *text)
{
    return p->length == strlen(text) && memcmp(p->text, text, p->length) == 0;
}

static diffulm_status check_model(const struct model *m, const char *path)
{
    static const char *const kinds[] = {"?", "unigram", "BPE", "word", "char"};
    size_t unknown = 0;
    if (m->count == 0)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: there are no pieces: the vocabulary is empty",
                         path);
    if (m->kind != 1)
        return dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: model type is %s, XLM-R's is unigram", path,
                         m->kind < 5 ? kinds[m->kind] : "unknown");
    for (size_t i = 0; i < m->count; i++)
        unknown += m->piece[i].type == 2;
    if (unknown != 1)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: %zu pieces of type unk, expected one", path,
                         unknown);
    if (m->count < 3 || !is(&m->piece[0], "<unk>") || !is(&m->piece[1], "<s>") ||
        !is(&m->piece[2], "</s>"))
        return dulm_fail(DIFFULM_E_FORMAT,
                         "%s: the first pieces are not <unk> <s> </s>: not an XLM-R model", path);
    return DIFFULM_OK;
}

static diffulm_status add_piece(struct diffulm_tokenizer *tok, const char *text, size_t length,
                                size_t id, float score, const char *path)
{
    if (dulm_vocab_find(&tok->model.vocab, text, length) >= 0)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: piece %.*s stands twice", path, (int)length, text);
    tok->model.score[id] = (double)score;
    return dulm_vocab_add(&tok->model.vocab, text, length, (int64_t)id, path);
}

static diffulm_status add_token(struct diffulm_tokenizer *tok, const char *text, size_t length,
                                size_t id, bool special)
{
    const struct dulm_added token = {.content = (char *)(uintptr_t)text,
                                     .length = length,
                                     .id = (int32_t)id,
                                     .normalized = !special,
                                     .special = special};
    return dulm_added_add(tok, &token);
}

static diffulm_status fill(struct diffulm_tokenizer *tok, const struct model *m, const char *path)
{
    static const char *const heads[] = {"<s>", "<pad>", "</s>", "<unk>"};
    struct dulm_subword *model = &tok->model;
    *model = (struct dulm_subword){.kind = DULM_UNIGRAM, .unk_id = 3};
    model->score = dulm_alloc(m->count + 2, sizeof *model->score);
    diffulm_status rc = model->score ? DIFFULM_OK : dulm_fail_memory();
    for (size_t i = 0; rc == DIFFULM_OK && i < 4; i++)
        rc = add_piece(tok, heads[i], strlen(heads[i]), i, 0, path);
    for (size_t i = 3; rc == DIFFULM_OK && i < m->count; i++)
        rc = add_piece(tok, m->piece[i].text, m->piece[i].length, i + 1, m->piece[i].score, path);
    if (rc == DIFFULM_OK)
        rc = add_piece(tok, "<mask>", 6, m->count + 1, 0, path);
    for (size_t i = 0; rc == DIFFULM_OK && i < 4; i++)
        rc = add_token(tok, heads[i], strlen(heads[i]), i, true);
    for (size_t i = 3; rc == DIFFULM_OK && i < m->count; i++)
        if (m->piece[i].type == 4)
            rc = add_token(tok, m->piece[i].text, m->piece[i].length, i + 1, false);
    if (rc == DIFFULM_OK)
        rc = add_token(tok, "<mask>", 6, m->count + 1, true);
    if (rc == DIFFULM_OK)
        rc = dulm_unigram_finish(model, path);
    dulm_subword_find_bytes(model);
    if (rc == DIFFULM_OK && m->charsmap_length)
        rc = dulm_normalizer_charsmap(m->charsmap, m->charsmap_length, path, &tok->normalizer);
    return rc;
}

diffulm_status dulm_load_sentencepiece(struct diffulm_tokenizer *tok, const void *bytes,
                                       size_t size, const char *path)
{
    struct reader r = {bytes, bytes, (const unsigned char *)bytes + size, path};
    struct model m = {0};
    diffulm_status rc = read_model(&r, &m);
    if (rc == DIFFULM_OK)
        rc = check_model(&m, path);
    if (rc == DIFFULM_OK)
        rc = fill(tok, &m, path);
    dulm_free(m.piece);
    if (rc < 0)
        return rc;
    return dulm_load_parts(
        tok, NULL,
        json_pack("{s:s,s:[{s:s},{s:s,s:s}]}", "type", "Sequence", "pretokenizers", "type",
                  "WhitespaceSplit", "type", "Metaspace", "prepend_scheme", "always"),
        json_loads(
            "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\","
            "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":"
            "{\"id\":\"</s>\",\"type_id\":0}}],\"pair\":[{\"SpecialToken\":{\"id\":\"<s>\","
            "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":"
            "{\"id\":\"</s>\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":"
            "0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":0}},{\"SpecialToken\":{\"id\":"
            "\"</s>\",\"type_id\":0}}],\"special_tokens\":{\"<s>\":{\"ids\":[0]},\"</s>\":"
            "{\"ids\":[2]}}}",
            0, NULL),
        json_pack("{s:s,s:s}", "type", "Metaspace", "prepend_scheme", "always"), path);
}

/* text.c: canvases from text, and their text back: the only place that joins tokenizers and sessions. */
#include <diffulm/text.h>
#include <string.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "diffusion/session.h"

struct row {
    int32_t *tokens;
    uint8_t *roles;
    size_t count, capacity;
};

void diffulm_text_options_init(struct diffulm_text_options *options, size_t struct_size)
{
    const struct diffulm_text_options defaults = DIFFULM_TEXT_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

static void release(struct row *row)
{
    dulm_free(row->tokens);
    dulm_free(row->roles);
}

/* tokens and roles have one capacity. */
static diffulm_status reserve(struct row *row, size_t more)
{
    const size_t needed = row->count + more;
    size_t capacity = row->capacity;
    if (!dulm_grow((void **)&row->tokens, &capacity, needed, sizeof *row->tokens) ||
        !dulm_grow((void **)&row->roles, &row->capacity, needed, 1))
        return dulm_fail_memory();
    row->capacity = capacity < row->capacity ? capacity : row->capacity;
    return DIFFULM_OK;
}

static diffulm_status push(struct row *row, int32_t token, uint8_t role)
{
    diffulm_status rc = reserve(row, 1);
    if (rc < 0)
        return rc;
    row->tokens[row->count] = token;
    row->roles[row->count++] = role;
    return DIFFULM_OK;
}

static diffulm_status encode(const diffulm_tokenizer *tokenizer, const char *text, size_t length,
                             struct row *row)
{
    struct diffulm_encode_options options = DIFFULM_ENCODE_OPTIONS_INIT;
    struct diffulm_encoding e = {.struct_size = sizeof e};
    options.no_special = 1;
    diffulm_status rc = diffulm_tokenizer_encode(tokenizer, text, length, NULL, 0, &options, &e);
    if (rc < 0)
        return rc;
    rc = reserve(row, e.count);
    if (rc < 0)
        return rc;
    e.capacity = e.count;
    e.ids = row->tokens + row->count;
    rc = diffulm_tokenizer_encode(tokenizer, text, length, NULL, 0, &options, &e);
    if (rc != DIFFULM_OK)
        return rc;
    memset(row->roles + row->count, DIFFULM_ROLE_GIVEN, e.count);
    row->count += e.count;
    return DIFFULM_OK;
}

static diffulm_status predict(const diffulm_session *s, const struct diffulm_text_options *o,
                              const struct row *row, size_t *length)
{
    if (o->length > 0) {
        *length = (size_t)o->length;
        return DIFFULM_OK;
    }
    if (!o->length_head)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "add text: give a length, or a length head that predicts it");
    const size_t classes = diffulm_length_head_classes(o->length_head);
    if (classes != (size_t)s->model->config.positions)
        return dulm_fail(DIFFULM_E_ARGUMENT, "add text: the length head belongs to another model");
    const size_t offsets[2] = {0, row->count};
    size_t count;
    float *logits = dulm_alloc(classes, sizeof *logits);
    if (!logits)
        return dulm_fail_memory();
    diffulm_status rc = diffulm_length_head_logits(o->length_head, 1, offsets, row->tokens, logits);
    if (rc == DIFFULM_OK)
        rc = diffulm_length_candidates(logits, classes, 1, classes, row->count, 0, length, &count);
    dulm_free(logits);
    return rc;
}

static diffulm_status append_answer(const diffulm_session *s, const diffulm_tokenizer *tokenizer,
                                    const struct diffulm_text_options *o, bool prompt,
                                    struct row *row)
{
    const int32_t newline = prompt ? diffulm_tokenizer_id(tokenizer, "\n", 1) : -1;
    size_t length = 0;
    diffulm_status rc = newline >= 0 ? push(row, newline, DIFFULM_ROLE_GIVEN) : DIFFULM_OK;
    if (rc == DIFFULM_OK)
        rc = predict(s, o, row, &length);
    if (rc == DIFFULM_OK && length > dulm_config_longest_row(&s->model->config))
        rc = dulm_fail(DIFFULM_E_LIMIT, "%zu tokens to generate, at most %zu", length,
                       dulm_config_longest_row(&s->model->config));
    for (size_t i = 0; rc == DIFFULM_OK && i < length; i++)
        rc = push(row, s->options.mask_id, DIFFULM_ROLE_MASKED);
    return rc;
}

/* Text to infill: what stands before and behind its first newline by itself, as prompt and answer do. */
static diffulm_status encode_lines(const diffulm_tokenizer *tokenizer, const char *text,
                                   size_t length, struct row *row)
{
    const int32_t newline = diffulm_tokenizer_id(tokenizer, "\n", 1);
    const char *line = newline >= 0 ? memchr(text, '\n', length) : NULL;
    if (!line)
        return encode(tokenizer, text, length, row);
    const size_t first = (size_t)(line - text);
    diffulm_status rc = encode(tokenizer, text, first, row);
    if (rc == DIFFULM_OK)
        rc = push(row, newline, DIFFULM_ROLE_GIVEN);
    return rc == DIFFULM_OK ? encode(tokenizer, line + 1, length - first - 1, row) : rc;
}

static diffulm_status mark_gaps(const diffulm_session *s, struct row *row)
{
    size_t gaps = 0;
    for (size_t i = 0; i < row->count; i++)
        if (row->tokens[i] == s->options.mask_id) {
            row->roles[i] = DIFFULM_ROLE_MASKED;
            gaps++;
        }
    return gaps ? DIFFULM_OK : dulm_fail(DIFFULM_E_ARGUMENT, "infill: the text has no mask token");
}

diffulm_status diffulm_session_add_text(diffulm_session *session,
                                        const diffulm_tokenizer *tokenizer, const char *text,
                                        size_t length, const struct diffulm_text_options *options,
                                        size_t *row)
{
    dulm_error_clear();
    struct diffulm_text_options o = DIFFULM_TEXT_OPTIONS_INIT;
    if (options && !dulm_struct_read(&o, sizeof o, options))
        return dulm_fail(
            DIFFULM_E_ARGUMENT,
            "text options: struct_size is %zu, expected %zu, or more with zeros at the end",
            options->struct_size, sizeof o);
    if (!session || !tokenizer || !text || !row || o.length < 0)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "add text: an argument is NULL, or length is negative");
    struct diffulm_special_ids ids = {.struct_size = sizeof ids};
    struct row r = {0};
    diffulm_status rc = diffulm_tokenizer_special_ids(tokenizer, &ids);
    if (rc == DIFFULM_OK && ids.bos >= 0)
        rc = push(&r, ids.bos, DIFFULM_ROLE_GIVEN);
    if (rc == DIFFULM_OK)
        rc = o.infill ? encode_lines(tokenizer, text, length, &r)
                      : encode(tokenizer, text, length, &r);
    if (rc == DIFFULM_OK)
        rc = o.infill ? mark_gaps(session, &r)
                      : append_answer(session, tokenizer, &o, length > 0, &r);
    if (rc == DIFFULM_OK && ids.eos >= 0)
        rc = push(&r, ids.eos, DIFFULM_ROLE_GIVEN);
    struct diffulm_row_options ro = DIFFULM_ROW_OPTIONS_INIT;
    ro.row_number = o.row_number;
    if (rc == DIFFULM_OK)
        rc = diffulm_session_add(session, r.tokens, r.count, r.roles, &ro, row);
    release(&r);
    return rc;
}

diffulm_status diffulm_session_text(const diffulm_session *session,
                                    const diffulm_tokenizer *tokenizer, size_t row, int32_t whole,
                                    char *buffer, size_t capacity, size_t *length)
{
    dulm_error_clear();
    if (!session || !tokenizer || !length || row >= session->count)
        return dulm_fail(
            DIFFULM_E_ARGUMENT,
            "session text: session, tokenizer or length is NULL, or there is no row %zu", row);
    const struct dulm_canvas *c = &session->canvas[row];
    int32_t *ids = dulm_alloc(c->length, sizeof *ids);
    size_t count = 0;
    if (!ids)
        return dulm_fail_memory();
    for (size_t i = 0; i < c->length; i++)
        if ((whole || c->generated[i]) && c->tokens[i] != session->options.mask_id)
            ids[count++] = c->tokens[i];
    diffulm_status rc =
        diffulm_tokenizer_decode(tokenizer, ids, count, 1, buffer, capacity, length);
    dulm_free(ids);
    return rc;
}

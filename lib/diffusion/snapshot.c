/* snapshot.c: the state of a session as bytes. Little-endian integers:
 *   "dulm-s02", steps_done i64, rows u64, then for each row: length u64, source_length u64,
 *   row_number u32, k u32, quota u64, forbidden u64, tokens i32[], scores f32[], noisy u8[],
 *   generated u8[], forbidden (position u64, token i32)[]; at last the checksum u64 of all before it.
 * Restoring checks every field before the session changes. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "diffusion/session.h"

static const char magic[8] = {'d', 'u', 'l', 'm', '-', 's', '0', '2'};

#define CHECKSUM_START 0xcbf29ce484222325u

/* FNV-1a of 64 bits: each step is a bijection of the sum, so no change of a single byte goes unseen. */
static uint64_t checksum(uint64_t sum, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ at[i]) * 0x100000001b3u;
    return sum;
}

struct writer {
    char *at, *end;
    size_t length; /* needed so far, also past the end */
    uint64_t sum;
};

static void put(struct writer *w, const void *bytes, size_t size)
{
    w->length += size;
    w->sum = checksum(w->sum, bytes, size);
    if (!w->at || size > (size_t)(w->end - w->at)) {
        w->at = NULL;
        return;
    }
    if (size)
        memcpy(w->at, bytes, size);
    w->at += size;
}

static void put_number(struct writer *w, uint64_t value, int bytes)
{
    unsigned char out[8];
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> (8 * i));
    put(w, out, (size_t)bytes);
}

diffulm_status diffulm_session_snapshot(const diffulm_session *s, void *buffer, size_t capacity,
                                        size_t *length)
{
    dulm_error_clear();
    if (!s || !length || (!buffer && capacity))
        return dulm_fail(DIFFULM_E_ARGUMENT, "snapshot: session, buffer or length is NULL");
    struct writer w = {buffer, (char *)buffer + capacity, 0, CHECKSUM_START};
    put(&w, magic, sizeof magic);
    put_number(&w, (uint64_t)s->steps_done, 8);
    put_number(&w, s->count, 8);
    for (size_t r = 0; r < s->count; r++) {
        const struct dulm_canvas *c = &s->canvas[r];
        put_number(&w, c->length, 8);
        put_number(&w, c->source_length, 8);
        put_number(&w, c->row_number, 4);
        put_number(&w, (uint32_t)c->k, 4);
        put_number(&w, c->quota, 8);
        put_number(&w, c->forbidden_count, 8);
        put(&w, c->tokens, c->length * 4);
        put(&w, c->scores, c->length * 4);
        put(&w, c->noisy, c->length);
        put(&w, c->generated, c->length);
        for (size_t f = 0; f < c->forbidden_count; f++) {
            put_number(&w, c->forbidden[f].position, 8);
            put_number(&w, (uint32_t)c->forbidden[f].token, 4);
        }
    }
    put_number(&w, w.sum, 8);
    *length = w.length;
    return w.at ? DIFFULM_OK : DIFFULM_BUFFER_TOO_SMALL;
}

struct reader {
    const char *start, *at, *end;
    const struct diffulm_session *session;
};

static diffulm_status bad(const struct reader *r, const char *what)
{
    return dulm_fail(DIFFULM_E_FORMAT, "snapshot: byte %zu: %s", (size_t)(r->at - r->start), what);
}

static bool get(struct reader *r, void *out, size_t size)
{
    if (size > (size_t)(r->end - r->at))
        return false;
    if (size)
        memcpy(out, r->at, size);
    r->at += size;
    return true;
}

static bool get_number(struct reader *r, int bytes, uint64_t *out)
{
    unsigned char in[8];
    if (!get(r, in, (size_t)bytes))
        return false;
    *out = 0;
    for (int i = bytes - 1; i >= 0; i--)
        *out = *out << 8 | in[i];
    return true;
}

static diffulm_status check_canvas(const struct reader *r, const struct dulm_canvas *c)
{
    const int64_t vocabulary = r->session->model->config.vocabulary;
    for (size_t i = 0; i < c->length; i++) {
        if (c->tokens[i] < 0 || c->tokens[i] >= vocabulary)
            return bad(r, "a token before this place is outside the vocabulary");
        if (c->noisy[i] > 1 || c->generated[i] > 1 || c->noisy[i] > c->generated[i])
            return bad(r, "a flag before this place is not 0 or 1");
        if (c->noisy[i] && c->tokens[i] != r->session->options.mask_id)
            return bad(r, "a position before this place is noise without the mask token");
        if (isnan(c->scores[i]))
            return bad(r, "a score before this place is not a number");
    }
    for (size_t f = 0; f < c->forbidden_count; f++)
        if (c->forbidden[f].token < 0 || c->forbidden[f].token >= vocabulary ||
            (c->forbidden[f].position >= c->length && c->forbidden[f].position != SIZE_MAX))
            return bad(r, "a forbidden token before this place is outside vocabulary or row");
    return DIFFULM_OK;
}

static diffulm_status read_canvas(struct reader *r, struct dulm_canvas *c)
{
    uint64_t length, source, number, k, quota, forbidden, position, token;
    if (!get_number(r, 8, &length) || !get_number(r, 8, &source) || !get_number(r, 4, &number) ||
        !get_number(r, 4, &k) || !get_number(r, 8, &quota) || !get_number(r, 8, &forbidden))
        return bad(r, "ends in the middle of a row");
    const size_t left = (size_t)(r->end - r->at);
    if (length == 0 || length > left / 10 || forbidden > left / 12 || source > length ||
        length > dulm_config_longest_row(&r->session->model->config) || k == 0 || k > INT32_MAX ||
        quota > length)
        return bad(r, "a row's length, source length, step or count is out of range");
    diffulm_status rc = dulm_canvas_init(c, (size_t)length);
    if (rc < 0)
        return rc;
    c->source_length = (size_t)source;
    c->row_number = (uint32_t)number;
    c->k = (int32_t)k;
    c->quota = (size_t)quota;
    if (!dulm_grow((void **)&c->forbidden, &c->forbidden_capacity, (size_t)forbidden,
                   sizeof *c->forbidden))
        return dulm_fail_memory();
    if (!get(r, c->tokens, 4 * c->length) || !get(r, c->scores, 4 * c->length) ||
        !get(r, c->noisy, c->length) || !get(r, c->generated, c->length))
        return bad(r, "ends in the middle of a row");
    for (; c->forbidden_count < forbidden; c->forbidden_count++) {
        if (!get_number(r, 8, &position) || !get_number(r, 4, &token))
            return bad(r, "ends in the middle of a row");
        c->forbidden[c->forbidden_count] =
            (struct dulm_forbidden){(size_t)position, (int32_t)(uint32_t)token};
    }
    return check_canvas(r, c);
}

static void release_all(struct dulm_canvas *canvas, size_t count)
{
    for (size_t i = 0; i < count; i++)
        dulm_canvas_release(&canvas[i]);
    dulm_free(canvas);
}

/* The magic and the checksum; the checksum's bytes are cut off. */
static diffulm_status check_frame(struct reader *r)
{
    const size_t length = (size_t)(r->end - r->at);
    if (length < sizeof magic + 8 || memcmp(r->at, magic, sizeof magic) != 0)
        return bad(r, "not a snapshot of this version");
    struct reader last = {r->start, r->end - 8, r->end, r->session};
    uint64_t sum = 0;
    if (!get_number(&last, 8, &sum) || sum != checksum(CHECKSUM_START, r->at, length - 8))
        return bad(&last, "the checksum does not fit: the snapshot was damaged");
    r->at += sizeof magic;
    r->end -= 8;
    return DIFFULM_OK;
}

diffulm_status diffulm_session_restore(diffulm_session *s, const void *buffer, size_t length)
{
    dulm_error_clear();
    if (!s || !buffer)
        return dulm_fail(DIFFULM_E_ARGUMENT, "restore: session or buffer is NULL");
    struct reader r = {buffer, buffer, (const char *)buffer + length, s};
    uint64_t steps, rows;
    diffulm_status rc = check_frame(&r);
    if (rc < 0)
        return rc;
    if (!get_number(&r, 8, &steps) || !get_number(&r, 8, &rows) ||
        rows > (size_t)(r.end - r.at) / 50)
        return bad(&r, "ends too early, or has too many rows");
    if (steps > INT64_MAX / 2) /* so that it can be counted on */
        return bad(&r, "the number of steps is out of range");
    struct dulm_canvas *canvas = dulm_alloc_zero((size_t)rows, sizeof *canvas);
    rc = canvas ? DIFFULM_OK : dulm_fail_memory();
    for (size_t i = 0; rc == DIFFULM_OK && i < rows; i++)
        rc = read_canvas(&r, &canvas[i]);
    if (rc == DIFFULM_OK && r.at != r.end)
        rc = bad(&r, "bytes after the last row");
    if (rc < 0) {
        if (canvas)
            release_all(canvas, (size_t)rows);
        return rc;
    }
    release_all(s->canvas, s->count);
    s->canvas = canvas;
    s->count = s->capacity = (size_t)rows;
    s->steps_done = (int64_t)steps;
    return DIFFULM_OK;
}

/* step.c: one denoising step of a session, in order: which positions the policies need; the encoder over
 * the rows that need any; the candidates of those positions (choose.c); and, when nothing can fail any more, the
 * policies' transitions. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "diffusion/session.h"

void dulm_step_buffers_release(struct dulm_step_buffers *b)
{
    void *const blocks[] = {b->tokens,  b->positions, b->before,  b->source,     b->offsets,
                            b->wanted,  b->active,    b->places,  b->candidates, b->ranked,
                            b->changes, b->logits,    b->scratch, b->banned,     b->cache,
                            b->running, b->units};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        dulm_free(blocks[i]);
    *b = (struct dulm_step_buffers){0};
}

static diffulm_status reserve(struct dulm_step_buffers *b, size_t tokens, size_t rows)
{
    if (tokens <= b->tokens_capacity && rows <= b->rows_capacity)
        return DIFFULM_OK;
    struct dulm_step_buffers f = {.tokens = dulm_alloc(tokens, 4)};
    f.positions = dulm_alloc(tokens, 4);
    f.before = dulm_alloc(tokens, 4);
    f.source = dulm_alloc(tokens, 1);
    f.wanted = dulm_alloc(tokens, sizeof *f.wanted);
    f.places = dulm_alloc(tokens, sizeof *f.places);
    f.candidates = dulm_alloc(tokens, sizeof *f.candidates);
    f.ranked = dulm_alloc(tokens, sizeof *f.ranked);
    f.changes = dulm_alloc(tokens, sizeof *f.changes);
    f.offsets = dulm_alloc(rows + 1, sizeof *f.offsets);
    f.active = dulm_alloc(rows, sizeof *f.active);
    f.cache = dulm_alloc(rows, sizeof *f.cache);
    if (!f.tokens || !f.positions || !f.before || !f.source || !f.wanted || !f.places ||
        !f.candidates || !f.ranked || !f.changes || !f.offsets || !f.active || !f.cache) {
        dulm_step_buffers_release(&f);
        return dulm_fail_memory();
    }
    dulm_step_buffers_release(b);
    *b = f;
    b->tokens_capacity = tokens;
    b->rows_capacity = rows;
    return DIFFULM_OK;
}

size_t dulm_session_active(const struct diffulm_session *s)
{
    size_t active = 0;
    for (size_t i = 0; i < s->count; i++)
        active += dulm_canvas_active(s, &s->canvas[i]);
    return active;
}

static struct dulm_row row_of(struct dulm_canvas *c)
{
    struct dulm_row row = {.length = c->length,
                           .tokens = c->tokens,
                           .scores = c->scores,
                           .noisy = c->noisy,
                           .generated = c->generated,
                           .quota = &c->quota};
    for (size_t i = 0; i < c->length; i++)
        row.generated_count += c->generated[i];
    return row;
}

struct dulm_draws dulm_draws_of(const struct diffulm_session *s, const struct dulm_canvas *c)
{
    return (struct dulm_draws){s->options.seed, (uint32_t)c->k, c->row_number, 0, 0, 0, 0};
}

/* The positions [*start, *end) of a canvas whose states the step needs: not those whose keys and values are kept, nor,
 * under causal attention, those behind the last whose logits are wanted. */
static diffulm_status span_of(const struct diffulm_session *s, struct dulm_canvas *c, size_t *start,
                              size_t *end)
{
    size_t first = 0, last = c->length - 1;
    while (!c->wanted[first])
        first++;
    while (!c->wanted[last])
        last--;
    const bool causal = s->options.attention == DIFFULM_ATTENTION_CAUSAL;
    *end = causal ? dulm_logits_position(s->sampler, last) + 1 : c->length;
    return dulm_cache_begin(s, c, dulm_logits_position(s->sampler, first), start);
}

/* Adds what the wanted positions of canvas r need; *rows and *wanted are counts. */
static diffulm_status pack_row(struct diffulm_session *s, size_t r, size_t *rows, size_t *wanted)
{
    struct dulm_step_buffers *b = &s->step;
    struct dulm_canvas *c = &s->canvas[r];
    const int32_t position = dulm_config_first_position(&s->model->config);
    size_t at = b->offsets[*rows], start, end;
    const diffulm_status rc = span_of(s, c, &start, &end);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < c->length; i++) {
        if (!c->wanted[i])
            continue;
        b->places[*wanted].canvas = r;
        b->places[*wanted].position = i;
        b->wanted[(*wanted)++] = at + dulm_logits_position(s->sampler, i) - start;
    }
    for (size_t i = start; i < end; i++, at++) {
        b->tokens[at] = c->tokens[i];
        b->positions[at] = position + (int32_t)i;
        b->source[at] = i < c->source_length;
    }
    b->cache[*rows] = dulm_cache_of(s, c, start, end);
    b->offsets[++*rows] = at;
    return DIFFULM_OK;
}

/* Packs the active rows that need logits which are not known. */
static diffulm_status pack(struct diffulm_session *s, size_t *rows, size_t *wanted)
{
    size_t candidates = 0;
    diffulm_status rc = DIFFULM_OK;
    *rows = *wanted = 0;
    s->step.offsets[0] = 0;
    for (size_t r = 0; rc == DIFFULM_OK && r < s->count; r++) {
        struct dulm_canvas *c = &s->canvas[r];
        if (!dulm_canvas_active(s, c))
            continue;
        const struct dulm_row row = row_of(c);
        const struct dulm_draws draws = dulm_draws_of(s, c);
        s->sampler->policy->needs(s->sampler, &row, &draws, c->k, c->wanted);
        c->kept_next = c->kept_count;
        c->first_candidate = candidates;
        candidates += c->length;
        if (!memchr(c->wanted, 1, c->length))
            continue;
        rc = dulm_known_reserve(s, c);
        if (rc == DIFFULM_OK && dulm_known_serves(c))
            dulm_known_take(c, s->step.candidates + c->first_candidate);
        else if (rc == DIFFULM_OK)
            rc = pack_row(s, r, rows, wanted);
    }
    return rc;
}

static diffulm_status score(struct diffulm_session *s, size_t rows, size_t wanted)
{
    struct dulm_step_buffers *b = &s->step;
    const struct dulm_batch batch = {.rows = rows,
                                     .offsets = b->offsets,
                                     .tokens = b->tokens,
                                     .positions = b->positions,
                                     .source = b->source,
                                     .attention = (enum dulm_attention)s->options.attention,
                                     .newline_id = s->options.newline_id,
                                     .cache = dulm_cache_is_used(s) ? b->cache : NULL,
                                     .wanted = b->wanted,
                                     .wanted_count = wanted};
    diffulm_status rc = dulm_choose_reserve(s, wanted);
    if (rc == DIFFULM_OK)
        rc = dulm_encode(s->workspace, s->model, &batch, &s->cancel);
    return rc < 0 ? rc : dulm_choose(s, wanted);
}

static void record(struct diffulm_session *s, size_t r, const int32_t *before)
{
    const struct dulm_canvas *c = &s->canvas[r];
    const int32_t mask = s->options.mask_id;
    for (size_t i = 0; i < c->length; i++) {
        if (c->tokens[i] == before[i])
            continue;
        const int32_t kind = c->tokens[i] == mask ? DIFFULM_CHANGE_REMASKED
                             : before[i] == mask  ? DIFFULM_CHANGE_REVEALED
                                                  : DIFFULM_CHANGE_REVISED;
        s->step.changes[s->change_count++] =
            (struct diffulm_change){r, i, c->tokens[i], kind, c->scores[i]};
    }
}

static void transition(struct diffulm_session *s, size_t r)
{
    struct dulm_canvas *c = &s->canvas[r];
    struct dulm_step_buffers *b = &s->step;
    struct dulm_row row = row_of(c);
    const struct dulm_draws draws = dulm_draws_of(s, c);
    row.mask_id = s->options.mask_id;
    row.candidate = b->candidates + c->first_candidate;
    row.ranked = b->ranked;
    memcpy(b->before, c->tokens, c->length * sizeof *b->before);
    s->sampler->policy->step(s->sampler, &row, &draws, c->k);
    c->k++;
    record(s, r, b->before);
}

diffulm_status dulm_session_step(struct diffulm_session *s)
{
    size_t tokens = 0, rows = 0, wanted = 0;
    for (size_t r = 0; r < s->count; r++)
        tokens += s->canvas[r].length;
    diffulm_status rc = reserve(&s->step, tokens, s->count);
    s->change_count = s->scored = 0;
    if (rc < 0)
        return rc;
    rc = dulm_share_sources(s);
    if (rc == DIFFULM_OK)
        rc = pack(s, &rows, &wanted);
    if (rc == DIFFULM_OK && rows)
        rc = score(s, rows, wanted);
    else if (rc == DIFFULM_OK && atomic_load_explicit(&s->cancel, memory_order_relaxed))
        rc = dulm_fail(DIFFULM_E_CANCELLED, "cancelled in a step that needs no logits");
    if (rc < 0) {
        if (rc == DIFFULM_E_CANCELLED)
            atomic_store(&s->cancel, 0);
        return rc;
    }
    s->scored = wanted;
    /* Which rows take part is settled before any of them moves. */
    size_t active = 0;
    for (size_t r = 0; r < s->count; r++)
        if (dulm_canvas_active(s, &s->canvas[r]))
            s->step.active[active++] = r;
    for (size_t i = 0; i < active; i++) {
        struct dulm_canvas *c = &s->canvas[s->step.active[i]];
        dulm_cache_commit(c);
        if (!dulm_known_serves(c))
            dulm_known_keep(c, s->step.candidates + c->first_candidate);
        transition(s, s->step.active[i]);
    }
    s->steps_done += active > 0;
    return DIFFULM_OK;
}

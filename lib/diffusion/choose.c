/* choose.c: the candidates of the positions that a step needs. The output matrix passes by once, in tiles of the vocabulary whose
 * logits stay in the cache while each position folds them into its running candidate. Samplers that need the whole distribution
 * at a time get it, a few positions at a time. */
#include <math.h>
#include <string.h>

#include "arch/pass.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"
#include "diffusion/session.h"

/* Positions whose whole rows of logits exist at a time. */
enum { WHOLE = 64 };
_Static_assert(DULM_HEAD_ROWS *DULM_HEAD_UNIT <= DULM_HEAD_TILE, "a unit for each position");
_Static_assert(DULM_HEAD_UNIT % DULM_RUNNING_UNIT == 0,
               "where tiles end never changes a candidate");

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t most_banned(const struct diffulm_session *s)
{
    size_t most = 1;
    for (size_t r = 0; r < s->count; r++)
        most = s->canvas[r].forbidden_count > most ? s->canvas[r].forbidden_count : most;
    return most;
}

static bool forbids(const struct diffulm_session *s)
{
    for (size_t r = 0; r < s->count; r++)
        if (s->canvas[r].forbidden_count)
            return true;
    return false;
}

static diffulm_status reserve_whole(struct diffulm_session *s, size_t wanted)
{
    struct dulm_step_buffers *b = &s->step;
    const size_t v = (size_t)s->model->config.vocabulary;
    const size_t threads = (size_t)s->model->runtime->threads;
    const size_t banned = threads * most_banned(s);
    diffulm_status rc = dulm_reserve(&b->logits, &b->logits_capacity, least(wanted, WHOLE) * v);
    if (rc == DIFFULM_OK)
        rc = dulm_reserve(&b->scratch, &b->scratch_capacity,
                          threads * dulm_candidate_scratch(s->sampler, v));
    if (rc == DIFFULM_OK && banned > b->banned_capacity) {
        dulm_free(b->banned);
        b->banned = dulm_alloc(banned, sizeof *b->banned);
        b->banned_capacity = b->banned ? banned : 0;
    }
    return rc < 0 || b->banned ? rc : dulm_fail_memory();
}

static bool draws(const struct diffulm_session *s)
{
    return s->sampler->options.sampling == DIFFULM_SAMPLING_CATEGORICAL;
}

diffulm_status dulm_choose_reserve(struct diffulm_session *s, size_t wanted)
{
    struct dulm_step_buffers *b = &s->step;
    const size_t v = (size_t)s->model->config.vocabulary, block = least(wanted, DULM_HEAD_ROWS);
    if (!dulm_runs(s->sampler))
        return reserve_whole(s, wanted);
    if (!b->running)
        b->running = dulm_alloc(DULM_HEAD_ROWS, sizeof *b->running);
    if (!b->running)
        return dulm_fail_memory();
    const diffulm_status rc =
        dulm_reserve(&b->logits, &b->logits_capacity, least(block * v, DULM_HEAD_TILE));
    const size_t units = draws(s) ? block * dulm_running_units(v) : 0;
    if (units > b->units_capacity) {
        dulm_free(b->units);
        b->units = dulm_alloc(units, sizeof *b->units);
        b->units_capacity = b->units ? units : 0;
    }
    return rc < 0 || units <= b->units_capacity ? rc : dulm_fail_memory();
}

struct job {
    struct diffulm_session *s;
    size_t position, count; /* positions */
    size_t token, tokens;   /* of the tile */
    bool forbids;           /* some canvas does */
    size_t banned;          /* most of a canvas */
};

static bool is_banned(const struct dulm_forbidden *f, size_t position)
{
    return f->position == SIZE_MAX || f->position == position;
}

static bool has_mask(const struct job *j)
{
    const int32_t mask = j->s->options.mask_id;
    return mask >= 0 && (size_t)mask - j->token < j->tokens;
}

/* The tile's logits of the mask and of what is forbidden at a place: -inf. */
static void close_off(const struct job *j, size_t place, float *x)
{
    const struct dulm_canvas *c = &j->s->canvas[j->s->step.places[place].canvas];
    const size_t position = j->s->step.places[place].position;
    if (has_mask(j))
        x[(size_t)j->s->options.mask_id - j->token] = -INFINITY;
    for (size_t i = 0; i < c->forbidden_count; i++) {
        const size_t at = (size_t)c->forbidden[i].token - j->token;
        if (at < j->tokens && is_banned(&c->forbidden[i], position))
            x[at] = -INFINITY;
    }
}

static void fold_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct job *j = user;
    struct diffulm_session *s = j->s;
    for (size_t i = begin; i < end; i++) {
        const struct dulm_canvas *c = &s->canvas[s->step.places[j->position + i].canvas];
        const size_t position = s->step.places[j->position + i].position;
        const struct dulm_draws draws = dulm_draws_of(s, c);
        float *x = s->step.logits + i * j->tokens;
        close_off(j, j->position + i, x);
        dulm_running_fold(s->model->runtime->kernels, s->sampler, x, j->token, j->tokens,
                          (size_t)s->model->config.vocabulary, &draws, position,
                          &s->step.running[i]);
    }
}

static void whole_part(void *user, size_t begin, size_t end, int worker)
{
    const struct job *j = user;
    struct diffulm_session *s = j->s;
    struct dulm_step_buffers *b = &s->step;
    const size_t v = j->tokens;
    int32_t *banned = b->banned + (size_t)worker * j->banned;
    for (size_t i = begin; i < end; i++) {
        const struct dulm_canvas *c = &s->canvas[b->places[j->position + i].canvas];
        const size_t position = b->places[j->position + i].position;
        const struct dulm_draws draws = dulm_draws_of(s, c);
        size_t count = 0;
        for (size_t f = 0; f < c->forbidden_count; f++)
            if (is_banned(&c->forbidden[f], position))
                banned[count++] = c->forbidden[f].token;
        b->candidates[c->first_candidate + position] =
            dulm_candidate_of(s->model->runtime->kernels, s->sampler, b->logits + i * v, v,
                              s->options.mask_id, banned, count, &draws, position,
                              b->scratch + (size_t)worker * dulm_candidate_scratch(s->sampler, v));
    }
}

/* The unit of the vocabulary that a position draws from is computed once more, unless all its logits are still there. */
static diffulm_status draw(struct job *j, const float *states, size_t i, bool all_there)
{
    struct diffulm_session *s = j->s;
    struct dulm_running *r = &s->step.running[i];
    const struct dulm_canvas *c = &s->canvas[s->step.places[j->position + i].canvas];
    const size_t position = s->step.places[j->position + i].position;
    const size_t v = (size_t)s->model->config.vocabulary;
    const struct dulm_draws source = dulm_draws_of(s, c);
    double rest = 0;
    if (!(r->sum > 0)) /* refused later */
        return DIFFULM_OK;
    const size_t unit =
        dulm_running_unit(s->sampler, r, v, dulm_draws_token(&source, position), &rest);
    float *x = s->step.logits + (all_there ? i * v + unit * DULM_RUNNING_UNIT : 0);
    j->token = unit * DULM_RUNNING_UNIT;
    j->tokens = least(DULM_RUNNING_UNIT, v - j->token);
    if (!all_there) {
        const diffulm_status rc =
            dulm_head_logits(s->workspace, s->model, states + i * (size_t)s->model->config.hidden,
                             1, j->token, j->tokens, x);
        if (rc < 0)
            return rc;
        close_off(j, j->position + i, x);
    }
    dulm_running_draw(s->sampler, x, unit, j->tokens, rest, r);
    return DIFFULM_OK;
}

/* Tokens whose parts exist before they are joined. A part that is below the highest logit before these needs no more than its sum, so
 * the first are few; how many they are may depend on nothing. */
enum { APART = 16384, FIRST_APART = 1024, PARTS = APART / DULM_PACKED_TILE };
_Static_assert(DULM_HEAD_ROWS *(sizeof(float) + PARTS * sizeof(struct dulm_running_part)) <=
                   DULM_HEAD_TILE * sizeof(float),
               "they lie where logits would");

/* The highest logits before the tile, of each position. */
static float *seen_of(const struct job *j)
{
    return j->s->step.logits;
}

/* Of all positions, one behind another: threads take parts of the vocabulary. */
static struct dulm_running_part *parts_at(const struct job *j, size_t part)
{
    return (struct dulm_running_part *)(void *)(seen_of(j) + j->count) + part * j->count;
}

static void take_part(void *user, size_t row, size_t column, size_t columns, float *x)
{
    const struct job *j = user;
    const struct job tile = {.s = j->s, .token = j->token + column, .tokens = columns};
    if (j->forbids || has_mask(&tile))
        close_off(&tile, j->position + row, x);
    dulm_running_part_of(j->s->model->runtime->kernels, x, tile.token, columns, seen_of(j)[row],
                         parts_at(j, column / DULM_PACKED_TILE) + row);
}

static void join_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct job *j = user;
    for (size_t i = begin; i < end; i++)
        for (size_t p = 0; p * DULM_PACKED_TILE < j->tokens; p++)
            dulm_running_join(parts_at(j, p) + i, seen_of(j)[i], &j->s->step.running[i]);
}

static bool comes_apart(const struct diffulm_session *s)
{
    return dulm_runs_apart(s->sampler) && dulm_head_comes_apart(s->workspace) &&
           s->model->config.vocabulary >= DULM_PACKED_TILE;
}

/* The tile's logits into the running candidates, part by part where they are computed. */
static diffulm_status fold_apart(struct job *j, const float *states)
{
    struct diffulm_session *s = j->s;
    const struct dulm_taker taker = {take_part, j};
    for (size_t i = 0; i < j->count; i++)
        seen_of(j)[i] = s->step.running[i].top;
    const diffulm_status rc =
        dulm_head_taken(s->workspace, s->model, states, j->count, j->token, j->tokens, &taker);
    if (rc == DIFFULM_OK)
        dulm_parallel(s->model->runtime->threads, j->count, 64, join_part, j);
    return rc;
}

/* The same once they all are there. */
static diffulm_status fold_whole(struct job *j, const float *states)
{
    struct diffulm_session *s = j->s;
    const diffulm_status rc = dulm_head_logits(s->workspace, s->model, states, j->count, j->token,
                                               j->tokens, s->step.logits);
    if (rc == DIFFULM_OK)
        dulm_parallel(s->model->runtime->threads, j->count, 1, fold_part, j);
    return rc;
}

static diffulm_status choose_running(struct job *j)
{
    struct diffulm_session *s = j->s;
    const size_t n = j->count;
    const bool apart = comes_apart(s);
    struct dulm_step_buffers *b = &s->step;
    const size_t v = (size_t)s->model->config.vocabulary;
    size_t width = apart ? FIRST_APART : dulm_head_width(s->model, n);
    const float *states;
    diffulm_status rc = dulm_head_states(s->workspace, s->model, NULL, j->position, n, &states);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        b->running[i] = dulm_running_begin(draws(s) ? b->units + i * dulm_running_units(v) : NULL);
    for (j->token = 0; j->token < v; j->token += j->tokens) {
        j->tokens = least(width, v - j->token);
        if (atomic_load_explicit(&s->cancel, memory_order_relaxed))
            return dulm_fail(DIFFULM_E_CANCELLED, "cancelled in the head");
        rc = (apart ? fold_apart : fold_whole)(j, states);
        if (rc < 0)
            return rc;
        width = apart ? APART : width;
    }
    for (size_t i = 0; draws(s) && rc == DIFFULM_OK && i < n; i++)
        rc = draw(j, states, i, width == v);
    for (size_t i = 0; rc == DIFFULM_OK && i < n; i++) {
        const struct dulm_canvas *c = &s->canvas[b->places[j->position + i].canvas];
        b->candidates[c->first_candidate + b->places[j->position + i].position] =
            dulm_running_end(s->sampler, &b->running[i]);
    }
    return rc;
}

static diffulm_status choose_whole(struct job *j)
{
    struct diffulm_session *s = j->s;
    const size_t n = j->count;
    j->tokens = (size_t)s->model->config.vocabulary;
    j->banned = most_banned(s);
    if (atomic_load_explicit(&s->cancel, memory_order_relaxed))
        return dulm_fail(DIFFULM_E_CANCELLED, "cancelled in the head");
    const diffulm_status rc =
        dulm_head(s->workspace, s->model, NULL, j->position, n, s->step.logits);
    if (rc == DIFFULM_OK)
        dulm_parallel(s->model->runtime->threads, n, 1, whole_part, j);
    return rc;
}

/* A candidate's score is finite unless its logits are not, or no token may stand there. */
static diffulm_status check(const struct diffulm_session *s, size_t wanted)
{
    const struct dulm_step_buffers *b = &s->step;
    for (size_t i = 0; i < wanted; i++) {
        const size_t row = b->places[i].canvas, position = b->places[i].position;
        if (!isfinite(b->candidates[s->canvas[row].first_candidate + position].score))
            return dulm_fail(DIFFULM_E_NUMERIC,
                             "row %zu, position %zu: the logits are not finite, or every token is "
                             "forbidden",
                             row, position);
    }
    return DIFFULM_OK;
}

diffulm_status dulm_choose(struct diffulm_session *s, size_t wanted)
{
    const bool runs = dulm_runs(s->sampler);
    const size_t block = runs ? DULM_HEAD_ROWS : WHOLE;
    diffulm_status rc = DIFFULM_OK;
    for (size_t i = 0; rc == DIFFULM_OK && i < wanted; i += block) {
        struct job job = {
            .s = s, .position = i, .count = least(block, wanted - i), .forbids = forbids(s)};
        rc = (runs ? choose_running : choose_whole)(&job);
    }
    return rc < 0 ? rc : check(s, wanted);
}

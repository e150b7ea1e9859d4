/* likelihood.c: copies of a row, masked at drawn timesteps (the diffusion bound) or at one position each (the
 * pseudo-likelihood), are packed and scored together; what a copy gives is the sum of the log-probabilities of its
 * masked tokens. */
#include "diffusion/likelihood.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/thread.h"
#include "diffusion/running.h"

enum { PACKED = 4096 }; /* tokens that exist at a time */

struct dulm_scorer {
    const struct diffulm_model *model;
    struct diffulm_likelihood_options options;
    struct dulm_workspace *workspace;
    size_t copies, tokens, masked; /* packed so far */
    size_t copy_capacity, token_capacity;
    int32_t *token, *target; /* [token_capacity] packed; of each masked position */
    uint8_t *source;
    size_t *offset, *wanted, *copy_of; /* offset [copy_capacity + 1] */
    double *sum, *log_probability;     /* [copy_capacity], [token_capacity] */
    float *logits;                     /* of a tile of the head */
    struct dulm_running *running;      /* [DULM_HEAD_ROWS] */
};

void dulm_scorer_destroy(struct dulm_scorer *s)
{
    if (!s)
        return;
    dulm_workspace_destroy(s->workspace);
    void *const blocks[] = {s->token,   s->target, s->source,          s->offset, s->wanted,
                            s->copy_of, s->sum,    s->log_probability, s->logits, s->running};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        dulm_free(blocks[i]);
    dulm_free(s);
}

diffulm_status dulm_scorer_create(const struct diffulm_model *model,
                                  const struct diffulm_likelihood_options *options, size_t longest,
                                  struct dulm_scorer **out)
{
    struct dulm_scorer *s = dulm_alloc_zero(1, sizeof *s);
    if (!s)
        return dulm_fail_memory();
    const size_t n = longest > PACKED ? longest : PACKED;
    s->model = model;
    s->options = *options;
    s->token_capacity = s->copy_capacity = n;
    s->token = dulm_alloc(n, sizeof *s->token);
    s->target = dulm_alloc(n, sizeof *s->target);
    s->source = dulm_alloc(n, 1);
    s->offset = dulm_alloc(n + 1, sizeof *s->offset);
    s->wanted = dulm_alloc(n, sizeof *s->wanted);
    s->copy_of = dulm_alloc(n, sizeof *s->copy_of);
    s->sum = dulm_alloc(n, sizeof *s->sum);
    s->log_probability = dulm_alloc(n, sizeof *s->log_probability);
    s->logits = dulm_alloc_tensor(DULM_HEAD_TILE, sizeof *s->logits);
    s->running = dulm_alloc(DULM_HEAD_ROWS, sizeof *s->running);
    diffulm_status rc = s->token && s->target && s->source && s->offset && s->wanted &&
                                s->copy_of && s->sum && s->log_probability && s->logits &&
                                s->running
                            ? dulm_workspace_create(&s->workspace)
                            : dulm_fail_memory();
    if (rc < 0) {
        dulm_scorer_destroy(s);
        return rc;
    }
    s->offset[0] = 0;
    *out = s;
    return DIFFULM_OK;
}

struct tile {
    struct dulm_scorer *scorer;
    size_t first, token, tokens; /* the first of the masked positions, and of the tile's tokens */
};

static const struct diffulm_sampler plain = {.options = {.sampling = DIFFULM_SAMPLING_ARGMAX},
                                             .key = DULM_KEY_SCORE};

/* The mask cannot be chosen. `chosen` is the target's logit, not the highest. */
static void fold_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct tile *t = user;
    struct dulm_scorer *s = t->scorer;
    const size_t mask = (size_t)s->options.mask_id - t->token;
    for (size_t i = begin; i < end; i++) {
        const size_t target = (size_t)s->target[t->first + i] - t->token;
        struct dulm_running *r = &s->running[i];
        float *x = s->logits + i * t->tokens, chosen = r->chosen;
        chosen = target < t->tokens ? x[target] : chosen;
        if (mask < t->tokens)
            x[mask] = -INFINITY;
        dulm_running_fold(s->model->runtime->kernels, &plain, x, t->token, t->tokens, 0, NULL, 0,
                          r);
        r->chosen = chosen;
    }
}

/* The log-probabilities of `n` masked positions from `first` on. */
static diffulm_status score(struct dulm_scorer *s, size_t first, size_t n)
{
    const size_t v = (size_t)s->model->config.vocabulary, width = dulm_head_width(s->model, n);
    const float *states;
    diffulm_status rc = dulm_head_states(s->workspace, s->model, NULL, first, n, &states);
    for (size_t i = 0; i < n; i++)
        s->running[i] = dulm_running_begin(NULL);
    struct tile tile = {.scorer = s, .first = first};
    for (; rc == DIFFULM_OK && tile.token < v; tile.token += tile.tokens) {
        tile.tokens = v - tile.token < width ? v - tile.token : width;
        rc =
            dulm_head_logits(s->workspace, s->model, states, n, tile.token, tile.tokens, s->logits);
        if (rc == DIFFULM_OK)
            dulm_parallel(s->model->runtime->threads, n, 1, fold_part, &tile);
    }
    for (size_t i = 0; i < n; i++)
        s->log_probability[first + i] =
            (double)s->running[i].chosen - (double)s->running[i].top - log(s->running[i].sum);
    return rc;
}

/* Scores the packed copies into sum[], and begins anew. */
static diffulm_status flush(struct dulm_scorer *s)
{
    const struct dulm_batch batch = {.rows = s->copies,
                                     .offsets = s->offset,
                                     .tokens = s->token,
                                     .source = s->source,
                                     .attention = (enum dulm_attention)s->options.attention,
                                     .newline_id = s->options.newline_id,
                                     .wanted = s->wanted,
                                     .wanted_count = s->masked};
    diffulm_status rc = DIFFULM_OK;
    for (size_t c = 0; c < s->copies; c++)
        s->sum[c] = 0;
    if (s->masked)
        rc = dulm_encode(s->workspace, s->model, &batch, NULL);
    for (size_t i = 0, n; rc == DIFFULM_OK && i < s->masked; i += n) {
        n = s->masked - i < DULM_HEAD_ROWS ? s->masked - i : DULM_HEAD_ROWS;
        rc = score(s, i, n);
    }
    for (size_t i = 0; rc == DIFFULM_OK && i < s->masked; i++) {
        if (isnan(s->log_probability[i]))
            rc = dulm_fail(DIFFULM_E_NUMERIC, "the logits of position %zu of a row are not finite",
                           s->wanted[i] - s->offset[s->copy_of[i]]);
        s->sum[s->copy_of[i]] += s->log_probability[i];
    }
    s->copies = s->tokens = s->masked = 0;
    return rc;
}

static void pack_copy(struct dulm_scorer *s, const struct dulm_clean_row *row)
{
    memcpy(s->token + s->tokens, row->tokens, row->length * sizeof *s->token);
    for (size_t i = 0; i < row->length; i++)
        s->source[s->tokens + i] = i < row->source_length;
    s->tokens += row->length;
    s->offset[++s->copies] = s->tokens;
}

/* Masks a position of the copy packed last. */
static void mask_position(struct dulm_scorer *s, size_t position)
{
    const size_t copy = s->copies - 1, at = s->offset[copy] + position;
    s->target[s->masked] = s->token[at];
    s->copy_of[s->masked] = copy;
    s->wanted[s->masked++] = at;
    s->token[at] = s->options.mask_id;
}

static bool is_full(const struct dulm_scorer *s, const struct dulm_clean_row *row)
{
    return s->tokens + row->length > s->token_capacity;
}

/* Timestep of sample j: stratum j / 2 of samples / 2, uniform in 1..T over all. */
static int32_t timestep(const struct diffulm_likelihood_options *o, uint32_t row, uint32_t j)
{
    const double u = dulm_uniform(dulm_draw(o->seed, DULM_STREAM_LIKELIHOOD, j, row, 0, 1));
    const double place = ((double)(j / 2) + u) / (double)(o->samples / 2);
    const int32_t t = 1 + (int32_t)(place * (double)o->timesteps);
    return t < o->timesteps ? t : o->timesteps;
}

static void corrupt_copy(struct dulm_scorer *s, const struct dulm_clean_row *row, uint32_t j,
                         int32_t t)
{
    const struct diffulm_likelihood_options *o = &s->options;
    pack_copy(s, row);
    for (size_t i = row->source_length; i < row->length; i++) {
        const uint32_t x =
            dulm_draw(o->seed, DULM_STREAM_LIKELIHOOD, j, row->number, (uint32_t)i, 0);
        if (dulm_uniform(x) * (double)o->timesteps < (double)t)
            mask_position(s, i);
    }
}

/* Mean over strata of the mean of their two values T / t · sum, and its error from their difference. */
struct strata {
    double sum, squares, first;
};

static void add_value(struct strata *a, uint32_t j, double value)
{
    if (j % 2 == 0)
        a->first = value;
    else
        a->squares += (value - a->first) * (value - a->first) / 4;
    a->sum += value;
}

diffulm_status dulm_score_bound(struct dulm_scorer *s, const struct dulm_clean_row *row,
                                struct diffulm_likelihood *out)
{
    const struct diffulm_likelihood_options *o = &s->options;
    const uint32_t samples = (uint32_t)o->samples;
    struct strata all = {0};
    diffulm_status rc = DIFFULM_OK;
    uint32_t scored = 0;
    out->tokens = row->length - row->source_length;
    for (uint32_t j = 0; rc == DIFFULM_OK && j < samples && out->tokens; j++) {
        corrupt_copy(s, row, j, timestep(o, row->number, j));
        if (j + 1 < samples && !is_full(s, row))
            continue;
        rc = flush(s);
        for (size_t c = 0; rc == DIFFULM_OK && scored <= j; c++, scored++)
            add_value(&all, scored,
                      (double)o->timesteps / timestep(o, row->number, scored) * s->sum[c]);
    }
    out->log_probability = all.sum / samples;
    out->standard_error = sqrt(all.squares) / (samples / 2);
    return rc;
}

diffulm_status dulm_score_pseudo(struct dulm_scorer *s, const struct dulm_clean_row *row,
                                 struct diffulm_likelihood *out)
{
    diffulm_status rc = DIFFULM_OK;
    out->tokens = row->length - row->source_length;
    out->log_probability = out->standard_error = 0;
    for (size_t i = row->source_length; rc == DIFFULM_OK && i < row->length; i++) {
        pack_copy(s, row);
        mask_position(s, i);
        if (i + 1 < row->length && !is_full(s, row))
            continue;
        const size_t copies = s->copies;
        rc = flush(s);
        for (size_t c = 0; rc == DIFFULM_OK && c < copies; c++)
            out->log_probability += s->sum[c];
    }
    return rc;
}

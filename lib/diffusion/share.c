/* share.c: canvases of one source, as those of a length beam are. Under prefix_lm a source's keys and values depend on nothing
 * else, so they are computed for the first of them and copied for the others. */
#include <string.h>

#include "base/error.h"
#include "diffusion/session.h"

static bool is_kept(const struct dulm_canvas *c)
{
    return c->kept_count >= c->source_length &&
           memcmp(c->kept_tokens, c->tokens, c->source_length * sizeof *c->tokens) == 0;
}

static bool same_source(const struct dulm_canvas *a, const struct dulm_canvas *b)
{
    return a->source_length == b->source_length &&
           memcmp(a->tokens, b->tokens, a->source_length * sizeof *a->tokens) == 0;
}

/* Whose source canvas r can take: the first that has the same; r itself where there is none before it. */
static size_t owner_of(const struct diffulm_session *s, size_t r)
{
    for (size_t i = 0; i < r; i++)
        if (same_source(&s->canvas[i], &s->canvas[r]) &&
            (dulm_canvas_active(s, &s->canvas[i]) || is_kept(&s->canvas[i])))
            return i;
    return r;
}

static bool lacks_source(const struct diffulm_session *s, size_t r)
{
    const struct dulm_canvas *c = &s->canvas[r];
    return c->source_length && dulm_canvas_active(s, c) && !is_kept(c);
}

static diffulm_status pack_source(struct diffulm_session *s, struct dulm_canvas *c, size_t *rows)
{
    struct dulm_step_buffers *b = &s->step;
    const int32_t position = dulm_config_first_position(&s->model->config);
    size_t at = b->offsets[*rows], start;
    const diffulm_status rc = dulm_cache_begin(s, c, 0, &start);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < c->source_length; i++, at++) {
        b->tokens[at] = c->tokens[i];
        b->positions[at] = position + (int32_t)i;
        b->source[at] = 1;
    }
    b->active[*rows] = (size_t)(c - s->canvas);
    b->cache[*rows] = dulm_cache_of(s, c, 0, c->source_length);
    b->offsets[++*rows] = at;
    return DIFFULM_OK;
}

/* Computes the sources of the packed canvases. */
static diffulm_status compute(struct diffulm_session *s, size_t rows)
{
    struct dulm_step_buffers *b = &s->step;
    const struct dulm_batch batch = {.rows = rows,
                                     .offsets = b->offsets,
                                     .tokens = b->tokens,
                                     .positions = b->positions,
                                     .source = b->source,
                                     .attention = DULM_ATTENTION_PREFIX_LM,
                                     .cache = b->cache,
                                     .wanted = b->wanted};
    const diffulm_status rc = dulm_encode(s->workspace, s->model, &batch, &s->cancel);
    for (size_t i = 0; rc == DIFFULM_OK && i < rows; i++)
        dulm_cache_commit(&s->canvas[b->active[i]]);
    return rc;
}

static diffulm_status take(const struct diffulm_session *s, const struct dulm_canvas *from,
                           struct dulm_canvas *to)
{
    const size_t width = 2 * (size_t)s->model->config.hidden, n = from->source_length;
    size_t start;
    const diffulm_status rc = dulm_cache_begin(s, to, 0, &start);
    if (rc < 0)
        return rc;
    for (int64_t layer = 0; layer < s->model->config.layers; layer++)
        memcpy(to->kept + (size_t)layer * to->kept_capacity * width,
               from->kept + (size_t)layer * from->kept_capacity * width,
               n * width * sizeof *to->kept);
    memcpy(to->kept_tokens, from->kept_tokens, n * sizeof *to->kept_tokens);
    to->kept_count = n;
    return DIFFULM_OK;
}

diffulm_status dulm_share_sources(struct diffulm_session *s)
{
    size_t rows = 0;
    diffulm_status rc = DIFFULM_OK;
    if (s->options.attention != DIFFULM_ATTENTION_PREFIX_LM || !dulm_cache_is_used(s))
        return DIFFULM_OK;
    s->step.offsets[0] = 0;
    for (size_t r = 0; rc == DIFFULM_OK && r < s->count; r++) {
        const size_t owner = lacks_source(s, r) ? owner_of(s, r) : r;
        if (owner == r || is_kept(&s->canvas[owner]))
            continue;
        bool packed = false;
        for (size_t i = 0; i < rows; i++)
            packed = packed || s->step.active[i] == owner;
        if (!packed)
            rc = pack_source(s, &s->canvas[owner], &rows);
    }
    if (rc == DIFFULM_OK && rows)
        rc = compute(s, rows);
    for (size_t r = 0; rc == DIFFULM_OK && r < s->count; r++) {
        const size_t owner = lacks_source(s, r) ? owner_of(s, r) : r;
        if (owner != r)
            rc = take(s, &s->canvas[owner], &s->canvas[r]);
    }
    return rc;
}

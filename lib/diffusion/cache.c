/* cache.c: keys and values kept from step to step. A position's depend on its own token and on what it
 * sees: under causal attention on the tokens up to it, under prefix_lm in the source on the source. So those of the
 * longest unchanged start, or of an unchanged source, are what a new pass would compute. Under full attention a source
 * sees everything; with source_refresh its keys and values are used for some steps all the same. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "diffusion/session.h"

void dulm_cache_release(struct dulm_canvas *c)
{
    dulm_free(c->kept);
    dulm_free(c->kept_tokens);
    c->kept = NULL;
    c->kept_tokens = NULL;
    c->kept_count = c->kept_capacity = c->kept_next = 0;
}

bool dulm_cache_is_used(const struct diffulm_session *s)
{
    if (s->options.attention == DIFFULM_ATTENTION_FULL)
        return s->options.source_refresh > 1;
    return !s->options.recompute && s->options.attention != DIFFULM_ATTENTION_BLOCKWISE;
}

/* Positions of a canvas that are ever kept. */
static size_t keepable(const struct diffulm_session *s, const struct dulm_canvas *c)
{
    if (!dulm_cache_is_used(s))
        return 0;
    return s->options.attention == DIFFULM_ATTENTION_CAUSAL ? c->length : c->source_length;
}

static diffulm_status reserve(const struct diffulm_session *s, struct dulm_canvas *c, size_t needed)
{
    if (needed <= c->kept_capacity)
        return DIFFULM_OK;
    const struct dulm_config *config = &s->model->config;
    size_t floats;
    dulm_cache_release(c);
    if (!dulm_mul((size_t)config->layers * 2 * (size_t)config->hidden, needed, &floats))
        return dulm_fail_memory();
    c->kept = dulm_alloc_tensor(floats, sizeof *c->kept);
    c->kept_tokens = dulm_alloc(needed, sizeof *c->kept_tokens);
    if (!c->kept || !c->kept_tokens) {
        dulm_cache_release(c);
        return dulm_fail_memory();
    }
    c->kept_capacity = needed;
    return DIFFULM_OK;
}

diffulm_status dulm_cache_begin(const struct diffulm_session *s, struct dulm_canvas *c, size_t most,
                                size_t *start)
{
    size_t same = 0;
    while (same < c->kept_count && c->kept_tokens[same] == c->tokens[same])
        same++;
    if (s->options.attention != DIFFULM_ATTENTION_CAUSAL && same < c->source_length)
        same = 0;
    if (s->options.attention == DIFFULM_ATTENTION_FULL &&
        (c->k <= c->kept_at || c->k - c->kept_at >= s->options.source_refresh))
        same = 0;
    c->kept_count = same;
    *start = same < most ? same : most;
    return reserve(s, c, keepable(s, c));
}

struct dulm_key_cache dulm_cache_of(const struct diffulm_session *s, struct dulm_canvas *c,
                                    size_t start, size_t end)
{
    const size_t limit = keepable(s, c), last = end < limit ? end : limit;
    const size_t width = 2 * (size_t)s->model->config.hidden;
    if (start < c->kept_count)
        c->kept_count = start;
    c->kept_next = last > start ? last : start;
    if (start == 0)
        c->kept_at = c->k;
    for (size_t i = start; i < last; i++)
        c->kept_tokens[i] = c->tokens[i];
    return (struct dulm_key_cache){.memory = c->kept,
                                   .layer_stride = c->kept_capacity * width,
                                   .count = start,
                                   .keep = c->kept_next - start};
}

void dulm_cache_commit(struct dulm_canvas *c)
{
    c->kept_count = c->kept_next;
}

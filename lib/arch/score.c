/* score.c: the forward pass for scoring. All layers share one set of activations; nothing is allocated
 * once the buffers have grown to the batch. */
#include "arch/score.h"

#include <string.h>

#include "arch/copies.h"
#include "arch/pass.h"
#include "arch/quantized.h"
#include "base/alloc.h"
#include "base/error.h"
#include "nn/onednn/scope.h"

struct dulm_workspace {
    struct dulm_pass_buffers buffers;
    struct dulm_pass pass; /* of the last dulm_encode; its pointers are not used after it */
    float *memory;         /* activations, cut up by layout() */
    size_t capacity;
    float *head; /* gathered rows, then the head's transform */
    size_t head_capacity;
    const float *encoded;
    size_t tokens;
};

diffulm_status dulm_workspace_create(struct dulm_workspace **out)
{
    struct dulm_workspace *ws = dulm_alloc_zero(1, sizeof *ws);
    if (!ws)
        return dulm_fail_memory();
    *out = ws;
    return DIFFULM_OK;
}

void dulm_workspace_destroy(struct dulm_workspace *ws)
{
    if (!ws)
        return;
    dulm_pass_buffers_release(&ws->buffers);
    dulm_free(ws->memory);
    dulm_free(ws->head);
    dulm_free(ws);
}

/* One of the members of a frozen model that change. */
static _Atomic(struct dulm_workspace *) *spare_of(const struct diffulm_model *model)
{
    return &((struct diffulm_model *)(uintptr_t)model)->spare;
}

diffulm_status dulm_workspace_take(const struct diffulm_model *model, struct dulm_workspace **out)
{
    *out = atomic_exchange(spare_of(model), NULL);
    return *out ? DIFFULM_OK : dulm_workspace_create(out);
}

void dulm_workspace_give(const struct diffulm_model *model, struct dulm_workspace *ws)
{
    if (ws)
        dulm_workspace_destroy(atomic_exchange(spare_of(model), ws));
}

const float *dulm_encoded(const struct dulm_workspace *ws)
{
    return ws->encoded;
}

/* Inference needs few buffers: `normed` serves both norms, `qkv` and `up` share memory, `out` may not be
 * the block's input. */
static diffulm_status layout(struct dulm_workspace *ws, const struct dulm_pass *p, float *x[2],
                             struct dulm_block_state *s)
{
    const size_t d = (size_t)p->config->hidden, f = (size_t)p->config->ffn;
    const size_t u = p->family->gated ? 2 * f : f, wide = u > 3 * d ? u : 3 * d;
    const size_t narrow = f > d ? f : d;
    diffulm_status rc =
        dulm_reserve(&ws->memory, &ws->capacity, p->tokens * (5 * d + wide + narrow));
    if (rc < 0)
        return rc;
    float *next = ws->memory;
    x[0] = next;
    x[1] = next += p->tokens * d;
    s->normed = s->normed2 = next += p->tokens * d;
    s->attn_sum = next += p->tokens * d;
    s->attn_out = next += p->tokens * d;
    s->qkv = s->up = next += p->tokens * d;
    s->context = s->act = next += p->tokens * wide;
    if (!p->family->gated)
        s->up = s->act;
    if (p->family->pre_norm)
        s->attn_out = s->attn_sum;
    return DIFFULM_OK;
}

/* Keeps of x and context, [T, d], the rows of wanted tokens, in their order. */
static void keep_wanted(const struct dulm_batch *batch, size_t d, float *x, float *context)
{
    for (size_t i = 0; i < batch->wanted_count; i++) {
        const size_t from = batch->wanted[i];
        if (from == i)
            continue;
        memcpy(x + i * d, x + from * d, d * sizeof *x);
        memcpy(context + i * d, context + from * d, d * sizeof *context);
    }
}

static diffulm_status last_layer(struct dulm_pass *p, int layer, float *x,
                                 struct dulm_block_state *state)
{
    if (!p->batch->wanted)
        return dulm_block_forward(p, layer, x, state);
    diffulm_status rc = dulm_block_context(p, layer, x, state);
    if (rc < 0)
        return rc;
    keep_wanted(p->batch, (size_t)p->config->hidden, x, state->context);
    p->tokens = p->batch->wanted_count;
    return dulm_block_output(p, layer, x, state);
}

static diffulm_status check_wanted(const struct dulm_batch *batch)
{
    for (size_t i = 0; batch->wanted && i < batch->wanted_count; i++)
        if (batch->wanted[i] >= batch->offsets[batch->rows])
            return dulm_fail(DIFFULM_E_ARGUMENT, "wanted position %zu of a batch of %zu tokens",
                             batch->wanted[i], batch->offsets[batch->rows]);
    return DIFFULM_OK;
}

/* The pass, with the matrices that it multiplies by. Attention is rounded where they are. */
static diffulm_status prepare(struct dulm_workspace *ws, const struct diffulm_model *model,
                              const struct dulm_batch *batch)
{
    const struct diffulm_runtime *rt = model->runtime;
    const struct dulm_copies *copies = NULL;
    const struct dulm_quantized *quantized = NULL;
    diffulm_status rc = dulm_copies_of(model, &copies);
    if (rc == DIFFULM_OK)
        rc = dulm_quantized_of(model, &quantized);
    const bool rounded = rt->head && (quantized || rt->precision == DIFFULM_PRECISION_BF16);
    if (rc == DIFFULM_OK)
        rc = dulm_pass_prepare(rt, &model->config, &model->weights, batch, rounded, &ws->buffers,
                               &ws->pass);
    if (rc == DIFFULM_OK)
        rc = check_wanted(batch);
    ws->pass.copies = copies;
    ws->pass.quantized = quantized;
    return rc;
}

diffulm_status dulm_encode(struct dulm_workspace *ws, const struct diffulm_model *model,
                           const struct dulm_batch *batch, const atomic_int *cancel)
{
    struct dulm_pass *p = &ws->pass;
    float *x[2] = {NULL, NULL};
    struct dulm_block_state state = {0};
    const int layers = (int)model->config.layers;
    ws->encoded = NULL;
    diffulm_status rc = prepare(ws, model, batch);
    if (rc == DIFFULM_OK)
        rc = layout(ws, p, x, &state);
    if (rc < 0)
        return rc;
    const size_t d = (size_t)model->config.hidden;
    dulm_embed(p, x[0], x[0]);
    for (int layer = 0; layer < layers; layer++) {
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            return dulm_fail(DIFFULM_E_CANCELLED, "cancelled in layer %d", layer);
        state.ffn_sum = state.out = x[(layer + 1) % 2];
        struct dulm_onednn_scope scope;
        dulm_hold(p->rt, p->rt->threads, &scope);
        rc = layer + 1 < layers ? dulm_block_forward(p, layer, x[layer % 2], &state)
                                : last_layer(p, layer, x[layer % 2], &state);
        dulm_release(p->rt, &scope);
        if (rc < 0)
            return rc;
    }
    float *last = x[layers % 2];
    const float *norm = model->weights.global[DULM_FINAL_NORM_W];
    if (norm)
        dulm_layer_norm(p->rt, p->tokens, d, last, norm, model->weights.global[DULM_FINAL_NORM_B],
                        model->config.eps, last);
    ws->encoded = last;
    ws->tokens = p->tokens;
    return DIFFULM_OK;
}

/* Rows `chosen` of the last states, copied; without `chosen` they are used where they lie. */
static diffulm_status gather(const struct dulm_workspace *ws, const size_t *chosen, size_t first,
                             size_t count, size_t d, float *copy, const float **rows)
{
    *rows = chosen ? copy : ws->encoded + first * d;
    for (size_t i = 0; i < count; i++) {
        const size_t at = chosen ? chosen[i] : first + i;
        if (at >= ws->tokens)
            return dulm_fail(DIFFULM_E_ARGUMENT, "wanted position %zu of a batch of %zu tokens", at,
                             ws->tokens);
        if (chosen)
            memcpy(copy + i * d, ws->encoded + at * d, d * sizeof *copy);
    }
    return DIFFULM_OK;
}

diffulm_status dulm_head_states(struct dulm_workspace *ws, const struct diffulm_model *model,
                                const size_t *chosen, size_t first, size_t count,
                                const float **states)
{
    const size_t d = (size_t)model->config.hidden;
    const float *rows;
    if (!model->config.has_head)
        return dulm_fail(DIFFULM_E_UNSUPPORTED,
                         "this model has no language-model head; open it with a fresh one");
    diffulm_status rc = dulm_reserve(&ws->head, &ws->head_capacity, 2 * count * d);
    if (rc < 0)
        return rc;
    float *normed = ws->head, *dense = normed + count * d;
    rc = gather(ws, chosen, first, count, d, normed, &rows);
    if (rc == DIFFULM_OK)
        rc = dulm_head_transform(&ws->pass, count, rows, dense, dense, normed);
    *states = normed;
    return rc;
}

diffulm_status dulm_head_logits(const struct dulm_workspace *ws, const struct diffulm_model *model,
                                const float *states, size_t count, size_t token, size_t tokens,
                                float *logits)
{
    const float *bias = model->weights.global[DULM_DECODER_B];
    return dulm_multiply(&ws->pass, -1, DULM_DECODER_W, token, count, (size_t)model->config.hidden,
                         tokens, states, bias ? bias + token : NULL, DULM_IDENTITY, logits, tokens);
}

bool dulm_head_comes_apart(const struct dulm_workspace *ws)
{
    return dulm_multiply_comes_apart(&ws->pass, -1, DULM_DECODER_W);
}

diffulm_status dulm_head_taken(const struct dulm_workspace *ws, const struct diffulm_model *model,
                               const float *states, size_t count, size_t token, size_t tokens,
                               const struct dulm_taker *taker)
{
    const float *bias = model->weights.global[DULM_DECODER_B];
    return dulm_multiply_taken(&ws->pass, -1, DULM_DECODER_W, token, count,
                               (size_t)model->config.hidden, tokens, states,
                               bias ? bias + token : NULL, taker);
}

size_t dulm_head_width(const struct diffulm_model *model, size_t count)
{
    const size_t v = (size_t)model->config.vocabulary;
    const size_t width = DULM_HEAD_TILE / DULM_HEAD_UNIT / count * DULM_HEAD_UNIT;
    return width < v ? width : v;
}

diffulm_status dulm_head(struct dulm_workspace *ws, const struct diffulm_model *model,
                         const size_t *chosen, size_t first, size_t count, float *logits)
{
    /* Whole rows at a time: oneDNN is slower where there are gaps between the rows of a result. */
    const size_t v = (size_t)model->config.vocabulary;
    diffulm_status rc = DIFFULM_OK;
    for (size_t i = 0, n; rc == DIFFULM_OK && i < count; i += n) {
        const float *states;
        n = count - i < DULM_HEAD_ROWS ? count - i : DULM_HEAD_ROWS;
        rc = dulm_head_states(ws, model, chosen ? chosen + i : NULL, first + i, n, &states);
        if (rc == DIFFULM_OK)
            rc = dulm_head_logits(ws, model, states, n, 0, v, logits + i * v);
    }
    return rc;
}

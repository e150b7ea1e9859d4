/* length_head.c: the length predictor (definition: length prediction). Its Transformer layer is the
 * common block under a configuration of its own: post-norm, ReLU, biases, eps 1e-5. */
#include "arch/length_head.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

struct dulm_length_pass {
    struct dulm_config config; /* of the layer */
    struct dulm_weights weights, grads;
    struct dulm_pass_buffers buffers;
    struct dulm_pass pass;
    struct dulm_batch batch;
    const float *states, *values;
    float *block; /* activations and gradients of tokens and rows */
    size_t capacity;
    struct dulm_block_state state;
    float *pooled, *dense, *tanh, *d_dense, *d_pooled, *dx; /* [R, d|f] and [T, d] */
    struct dulm_backward_scratch scratch;
};

size_t dulm_length_parameters(const struct dulm_config *c,
                              struct dulm_length_parameter out[DULM_LENGTH_SLOTS])
{
    const int64_t d = c->hidden, f = c->ffn, p = c->positions;
    const struct dulm_length_parameter list[DULM_LENGTH_SLOTS] = {
        {"length_head.layer.self_attn.in_proj_weight", 2, {3 * d, d}, 0},
        {"length_head.layer.self_attn.in_proj_bias", 1, {3 * d, 1}, 0},
        {"length_head.layer.self_attn.out_proj.weight", 2, {d, d}, 0},
        {"length_head.layer.self_attn.out_proj.bias", 1, {d, 1}, 0},
        {"length_head.layer.linear1.weight", 2, {f, d}, 0},
        {"length_head.layer.linear1.bias", 1, {f, 1}, 0},
        {"length_head.layer.linear2.weight", 2, {d, f}, 0},
        {"length_head.layer.linear2.bias", 1, {d, 1}, 0},
        {"length_head.layer.norm1.weight", 1, {d, 1}, 0},
        {"length_head.layer.norm1.bias", 1, {d, 1}, 0},
        {"length_head.layer.norm2.weight", 1, {d, 1}, 0},
        {"length_head.layer.norm2.bias", 1, {d, 1}, 0},
        {"length_head.dense.weight", 2, {f, d}, 0},
        {"length_head.dense.bias", 1, {f, 1}, 0},
        {"length_head.classifier.weight", 2, {p, f}, 0},
        {"length_head.classifier.bias", 1, {p, 1}, 0}};
    size_t total = 0;
    for (int i = 0; i < DULM_LENGTH_SLOTS; i++) {
        out[i] = list[i];
        out[i].elements = (size_t)(list[i].shape[0] * list[i].shape[1]);
        total += out[i].elements;
    }
    return total;
}

/* Points a table of one layer at values (or gradients) in slot order; rest[4] gets dense and
 * classifier. */
static void point(const struct dulm_config *c, float *values, struct dulm_weights *weights,
                  float *rest[4])
{
    static const int slots[DULM_LENGTH_SLOTS] = {DULM_QUERY_W,
                                                 DULM_QUERY_B,
                                                 DULM_OUT_W,
                                                 DULM_OUT_B,
                                                 DULM_UP_W,
                                                 DULM_UP_B,
                                                 DULM_DOWN_W,
                                                 DULM_DOWN_B,
                                                 DULM_ATTENTION_NORM_W,
                                                 DULM_ATTENTION_NORM_B,
                                                 DULM_FFN_NORM_W,
                                                 DULM_FFN_NORM_B,
                                                 -1,
                                                 -1,
                                                 -1,
                                                 -1};
    struct dulm_length_parameter list[DULM_LENGTH_SLOTS];
    dulm_length_parameters(c, list);
    const size_t d = (size_t)c->hidden;
    float **slot = weights->layer[0].slot;
    for (int i = 0; i < DULM_LENGTH_SLOTS; i++) {
        if (slots[i] >= 0)
            slot[slots[i]] = values;
        else
            rest[i - DULM_LENGTH_DENSE_W] = values;
        values += list[i].elements;
    }
    slot[DULM_KEY_W] = slot[DULM_QUERY_W] + d * d;
    slot[DULM_VALUE_W] = slot[DULM_QUERY_W] + 2 * d * d;
    slot[DULM_KEY_B] = slot[DULM_QUERY_B] + d;
    slot[DULM_VALUE_B] = slot[DULM_QUERY_B] + 2 * d;
}

diffulm_status dulm_length_pass_create(const struct dulm_config *config,
                                       struct dulm_length_pass **out)
{
    struct dulm_length_pass *p = dulm_alloc_zero(1, sizeof *p);
    if (!p)
        return dulm_fail_memory();
    p->config = *config;
    p->config.family = DULM_FAMILY_BERT;
    p->config.layers = 1;
    p->config.eps = 1e-5f;
    p->config.activation = DULM_RELU;
    p->config.local_layer = NULL;
    p->config.embed_dropout = p->config.hidden_dropout = p->config.attention_dropout = 0;
    diffulm_status rc = dulm_weights_create(&p->config, &p->weights);
    if (rc == DIFFULM_OK)
        rc = dulm_weights_create(&p->config, &p->grads);
    if (rc < 0) {
        dulm_length_pass_destroy(p);
        return rc;
    }
    *out = p;
    return DIFFULM_OK;
}

void dulm_length_pass_destroy(struct dulm_length_pass *p)
{
    if (!p)
        return;
    dulm_weights_release(&p->weights);
    dulm_weights_release(&p->grads);
    dulm_pass_buffers_release(&p->buffers);
    dulm_free(p->block);
    dulm_free(p);
}

/* Cuts one block of memory into everything that a pass over T tokens and R rows needs. */
static diffulm_status place(struct dulm_length_pass *p, size_t tokens, size_t rows)
{
    const size_t d = (size_t)p->config.hidden, f = (size_t)p->config.ffn;
    const size_t wide = 3 * d > f ? 3 * d : f, wide2 = d > f ? d : f;
    struct dulm_block_state *s = &p->state;
    const struct {
        float **at;
        size_t size;
    } parts[] = {{&s->qkv, tokens * 3 * d},
                 {&s->context, tokens * d},
                 {&s->attn_sum, tokens * d},
                 {&s->attn_out, tokens * d},
                 {&s->up, tokens * f},
                 {&s->act, tokens * f},
                 {&s->ffn_sum, tokens * d},
                 {&s->out, tokens * d},
                 {&p->scratch.wide, tokens * wide},
                 {&p->scratch.wide2, tokens * wide2},
                 {&p->scratch.narrow, tokens * d},
                 {&p->scratch.attn, tokens * d},
                 {&p->scratch.stats, tokens * 2},
                 {&p->dx, tokens * d},
                 {&p->pooled, rows * d},
                 {&p->d_pooled, rows * d},
                 {&p->dense, rows * f},
                 {&p->tanh, rows * f},
                 {&p->d_dense, rows * f}};
    const size_t count = sizeof parts / sizeof *parts;
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].size;
    diffulm_status rc = dulm_reserve(&p->block, &p->capacity, total);
    float *next = p->block;
    for (size_t i = 0; rc == DIFFULM_OK && i < count; i++) {
        *parts[i].at = next;
        next += parts[i].size;
    }
    return rc;
}

static void mean_rows(const struct dulm_length_pass *p, size_t d)
{
    memset(p->pooled, 0, p->batch.rows * d * sizeof(float));
    for (size_t r = 0; r < p->batch.rows; r++) {
        const size_t begin = p->batch.offsets[r], end = p->batch.offsets[r + 1];
        for (size_t t = begin; t < end; t++)
            for (size_t i = 0; i < d; i++)
                p->pooled[r * d + i] += p->state.out[t * d + i];
        for (size_t i = 0; i < d; i++)
            p->pooled[r * d + i] /= (float)(end - begin);
    }
}

diffulm_status dulm_length_forward(struct dulm_length_pass *p, const struct diffulm_runtime *rt,
                                   const float *values, size_t rows, const size_t *offsets,
                                   const int32_t *tokens, const float *states, float *logits)
{
    const size_t d = (size_t)p->config.hidden, f = (size_t)p->config.ffn;
    const size_t classes = (size_t)p->config.positions;
    float *rest[4];
    p->batch = (struct dulm_batch){.rows = rows, .offsets = offsets, .tokens = tokens};
    p->states = states;
    p->values = values;
    /* The forward pass only reads the weights. */
    point(&p->config, (float *)(uintptr_t)values, &p->weights, rest);
    diffulm_status rc =
        dulm_pass_prepare(rt, &p->config, &p->weights, &p->batch, false, &p->buffers, &p->pass);
    if (rc == DIFFULM_OK)
        rc = place(p, p->pass.tokens, rows);
    if (rc == DIFFULM_OK)
        rc = dulm_block_forward(&p->pass, 0, states, &p->state);
    if (rc < 0)
        return rc;
    mean_rows(p, d);
    dulm_fill_rows(rt, rows, f, f, rest[1], p->dense);
    rc = dulm_gemm(rt, false, true, rows, f, d, p->pooled, d, rest[0], d, true, p->dense, f);
    if (rc < 0)
        return rc;
    dulm_activate(rt, DULM_TANH, false, rows, f, p->dense, p->tanh);
    dulm_fill_rows(rt, rows, classes, classes, rest[3], logits);
    return dulm_gemm(rt, false, true, rows, classes, f, p->tanh, f, rest[2], f, true, logits,
                     classes);
}

/* Gradients of classifier and dense layer; d_pooled is filled. */
static diffulm_status top_backward(struct dulm_length_pass *p, const float *d_logits, float **w,
                                   float **g)
{
    const struct diffulm_runtime *rt = p->pass.rt;
    const size_t d = (size_t)p->config.hidden, f = (size_t)p->config.ffn;
    const size_t classes = (size_t)p->config.positions, rows = p->batch.rows;
    diffulm_status rc =
        dulm_gemm(rt, true, false, classes, f, rows, d_logits, classes, p->tanh, f, true, g[2], f);
    dulm_column_sums(rt, rows, classes, classes, d_logits, g[3]);
    if (rc == DIFFULM_OK)
        rc = dulm_gemm(rt, false, false, rows, f, classes, d_logits, classes, w[2], f, false,
                       p->d_dense, f);
    if (rc < 0)
        return rc;
    dulm_activate_backward(rt, DULM_TANH, false, rows, f, p->dense, p->d_dense, p->d_dense);
    rc = dulm_gemm(rt, true, false, f, d, rows, p->d_dense, f, p->pooled, d, true, g[0], d);
    dulm_column_sums(rt, rows, f, f, p->d_dense, g[1]);
    if (rc == DIFFULM_OK)
        rc = dulm_gemm(rt, false, false, rows, d, f, p->d_dense, f, w[0], d, false, p->d_pooled, d);
    return rc;
}

diffulm_status dulm_length_backward(struct dulm_length_pass *p, const float *d_logits, float *grads)
{
    const size_t d = (size_t)p->config.hidden;
    float *w[4], *g[4];
    point(&p->config, (float *)(uintptr_t)p->values, &p->weights, w);
    point(&p->config, grads, &p->grads, g);
    diffulm_status rc = top_backward(p, d_logits, w, g);
    if (rc < 0)
        return rc;
    /* scratch.attn is the block's own; the mean's gradient goes where `out` was. */
    for (size_t r = 0; r < p->batch.rows; r++) {
        const size_t begin = p->batch.offsets[r], end = p->batch.offsets[r + 1];
        const float share = 1.0f / (float)(end - begin);
        for (size_t t = begin; t < end; t++)
            for (size_t i = 0; i < d; i++)
                p->state.out[t * d + i] = p->d_pooled[r * d + i] * share;
    }
    return dulm_block_backward(&p->pass, &p->grads, 0, p->states, &p->state, p->state.out, p->dx,
                               &p->scratch);
}

diffulm_status dulm_length_head_from_memory(struct diffulm_model *model, const float *values,
                                            struct diffulm_length_head **out)
{
    struct diffulm_length_head *h = dulm_alloc_zero(1, sizeof *h);
    if (!h)
        return dulm_fail_memory();
    dulm_refcount_init(&h->refs);
    h->model = diffulm_model_ref(model);
    h->total = dulm_length_parameters(&model->config, h->parameters);
    h->values = dulm_alloc_tensor(h->total, sizeof *h->values);
    if (!h->values) {
        diffulm_length_head_unref(h);
        return dulm_fail_memory();
    }
    memcpy(h->values, values, h->total * sizeof *values);
    *out = h;
    return DIFFULM_OK;
}

diffulm_length_head *diffulm_length_head_ref(diffulm_length_head *head)
{
    if (head)
        dulm_refcount_take(&head->refs);
    return head;
}

void diffulm_length_head_unref(diffulm_length_head *head)
{
    if (!head || !dulm_refcount_drop(&head->refs))
        return;
    diffulm_model_unref(head->model);
    dulm_free(head->values);
    dulm_free(head);
}

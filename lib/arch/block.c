/* block.c: one transformer block.
 *   post-norm:  a = norm(x + attention(x));     out = norm(a + ffn(a))
 *   pre-norm:   a = x + attention(norm(x));     out = a + ffn(norm(a))
 * A pre-norm family may leave out the first layer's attention norm. */
#include <string.h>

#include "arch/block.h"

static const float *attention_input(const struct dulm_pass *p, int layer, const float *x,
                                    const struct dulm_block_state *s)
{
    const bool normed =
        p->family->pre_norm && p->weights->layer[layer].slot[DULM_ATTENTION_NORM_W] != NULL;
    return normed ? s->normed : x;
}

static struct dulm_visibility visibility(const struct dulm_pass *p, int layer)
{
    const struct dulm_config *c = p->config;
    const bool local = c->local_layer && c->local_layer[layer];
    return (struct dulm_visibility){.kind = p->batch->attention,
                                    .source = p->batch->source,
                                    .attended = p->batch->attended,
                                    .block = p->block,
                                    .window = local ? (size_t)c->window : 0};
}

static void rotate(const struct dulm_pass *p, int layer, bool inverse, float *qkv)
{
    const struct dulm_config *c = p->config;
    if (!p->family->rotary)
        return;
    const bool local = c->local_layer && c->local_layer[layer];
    dulm_rotary(p->rt, p->tokens, (size_t)c->heads, p->shape.head_size, p->positions,
                local ? c->theta_local : c->theta_global, inverse, qkv);
}

diffulm_status dulm_block_context(const struct dulm_pass *p, int layer, const float *x,
                                  struct dulm_block_state *s)
{
    const size_t d = (size_t)p->config->hidden;
    float *const *w = p->weights->layer[layer].slot;
    const float *in = attention_input(p, layer, x, s);
    if (in != x)
        dulm_layer_norm(p->rt, p->tokens, d, x, w[DULM_ATTENTION_NORM_W], w[DULM_ATTENTION_NORM_B],
                        p->config->eps, s->normed);
    const diffulm_status rc = dulm_query_key_value(p, layer, in, s->qkv);
    if (rc < 0)
        return rc;
    rotate(p, layer, false, s->qkv);
    const struct dulm_visibility visible = visibility(p, layer);
    const struct dulm_attention_dropout dropout = dulm_attention_dropout_of(p, layer);
    struct dulm_attention_shape shape = p->shape;
    shape.layer = (size_t)layer;
    return dulm_attention_forward(p->rt, &shape, &visible, &dropout, s->qkv, s->context,
                                  p->scratch);
}

/* Attention's end: each token from here on by itself. */
static diffulm_status project(const struct dulm_pass *p, int layer, const float *x,
                              struct dulm_block_state *s)
{
    const size_t d = (size_t)p->config->hidden;
    float *const *w = p->weights->layer[layer].slot;
    diffulm_status rc = dulm_linear(p, layer, DULM_OUT_W, d, d, s->context, s->attn_sum, d);
    if (rc < 0)
        return rc;
    dulm_dropout_apply(p, p->config->hidden_dropout, 2 + 3 * (uint32_t)layer, s->attn_sum);
    dulm_residual(p->rt, p->tokens * d, x, s->attn_sum, s->attn_sum);
    if (!p->family->pre_norm)
        dulm_layer_norm(p->rt, p->tokens, d, s->attn_sum, w[DULM_ATTENTION_NORM_W],
                        w[DULM_ATTENTION_NORM_B], p->config->eps, s->attn_out);
    return DIFFULM_OK;
}

static diffulm_status ffn_forward(const struct dulm_pass *p, int layer, struct dulm_block_state *s)
{
    const struct dulm_config *c = p->config;
    const size_t d = (size_t)c->hidden, f = (size_t)c->ffn, u = p->family->gated ? 2 * f : f;
    float *const *w = p->weights->layer[layer].slot;
    const float *in = s->attn_out;
    if (p->family->pre_norm) {
        dulm_layer_norm(p->rt, p->tokens, d, s->attn_out, w[DULM_FFN_NORM_W], w[DULM_FFN_NORM_B],
                        c->eps, s->normed2);
        in = s->normed2;
    }
    const bool at_once = s->up == s->act;
    diffulm_status rc =
        at_once ? dulm_linear_activated(p, layer, DULM_UP_W, d, u, in, c->activation, s->act)
                : dulm_linear(p, layer, DULM_UP_W, d, u, in, s->up, u);
    if (rc < 0)
        return rc;
    if (!at_once)
        dulm_activate(p->rt, c->activation, p->family->gated, p->tokens, f, s->up, s->act);
    rc = dulm_linear(p, layer, DULM_DOWN_W, f, d, s->act, s->ffn_sum, d);
    if (rc < 0)
        return rc;
    dulm_dropout_apply(p, c->hidden_dropout, 3 + 3 * (uint32_t)layer, s->ffn_sum);
    dulm_residual(p->rt, p->tokens * d, s->attn_out, s->ffn_sum, s->ffn_sum);
    if (!p->family->pre_norm)
        dulm_layer_norm(p->rt, p->tokens, d, s->ffn_sum, w[DULM_FFN_NORM_W], w[DULM_FFN_NORM_B],
                        c->eps, s->out);
    return DIFFULM_OK;
}

diffulm_status dulm_block_output(const struct dulm_pass *pass, int layer, const float *x,
                                 struct dulm_block_state *state)
{
    diffulm_status rc = project(pass, layer, x, state);
    return rc < 0 ? rc : ffn_forward(pass, layer, state);
}

diffulm_status dulm_block_forward(const struct dulm_pass *pass, int layer, const float *x,
                                  struct dulm_block_state *state)
{
    diffulm_status rc = dulm_block_context(pass, layer, x, state);
    return rc < 0 ? rc : dulm_block_output(pass, layer, x, state);
}

/* da: gradient of attn_out, filled here (not added to). dout: gradient of out. */
static diffulm_status ffn_backward(const struct dulm_pass *p, const struct dulm_weights *g,
                                   int layer, const struct dulm_block_state *s, float *dout,
                                   float *da, const struct dulm_backward_scratch *b)
{
    const struct dulm_config *c = p->config;
    const size_t d = (size_t)c->hidden, f = (size_t)c->ffn, u = p->family->gated ? 2 * f : f;
    const size_t bytes = p->tokens * d * sizeof(float);
    float *const *w = p->weights->layer[layer].slot;
    float *const *gw = g->layer[layer].slot;
    float *dsum = dout;
    if (!p->family->pre_norm) {
        dsum = b->narrow;
        memset(dsum, 0, bytes);
        dulm_layer_norm_backward(p->rt, p->tokens, d, s->ffn_sum, w[DULM_FFN_NORM_W], c->eps, dout,
                                 dsum, b->stats, gw[DULM_FFN_NORM_W], gw[DULM_FFN_NORM_B]);
    }
    memcpy(da, dsum, bytes);
    dulm_dropout_apply(p, c->hidden_dropout, 3 + 3 * (uint32_t)layer, dsum);
    diffulm_status rc =
        dulm_linear_backward(p, g, layer, DULM_DOWN_W, f, d, s->act, dsum, d, false, b->wide2);
    if (rc < 0)
        return rc;
    dulm_activate_backward(p->rt, c->activation, p->family->gated, p->tokens, f, s->up, b->wide2,
                           b->wide);
    if (!p->family->pre_norm)
        return dulm_linear_backward(p, g, layer, DULM_UP_W, d, u, s->attn_out, b->wide, u, true,
                                    da);
    rc = dulm_linear_backward(p, g, layer, DULM_UP_W, d, u, s->normed2, b->wide, u, false,
                              b->narrow);
    dulm_layer_norm_backward(p->rt, p->tokens, d, s->attn_out, w[DULM_FFN_NORM_W], c->eps,
                             b->narrow, da, b->stats, gw[DULM_FFN_NORM_W], gw[DULM_FFN_NORM_B]);
    return rc;
}

/* dx: gradient of the block's input, filled here. da: gradient of attn_out, used up. */
static diffulm_status attention_backward(const struct dulm_pass *p, const struct dulm_weights *g,
                                         int layer, const float *x,
                                         const struct dulm_block_state *s, float *da, float *dx,
                                         const struct dulm_backward_scratch *b)
{
    const struct dulm_config *c = p->config;
    const size_t d = (size_t)c->hidden, bytes = p->tokens * d * sizeof(float);
    float *const *w = p->weights->layer[layer].slot;
    float *const *gw = g->layer[layer].slot;
    float *dsum = da;
    if (!p->family->pre_norm) {
        dsum = b->narrow;
        memset(dsum, 0, bytes);
        dulm_layer_norm_backward(p->rt, p->tokens, d, s->attn_sum, w[DULM_ATTENTION_NORM_W], c->eps,
                                 da, dsum, b->stats, gw[DULM_ATTENTION_NORM_W],
                                 gw[DULM_ATTENTION_NORM_B]);
    }
    memcpy(dx, dsum, bytes);
    dulm_dropout_apply(p, c->hidden_dropout, 2 + 3 * (uint32_t)layer, dsum);
    float *dcontext = b->wide2;
    diffulm_status rc =
        dulm_linear_backward(p, g, layer, DULM_OUT_W, d, d, s->context, dsum, d, false, dcontext);
    const struct dulm_visibility visible = visibility(p, layer);
    const struct dulm_attention_dropout dropout = dulm_attention_dropout_of(p, layer);
    if (rc == DIFFULM_OK)
        rc = dulm_attention_backward(p->rt, &p->shape, &visible, &dropout, s->qkv, dcontext,
                                     b->wide, p->scratch);
    rotate(p, layer, true, b->wide);
    const float *in = attention_input(p, layer, x, s);
    float *din = in == x ? dx : b->narrow;
    for (int i = 0; i < 3 && rc == DIFFULM_OK; i++)
        rc = dulm_linear_backward(p, g, layer, DULM_QUERY_W + 2 * i, d, d, in,
                                  b->wide + (size_t)i * p->tokens * d, d, in == x || i > 0, din);
    if (rc == DIFFULM_OK && in != x)
        dulm_layer_norm_backward(p->rt, p->tokens, d, x, w[DULM_ATTENTION_NORM_W], c->eps, din, dx,
                                 b->stats, gw[DULM_ATTENTION_NORM_W], gw[DULM_ATTENTION_NORM_B]);
    return rc;
}

diffulm_status dulm_block_backward(const struct dulm_pass *pass, const struct dulm_weights *grads,
                                   int layer, const float *x, const struct dulm_block_state *state,
                                   float *dout, float *dx,
                                   const struct dulm_backward_scratch *scratch)
{
    float *da = scratch->attn;
    diffulm_status rc = ffn_backward(pass, grads, layer, state, dout, da, scratch);
    return rc < 0 ? rc : attention_backward(pass, grads, layer, x, state, da, dx, scratch);
}

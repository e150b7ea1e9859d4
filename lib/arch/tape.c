/* tape.c: one training pass. Memory per token and layer: 8 d + u + f floats, but inputs of linear maps that are frozen, which no
 * gradient needs, once for all layers; with activation checkpointing d, and all others once: the backward pass runs each block's
 * forward again. */
#include "arch/tape.h"

#include <string.h>

#include "arch/pass.h"
#include "base/alloc.h"
#include "base/error.h"

struct dulm_tape {
    struct dulm_pass_buffers buffers;
    struct dulm_pass pass;
    struct dulm_block_state *layer; /* [layers] */
    size_t layers;
    bool recompute;
    float *memory, *work;
    size_t capacity, work_capacity;
    struct dulm_head_room head;
    float *embed_sum, *embedded, *encoded;
    float *d_encoded, *d_other;
    struct dulm_backward_scratch scratch;
};

diffulm_status dulm_tape_create(bool recompute, struct dulm_tape **out)
{
    struct dulm_tape *tape = dulm_alloc_zero(1, sizeof *tape);
    if (!tape)
        return dulm_fail_memory();
    tape->recompute = recompute;
    *out = tape;
    return DIFFULM_OK;
}

void dulm_tape_destroy(struct dulm_tape *tape)
{
    if (!tape)
        return;
    dulm_pass_buffers_release(&tape->buffers);
    dulm_free(tape->layer);
    dulm_free(tape->memory);
    dulm_free(tape->work);
    dulm_free(tape->head.memory);
    dulm_free(tape);
}

size_t dulm_tape_bytes(const struct dulm_tape *tape)
{
    return (tape->capacity + tape->work_capacity + tape->head.capacity) * sizeof(float);
}

const float *dulm_tape_encoded(const struct dulm_tape *tape)
{
    return tape->encoded;
}

static float *take(float **next, size_t count)
{
    float *block = *next;
    *next += count;
    return block;
}

/* Inputs of a layer's linear maps. */
enum { ATTENTION_IN, CONTEXT, FFN_IN, ACT, INPUTS };

/* Which of them the backward pass of a layer reads. A family that norms afterwards has its attention read the output of the layer before. */
struct kept {
    bool input[INPUTS];
};

static struct kept kept_of(const struct dulm_weights *grads, int layer)
{
    static const int slots[][2] = {{ATTENTION_IN, DULM_QUERY_W}, {ATTENTION_IN, DULM_KEY_W},
                                   {ATTENTION_IN, DULM_VALUE_W}, {CONTEXT, DULM_OUT_W},
                                   {FFN_IN, DULM_UP_W},          {ACT, DULM_DOWN_W}};
    struct kept k = {{false}};
    for (size_t i = 0; grads && i < sizeof slots / sizeof *slots; i++)
        k.input[slots[i][0]] |= dulm_linear_backward_reads(grads, layer, slots[i][1]);
    return k;
}

/* Floats of a token. */
static size_t width_of(const struct dulm_pass *p, int input)
{
    const size_t d = (size_t)p->config->hidden;
    if (input == ATTENTION_IN)
        return p->family->pre_norm ? d : 0;
    return input == ACT ? (size_t)p->config->ffn : d;
}

/* Floats of a layer's activations. */
static size_t size_of(const struct dulm_pass *p, const struct kept *kept)
{
    const size_t d = (size_t)p->config->hidden, f = (size_t)p->config->ffn;
    size_t floats = 5 * d + (p->family->gated ? 2 * f : f) + (p->family->pre_norm ? 0 : d);
    for (int i = 0; i < INPUTS; i++)
        floats += kept->input[i] ? width_of(p, i) : 0;
    return p->tokens * floats;
}

/* Room for the inputs that some layer does not keep. */
static void take_shared(const struct dulm_pass *p, const struct kept *kept, float **next,
                        float *shared[INPUTS])
{
    for (int i = 0; i < INPUTS; i++)
        shared[i] = kept->input[i] ? NULL : take(next, p->tokens * width_of(p, i));
}

/* One layer's activations from memory, inputs that it does not keep in those shared; with `own` its output lies there instead. */
static struct dulm_block_state take_state(const struct dulm_pass *p, const struct kept *kept,
                                          float *const shared[INPUTS], float **next, float *own)
{
    const struct dulm_config *c = p->config;
    const size_t t = p->tokens, d = (size_t)c->hidden, f = (size_t)c->ffn;
    float *input[INPUTS];
    struct dulm_block_state s;
    for (int i = 0; i < INPUTS; i++)
        input[i] = kept->input[i] ? take(next, t * width_of(p, i)) : shared[i];
    s.context = input[CONTEXT];
    s.act = input[ACT];
    s.qkv = take(next, t * 3 * d);
    s.attn_sum = take(next, t * d);
    s.ffn_sum = take(next, t * d);
    s.up = take(next, t * (p->family->gated ? 2 * f : f));
    if (p->family->pre_norm) {
        s.normed = input[ATTENTION_IN];
        s.normed2 = input[FFN_IN];
        s.attn_out = s.attn_sum;
        s.out = s.ffn_sum = own ? own : s.ffn_sum;
    } else {
        s.normed = s.attn_out = input[FFN_IN];
        s.normed2 = s.out = own ? own : take(next, t * d);
    }
    return s;
}

static diffulm_status reserve_layers(struct dulm_tape *tape, size_t layers)
{
    if (layers == tape->layers)
        return DIFFULM_OK;
    struct dulm_block_state *layer = dulm_alloc_zero(layers, sizeof *layer);
    if (!layer)
        return dulm_fail_memory();
    dulm_free(tape->layer);
    tape->layer = layer;
    tape->layers = layers;
    return DIFFULM_OK;
}

/* What is kept of each layer; with recompute all, in one layer's place. Returns the floats; *everywhere: what all keep. */
static size_t plan_layers(const struct dulm_tape *tape, const struct dulm_weights *grads,
                          struct kept *everywhere)
{
    const struct dulm_pass *p = &tape->pass;
    size_t floats = 0;
    *everywhere = (struct kept){{true, true, true, true}};
    if (tape->recompute)
        return size_of(p, everywhere) + tape->layers * p->tokens * (size_t)p->config->hidden;
    for (size_t i = 0; i < tape->layers; i++) {
        const struct kept k = kept_of(grads, (int)i);
        floats += size_of(p, &k);
        for (int j = 0; j < INPUTS; j++)
            everywhere->input[j] &= k.input[j];
    }
    for (int j = 0; j < INPUTS; j++)
        floats += everywhere->input[j] ? 0 : p->tokens * width_of(p, j);
    return floats;
}

static void place_layers(struct dulm_tape *tape, const struct dulm_weights *grads,
                         const struct kept *everywhere, float *next)
{
    const struct dulm_pass *p = &tape->pass;
    const size_t output = p->tokens * (size_t)p->config->hidden;
    float *shared[INPUTS];
    take_shared(p, everywhere, &next, shared);
    float *outputs = tape->recompute ? take(&next, tape->layers * output) : NULL, *place = next;
    for (size_t i = 0; i < tape->layers; i++) {
        const struct kept k = tape->recompute ? *everywhere : kept_of(grads, (int)i);
        next = tape->recompute ? place : next;
        tape->layer[i] = take_state(p, &k, shared, &next, outputs ? outputs + i * output : NULL);
    }
}

static diffulm_status layout(struct dulm_tape *tape, const struct dulm_weights *grads)
{
    const struct dulm_pass *p = &tape->pass;
    const struct dulm_config *c = p->config;
    const size_t t = p->tokens, d = (size_t)c->hidden, f = (size_t)c->ffn;
    const size_t u = p->family->gated ? 2 * f : f;
    const size_t wide = u > 3 * d ? u : 3 * d, wide2 = f > d ? f : d;
    struct kept everywhere;
    diffulm_status rc = reserve_layers(tape, (size_t)c->layers);
    if (rc < 0)
        return rc;
    rc = dulm_reserve(&tape->memory, &tape->capacity,
                      t * 3 * d + plan_layers(tape, grads, &everywhere));
    if (rc == DIFFULM_OK)
        rc = dulm_reserve(&tape->work, &tape->work_capacity, t * (4 * d + wide + wide2 + 2));
    if (rc < 0)
        return rc;
    float *next = tape->memory;
    tape->embed_sum = take(&next, t * d);
    tape->embedded = take(&next, t * d);
    tape->encoded = take(&next, t * d);
    place_layers(tape, grads, &everywhere, next);
    next = tape->work;
    tape->d_encoded = take(&next, t * d);
    tape->d_other = take(&next, t * d);
    tape->scratch.narrow = take(&next, t * d);
    tape->scratch.attn = take(&next, t * d);
    tape->scratch.wide = take(&next, t * wide);
    tape->scratch.wide2 = take(&next, t * wide2);
    tape->scratch.stats = take(&next, t * 2);
    return DIFFULM_OK;
}

/* The input of a layer: what the one before gave. */
static const float *input_of(const struct dulm_tape *tape, int layer)
{
    return layer == 0 ? tape->embedded : tape->layer[layer - 1].out;
}

diffulm_status dulm_tape_forward(struct dulm_tape *tape, const struct diffulm_runtime *rt,
                                 const struct dulm_config *config,
                                 const struct dulm_weights *weights, const struct dulm_batch *batch,
                                 const struct dulm_dropout *dropout,
                                 const struct dulm_weights *grads)
{
    struct dulm_pass *p = &tape->pass;
    diffulm_status rc = dulm_pass_prepare(rt, config, weights, batch, false, &tape->buffers, p);
    if (rc == DIFFULM_OK)
        rc = layout(tape, grads);
    if (rc < 0)
        return rc;
    p->dropout = *dropout;
    dulm_embed(p, tape->embed_sum, tape->embedded);
    for (int layer = 0; layer < config->layers; layer++) {
        rc = dulm_block_forward(p, layer, input_of(tape, layer), &tape->layer[layer]);
        if (rc < 0)
            return rc;
    }
    const size_t d = (size_t)config->hidden;
    const float *last = input_of(tape, (int)config->layers),
                *norm = weights->global[DULM_FINAL_NORM_W];
    if (norm)
        dulm_layer_norm(rt, p->tokens, d, last, norm, weights->global[DULM_FINAL_NORM_B],
                        config->eps, tape->encoded);
    else
        memcpy(tape->encoded, last, p->tokens * d * sizeof *last);
    return DIFFULM_OK;
}

diffulm_status dulm_tape_loss(struct dulm_tape *tape, const struct dulm_targets *targets,
                              const struct dulm_weights *grads)
{
    const struct dulm_pass *p = &tape->pass;
    if (grads)
        memset(tape->d_encoded, 0, p->tokens * (size_t)p->config->hidden * sizeof *tape->d_encoded);
    return dulm_head_loss(p, &dulm_head_limits, &tape->head, targets, grads, tape->encoded,
                          tape->d_encoded);
}

diffulm_status dulm_tape_backward(struct dulm_tape *tape, const struct dulm_weights *grads)
{
    const struct dulm_pass *p = &tape->pass;
    const struct dulm_config *c = p->config;
    const size_t d = (size_t)c->hidden, bytes = p->tokens * d * sizeof(float);
    float *dout = tape->d_encoded, *dx = tape->d_other;
    const float *norm = p->weights->global[DULM_FINAL_NORM_W];
    if (norm) {
        memset(dx, 0, bytes);
        dulm_layer_norm_backward(p->rt, p->tokens, d, input_of(tape, (int)c->layers), norm, c->eps,
                                 dout, dx, tape->scratch.stats, grads->global[DULM_FINAL_NORM_W],
                                 grads->global[DULM_FINAL_NORM_B]);
        dout = tape->d_other;
        dx = tape->d_encoded;
    }
    for (int layer = (int)c->layers - 1; layer >= 0; layer--) {
        diffulm_status rc = DIFFULM_OK;
        if (tape->recompute && layer < (int)c->layers - 1)
            rc = dulm_block_forward(p, layer, input_of(tape, layer), &tape->layer[layer]);
        if (rc == DIFFULM_OK)
            rc = dulm_block_backward(p, grads, layer, input_of(tape, layer), &tape->layer[layer],
                                     dout, dx, &tape->scratch);
        if (rc < 0)
            return rc;
        float *swap = dout;
        dout = dx;
        dx = swap;
    }
    dulm_dropout_apply(p, c->embed_dropout, 0, dout);
    const float *embed_norm = p->weights->global[DULM_EMBED_NORM_W];
    if (embed_norm) {
        memset(dx, 0, bytes);
        dulm_layer_norm_backward(p->rt, p->tokens, d, tape->embed_sum, embed_norm, c->eps, dout, dx,
                                 tape->scratch.stats, grads->global[DULM_EMBED_NORM_W],
                                 grads->global[DULM_EMBED_NORM_B]);
        dout = dx;
    }
    dulm_embed_backward(p, grads, dout);
    return DIFFULM_OK;
}

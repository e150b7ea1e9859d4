/* layers.c: gradients of the pieces of a network: linear maps with adapters, dropout, embeddings,
 * whole blocks, the length head. */
#include <stdlib.h>
#include <string.h>

#include "network.h"

/* A linear map 8 -> 5 (DULM_UP_W of layer 0) with an adapter of rank 3. */
struct linear {
    struct network *n;
    struct dulm_adapter *adapters;
    float *y, *w;
};

static double linear_loss(void *user)
{
    const struct linear *l = user;
    const size_t out = (size_t)l->n->model->config.ffn;
    assert_int_equal(dulm_linear(&l->n->pass, 0, DULM_UP_W, l->n->d, out, l->n->x, l->y, out + 2),
                     DIFFULM_OK);
    double sum = 0;
    for (size_t t = 0; t < l->n->tokens; t++)
        sum += gradcheck_sum(out, l->w + t * (out + 2), l->y + t * (out + 2));
    return sum;
}

static void check_linear(struct network *n, struct dulm_adapter *values,
                         const struct dulm_adapter *grads)
{
    const size_t out = (size_t)n->model->config.ffn, ld = out + 2;
    float *dx = gradcheck_array(n->tokens * n->d);
    struct linear l = {n, values, gradcheck_array(n->tokens * ld), gradcheck_array(n->tokens * ld)};
    gradcheck_fill(31, n->tokens * ld, l.w);
    assert_int_equal(dulm_linear_backward(&n->pass, &n->grads, 0, DULM_UP_W, n->d, out, n->x, l.w,
                                          ld, false, dx),
                     DIFFULM_OK);
    const struct gradcheck_loss loss = {GRADCHECK_LINEAR, linear_loss, &l};
    float *const *w = n->model->weights.layer[0].slot, *const *g = n->grads.layer[0].slot;
    gradcheck(&loss, "linear: x", n->x, n->tokens * n->d, dx);
    gradcheck(&loss, "linear: weight", w[DULM_UP_W], out * n->d, g[DULM_UP_W]);
    gradcheck(&loss, "linear: bias", w[DULM_UP_B], out, g[DULM_UP_B]);
    gradcheck(&loss, "adapter: A", values->a, values->rank * n->d, grads->a);
    gradcheck(&loss, "adapter: B", values->b, values->rank * out, grads->b);
    free(dx);
    free(l.y);
    free(l.w);
}

void gradients_of_linear_maps_with_an_adapter(void **state)
{
    struct network n;
    network_create(&n, state, "bert", 1);
    struct dulm_adapter values[DULM_LAYER_SLOTS] = {{0}}, grads[DULM_LAYER_SLOTS] = {{0}};
    float a[3 * 8], b[5 * 3], da[3 * 8] = {0}, db[5 * 3] = {0};
    assert_int_equal(n.d, 8);
    gradcheck_fill(32, 3 * 8, a);
    gradcheck_fill(33, 5 * 3, b);
    values[DULM_UP_W] = (struct dulm_adapter){a, b, 3, 0.75f};
    grads[DULM_UP_W] = (struct dulm_adapter){da, db, 3, 0.75f};
    n.model->weights.adapter = values;
    n.grads.adapter = grads;
    network_prepare(&n, false);
    check_linear(&n, &values[DULM_UP_W], &grads[DULM_UP_W]);
    n.model->weights.adapter = NULL;
    network_destroy(&n);
}

struct dropped {
    struct network *n;
    float *y;
};

static double dropout_loss(void *user)
{
    const struct dropped *d = user;
    memcpy(d->y, d->n->x, d->n->tokens * d->n->d * sizeof(float));
    dulm_dropout_apply(&d->n->pass, 0.25f, 2, d->y);
    return gradcheck_sum(d->n->tokens * d->n->d, d->n->w, d->y);
}

void dropout_draws_the_same_units_in_both_directions(void **state)
{
    struct network n;
    network_create(&n, state, "bert", 1);
    network_prepare(&n, true);
    const size_t count = n.tokens * n.d;
    struct dropped d = {&n, gradcheck_array(count)};
    float *dx = gradcheck_array(count);
    memcpy(dx, n.w, count * sizeof *dx);
    dulm_dropout_apply(&n.pass, 0.25f, 2, dx);
    const struct gradcheck_loss loss = {GRADCHECK_LINEAR, dropout_loss, &d};
    gradcheck(&loss, "dropout", n.x, count, dx);
    size_t zeros = 0;
    for (size_t i = 0; i < count; i++)
        zeros += dx[i] == 0;
    assert_in_range(zeros, count / 8, count / 2);
    free(d.y);
    free(dx);
    network_destroy(&n);
}

struct embedded {
    struct network *n;
    float *sum, *y;
};

static double embed_loss(void *user)
{
    const struct embedded *e = user;
    dulm_embed(&e->n->pass, e->sum, e->y);
    return gradcheck_sum(e->n->tokens * e->n->d, e->n->w, e->y);
}

static void check_embeddings(void **state, const char *family)
{
    struct network n;
    network_create(&n, state, family, 1);
    const size_t count = n.tokens * n.d;
    struct embedded e = {&n, gradcheck_array(count), gradcheck_array(count)};
    float *dsum = gradcheck_array(count), *stats = gradcheck_array(2 * n.tokens);
    float *const *w = n.model->weights.global, *const *g = n.grads.global;
    embed_loss(&e);
    if (w[DULM_EMBED_NORM_W])
        dulm_layer_norm_backward(n.pass.rt, n.tokens, n.d, e.sum, w[DULM_EMBED_NORM_W],
                                 n.model->config.eps, n.w, dsum, stats, g[DULM_EMBED_NORM_W],
                                 g[DULM_EMBED_NORM_B]);
    else
        memcpy(dsum, n.w, count * sizeof *dsum);
    dulm_embed_backward(&n.pass, &n.grads, dsum);
    const struct gradcheck_loss loss = {GRADCHECK_SMOOTH, embed_loss, &e};
    for (int slot = DULM_WORDS; slot <= DULM_EMBED_NORM_B; slot++)
        for (size_t i = 0; i < n.model->parameter_count; i++) {
            const struct dulm_parameter *p = &n.model->parameters[i];
            if (p->layer == -1 && p->slot == slot)
                gradcheck(&loss, p->name, w[slot], p->elements, g[slot]);
        }
    free(e.sum);
    free(e.y);
    free(dsum);
    free(stats);
    network_destroy(&n);
}

void gradients_of_embeddings(void **state)
{
    check_embeddings(state, "xlm-roberta");
    check_embeddings(state, "xlm-roberta-xl");
    check_embeddings(state, "bert");
    check_embeddings(state, "modernbert");
}

void pad_tokens_leave_their_embedding_alone(void **state)
{
    static const int32_t with_pads[NETWORK_TOKENS] = {2, 5, 1, 1, 1, 2, 2, 7, 1};
    struct network n;
    network_create(&n, state, "xlm-roberta", 1);
    n.batch.tokens = with_pads;
    network_prepare(&n, false);
    dulm_embed_backward(&n.pass, &n.grads, n.w);
    for (size_t i = 0; i < n.d; i++) {
        assert_true(n.grads.global[DULM_WORDS][1 * n.d + i] == 0);
        assert_true(n.grads.global[DULM_POSITIONS][1 * n.d + i] == 0);
    }
    network_destroy(&n);
}

/* One block of a network and everything its backward pass needs. */
struct block {
    struct network *n;
    int layer;
    struct dulm_block_state state;
    struct dulm_backward_scratch scratch;
    float *memory;
};

static void block_create(struct block *b, struct network *n, int layer)
{
    const size_t t = n->tokens, d = n->d, most = 3 * d; /* all of f, 2 f and 3 d are at most this */
    *b = (struct block){.n = n, .layer = layer, .memory = gradcheck_array(15 * t * most)};
    float **const parts[] = {&b->state.normed,   &b->state.qkv,     &b->state.context,
                             &b->state.attn_sum, &b->state.normed2, &b->state.up,
                             &b->state.act,      &b->state.ffn_sum, &b->state.attn_out,
                             &b->state.out,      &b->scratch.wide,  &b->scratch.wide2,
                             &b->scratch.narrow, &b->scratch.attn,  &b->scratch.stats};
    for (size_t i = 0; i < 15; i++)
        *parts[i] = b->memory + i * t * most;
    if (n->pass.family->pre_norm) {
        b->state.attn_out = b->state.attn_sum;
        b->state.out = b->state.ffn_sum;
    }
}

static double block_loss(void *user)
{
    struct block *b = user;
    assert_int_equal(dulm_block_forward(&b->n->pass, b->layer, b->n->x, &b->state), DIFFULM_OK);
    return gradcheck_sum(b->n->tokens * b->n->d, b->n->w, b->state.out);
}

static void check_block(void **state, const char *family, int layer, bool dropout)
{
    struct network n;
    struct block b;
    network_create(&n, state, family, 2);
    network_prepare(&n, dropout);
    block_create(&b, &n, layer);
    const size_t count = n.tokens * n.d;
    float *dout = gradcheck_array(count), *dx = gradcheck_array(count);
    memcpy(dout, n.w, count * sizeof *dout);
    block_loss(&b);
    assert_int_equal(
        dulm_block_backward(&n.pass, &n.grads, layer, n.x, &b.state, dout, dx, &b.scratch),
        DIFFULM_OK);
    const struct gradcheck_loss loss = {GRADCHECK_NETWORK, block_loss, &b};
    gradcheck(&loss, family, n.x, count, dx);
    network_check_parameters(&n, &loss, family, layer);
    free(dout);
    free(dx);
    free(b.memory);
    network_destroy(&n);
}

void gradients_of_a_post_norm_block(void **state)
{
    check_block(state, "xlm-roberta", 1, false);
    check_block(state, "bert", 0, false);
}

void gradients_of_a_pre_norm_block(void **state)
{
    check_block(state, "xlm-roberta-xl", 0, false);
}

void gradients_of_a_gated_rotary_block_with_a_local_window(void **state)
{
    /* The first layer is global and has no attention norm, the second sees two tokens on a side. */
    check_block(state, "modernbert", 0, false);
    check_block(state, "modernbert", 1, false);
}

void gradients_of_a_block_with_dropout(void **state)
{
    check_block(state, "xlm-roberta", 1, true);
    check_block(state, "xlm-roberta-xl", 1, true);
    check_block(state, "modernbert", 1, true);
}

struct length {
    struct network *n;
    struct dulm_length_pass *pass;
    float *values, *logits, *w;
    size_t classes;
};

static double length_loss(void *user)
{
    const struct length *l = user;
    assert_int_equal(dulm_length_forward(l->pass, l->n->pass.rt, l->values, NETWORK_ROWS,
                                         l->n->batch.offsets, l->n->batch.tokens, l->n->x,
                                         l->logits),
                     DIFFULM_OK);
    return gradcheck_sum(NETWORK_ROWS * l->classes, l->w, l->logits);
}

/* Its FFN is a ReLU: biases of ±8 keep every unit on one side of its kink, open or shut. */
static void fill_length_head(const struct dulm_length_parameter *list, float *values)
{
    for (int i = 0; i < DULM_LENGTH_SLOTS; i++) {
        const bool norm = i == DULM_LENGTH_NORM1_W || i == DULM_LENGTH_NORM2_W;
        gradcheck_fill_around(200 + (uint32_t)i, list[i].elements, norm ? 1 : 0, 0.5f, values);
        for (size_t k = 0; i == DULM_LENGTH_UP_B && k < list[i].elements; k++)
            values[k] = k % 3 ? 8.0f : -8.0f;
        values += list[i].elements;
    }
}

void gradients_of_the_length_head(void **state)
{
    struct network n;
    network_create(&n, state, "xlm-roberta", 1);
    struct dulm_length_parameter list[DULM_LENGTH_SLOTS];
    const size_t total = dulm_length_parameters(&n.model->config, list);
    struct length l = {.n = &n, .classes = (size_t)n.model->config.positions};
    assert_int_equal(dulm_length_pass_create(&n.model->config, &l.pass), DIFFULM_OK);
    l.values = gradcheck_array(total);
    l.logits = gradcheck_array(NETWORK_ROWS * l.classes);
    l.w = gradcheck_array(NETWORK_ROWS * l.classes);
    float *gradient = gradcheck_array(total);
    fill_length_head(list, l.values);
    gradcheck_fill(41, NETWORK_ROWS * l.classes, l.w);
    const struct gradcheck_loss loss = {GRADCHECK_NETWORK, length_loss, &l};
    length_loss(&l);
    assert_int_equal(dulm_length_backward(l.pass, l.w, gradient), DIFFULM_OK);
    size_t at = 0;
    for (int i = 0; i < DULM_LENGTH_SLOTS; at += list[i++].elements)
        gradcheck(&loss, list[i].name, l.values + at, list[i].elements, gradient + at);
    dulm_length_pass_destroy(l.pass);
    free(l.values);
    free(l.logits);
    free(l.w);
    free(gradient);
    network_destroy(&n);
}

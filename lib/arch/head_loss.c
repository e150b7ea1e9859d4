/* head_loss.c: the head's share of a training pass. A block of target rows goes through the vocabulary twice, a tile at a time:
 * forward for the sums over all logits that a cross entropy needs, then backward, where each tile becomes its gradient in place
 * and is multiplied while the cache holds it. The decoder and its gradient pass through memory once for each block, so blocks are
 * as large as the limit on logits lets them be. Tiles are cut alike for any number of rows, for a row's bits to depend on none. */
#include "arch/head_loss.h"

#include <math.h>
#include <string.h>

#include "arch/pass.h"
#include "base/thread.h"

/* 128 MiB of logits are 134 rows of XLM-R's 250,002 pieces. More gain little, fewer read the decoder and its gradient too often;
 * logits computed a second time instead of kept cost more than either (docs/performance.md). */
const struct dulm_head_limits dulm_head_limits = {(size_t)32 << 20, 2048, 512};

/* Target rows on their way through the head and back. */
struct rows {
    const struct dulm_pass *pass;
    const struct dulm_targets *targets;
    const struct dulm_weights *grads;                        /* NULL: forward alone */
    size_t first, n;                                         /* among the targets */
    float *states, *dense, *act, *normed, *d_normed, *d_act; /* [n, d] */
    float *stats;                                            /* [n, 2] */
    float *top, *chosen, *factor; /* [n] of the logits: largest, target's; of the gradient */
    float *logits; /* tiles [n, pieces] one after the other; without grads one alone */
    size_t pieces; /* of a tile */
};

/* Logits [n, count] of pieces [first, first + count). */
struct tile {
    const struct rows *rows;
    size_t first, count;
    float *logits;
};

static struct tile tile_at(const struct rows *r, size_t first)
{
    const size_t rest = (size_t)r->pass->config->vocabulary - first;
    return (struct tile){r, first, rest < r->pieces ? rest : r->pieces,
                         r->logits + (r->grads ? r->n * first : 0)};
}

/* Until the last tile, ce holds the sum of e^(logit - top) and uniform_ce that of the logits. */
static void sum_row(const struct tile *tile, size_t i)
{
    const struct rows *r = tile->rows;
    const struct dulm_kernels *k = r->pass->rt->kernels;
    const struct dulm_targets *t = r->targets;
    const size_t at = r->first + i, v = (size_t)r->pass->config->vocabulary;
    const size_t target = (size_t)t->target[at];
    const float *logits = tile->logits + i * tile->count;
    const float top = k->max(tile->count, logits);
    const double sum = k->exp_sum(tile->count, logits, top, 1), all = k->sum(tile->count, logits);
    if (tile->first == 0) {
        t->ce[at] = sum;
        t->uniform_ce[at] = all;
        r->top[i] = top;
    } else {
        const float before = r->top[i], both = top > before ? top : before;
        t->ce[at] =
            t->ce[at] * exp((double)before - (double)both) + sum * exp((double)top - (double)both);
        t->uniform_ce[at] += all;
        r->top[i] = both;
    }
    if (target - tile->first < tile->count)
        r->chosen[i] = logits[target - tile->first];
    if (tile->first + tile->count < v)
        return;
    const double total = t->ce[at], log_sum = (double)r->top[i] + log(total);
    r->factor[i] = (float)((double)(t->d_ce[at] + t->d_uniform[at]) / total);
    t->ce[at] = log_sum - (double)r->chosen[i];
    t->uniform_ce[at] = log_sum - t->uniform_ce[at] / (double)v;
}

static void sum_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    for (size_t i = begin; i < end; i++)
        sum_row(user, i);
}

static void gradient_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct tile *tile = user;
    const struct rows *r = tile->rows;
    const struct dulm_targets *t = r->targets;
    for (size_t i = begin; i < end; i++) {
        const size_t at = r->first + i, target = (size_t)t->target[at];
        float *x = tile->logits + i * tile->count;
        if (t->d_ce[at] == 0 && t->d_uniform[at] == 0) { /* 0 even if the logits are not finite */
            memset(x, 0, tile->count * sizeof *x);
            continue;
        }
        r->pass->rt->kernels->softmax_shifted(tile->count, x, r->top[i], r->factor[i],
                                              t->d_uniform[at] /
                                                  (float)r->pass->config->vocabulary);
        if (target - tile->first < tile->count)
            x[target - tile->first] -= t->d_ce[at];
    }
}

static diffulm_status tile_forward(struct tile *tile)
{
    const struct rows *r = tile->rows;
    const float *bias = r->pass->weights->global[DULM_DECODER_B];
    const diffulm_status rc =
        dulm_multiply(r->pass, -1, DULM_DECODER_W, tile->first, r->n,
                      (size_t)r->pass->config->hidden, tile->count, r->normed,
                      bias ? bias + tile->first : NULL, DULM_IDENTITY, tile->logits, tile->count);
    if (rc == DIFFULM_OK)
        dulm_parallel(r->pass->rt->threads, r->n, 1, sum_part, tile);
    return rc;
}

/* d_normed += G W and the decoder's gradients += G^T normed, of the tile's gradient G. */
static diffulm_status tile_backward(struct tile *tile)
{
    const struct rows *r = tile->rows;
    const struct diffulm_runtime *rt = r->pass->rt;
    const size_t d = (size_t)r->pass->config->hidden;
    float *d_decoder = r->grads->global[DULM_DECODER_W], *d_bias = r->grads->global[DULM_DECODER_B];
    dulm_parallel(rt->threads, r->n, 1, gradient_part, tile);
    diffulm_status rc =
        dulm_multiply_back(r->pass, -1, DULM_DECODER_W, tile->first, r->n, d, tile->count,
                           tile->logits, tile->count, tile->first > 0, r->d_normed);
    if (rc == DIFFULM_OK && d_decoder)
        rc = dulm_gemm(rt, true, false, tile->count, d, r->n, tile->logits, tile->count, r->normed,
                       d, true, d_decoder + tile->first * d, d);
    if (rc == DIFFULM_OK && d_bias)
        dulm_column_sums(rt, r->n, tile->count, tile->count, tile->logits, d_bias + tile->first);
    return rc;
}

static diffulm_status rows_forward(const struct rows *r, const float *encoded)
{
    const size_t d = (size_t)r->pass->config->hidden, v = (size_t)r->pass->config->vocabulary;
    for (size_t i = 0; i < r->n; i++)
        memcpy(r->states + i * d, encoded + r->targets->position[r->first + i] * d,
               d * sizeof *r->states);
    diffulm_status rc = dulm_head_transform(r->pass, r->n, r->states, r->dense, r->act, r->normed);
    for (size_t at = 0; rc == DIFFULM_OK && at < v; at += r->pieces) {
        struct tile tile = tile_at(r, at);
        rc = tile_forward(&tile);
    }
    return rc;
}

static diffulm_status rows_backward(const struct rows *r, float *d_encoded)
{
    const struct dulm_pass *p = r->pass;
    const size_t d = (size_t)p->config->hidden, v = (size_t)p->config->vocabulary;
    diffulm_status rc = DIFFULM_OK;
    for (size_t at = 0; rc == DIFFULM_OK && at < v; at += r->pieces) {
        struct tile tile = tile_at(r, at);
        rc = tile_backward(&tile);
    }
    if (rc < 0)
        return rc;
    memset(r->d_act, 0, r->n * d * sizeof *r->d_act);
    dulm_layer_norm_backward(
        p->rt, r->n, d, r->act, p->weights->global[DULM_HEAD_NORM_W], p->config->eps, r->d_normed,
        r->d_act, r->stats, r->grads->global[DULM_HEAD_NORM_W], r->grads->global[DULM_HEAD_NORM_B]);
    dulm_activate_backward(p->rt, p->config->head_activation, false, r->n, d, r->dense, r->d_act,
                           r->d_act);
    struct dulm_pass head = *p;
    head.tokens = r->n;
    rc = dulm_linear_backward(&head, r->grads, -1, DULM_HEAD_DENSE_W, d, d, r->states, r->d_act, d,
                              false, r->d_normed);
    for (size_t i = 0; rc == DIFFULM_OK && i < r->n; i++)
        memcpy(d_encoded + r->targets->position[r->first + i] * d, r->d_normed + i * d,
               d * sizeof *r->d_normed);
    return rc;
}

static float *take(float **next, size_t count)
{
    float *block = *next;
    *next += count;
    return block;
}

/* Rows of a block: as many as the limits allow, and blocks of about one size. */
static size_t rows_of_a_block(const struct dulm_head_limits *limits, size_t v, bool kept,
                              size_t count)
{
    size_t most = kept && limits->logits / v < limits->rows ? limits->logits / v : limits->rows;
    most = most < 1 ? 1 : most;
    const size_t blocks = (count + most - 1) / most;
    return blocks ? (count + blocks - 1) / blocks : 0;
}

diffulm_status dulm_head_loss(const struct dulm_pass *pass, const struct dulm_head_limits *limits,
                              struct dulm_head_room *room, const struct dulm_targets *targets,
                              const struct dulm_weights *grads, const float *encoded,
                              float *d_encoded)
{
    const size_t d = (size_t)pass->config->hidden, v = (size_t)pass->config->vocabulary;
    const size_t most = rows_of_a_block(limits, v, grads != NULL, targets->count);
    const size_t logits = grads || v < limits->tile ? v : limits->tile;
    diffulm_status rc = dulm_reserve(&room->memory, &room->capacity, most * (6 * d + 5 + logits));
    if (rc < 0)
        return rc;
    float *next = room->memory;
    struct rows r = {.pass = pass, .targets = targets, .grads = grads, .pieces = limits->tile};
    r.states = take(&next, most * d);
    r.dense = take(&next, most * d);
    r.act = take(&next, most * d);
    r.normed = take(&next, most * d);
    r.d_normed = take(&next, most * d);
    r.d_act = take(&next, most * d);
    r.stats = take(&next, most * 2);
    r.top = take(&next, most);
    r.chosen = take(&next, most);
    r.factor = take(&next, most);
    r.logits = next;
    for (; rc == DIFFULM_OK && r.first < targets->count; r.first += r.n) {
        r.n = targets->count - r.first < most ? targets->count - r.first : most;
        rc = rows_forward(&r, encoded);
        if (rc == DIFFULM_OK && grads)
            rc = rows_backward(&r, d_encoded);
    }
    return rc;
}

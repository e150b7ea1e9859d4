/* attention.c: one (row, head) at a time: S = q k^T / sqrt(h), P = softmax(S), context = P v. Rows are
 * never padded. Backward computes P again, so nothing of size L x L is kept:
 *   dv = P^T dc;  dP = dc v^T;  dS = P (dP - sum P dP) / sqrt(h);  dq = dS k;  dk = dS^T q. */
#include "nn/attention.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "base/thread.h"
#include "nn/head.h"
#include "nn/onednn/scope.h"

struct job {
    const struct diffulm_runtime *rt;
    const struct dulm_attention_shape *shape;
    const struct dulm_visibility *visible;
    const struct dulm_attention_dropout *dropout;
    const float *qkv, *dcontext;
    float *context, *dqkv, *scratch;
    atomic_int status;
};

/* Between queries, keys and values of a token. */
static size_t plane_of(const struct dulm_attention_shape *s)
{
    return s->offsets[s->rows] * s->heads * s->head_size;
}

static size_t copies_of(const struct dulm_attention_shape *shape)
{
    return shape->cache ? 2 * shape->longest * shape->head_size : 0;
}

static bool rounds(const struct dulm_attention_shape *s)
{
    return s->rounded && s->head_size % DULM_HEAD_FEATURES == 0;
}

static size_t scratch_of(const struct dulm_attention_shape *shape)
{
    const size_t square = shape->longest * shape->longest;
    return copies_of(shape) +
           (rounds(shape) ? dulm_head_floats(shape->longest, shape->head_size) : 2 * square);
}

size_t dulm_attention_scratch(const struct diffulm_runtime *rt,
                              const struct dulm_attention_shape *shape)
{
    return (size_t)rt->threads * scratch_of(shape);
}

static bool sees(const struct dulm_visibility *v, size_t i, size_t j)
{
    switch (v->kind) {
    case DULM_ATTENTION_FULL:
        return true;
    case DULM_ATTENTION_PREFIX_LM:
        return !v->source || !v->source[i] || v->source[j];
    case DULM_ATTENTION_CAUSAL:
        return j <= i;
    case DULM_ATTENTION_BLOCKWISE:
        if (v->source && v->source[i])
            return v->source[j];
        return v->block[j] <= v->block[i];
    }
    return true;
}

/* Of queries [from, to) of the row whose tokens begin at `first`; keys are the `cached` before them, then its own. Rows of s, one for
 * each of these queries, lie `stride` apart. */
static void mask_scores(const struct dulm_visibility *v, size_t first, size_t cached, size_t length,
                        size_t from, size_t to, float *s, size_t stride)
{
    const size_t keys = cached + length;
    if (v->kind == DULM_ATTENTION_FULL && !v->attended && (!v->window || v->window >= keys))
        return;
    for (size_t i = from; i < to; i++, s += stride)
        for (size_t j = 0; j < keys; j++) {
            const size_t at = cached + i, distance = at > j ? at - j : j - at;
            const bool own = j >= cached;
            if ((own && !sees(v, first + i, first + j - cached)) ||
                (own && v->attended && !v->attended[first + j - cached]) ||
                (v->window && distance > v->window))
                s[j] = -INFINITY;
        }
}

/* p *= keep / (1 - rate), the same draws whenever it is called. */
static void drop(const struct dulm_attention_dropout *d, size_t row, size_t head, size_t length,
                 float *p)
{
    const float factor = 1.0f / (1.0f - d->rate);
    for (size_t i = 0; i < length; i++) {
        uint32_t words[4] = {0};
        for (size_t j = 0; j < length; j++) {
            const uint32_t draw = d->first_draw + (uint32_t)(head * d->stride + j);
            if (j == 0 || draw % 4 == 0)
                dulm_draw4(d->seed, DULM_STREAM_DROPOUT, d->step, d->row_number[row], (uint32_t)i,
                           draw / 4, words);
            const bool keep = dulm_uniform(words[draw % 4]) >= (double)d->rate;
            p[i * length + j] = keep ? p[i * length + j] * factor : 0.0f;
        }
    }
}

/* Keys and values of one head of a row: those of the batch, or with a cache a copy of all. */
struct keys {
    const float *k, *v;
    size_t stride, cached;
};

static struct keys keys_of(const struct job *job, size_t row, size_t head, float *copy)
{
    const struct dulm_attention_shape *s = job->shape;
    const size_t first = s->offsets[row], length = s->offsets[row + 1] - first;
    const size_t h = s->head_size, d = s->heads * h;
    const float *k = job->qkv + plane_of(s) + first * d + head * h, *v = k + plane_of(s);
    if (!s->cache)
        return (struct keys){k, v, d, 0};
    const struct dulm_key_cache *c = &s->cache[row];
    float *held = c->memory ? c->memory + s->layer * c->layer_stride + head * h : NULL;
    float *values = copy + (c->count + length) * h;
    for (size_t i = 0; i < c->count + length; i++) {
        const bool own = i >= c->count;
        const float *key = own ? k + (i - c->count) * d : held + i * 2 * d;
        const float *value = own ? v + (i - c->count) * d : key + d;
        memcpy(copy + i * h, key, h * sizeof *copy);
        memcpy(values + i * h, value, h * sizeof *copy);
        if (own && i - c->count < c->keep) {
            memcpy(held + i * 2 * d, key, h * sizeof *copy);
            memcpy(held + i * 2 * d + d, value, h * sizeof *copy);
        }
    }
    return (struct keys){copy, values, h, c->count};
}

static diffulm_status probabilities(const struct job *job, size_t first, size_t length,
                                    const float *q, const struct keys *keys, float *p)
{
    const size_t h = job->shape->head_size, stride = job->shape->heads * h;
    const size_t count = keys->cached + length;
    diffulm_status rc = dulm_gemm_single(job->rt, false, true, length, count, h, q, stride, keys->k,
                                         keys->stride, false, p, count);
    mask_scores(job->visible, first, keys->cached, length, 0, length, p, count);
    job->rt->kernels->softmax(length, count, 1.0f / sqrtf((float)h), p);
    return rc;
}

/* room: dulm_head_floats. */
static void rounded_head(const struct job *job, size_t first, size_t length, const float *q,
                         const struct keys *keys, float *room, float *context)
{
    const struct dulm_head_kernels *kernels = job->rt->head;
    const size_t h = job->shape->head_size, d = job->shape->heads * h;
    const struct dulm_head head = dulm_head_in(room, keys->cached + length, h);
    kernels->pack(&head, keys->k, keys->v, keys->stride);
    for (size_t i = 0, end; i < length; i = end) {
        end = length - i < DULM_HEAD_QUERIES ? length : i + DULM_HEAD_QUERIES;
        kernels->scores(&head, end - i, q + i * d, d);
        mask_scores(job->visible, first, keys->cached, length, i, end, head.scores, head.padded);
        kernels->context(&head, end - i, 1.0f / sqrtf((float)h), context + i * d, d);
    }
}

static diffulm_status forward_head(const struct job *job, size_t row, size_t head, float *scratch)
{
    const struct dulm_attention_shape *s = job->shape;
    const size_t first = s->offsets[row], length = s->offsets[row + 1] - first;
    const size_t h = s->head_size, d = s->heads * h;
    const float *q = job->qkv + first * d + head * h;
    float *context = job->context + first * d + head * h;
    const struct keys keys = keys_of(job, row, head, scratch);
    const size_t count = keys.cached + length;
    float *p = scratch + copies_of(s);
    if (rounds(s)) {
        rounded_head(job, first, length, q, &keys, p, context);
        return DIFFULM_OK;
    }
    diffulm_status rc = probabilities(job, first, length, q, &keys, p);
    if (job->dropout->rate > 0)
        drop(job->dropout, row, head, length, p);
    if (rc < 0)
        return rc;
    return dulm_gemm_single(job->rt, false, false, length, h, count, p, count, keys.v, keys.stride,
                            false, context, d);
}

static diffulm_status backward_head(const struct job *job, size_t row, size_t head, float *p,
                                    float *dp)
{
    const struct dulm_attention_shape *s = job->shape;
    const size_t first = s->offsets[row], length = s->offsets[row + 1] - first;
    const size_t h = s->head_size, d = s->heads * h, at = first * d + head * h;
    const float *q = job->qkv + at, *k = q + plane_of(s), *v = k + plane_of(s);
    const float *dc = job->dcontext + at;
    float *dq = job->dqkv + at, *dk = dq + plane_of(s), *dv = dk + plane_of(s);
    const struct diffulm_runtime *rt = job->rt;
    const struct keys keys = {k, v, d, 0};
    diffulm_status rc = probabilities(job, first, length, q, &keys, p);
    if (rc == DIFFULM_OK)
        rc = dulm_gemm_single(rt, false, true, length, length, h, dc, d, v, d, false, dp, length);
    if (rc == DIFFULM_OK && job->dropout->rate > 0) {
        /* dp passes through the mask; dv needs the dropped probabilities, so drop a copy in turn. */
        drop(job->dropout, row, head, length, dp);
        drop(job->dropout, row, head, length, p);
        rc = dulm_gemm_single(rt, true, false, length, h, length, p, length, dc, d, false, dv, d);
        if (rc == DIFFULM_OK)
            rc = probabilities(job, first, length, q, &keys, p);
    } else if (rc == DIFFULM_OK)
        rc = dulm_gemm_single(rt, true, false, length, h, length, p, length, dc, d, false, dv, d);
    if (rc < 0)
        return rc;
    rt->kernels->softmax_backward(length, length, 1.0f / sqrtf((float)h), p, dp);
    rc = dulm_gemm_single(rt, false, false, length, h, length, dp, length, k, d, false, dq, d);
    if (rc == DIFFULM_OK)
        rc = dulm_gemm_single(rt, true, false, length, h, length, dp, length, q, d, false, dk, d);
    return rc;
}

static void part(void *user, size_t begin, size_t end, int worker)
{
    struct job *job = user;
    const size_t square = job->shape->longest * job->shape->longest;
    float *scratch = job->scratch + (size_t)worker * scratch_of(job->shape);
    struct dulm_onednn_scope scope;
    dulm_hold(job->rt, 1, &scope);
    for (size_t i = begin; i < end; i++) {
        const size_t row = i / job->shape->heads, head = i % job->shape->heads;
        const diffulm_status rc = job->dqkv
                                      ? backward_head(job, row, head, scratch, scratch + square)
                                      : forward_head(job, row, head, scratch);
        if (rc < 0)
            atomic_store(&job->status, rc);
    }
    dulm_release(job->rt, &scope);
}

static diffulm_status run(struct job *job)
{
    atomic_init(&job->status, DIFFULM_OK);
    dulm_parallel(job->rt->threads, job->shape->rows * job->shape->heads, 1, part, job);
    const diffulm_status rc = atomic_load(&job->status);
    return rc < 0 ? dulm_fail(rc, "attention: a matrix product failed: out of memory in oneDNN")
                  : DIFFULM_OK;
}

diffulm_status dulm_attention_forward(const struct diffulm_runtime *rt,
                                      const struct dulm_attention_shape *shape,
                                      const struct dulm_visibility *visible,
                                      const struct dulm_attention_dropout *dropout,
                                      const float *qkv, float *context, float *scratch)
{
    struct job job = {.rt = rt,
                      .shape = shape,
                      .visible = visible,
                      .dropout = dropout,
                      .qkv = qkv,
                      .context = context,
                      .scratch = scratch};
    return run(&job);
}

diffulm_status dulm_attention_backward(const struct diffulm_runtime *rt,
                                       const struct dulm_attention_shape *shape,
                                       const struct dulm_visibility *visible,
                                       const struct dulm_attention_dropout *dropout,
                                       const float *qkv, const float *dcontext, float *dqkv,
                                       float *scratch)
{
    struct job job = {.rt = rt,
                      .shape = shape,
                      .visible = visible,
                      .dropout = dropout,
                      .qkv = qkv,
                      .dcontext = dcontext,
                      .dqkv = dqkv,
                      .scratch = scratch};
    return run(&job);
}

struct rotary_job {
    size_t heads, half, plane;
    const int32_t *positions;
    float theta;
    bool inverse;
    float *qkv;
};

static void rotary_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct rotary_job *r = user;
    const size_t h = 2 * r->half, d = r->heads * h;
    for (size_t j = 0; j < r->half; j++) {
        /* As the reference: the frequency in single precision, then the angle. */
        const float frequency = 1.0f / powf(r->theta, (float)(2 * j) / (float)h);
        for (size_t t = begin; t < end; t++) {
            const float angle = (float)r->positions[t] * frequency;
            const float c = cosf(angle), s = r->inverse ? -sinf(angle) : sinf(angle);
            for (size_t head = 0; head < 2 * r->heads; head++) {
                const bool key = head >= r->heads;
                float *x = r->qkv + (key ? r->plane - d : 0) + t * d + head * h + j;
                const float a = x[0], b = x[r->half];
                x[0] = a * c - b * s;
                x[r->half] = b * c + a * s;
            }
        }
    }
}

void dulm_rotary(const struct diffulm_runtime *rt, size_t tokens, size_t heads, size_t head_size,
                 const int32_t *positions, float theta, bool inverse, float *qkv)
{
    struct rotary_job job = {
        heads, head_size / 2, tokens * heads * head_size, positions, theta, inverse, qkv};
    dulm_parallel(rt->threads, tokens, 16, rotary_part, &job);
}

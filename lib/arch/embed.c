/* embed.c: sums of embeddings and their gradient; the head's transform. */
#include <string.h>

#include "arch/block.h"
#include "arch/quantized.h"
#include "base/thread.h"

struct job {
    const struct dulm_pass *pass;
    const struct dulm_weights *grads;
    float *x;
    const float *dx;
};

static void gather(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct job *j = user;
    const struct dulm_pass *p = j->pass;
    const size_t d = (size_t)p->config->hidden;
    const float *words = p->weights->global[DULM_WORDS];
    const float *positions = p->weights->global[DULM_POSITIONS];
    const float *types = p->weights->global[DULM_TYPES];
    const struct dulm_matrix8 *bytes = dulm_quantized_at(p->quantized, -1, DULM_WORDS);
    const struct dulm_half *half = dulm_half_at(p->weights, -1, DULM_WORDS);
    const struct dulm_kernels *kernels = p->rt->kernels;
    for (size_t t = begin; t < end; t++) {
        float *restrict x = j->x + t * d;
        const size_t token = (size_t)p->batch->tokens[t];
        if (bytes)
            dulm_matrix8_row(bytes, d, token, x);
        else if (half)
            (half->bfloat ? kernels->from_bf16 : kernels->from_f16)(d, half->values + token * d, x);
        else
            memcpy(x, words + token * d, d * sizeof *x);
        for (size_t i = 0; types && i < d; i++)
            x[i] += types[i];
        if (!positions)
            continue;
        const float *restrict q = positions + (size_t)p->positions[t] * d;
        for (size_t i = 0; i < d; i++)
            x[i] += q[i];
    }
}

void dulm_embed(const struct dulm_pass *p, float *sum, float *x)
{
    const size_t d = (size_t)p->config->hidden;
    struct job job = {.pass = p, .x = sum};
    dulm_parallel(p->rt->threads, p->tokens, 8, gather, &job);
    const float *norm = p->weights->global[DULM_EMBED_NORM_W];
    if (norm)
        dulm_layer_norm(p->rt, p->tokens, d, sum, norm, p->weights->global[DULM_EMBED_NORM_B],
                        p->config->eps, x);
    else if (x != sum)
        memcpy(x, sum, p->tokens * d * sizeof *x);
    dulm_dropout_apply(p, p->config->embed_dropout, 0, x);
}

/* Columns [begin, end) of every table, tokens in order: the sums do not depend on the cut. A pad's
 * lookup gives no gradient (torch's padding_idx); BERT's positions have no such row. */
static void scatter(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct job *j = user;
    const struct dulm_pass *p = j->pass;
    const size_t d = (size_t)p->config->hidden;
    const int32_t pad = p->config->pad_id;
    float *words = j->grads->global[DULM_WORDS];
    float *positions = j->grads->global[DULM_POSITIONS];
    float *types = j->grads->global[DULM_TYPES];
    for (size_t t = 0; t < p->tokens; t++) {
        const float *restrict g = j->dx + t * d;
        float *restrict w = words + (size_t)p->batch->tokens[t] * d;
        if (p->batch->tokens[t] != pad)
            for (size_t i = begin; i < end; i++)
                w[i] += g[i];
        for (size_t i = begin; types && i < end; i++)
            types[i] += g[i];
        if (!positions || (!p->family->bert_positions && p->positions[t] == pad))
            continue;
        float *restrict q = positions + (size_t)p->positions[t] * d;
        for (size_t i = begin; i < end; i++)
            q[i] += g[i];
    }
}

void dulm_embed_backward(const struct dulm_pass *pass, const struct dulm_weights *grads,
                         const float *dsum)
{
    struct job job = {.pass = pass, .grads = grads, .dx = dsum};
    if (grads->global[DULM_WORDS])
        dulm_parallel(pass->rt->threads, (size_t)pass->config->hidden, 32, scatter, &job);
}

diffulm_status dulm_head_transform(const struct dulm_pass *p, size_t count, const float *x,
                                   float *dense, float *act, float *normed)
{
    const size_t d = (size_t)p->config->hidden;
    struct dulm_pass rows = *p;
    rows.tokens = count;
    const enum dulm_activation kind = p->config->head_activation;
    diffulm_status rc =
        dense == act ? dulm_linear_activated(&rows, -1, DULM_HEAD_DENSE_W, d, d, x, kind, act)
                     : dulm_linear(&rows, -1, DULM_HEAD_DENSE_W, d, d, x, dense, d);
    if (rc < 0)
        return rc;
    if (dense != act)
        dulm_activate(p->rt, kind, false, count, d, dense, act);
    dulm_layer_norm(p->rt, count, d, act, p->weights->global[DULM_HEAD_NORM_W],
                    p->weights->global[DULM_HEAD_NORM_B], p->config->eps, normed);
    return DIFFULM_OK;
}

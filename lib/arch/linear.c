/* linear.c: linear maps with bias and adapter, forward and backward; dropout of activations. */
#include "arch/block.h"
#include "arch/copies.h"
#include "arch/quantized.h"
#include "base/rng.h"
#include "base/thread.h"

static const struct dulm_adapter *adapter_of(const struct dulm_weights *w, int layer, int slot)
{
    if (!w->adapter || layer < 0)
        return NULL;
    const struct dulm_adapter *a = &w->adapter[layer * DULM_LAYER_SLOTS + slot];
    return a->rank ? a : NULL;
}

static float *values(const struct dulm_weights *w, int layer, int slot)
{
    return layer < 0 ? w->global[slot] : w->layer[layer].slot[slot];
}

/* A matrix that bfloat16 products use as it is stored; false: there is none. */
static bool stored_in_bfloat16(const struct dulm_pass *pass, const struct dulm_half *half,
                               struct dulm_copy *out)
{
    if (!half || !half->bfloat || pass->rt->precision != DIFFULM_PRECISION_BF16)
        return false;
    *out = (struct dulm_copy){.values = half->values};
    return true;
}

diffulm_status dulm_multiply(const struct dulm_pass *pass, int layer, int slot, size_t first,
                             size_t rows, size_t in, size_t out, const float *x, const float *b,
                             enum dulm_activation then, float *y, size_t ldy)
{
    const struct dulm_matrix8 *bytes = dulm_quantized_at(pass->quantized, layer, slot);
    const struct dulm_half *half = dulm_half_at(pass->weights, layer, slot);
    const struct dulm_copy *copy = dulm_copies_at(pass->copies, layer, slot);
    struct dulm_copy stored;
    if (bytes)
        return dulm_gemm_int8(pass->rt, rows, out, in, x, bytes, first, b, then, y, ldy);
    if (copy || stored_in_bfloat16(pass, half, &stored))
        return dulm_gemm_copy(pass->rt, rows, out, in, x, in, copy ? copy : &stored, first, b, then,
                              y, ldy);
    if (half && b)
        dulm_fill_rows(pass->rt, rows, out, ldy, b, y);
    const diffulm_status rc =
        half ? dulm_gemm_half(pass->rt, true, rows, out, in, x, in,
                              dulm_half_from(*half, first * in), b != NULL, y, ldy)
             : dulm_gemm_linear(pass->rt, rows, in, out, x,
                                values(pass->weights, layer, slot) + first * in, b, y, ldy);
    if (rc == DIFFULM_OK)
        dulm_activate_rows(pass->rt, then, rows, out, ldy, y);
    return rc;
}

static bool comes_apart(const struct dulm_packed *packed, size_t first)
{
    return packed && dulm_packed_cut_at(packed, first);
}

bool dulm_multiply_comes_apart(const struct dulm_pass *pass, int layer, int slot)
{
    const struct dulm_matrix8 *bytes = dulm_quantized_at(pass->quantized, layer, slot);
    const struct dulm_copy *copy = dulm_copies_at(pass->copies, layer, slot);
    return bytes  ? comes_apart(bytes->packed, bytes->first)
           : copy ? comes_apart(copy->packed, copy->first)
                  : false;
}

diffulm_status dulm_multiply_taken(const struct dulm_pass *pass, int layer, int slot, size_t first,
                                   size_t rows, size_t in, size_t out, const float *x,
                                   const float *b, const struct dulm_taker *taker)
{
    const struct dulm_matrix8 *bytes = dulm_quantized_at(pass->quantized, layer, slot);
    if (bytes)
        return dulm_gemm_int8_taken(pass->rt, rows, out, in, x, bytes, first, b, taker);
    return dulm_gemm_copy_taken(pass->rt, rows, out, in, x, in,
                                dulm_copies_at(pass->copies, layer, slot), first, b, taker);
}

diffulm_status dulm_multiply_back(const struct dulm_pass *pass, int layer, int slot, size_t first,
                                  size_t rows, size_t in, size_t out, const float *dy, size_t lddy,
                                  bool accumulate, float *dx)
{
    const struct dulm_half *half = dulm_half_at(pass->weights, layer, slot);
    return half
               ? dulm_gemm_half(pass->rt, false, rows, in, out, dy, lddy,
                                dulm_half_from(*half, first * in), accumulate, dx, in)
               : dulm_gemm(pass->rt, false, false, rows, in, out, dy, lddy,
                           values(pass->weights, layer, slot) + first * in, in, accumulate, dx, in);
}

/* y += scale (x A^T) B^T of the slot's adapter, if there is one. */
static diffulm_status add_adapter(const struct dulm_pass *pass, int layer, int slot, size_t in,
                                  size_t out, const float *x, float *y, size_t ldy)
{
    const size_t rows = pass->tokens;
    const struct dulm_adapter *a = adapter_of(pass->weights, layer, slot);
    if (!a)
        return DIFFULM_OK;
    float *h = pass->adapter_scratch;
    diffulm_status rc =
        dulm_gemm(pass->rt, false, true, rows, a->rank, in, x, in, a->a, in, false, h, a->rank);
    for (size_t i = 0; i < rows * a->rank; i++)
        h[i] *= a->scale;
    if (rc == DIFFULM_OK)
        rc = dulm_gemm(pass->rt, false, true, rows, out, a->rank, h, a->rank, a->b, a->rank, true,
                       y, ldy);
    return rc;
}

diffulm_status dulm_linear(const struct dulm_pass *pass, int layer, int slot, size_t in, size_t out,
                           const float *x, float *y, size_t ldy)
{
    const float *b = values(pass->weights, layer, slot + 1);
    const diffulm_status rc =
        dulm_multiply(pass, layer, slot, 0, pass->tokens, in, out, x, b, DULM_IDENTITY, y, ldy);
    return rc < 0 ? rc : add_adapter(pass, layer, slot, in, out, x, y, ldy);
}

enum { QKV = 3 };

/* The matrices that one product can have as its factors; false: not all three are. */
static bool find_copies(const struct dulm_pass *pass, int layer, struct dulm_copy out[QKV])
{
    for (int i = 0; i < QKV; i++) {
        const struct dulm_copy *c = dulm_copies_at(pass->copies, layer, DULM_QUERY_W + 2 * i);
        if (!c || !c->packed || (i && !dulm_packed_alike(c->packed, out[0].packed)))
            return false;
        out[i] = *c;
    }
    return true;
}

static bool find_bytes(const struct dulm_pass *pass, int layer, struct dulm_matrix8 out[QKV])
{
    for (int i = 0; i < QKV; i++) {
        const struct dulm_matrix8 *m =
            dulm_quantized_at(pass->quantized, layer, DULM_QUERY_W + 2 * i);
        if (!m || !m->packed || (i && !dulm_packed_alike(m->packed, out[0].packed)))
            return false;
        out[i] = *m;
    }
    return true;
}

diffulm_status dulm_query_key_value(const struct dulm_pass *pass, int layer, const float *x,
                                    float *qkv)
{
    const size_t d = (size_t)pass->config->hidden, rows = pass->tokens;
    struct dulm_copy copies[QKV];
    struct dulm_matrix8 bytes[QKV];
    const float *b[QKV];
    float *y[QKV];
    for (int i = 0; i < QKV; i++) {
        b[i] = values(pass->weights, layer, DULM_QUERY_W + 2 * i + 1);
        y[i] = qkv + (size_t)i * rows * d;
    }
    diffulm_status rc = DIFFULM_OK;
    if (find_bytes(pass, layer, bytes))
        rc = dulm_gemm_int8_each(pass->rt, rows, d, d, x, QKV, bytes, b, y, d);
    else if (find_copies(pass, layer, copies))
        rc = dulm_gemm_copies(pass->rt, rows, d, d, x, d, QKV, copies, b, y, d);
    else
        for (int i = 0; rc == DIFFULM_OK && i < QKV; i++)
            rc = dulm_multiply(pass, layer, DULM_QUERY_W + 2 * i, 0, rows, d, d, x, b[i],
                               DULM_IDENTITY, y[i], d);
    for (int i = 0; rc == DIFFULM_OK && i < QKV; i++)
        rc = add_adapter(pass, layer, DULM_QUERY_W + 2 * i, d, d, x, y[i], d);
    return rc;
}

diffulm_status dulm_linear_activated(const struct dulm_pass *pass, int layer, int slot, size_t in,
                                     size_t out, const float *x, enum dulm_activation kind,
                                     float *y)
{
    if (!adapter_of(pass->weights, layer, slot))
        return dulm_multiply(pass, layer, slot, 0, pass->tokens, in, out, x,
                             values(pass->weights, layer, slot + 1), kind, y, out);
    const diffulm_status rc = dulm_linear(pass, layer, slot, in, out, x, y, out);
    if (rc == DIFFULM_OK)
        dulm_activate_rows(pass->rt, kind, pass->tokens, out, out, y);
    return rc;
}

/* With h = x A^T: dB += scale dy^T h; dh = scale dy B; dA += dh^T x; dx += dh A. */
static diffulm_status adapter_backward(const struct dulm_pass *pass, const struct dulm_adapter *a,
                                       const struct dulm_adapter *grad, size_t in, size_t out,
                                       const float *x, const float *dy, size_t lddy, float *dx)
{
    const size_t rows = pass->tokens, r = a->rank;
    float *h = pass->adapter_scratch;
    diffulm_status rc = dulm_gemm(pass->rt, false, true, rows, r, in, x, in, a->a, in, false, h, r);
    for (size_t i = 0; i < rows * r; i++)
        h[i] *= a->scale;
    if (rc == DIFFULM_OK)
        rc = dulm_gemm(pass->rt, true, false, out, r, rows, dy, lddy, h, r, true, grad->b, r);
    if (rc == DIFFULM_OK)
        rc = dulm_gemm(pass->rt, false, false, rows, r, out, dy, lddy, a->b, r, false, h, r);
    for (size_t i = 0; i < rows * r; i++)
        h[i] *= a->scale;
    if (rc == DIFFULM_OK)
        rc = dulm_gemm(pass->rt, true, false, r, in, rows, h, r, x, in, true, grad->a, in);
    if (rc == DIFFULM_OK && dx)
        rc = dulm_gemm(pass->rt, false, false, rows, in, r, h, r, a->a, in, true, dx, in);
    return rc;
}

diffulm_status dulm_linear_backward(const struct dulm_pass *pass, const struct dulm_weights *grads,
                                    int layer, int slot, size_t in, size_t out, const float *x,
                                    const float *dy, size_t lddy, bool accumulate, float *dx)
{
    const size_t rows = pass->tokens;
    diffulm_status rc = DIFFULM_OK;
    if (dx)
        rc = dulm_multiply_back(pass, layer, slot, 0, rows, in, out, dy, lddy, accumulate, dx);
    float *dw = values(grads, layer, slot), *db = values(grads, layer, slot + 1);
    if (rc == DIFFULM_OK && dw)
        rc = dulm_gemm(pass->rt, true, false, out, in, rows, dy, lddy, x, in, true, dw, in);
    if (db)
        dulm_column_sums(pass->rt, rows, out, lddy, dy, db);
    const struct dulm_adapter *a = adapter_of(pass->weights, layer, slot);
    const struct dulm_adapter *grad = adapter_of(grads, layer, slot);
    if (rc == DIFFULM_OK && a && grad)
        rc = adapter_backward(pass, a, grad, in, out, x, dy, lddy, dx);
    return rc;
}

bool dulm_linear_backward_reads(const struct dulm_weights *grads, int layer, int slot)
{
    return values(grads, layer, slot) || adapter_of(grads, layer, slot);
}

struct dropout_job {
    const struct dulm_pass *pass;
    float rate;
    uint32_t first;
    float *x;
};

static void dropout_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct dropout_job *j = user;
    const struct dulm_pass *p = j->pass;
    const size_t d = (size_t)p->config->hidden;
    const float factor = 1.0f / (1.0f - j->rate);
    for (size_t t = begin; t < end; t++) {
        const uint32_t row = p->dropout.row_number[p->token_row[t]];
        float *x = j->x + t * d;
        for (size_t i = 0; i < d; i += 4) {
            uint32_t words[4];
            dulm_draw4(p->dropout.seed, DULM_STREAM_DROPOUT, p->dropout.step, row, p->token_at[t],
                       (j->first + (uint32_t)i) / 4, words);
            for (size_t k = i; k < d && k < i + 4; k++)
                x[k] = dulm_uniform(words[k - i]) >= (double)j->rate ? x[k] * factor : 0.0f;
        }
    }
}

/* Draws a site owns: enough for d features or heads x positions, a multiple of 4. */
static uint32_t site_size(const struct dulm_config *c)
{
    const size_t attention = (size_t)c->heads * (size_t)((c->positions + 3) / 4 * 4);
    const size_t most = attention > (size_t)c->hidden ? attention : (size_t)c->hidden;
    return (uint32_t)((most + 3) / 4 * 4);
}

void dulm_dropout_apply(const struct dulm_pass *pass, float rate, uint32_t site, float *x)
{
    if (!pass->dropout.on || rate <= 0)
        return;
    struct dropout_job job = {pass, rate, site * site_size(pass->config), x};
    dulm_parallel(pass->rt->threads, pass->tokens, 4, dropout_part, &job);
}

struct dulm_attention_dropout dulm_attention_dropout_of(const struct dulm_pass *pass, int layer)
{
    const struct dulm_config *c = pass->config;
    return (struct dulm_attention_dropout){.rate = pass->dropout.on ? c->attention_dropout : 0,
                                           .seed = pass->dropout.seed,
                                           .step = pass->dropout.step,
                                           .row_number = pass->dropout.row_number,
                                           .first_draw = (1 + 3 * (uint32_t)layer) * site_size(c),
                                           .stride = (uint32_t)((c->positions + 3) / 4 * 4)};
}

bool dulm_dropout_fits(const struct dulm_config *c)
{
    return (uint64_t)site_size(c) * (uint64_t)(1 + 3 * c->layers) < (uint64_t)1 << 26;
}

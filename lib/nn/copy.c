/* copy.c: products by packed matrices in single precision and in bfloat16; what follows a product is done tile by tile. */
#include "nn/copy.h"

#include <string.h>

struct job {
    const struct dulm_kernels *kernels;
    const float *a;
    size_t k, lda;
    size_t stride; /* of rows as the product reads them */
    enum dulm_activation then;
    bool past; /* the caches */
    size_t ldc;
    const float *const *bias;       /* of each factor */
    float *const *c;                /* or, */
    const struct dulm_taker *taker; /* if there is one, where results go */
};

static void round_rows(void *user, size_t row, size_t rows, void *to, struct dulm_row_scale *scales)
{
    (void)scales;
    const struct job *j = user;
    uint16_t *rounded = to;
    for (size_t r = 0; r < rows; r++, rounded += j->stride) {
        j->kernels->to_bf16(j->k, j->a + (row + r) * j->lda, rounded);
        memset(rounded + j->k, 0, (j->stride - j->k) * sizeof *rounded);
    }
}

static void copy_rows(void *user, size_t row, size_t rows, void *to, struct dulm_row_scale *scales)
{
    (void)scales;
    const struct job *j = user;
    float *copied = to;
    for (size_t r = 0; r < rows; r++, copied += j->stride) {
        memcpy(copied, j->a + (row + r) * j->lda, j->k * sizeof *copied);
        memset(copied + j->k, 0, (j->stride - j->k) * sizeof *copied);
    }
}

static void finish_part(void *user, const struct dulm_packed_result *r)
{
    const struct job *j = user;
    const float *bias = j->bias[r->factor];
    float row[DULM_PACKED_TILE];
    for (size_t i = 0; i < r->rows; i++) {
        const float *sums = (const float *)r->sums + i * r->stride;
        float *to = j->taker ? row : j->c[r->factor] + (r->row + i) * j->ldc + r->column;
        float *c = j->past ? row : to;
        if (bias)
            j->kernels->add(r->columns, sums, bias + r->column, c);
        else
            memcpy(c, sums, r->columns * sizeof *c);
        if (j->then != DULM_IDENTITY)
            j->kernels->activation(j->then, r->columns, c, c);
        if (j->taker)
            j->taker->take(j->taker->user, r->row + i, r->column, r->columns, row);
        else if (j->past)
            j->kernels->copy_past(r->columns, row, to);
    }
    if (j->past)
        j->kernels->copied_past();
}

static diffulm_status packed_product(const struct diffulm_runtime *rt, size_t m, size_t n,
                                     size_t count, const struct dulm_copy *w, size_t first,
                                     struct job *job)
{
    const bool single = dulm_packed_type_of(w->packed) == DULM_PACKED_F32;
    struct dulm_packed_product product = {.factors = count,
                                          .m = m,
                                          .n = n,
                                          .prepare = single ? copy_rows : round_rows,
                                          .finish = finish_part,
                                          .user = job};
    for (size_t i = 0; i < count; i++)
        product.factor[i] = (struct dulm_packed_factor){w[i].packed, w[i].first + first};
    job->stride = dulm_packed_stride(w->packed);
    job->past = !job->taker && dulm_packed_past(m, n);
    if (single && job->k == job->stride && job->lda == job->k)
        product.rows = job->a;
    return dulm_packed_multiply(rt, &product);
}

diffulm_status dulm_gemm_copies(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                const float *a, size_t lda, size_t count, const struct dulm_copy *w,
                                const float *const *bias, float *const *c, size_t ldc)
{
    struct job job = {rt->kernels, a, k, lda, 0, DULM_IDENTITY, false, ldc, bias, c, NULL};
    return m && n ? packed_product(rt, m, n, count, w, 0, &job) : DIFFULM_OK;
}

diffulm_status dulm_gemm_copy_taken(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                    const float *a, size_t lda, const struct dulm_copy *w,
                                    size_t first, const float *bias, const struct dulm_taker *taker)
{
    struct job job = {rt->kernels, a, k, lda, 0, DULM_IDENTITY, false, 0, &bias, NULL, taker};
    return m && n ? packed_product(rt, m, n, 1, w, first, &job) : DIFFULM_OK;
}

diffulm_status dulm_gemm_copy(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                              const float *a, size_t lda, const struct dulm_copy *w, size_t first,
                              const float *bias, enum dulm_activation then, float *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return DIFFULM_OK;
    struct job job = {rt->kernels, a, k, lda, 0, then, false, ldc, &bias, &c, NULL};
    if (w->packed)
        return packed_product(rt, m, n, 1, w, first, &job);
    const diffulm_status rc =
        dulm_gemm_stored16(rt, m, n, k, a, lda, w->values + (w->first + first) * k, bias, c, ldc);
    if (rc == DIFFULM_OK)
        dulm_activate_rows(rt, then, m, n, ldc, c);
    return rc;
}

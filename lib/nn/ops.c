/* ops.c: kernels cut over threads. Rows (or columns, where rows are summed) are disjoint, so the cut
 * never changes a result. */
#include <string.h>

#include "base/thread.h"
#include "nn/onednn/scope.h"
#include "nn/runtime.h"

struct gemm_job {
    const struct diffulm_runtime *rt;
    bool trans_a, trans_b, accumulate;
    size_t n, k, lda, ldb, ldc;
    const float *a, *b;
    float *c;
};

static void gemm_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct gemm_job *j = user;
    j->rt->kernels->gemm(j->trans_a, j->trans_b, begin, end, j->n, j->k, j->a, j->lda, j->b, j->ldb,
                         j->accumulate, j->c, j->ldc);
}

diffulm_status dulm_gemm_f32(const struct diffulm_runtime *rt, bool trans_a, bool trans_b, size_t m,
                             size_t n, size_t k, const float *a, size_t lda, const float *b,
                             size_t ldb, bool accumulate, float *c, size_t ldc)
{
#ifdef DULM_ONEDNN
    if (rt->backend == DIFFULM_BACKEND_ONEDNN)
        return (rt->deterministic ? dulm_gemm_fixed : dulm_onednn_gemm)(
            rt, trans_a, trans_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
#endif
    struct gemm_job job = {rt, trans_a, trans_b, accumulate, n, k, lda, ldb, ldc, a, b, c};
    dulm_parallel(rt->threads, m, 4, gemm_part, &job);
    return DIFFULM_OK;
}

diffulm_status dulm_gemm(const struct diffulm_runtime *rt, bool trans_a, bool trans_b, size_t m,
                         size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                         bool accumulate, float *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return DIFFULM_OK;
    if (k == 0) {
        if (!accumulate)
            dulm_fill_rows(rt, m, n, ldc, NULL, c);
        return DIFFULM_OK;
    }
    return rt->precision == DIFFULM_PRECISION_BF16
               ? dulm_gemm_bf16(rt, trans_a, trans_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc)
               : dulm_gemm_f32(rt, trans_a, trans_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
}

diffulm_status dulm_gemm_linear(const struct diffulm_runtime *rt, size_t rows, size_t in,
                                size_t out, const float *x, const float *w, const float *bias,
                                float *y, size_t ldy)
{
#ifdef DULM_ONEDNN
    if (rt->backend == DIFFULM_BACKEND_ONEDNN && rt->precision != DIFFULM_PRECISION_BF16 &&
        !rt->deterministic && dulm_onednn_prefers_matmul(rt, rows, out, in, ldy))
        return dulm_onednn_matmul(rt, rows, out, in, x, in, w, in, bias, false, y, ldy);
#endif
    if (bias)
        dulm_fill_rows(rt, rows, out, ldy, bias, y);
    return dulm_gemm(rt, false, true, rows, out, in, x, in, w, in, bias != NULL, y, ldy);
}

void dulm_hold(const struct diffulm_runtime *rt, int threads, struct dulm_onednn_scope *scope)
{
#ifdef DULM_ONEDNN
    if (rt->backend == DIFFULM_BACKEND_ONEDNN)
        dulm_onednn_enter(threads, scope);
#else
    (void)rt, (void)threads, (void)scope;
#endif
}

void dulm_release(const struct diffulm_runtime *rt, const struct dulm_onednn_scope *scope)
{
#ifdef DULM_ONEDNN
    if (rt->backend == DIFFULM_BACKEND_ONEDNN)
        dulm_onednn_leave(scope);
#else
    (void)rt, (void)scope;
#endif
}

diffulm_status dulm_gemm_single(const struct diffulm_runtime *rt, bool trans_a, bool trans_b,
                                size_t m, size_t n, size_t k, const float *a, size_t lda,
                                const float *b, size_t ldb, bool accumulate, float *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return DIFFULM_OK;
#ifdef DULM_ONEDNN
    if (rt->backend == DIFFULM_BACKEND_ONEDNN)
        return dulm_onednn_sgemm(1, trans_a, trans_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
#endif
    rt->kernels->gemm(trans_a, trans_b, 0, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
    return DIFFULM_OK;
}

struct row_job {
    const struct dulm_kernels *k;
    enum dulm_activation kind;
    bool gated;
    size_t rows, d, stride;
    const float *x, *weight, *bias, *dy;
    float eps;
    float *y, *stats, *dweight, *dbias;
};

static void norm_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct row_job *j = user;
    j->k->layer_norm(end - begin, j->d, j->x + begin * j->d, j->weight, j->bias, j->eps,
                     j->y + begin * j->d);
}

void dulm_layer_norm(const struct diffulm_runtime *rt, size_t rows, size_t d, const float *x,
                     const float *weight, const float *bias, float eps, float *y)
{
    struct row_job job = {
        .k = rt->kernels, .d = d, .x = x, .weight = weight, .bias = bias, .eps = eps, .y = y};
    dulm_parallel(rt->threads, rows, 16, norm_part, &job);
}

static void norm_back_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct row_job *j = user;
    j->k->layer_norm_backward(end - begin, j->d, j->x + begin * j->d, j->weight, j->eps,
                              j->dy + begin * j->d, j->y + begin * j->d, j->stats + 2 * begin);
}

static void norm_parameters_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct row_job *j = user;
    j->k->layer_norm_parameters(begin, end, j->rows, j->d, j->x, j->stats, j->dy, j->dweight,
                                j->dbias);
}

void dulm_layer_norm_backward(const struct diffulm_runtime *rt, size_t rows, size_t d,
                              const float *x, const float *weight, float eps, const float *dy,
                              float *dx, float *stats, float *dweight, float *dbias)
{
    struct row_job job = {.k = rt->kernels,
                          .rows = rows,
                          .d = d,
                          .x = x,
                          .weight = weight,
                          .eps = eps,
                          .dy = dy,
                          .y = dx,
                          .stats = stats,
                          .dweight = dweight,
                          .dbias = dbias};
    dulm_parallel(rt->threads, rows, 16, norm_back_part, &job);
    if (dweight)
        dulm_parallel(rt->threads, d, 64, norm_parameters_part, &job);
}

static void activate_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct row_job *j = user;
    const size_t in = j->gated ? 2 * j->d : j->d, rows = end - begin;
    if (j->gated)
        j->k->gated(j->kind, rows, j->d, j->x + begin * in, j->y + begin * j->d);
    else
        j->k->activation(j->kind, rows * j->d, j->x + begin * in, j->y + begin * j->d);
}

void dulm_activate(const struct diffulm_runtime *rt, enum dulm_activation kind, bool gated,
                   size_t rows, size_t f, const float *u, float *y)
{
    struct row_job job = {.k = rt->kernels, .kind = kind, .gated = gated, .d = f, .x = u, .y = y};
    dulm_parallel(rt->threads, rows, 4, activate_part, &job);
}

static void activate_rows_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct row_job *j = user;
    for (size_t r = begin; r < end; r++)
        j->k->activation(j->kind, j->d, j->y + r * j->stride, j->y + r * j->stride);
}

void dulm_activate_rows(const struct diffulm_runtime *rt, enum dulm_activation kind, size_t rows,
                        size_t columns, size_t stride, float *y)
{
    struct row_job job = {.k = rt->kernels, .kind = kind, .d = columns, .stride = stride, .y = y};
    if (kind != DULM_IDENTITY)
        dulm_parallel(rt->threads, rows, 4, activate_rows_part, &job);
}

static void activate_back_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct row_job *j = user;
    const size_t in = j->gated ? 2 * j->d : j->d, rows = end - begin;
    if (j->gated)
        j->k->gated_backward(j->kind, rows, j->d, j->x + begin * in, j->dy + begin * j->d,
                             j->y + begin * in);
    else
        j->k->activation_backward(j->kind, rows * j->d, j->x + begin * in, j->dy + begin * j->d,
                                  j->y + begin * in);
}

void dulm_activate_backward(const struct diffulm_runtime *rt, enum dulm_activation kind, bool gated,
                            size_t rows, size_t f, const float *u, const float *dy, float *du)
{
    struct row_job job = {
        .k = rt->kernels, .kind = kind, .gated = gated, .d = f, .x = u, .dy = dy, .y = du};
    dulm_parallel(rt->threads, rows, 4, activate_back_part, &job);
}

static void sums_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct row_job *j = user;
    j->k->column_sums(begin, end, j->rows, j->stride, j->x, j->y);
}

void dulm_column_sums(const struct diffulm_runtime *rt, size_t rows, size_t columns, size_t stride,
                      const float *x, float *out)
{
    struct row_job job = {.k = rt->kernels, .rows = rows, .stride = stride, .x = x, .y = out};
    dulm_parallel(rt->threads, columns, 64, sums_part, &job);
}

static void add_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct row_job *j = user;
    j->k->add(end - begin, j->x + begin, j->dy + begin, j->y + begin);
}

void dulm_residual(const struct diffulm_runtime *rt, size_t count, const float *a, const float *b,
                   float *y)
{
    struct row_job job = {.k = rt->kernels, .x = a, .dy = b, .y = y};
    dulm_parallel(rt->threads, count, 4096, add_part, &job);
}

static void fill_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct row_job *j = user;
    for (size_t r = begin; r < end; r++)
        if (j->bias)
            memcpy(j->y + r * j->stride, j->bias, j->d * sizeof(float));
        else
            memset(j->y + r * j->stride, 0, j->d * sizeof(float));
}

void dulm_fill_rows(const struct diffulm_runtime *rt, size_t rows, size_t columns, size_t stride,
                    const float *bias, float *y)
{
    struct row_job job = {.d = columns, .stride = stride, .bias = bias, .y = y};
    dulm_parallel(rt->threads, rows, 16, fill_part, &job);
}

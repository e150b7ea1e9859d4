/* int8.c: products by matrices in 8 bits, a block at a time: activations rounded, multiplied in whole numbers, scaled back. */
#include "nn/int8.h"

#include "base/error.h"
#include "base/thread.h"

/* Of a block: rows of activations, and whole numbers of the result. */
#define ROWS ((size_t)256)
#define RESULTS ((size_t)1 << 18)

int32_t dulm_int8_top(const struct diffulm_runtime *rt)
{
#ifdef DULM_ONEDNN
    if (rt->backend == DIFFULM_BACKEND_ONEDNN && dulm_onednn_int8_top())
        return dulm_onednn_int8_top();
#else
    (void)rt;
#endif
    return 255;
}

struct job {
    const struct diffulm_runtime *rt;
    size_t n, k, ldy;
    const float *x;
    const struct dulm_matrix8 *w;
    size_t first; /* row of W */
    int32_t top;
    const float *bias;
    uint8_t *rounded;
    int32_t *results, *zeros;
    float *scales, *y;
};

static void round_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct job *j = user;
    for (size_t r = begin; r < end; r++)
        j->rt->kernels->quantize_row(j->k, j->x + r * j->k, j->top, j->rounded + r * j->k,
                                     j->scales + r, j->zeros + r);
}

static void scale_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct job *j = user;
    for (size_t r = begin; r < end; r++)
        j->rt->kernels->dequantize_row(j->n, j->results + r * j->n, j->scales[r], j->zeros[r],
                                       j->w->scales + j->first, j->w->sums + j->first,
                                       j->bias ? j->bias + j->first : NULL, j->y + r * j->ldy);
}

static void product_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct job *j = user;
    j->rt->kernels->gemm_u8s8(begin, end, j->n, j->k, j->rounded, j->w->values + j->first * j->k,
                              j->results, j->n);
}

static diffulm_status product(struct job *j, size_t m)
{
#ifdef DULM_ONEDNN
    if (j->rt->backend == DIFFULM_BACKEND_ONEDNN && dulm_onednn_int8_top())
        return dulm_onednn_gemm_u8s8(j->rt->threads, m, j->n, j->k, j->rounded,
                                     j->w->values + j->first * j->k, j->results, j->n);
#endif
    dulm_parallel(j->rt->threads, m, 1, product_part, j);
    return DIFFULM_OK;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

diffulm_status dulm_gemm_int8(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                              const float *x, const struct dulm_matrix8 *w, const float *bias,
                              float *y, size_t ldy)
{
    if (k > DULM_INT8_INNER)
        return dulm_fail(DIFFULM_E_LIMIT, "int8: rows of %zu features, at most %zu", k,
                         DULM_INT8_INNER);
    const size_t rows = least(m, ROWS), columns = least(n, RESULTS / (rows ? rows : 1));
    struct dulm_block *block = dulm_block_take(
        &rt->room->copies, rows * (columns * sizeof(int32_t) + 2 * sizeof(int32_t) + k));
    if (!block)
        return dulm_fail_memory();
    struct job job = {.rt = rt, .k = k, .ldy = ldy, .w = w, .bias = bias};
    job.top = dulm_int8_top(rt);
    job.results = (int32_t *)block->data;
    job.zeros = job.results + rows * columns;
    job.scales = (float *)(job.zeros + rows);
    job.rounded = (uint8_t *)(job.scales + rows);
    diffulm_status rc = DIFFULM_OK;
    for (size_t m0 = 0, m1; rc == DIFFULM_OK && m0 < m; m0 += m1) {
        m1 = least(m - m0, rows);
        job.x = x + m0 * k;
        dulm_parallel(rt->threads, m1, 4, round_part, &job);
        for (size_t n0 = 0; rc == DIFFULM_OK && n0 < n; n0 += job.n) {
            job.n = least(n - n0, columns);
            job.first = n0;
            job.y = y + m0 * ldy + n0;
            rc = product(&job, m1);
            if (rc == DIFFULM_OK)
                dulm_parallel(rt->threads, m1, 4, scale_part, &job);
        }
    }
    dulm_block_give(&rt->room->copies, block);
    return rc;
}

struct matrix_job {
    const struct dulm_kernels *kernels;
    size_t columns;
    const float *w;
    int8_t *values;
    const int8_t *given;
    float *scales;
    int32_t *sums;
};

static void quantize_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct matrix_job *j = user;
    for (size_t r = begin; r < end; r++)
        j->scales[r] = j->kernels->quantize_weights(j->columns, j->w + r * j->columns,
                                                    j->values + r * j->columns);
}

void dulm_quantize_matrix(const struct diffulm_runtime *rt, size_t rows, size_t columns,
                          const float *w, int8_t *values, float *scales)
{
    struct matrix_job job = {
        .kernels = rt->kernels, .columns = columns, .w = w, .values = values, .scales = scales};
    dulm_parallel(rt->threads, rows, 16, quantize_part, &job);
}

static void sum_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct matrix_job *j = user;
    for (size_t r = begin; r < end; r++)
        j->sums[r] = j->kernels->sum_int8(j->columns, j->given + r * j->columns);
}

void dulm_sum_rows_int8(const struct diffulm_runtime *rt, size_t rows, size_t columns,
                        const int8_t *values, int32_t *sums)
{
    struct matrix_job job = {
        .kernels = rt->kernels, .columns = columns, .given = values, .sums = sums};
    dulm_parallel(rt->threads, rows, 64, sum_part, &job);
}

/* int8.c: products by matrices in 8 bits, a block at a time: activations rounded, multiplied in whole numbers, scaled back. By
 * packed matrices the last two go tile by tile. */
#include "nn/int8.h"

#include <string.h>

#include "base/error.h"
#include "base/thread.h"

/* Of a block: rows of activations, and whole numbers of the result. */
#define ROWS ((size_t)256)
#define RESULTS ((size_t)1 << 18)

struct dulm_matrix8 dulm_matrix8_from(struct dulm_matrix8 m, size_t row, size_t columns)
{
    return (struct dulm_matrix8){m.packed ? NULL : m.values + row * columns, m.scales + row,
                                 m.sums + row, m.packed, m.first + row};
}

void dulm_matrix8_values(const struct dulm_matrix8 *m, size_t columns, size_t row, size_t count,
                         int8_t *out)
{
    if (m->packed)
        dulm_packed_read(m->packed, m->first + row, count, out);
    else
        memcpy(out, m->values + row * columns, count * columns);
}

void dulm_matrix8_row(const struct dulm_matrix8 *m, size_t columns, size_t row, float *out)
{
    /* Packed bytes go to the end of the floats that they become, each read before it is written over. */
    int8_t *const own = (int8_t *)(out + columns) - columns;
    const int8_t *values = m->packed ? own : m->values + row * columns;
    if (m->packed)
        dulm_packed_read(m->packed, m->first + row, 1, own);
    for (size_t i = 0; i < columns; i++)
        out[i] = m->scales[row] * (float)values[i];
}

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
    struct dulm_matrix8 w; /* from the first row that is used */
    int32_t top;
    const float *bias;
    enum dulm_activation then;
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
    for (size_t r = begin; r < end; r++) {
        float *y = j->y + r * j->ldy;
        j->rt->kernels->dequantize_row(j->n, j->results + r * j->n, j->scales[r], j->zeros[r],
                                       j->w.scales, j->w.sums, j->bias, y);
        if (j->then != DULM_IDENTITY)
            j->rt->kernels->activation(j->then, j->n, y, y);
    }
}

static void product_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct job *j = user;
    j->rt->kernels->gemm_u8s8(begin, end, j->n, j->k, j->rounded, j->w.values, j->results, j->n);
}

static diffulm_status product(struct job *j, size_t m)
{
#ifdef DULM_ONEDNN
    if (j->rt->backend == DIFFULM_BACKEND_ONEDNN && dulm_onednn_int8_top())
        return dulm_onednn_gemm_u8s8(j->rt->threads, m, j->n, j->k, j->rounded, j->w.values,
                                     j->results, j->n);
#endif
    dulm_parallel(j->rt->threads, m, 1, product_part, j);
    return DIFFULM_OK;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* By W as it lies row by row, a block of columns at a time. */
static diffulm_status stored_product(struct job *job, size_t m, size_t n)
{
    const struct diffulm_runtime *rt = job->rt;
    const struct job whole = *job;
    const size_t rows = least(m, ROWS), columns = least(n, RESULTS / rows), k = job->k;
    struct dulm_block *block = dulm_block_take(
        &rt->room->copies, rows * (columns * sizeof(int32_t) + 2 * sizeof(int32_t) + k));
    if (!block)
        return dulm_fail_memory();
    job->results = (int32_t *)block->data;
    job->zeros = job->results + rows * columns;
    job->scales = (float *)(job->zeros + rows);
    job->rounded = (uint8_t *)(job->scales + rows);
    diffulm_status rc = DIFFULM_OK;
    for (size_t m0 = 0, m1; rc == DIFFULM_OK && m0 < m; m0 += m1) {
        m1 = least(m - m0, rows);
        job->x = whole.x + m0 * k;
        dulm_parallel(rt->threads, m1, 4, round_part, job);
        for (size_t n0 = 0; rc == DIFFULM_OK && n0 < n; n0 += job->n) {
            job->n = least(n - n0, columns);
            job->w = dulm_matrix8_from(whole.w, n0, k);
            job->bias = whole.bias ? whole.bias + n0 : NULL;
            job->y = whole.y + m0 * job->ldy + n0;
            rc = product(job, m1);
            if (rc == DIFFULM_OK)
                dulm_parallel(rt->threads, m1, 4, scale_part, job);
        }
    }
    dulm_block_give(&rt->room->copies, block);
    return rc;
}

/* By packed matrices, from the first row of each that is used. */
struct packed_job {
    const struct diffulm_runtime *rt;
    size_t k, ldy, stride; /* of rounded rows */
    const float *x;
    int32_t top;
    enum dulm_activation then;
    bool past; /* the caches */
    struct dulm_matrix8 w[DULM_FACTORS];
    const float *const *bias;
    float *const *y;                /* or, */
    const struct dulm_taker *taker; /* if there is one, where results go */
};

static void prepare_rows(void *user, size_t row, size_t rows, void *to,
                         struct dulm_row_scale *scales)
{
    const struct packed_job *j = user;
    uint8_t *rounded = to;
    for (size_t r = 0; r < rows; r++, rounded += j->stride) {
        j->rt->kernels->quantize_row(j->k, j->x + (row + r) * j->k, j->top, rounded,
                                     &scales[r].scale, &scales[r].zero);
        memset(rounded + j->k, 0, j->stride - j->k);
    }
}

static void finish_part(void *user, const struct dulm_packed_result *r)
{
    const struct packed_job *j = user;
    const struct dulm_matrix8 *w = &j->w[r->factor];
    const float *bias = j->bias[r->factor] ? j->bias[r->factor] + r->column : NULL;
    const int32_t *sums = r->sums;
    float row[DULM_PACKED_TILE];
    for (size_t i = 0; i < r->rows; i++) {
        float *to = j->taker ? row : j->y[r->factor] + (r->row + i) * j->ldy + r->column;
        float *y = j->past ? row : to;
        j->rt->kernels->dequantize_row(r->columns, sums + i * r->stride, r->scales[i].scale,
                                       r->scales[i].zero, w->scales + r->column,
                                       w->sums + r->column, bias, y);
        if (j->then != DULM_IDENTITY)
            j->rt->kernels->activation(j->then, r->columns, y, y);
        if (j->taker)
            j->taker->take(j->taker->user, r->row + i, r->column, r->columns, row);
        else if (j->past)
            j->rt->kernels->copy_past(r->columns, row, to);
    }
    if (j->past)
        j->rt->kernels->copied_past();
}

static diffulm_status packed_product(struct packed_job *job, size_t m, size_t n, size_t count)
{
    struct dulm_packed_product product = {.factors = count,
                                          .m = m,
                                          .n = n,
                                          .prepare = prepare_rows,
                                          .finish = finish_part,
                                          .user = job};
    for (size_t i = 0; i < count; i++)
        product.factor[i] = (struct dulm_packed_factor){job->w[i].packed, job->w[i].first};
    job->stride = dulm_packed_stride(job->w[0].packed);
    job->past = !job->taker && dulm_packed_past(m, n);
    job->top = dulm_int8_top(job->rt);
    return dulm_packed_multiply(job->rt, &product);
}

static diffulm_status check_inner(size_t k)
{
    return k > DULM_INT8_INNER
               ? dulm_fail(DIFFULM_E_LIMIT, "int8: rows of %zu features, at most %zu", k,
                           DULM_INT8_INNER)
               : DIFFULM_OK;
}

diffulm_status dulm_gemm_int8_each(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                   const float *x, size_t count, const struct dulm_matrix8 *w,
                                   const float *const *bias, float *const *y, size_t ldy)
{
    struct packed_job job = {
        .rt = rt, .k = k, .ldy = ldy, .x = x, .then = DULM_IDENTITY, .bias = bias, .y = y};
    const diffulm_status rc = check_inner(k);
    for (size_t i = 0; i < count; i++)
        job.w[i] = w[i];
    return rc < 0 || m == 0 || n == 0 ? rc : packed_product(&job, m, n, count);
}

diffulm_status dulm_gemm_int8_taken(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                    const float *x, const struct dulm_matrix8 *w, size_t first,
                                    const float *bias, const struct dulm_taker *taker)
{
    struct packed_job job = {.rt = rt,
                             .k = k,
                             .x = x,
                             .then = DULM_IDENTITY,
                             .w = {dulm_matrix8_from(*w, first, k)},
                             .bias = &bias,
                             .taker = taker};
    const diffulm_status rc = check_inner(k);
    return rc < 0 || m == 0 || n == 0 ? rc : packed_product(&job, m, n, 1);
}

diffulm_status dulm_gemm_int8(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                              const float *x, const struct dulm_matrix8 *w, size_t first,
                              const float *bias, enum dulm_activation then, float *y, size_t ldy)
{
    const struct dulm_matrix8 used = dulm_matrix8_from(*w, first, k);
    const diffulm_status rc = check_inner(k);
    if (rc < 0 || m == 0 || n == 0)
        return rc;
    if (w->packed) {
        struct packed_job packed = {.rt = rt,
                                    .k = k,
                                    .ldy = ldy,
                                    .x = x,
                                    .then = then,
                                    .w = {used},
                                    .bias = &bias,
                                    .y = &y};
        return packed_product(&packed, m, n, 1);
    }
    struct job job = {.rt = rt,
                      .k = k,
                      .ldy = ldy,
                      .x = x,
                      .w = used,
                      .top = dulm_int8_top(rt),
                      .bias = bias,
                      .then = then,
                      .y = y};
    return stored_product(&job, m, n);
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

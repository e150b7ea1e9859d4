/* bf16.c: products of single-precision matrices rounded to bfloat16 (8 bits of precision, the range of a float) and summed
 * in single precision. Copies are made a block at a time, so a vocabulary of any size needs the same room. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"
#include "nn/copy.h"
#ifdef DULM_ONEDNN
#include "nn/onednn/plan.h"
#endif

/* Of a block: numbers of the inner dimension, and numbers in a copy. */
#define INNER ((size_t)16384)
#define BLOCK ((size_t)8 << 20)

struct matrix { /* as it is stored: rows of `columns`, `stride` apart */
    const float *x;
    size_t rows, columns, stride;
};

struct round_job {
    const struct dulm_kernels *kernels;
    struct matrix from;
    uint16_t *to;
};

static void round_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct round_job *j = user;
    for (size_t r = begin; r < end; r++)
        j->kernels->to_bf16(j->from.columns, j->from.x + r * j->from.stride,
                            j->to + r * j->from.columns);
}

static void round_matrix(const struct diffulm_runtime *rt, struct matrix from, uint16_t *to)
{
    struct round_job job = {rt->kernels, from, to};
    dulm_parallel(rt->threads, from.rows, 8, round_part, &job);
}

/* op(X) is [outer, inner], or with trans [inner, outer] is how it is stored. */
static struct matrix block_of(const float *x, size_t stride, bool inner_first, size_t outer_at,
                              size_t outer, size_t inner_at, size_t inner)
{
    if (inner_first)
        return (struct matrix){x + inner_at * stride + outer_at, inner, outer, stride};
    return (struct matrix){x + outer_at * stride + inner_at, outer, inner, stride};
}

/* Of these numbers. */
struct rounded_product {
    bool trans_a, trans_b, accumulate;
    size_t m, n, k, lda, ldb, ldc;
    const uint16_t *a, *b;
    float *c;
};

static void widen(const uint16_t *x, size_t rows, size_t columns, size_t stride, float *wide)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < columns; i++) {
            const uint32_t bits = (uint32_t)x[r * stride + i] << 16;
            memcpy(wide + r * columns + i, &bits, sizeof bits);
        }
}

/* The reference: rounded numbers widened again, multiplied by the plain kernel. */
static diffulm_status plain_product(const struct diffulm_runtime *rt,
                                    const struct rounded_product *q)
{
    const size_t m = q->m, n = q->n, k = q->k;
    float *wide = dulm_alloc(m * k + n * k, sizeof *wide);
    if (!wide)
        return dulm_fail_memory();
    widen(q->a, q->trans_a ? k : m, q->trans_a ? m : k, q->lda, wide);
    widen(q->b, q->trans_b ? n : k, q->trans_b ? k : n, q->ldb, wide + m * k);
    const diffulm_status rc =
        dulm_gemm_f32(rt, q->trans_a, q->trans_b, m, n, k, wide, q->trans_a ? m : k, wide + m * k,
                      q->trans_b ? k : n, q->accumulate, q->c, q->ldc);
    dulm_free(wide);
    return rc;
}

static diffulm_status product(const struct diffulm_runtime *rt, const struct rounded_product *q)
{
#ifdef DULM_ONEDNN
    if (rt->backend == DIFFULM_BACKEND_ONEDNN)
        return dulm_onednn_matmul_bf16(rt, q->trans_a, q->trans_b, q->m, q->n, q->k, q->a, q->lda,
                                       q->b, q->ldb, q->accumulate, q->c, q->ldc);
#endif
    return plain_product(rt, q);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct dulm_room *dulm_room_create(void)
{
    return dulm_alloc_zero(1, sizeof(struct dulm_room));
}

void dulm_room_destroy(struct dulm_room *room)
{
    if (!room)
        return;
    dulm_free(atomic_load(&room->copies));
    dulm_free(atomic_load(&room->scratch));
    dulm_free(atomic_load(&room->wide));
    dulm_free(atomic_load(&room->fixed));
#ifdef DULM_ONEDNN
    dulm_onednn_plans_destroy(atomic_load(&room->plans));
    dulm_onednn_prepared_destroy(room);
#endif
    dulm_free(room);
}

struct dulm_block *dulm_block_take(_Atomic(struct dulm_block *) *spare, size_t bytes)
{
    struct dulm_block *block = atomic_exchange(spare, NULL);
    if (block && block->bytes >= bytes)
        return block;
    dulm_free(block);
    size_t size;
    block = dulm_add(sizeof *block, bytes, &size) ? dulm_alloc_tensor(1, size) : NULL;
    if (block)
        block->bytes = bytes;
    return block;
}

void dulm_block_give(_Atomic(struct dulm_block *) *spare, struct dulm_block *block)
{
    dulm_free(atomic_exchange(spare, block));
}

diffulm_status dulm_gemm_bf16(const struct diffulm_runtime *rt, bool trans_a, bool trans_b,
                              size_t m, size_t n, size_t k, const float *a, size_t lda,
                              const float *b, size_t ldb, bool accumulate, float *c, size_t ldc)
{
    const size_t most_k = least(k, INNER), most = BLOCK / (most_k ? most_k : 1);
    const size_t most_m = least(m, most), most_n = least(n, most);
    struct dulm_block *copies =
        dulm_block_take(&rt->room->copies, (most_m + most_n) * most_k * sizeof(uint16_t));
    if (!copies)
        return dulm_fail_memory();
    uint16_t *rounded_a = (uint16_t *)copies->data, *rounded_b = rounded_a + most_m * most_k;
    diffulm_status rc = DIFFULM_OK;
    for (size_t n0 = 0, n1; rc == DIFFULM_OK && n0 < n; n0 += n1) {
        n1 = least(n - n0, most_n);
        for (size_t k0 = 0, k1; rc == DIFFULM_OK && k0 < k; k0 += k1) {
            k1 = least(k - k0, most_k);
            round_matrix(rt, block_of(b, ldb, !trans_b, n0, n1, k0, k1), rounded_b);
            for (size_t m0 = 0, m1; rc == DIFFULM_OK && m0 < m; m0 += m1) {
                m1 = least(m - m0, most_m);
                round_matrix(rt, block_of(a, lda, trans_a, m0, m1, k0, k1), rounded_a);
                const struct rounded_product q = {
                    trans_a,   trans_b,           accumulate || k0 > 0, m1,  n1,
                    k1,        trans_a ? m1 : k1, trans_b ? k1 : n1,    ldc, rounded_a,
                    rounded_b, c + m0 * ldc + n0};
                rc = product(rt, &q);
            }
        }
    }
    dulm_block_give(&rt->room->copies, copies);
    return rc;
}

diffulm_status dulm_gemm_stored16(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                  const float *a, size_t lda, const uint16_t *b, const float *bias,
                                  float *c, size_t ldc)
{
    size_t most = BLOCK / (k ? k : 1);
    most = most ? most : 1;
    const size_t most_m = least(m, most), most_n = least(n, most);
    struct dulm_block *copies = dulm_block_take(&rt->room->copies, most_m * k * sizeof(uint16_t));
    if (!copies)
        return dulm_fail_memory();
    uint16_t *rounded_a = (uint16_t *)copies->data;
    diffulm_status rc = DIFFULM_OK;
    if (bias)
        dulm_fill_rows(rt, m, n, ldc, bias, c);
    for (size_t m0 = 0, m1; rc == DIFFULM_OK && m0 < m; m0 += m1) {
        m1 = least(m - m0, most_m);
        round_matrix(rt, block_of(a, lda, false, m0, m1, 0, k), rounded_a);
        for (size_t n0 = 0, n1; rc == DIFFULM_OK && n0 < n; n0 += n1) {
            n1 = least(n - n0, most_n);
            const struct rounded_product q = {
                false, true, bias != NULL, m1,        n1,         k,
                k,     k,    ldc,          rounded_a, b + n0 * k, c + m0 * ldc + n0};
            rc = product(rt, &q);
        }
    }
    dulm_block_give(&rt->room->copies, copies);
    return rc;
}

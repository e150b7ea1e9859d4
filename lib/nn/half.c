/* half.c: widening of 16-bit matrices, whole or on the way into a product. */
#include "nn/half.h"

#include "base/error.h"
#include "base/thread.h"

/* Numbers of a tile: it stays in the second-level caches between its widening and its product. */
#define TILE ((size_t)1 << 20)

struct widen_job {
    const struct dulm_kernels *kernels;
    struct dulm_half from;
    float *to;
};

static void widen_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct widen_job *j = user;
    (j->from.bfloat ? j->kernels->from_bf16
                    : j->kernels->from_f16)(end - begin, j->from.values + begin, j->to + begin);
}

void dulm_half_widen(const struct diffulm_runtime *rt, struct dulm_half from, size_t count,
                     float *to)
{
    struct widen_job job = {rt->kernels, from, to};
    dulm_parallel(rt->threads, count, 8192, widen_part, &job);
}

struct dulm_half dulm_half_from(struct dulm_half matrix, size_t element)
{
    return (struct dulm_half){matrix.values + element, matrix.bfloat};
}

diffulm_status dulm_gemm_half(const struct diffulm_runtime *rt, bool trans_b, size_t m, size_t n,
                              size_t k, const float *a, size_t lda, struct dulm_half b,
                              bool accumulate, float *c, size_t ldc)
{
    const size_t rows = trans_b ? n : k, columns = trans_b ? k : n;
    const size_t most = columns && columns < TILE ? TILE / columns : 1;
    const size_t tile = most < rows ? most : rows;
    struct dulm_block *block = dulm_block_take(&rt->room->wide, tile * columns * sizeof(float));
    if (!block)
        return dulm_fail_memory();
    float *wide = (float *)block->data;
    diffulm_status rc = DIFFULM_OK;
    for (size_t at = 0; rc == DIFFULM_OK && at < rows; at += tile) {
        const size_t count = rows - at < tile ? rows - at : tile;
        dulm_half_widen(rt, dulm_half_from(b, at * columns), count * columns, wide);
        rc = trans_b
                 ? dulm_gemm(rt, false, true, m, count, k, a, lda, wide, k, accumulate, c + at, ldc)
                 : dulm_gemm(rt, false, false, m, n, count, a + at, lda, wide, n,
                             accumulate || at > 0, c, ldc);
    }
    dulm_block_give(&rt->room->wide, block);
    return rc;
}

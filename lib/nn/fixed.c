/* fixed.c: products whose results depend on neither batch nor threads, with oneDNN. Its kernels for the last rows of a matrix
 * add up in another order than those for the rest, and its threads cut sums by their number; but equal shapes on one thread
 * give equal sums. So C is cut into tiles of one shape, and rows that are missing in the last are made up. */
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/thread.h"
#include "nn/runtime.h"

/* Of a tile. Larger ones are faster for many rows, smaller ones for few (docs/performance.md). */
enum { ROWS = 64, COLUMNS = 512 };

struct job {
    const struct diffulm_runtime *rt;
    bool trans_a, trans_b, accumulate;
    size_t m, n, k, lda, ldb, ldc, tiles_down;
    const float *a, *b;
    float *c;
    float *last;    /* [ROWS, k] the last rows of A and zeros */
    float *results; /* [threads, ROWS, COLUMNS] */
    atomic_int status;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The tile at row i and column j where A has too few rows for it. */
static diffulm_status last_tile(const struct job *j, size_t i, size_t column, size_t columns,
                                const float *b, float *result)
{
    const size_t rows = j->m - i;
    float *c = j->c + i * j->ldc + column;
    for (size_t r = 0; j->accumulate && r < rows; r++)
        memcpy(result + r * columns, c + r * j->ldc, columns * sizeof *c);
    if (j->accumulate)
        memset(result + rows * columns, 0, (ROWS - rows) * columns * sizeof *result);
    const diffulm_status rc =
        dulm_gemm_single(j->rt, false, j->trans_b, ROWS, columns, j->k, j->last, j->k, b, j->ldb,
                         j->accumulate, result, columns);
    for (size_t r = 0; r < rows; r++)
        memcpy(c + r * j->ldc, result + r * columns, columns * sizeof *c);
    return rc;
}

static void tiles(void *user, size_t begin, size_t end, int worker)
{
    struct job *j = user;
    for (size_t t = begin; t < end; t++) {
        const size_t i = t % j->tiles_down * ROWS, column = t / j->tiles_down * COLUMNS;
        const size_t rows = least(ROWS, j->m - i), columns = least(COLUMNS, j->n - column);
        const float *b = j->b + (j->trans_b ? column * j->ldb : column);
        const float *a = j->a + (j->trans_a ? i : i * j->lda);
        const diffulm_status rc =
            rows < ROWS && !j->trans_a
                ? last_tile(j, i, column, columns, b, j->results + (size_t)worker * ROWS * COLUMNS)
                : dulm_gemm_single(j->rt, j->trans_a, j->trans_b, rows, columns, j->k, a, j->lda, b,
                                   j->ldb, j->accumulate, j->c + i * j->ldc + column, j->ldc);
        if (rc < 0)
            atomic_store(&j->status, rc);
    }
}

diffulm_status dulm_gemm_fixed(const struct diffulm_runtime *rt, bool trans_a, bool trans_b,
                               size_t m, size_t n, size_t k, const float *a, size_t lda,
                               const float *b, size_t ldb, bool accumulate, float *c, size_t ldc)
{
    struct job job = {.rt = rt,
                      .trans_a = trans_a,
                      .trans_b = trans_b,
                      .accumulate = accumulate,
                      .m = m,
                      .n = n,
                      .k = k,
                      .lda = lda,
                      .ldb = ldb,
                      .ldc = ldc,
                      .a = a,
                      .b = b,
                      .c = c};
    const size_t rest = trans_a ? 0 : m % ROWS; /* with A^T m is a size of the model */
    const size_t room = rest ? ROWS * k + (size_t)rt->threads * ROWS * COLUMNS : 0;
    struct dulm_block *block = dulm_block_take(&rt->room->fixed, room * sizeof(float));
    if (!block)
        return dulm_fail_memory();
    job.last = (float *)block->data;
    job.results = job.last + (rest ? ROWS * k : 0);
    for (size_t r = 0; r < rest; r++)
        memcpy(job.last + r * k, a + (m - rest + r) * lda, k * sizeof *a);
    if (rest)
        memset(job.last + rest * k, 0, (ROWS - rest) * k * sizeof *a);
    job.tiles_down = (m + ROWS - 1) / ROWS;
    atomic_init(&job.status, DIFFULM_OK);
    dulm_parallel(rt->threads, job.tiles_down * ((n + COLUMNS - 1) / COLUMNS), 1, tiles, &job);
    dulm_block_give(&rt->room->fixed, block);
    return atomic_load(&job.status) < 0
               ? dulm_fail(atomic_load(&job.status),
                           "a matrix product failed: out of memory in oneDNN")
               : DIFFULM_OK;
}

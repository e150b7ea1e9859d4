/* gemm.c: matrix products in plain C. Each element of C is summed over k in an order that depends on k
 * alone, so a row's result never depends on the other rows of the batch. */
#include "nn/ref/isa.h"
#include "nn/ref/lanes.h"

/* C[i][j] (+)= dot(A[i], B[j]): four rows of B share the loads of A's row. */
static void dots(size_t begin, size_t end, size_t n, size_t k, const float *a, size_t lda,
                 const float *b, size_t ldb, bool accumulate, float *c, size_t ldc)
{
    /* Blocks of B's rows stay in the cache while all rows of A pass by. */
    const size_t block = 64;
    for (size_t j0 = 0; j0 < n; j0 += block)
        for (size_t i = begin; i < end; i++)
            for (size_t j = j0; j < n && j < j0 + block; j++) {
                const float value = dulm_dot(k, a + i * lda, b + j * ldb);
                c[i * ldc + j] = accumulate ? c[i * ldc + j] + value : value;
            }
}

/* C[i] (+)= sum over p of A(i, p) * B[p]: rows of B are added up, in the order of p. */
static void rows(bool trans_a, size_t begin, size_t end, size_t n, size_t k, const float *a,
                 size_t lda, const float *b, size_t ldb, bool accumulate, float *c, size_t ldc)
{
    for (size_t i = begin; i < end; i++) {
        float *restrict out = c + i * ldc;
        if (!accumulate)
            memset(out, 0, n * sizeof *out);
        for (size_t p = 0; p < k; p++) {
            const float factor = trans_a ? a[p * lda + i] : a[i * lda + p];
            const float *restrict row = b + p * ldb;
            for (size_t j = 0; j < n; j++)
                out[j] += factor * row[j];
        }
    }
}

/* C[i][j] (+)= sum over p of A[p][i] B[j][p]: no pass of the library needs this form; it is here so that
 * the flags mean the same on every backend. */
static void columns(size_t begin, size_t end, size_t n, size_t k, const float *a, size_t lda,
                    const float *b, size_t ldb, bool accumulate, float *c, size_t ldc)
{
    for (size_t i = begin; i < end; i++)
        for (size_t j = 0; j < n; j++) {
            float value = accumulate ? c[i * ldc + j] : 0;
            for (size_t p = 0; p < k; p++)
                value += a[p * lda + i] * b[j * ldb + p];
            c[i * ldc + j] = value;
        }
}

void K(gemm)(bool trans_a, bool trans_b, size_t begin, size_t end, size_t n, size_t k,
             const float *a, size_t lda, const float *b, size_t ldb, bool accumulate, float *c,
             size_t ldc)
{
    if (trans_a && trans_b)
        columns(begin, end, n, k, a, lda, b, ldb, accumulate, c, ldc);
    else if (trans_b)
        dots(begin, end, n, k, a, lda, b, ldb, accumulate, c, ldc);
    else
        rows(trans_a, begin, end, n, k, a, lda, b, ldb, accumulate, c, ldc);
}

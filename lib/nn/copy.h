/* copy.h: products by copies of frozen matrices: packed, or rounded to bfloat16, or both. */
#ifndef DULM_NN_COPY_H
#define DULM_NN_COPY_H

#include "nn/packed.h"

/* Rows from `first` on of a matrix that is packed, in single precision or in bfloat16; or, where `packed` is NULL, lies row by row in
 * bfloat16. */
struct dulm_copy {
    const uint16_t *values;
    const struct dulm_packed *packed;
    size_t first;
};

/* C[m, n] (ldc) = then(A[m, k] (lda) W[first .. first + n)^T + bias); bias may be NULL and begins with row `first`. */
diffulm_status dulm_gemm_copy(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                              const float *a, size_t lda, const struct dulm_copy *w, size_t first,
                              const float *bias, enum dulm_activation then, float *c,
                              size_t ldc) DIFFULM_MUST_USE;

/* c[i] [m, n] (ldc) = A W[i]^T + bias[i] for each of the first n rows of `count` copies that dulm_packed_alike. */
diffulm_status dulm_gemm_copies(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                const float *a, size_t lda, size_t count, const struct dulm_copy *w,
                                const float *const *bias, float *const *c,
                                size_t ldc) DIFFULM_MUST_USE;

/* A[m, k] (lda) W[first .. first + n)^T + bias, taken as it comes; W is packed. */
diffulm_status dulm_gemm_copy_taken(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                    const float *a, size_t lda, const struct dulm_copy *w,
                                    size_t first, const float *bias,
                                    const struct dulm_taker *taker) DIFFULM_MUST_USE;

/* C = A B^T + bias, B [n, k] in bfloat16 as it lies (bf16.c). */
diffulm_status dulm_gemm_stored16(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                  const float *a, size_t lda, const uint16_t *b, const float *bias,
                                  float *c, size_t ldc) DIFFULM_MUST_USE;

#endif

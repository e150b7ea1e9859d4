/* rounded.h: products in bfloat16 by matrices that are in it already: rounded once, or stored so. */
#ifndef DULM_NN_ROUNDED_H
#define DULM_NN_ROUNDED_H

#include "nn/packed.h"

/* Rows from `first` on of a matrix that is packed or, where `packed` is NULL, lies row by row. */
struct dulm_matrix16 {
    const uint16_t *values;
    const struct dulm_packed *packed;
    size_t first;
};

/* C[m, n] (ldc) = A[m, k] (lda) W[first .. first + n)^T + bias, which may be NULL and begins with row `first`. */
diffulm_status dulm_gemm_rounded(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                 const float *a, size_t lda, const struct dulm_matrix16 *w,
                                 size_t first, const float *bias, float *c,
                                 size_t ldc) DIFFULM_MUST_USE;

#endif

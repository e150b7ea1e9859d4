/* half.h: products by matrices that are kept in 16 bits, as a file has them: widened a tile at a time, so that they never
 * exist in single precision as a whole. The results are those of the widened matrix. */
#ifndef DULM_NN_HALF_H
#define DULM_NN_HALF_H

#include "nn/runtime.h"

struct dulm_half {
    const uint16_t *values; /* NULL: there is none */
    bool bfloat;            /* else IEEE half precision */
};

void dulm_half_widen(const struct diffulm_runtime *rt, struct dulm_half from, size_t count,
                     float *to);
struct dulm_half dulm_half_from(struct dulm_half matrix, size_t element);

/* C[m, n] (ldc) (+)= A[m, k] (lda) op(B), without gaps in B: [n, k] when trans_b, else [k, n]. */
diffulm_status dulm_gemm_half(const struct diffulm_runtime *rt, bool trans_b, size_t m, size_t n,
                              size_t k, const float *a, size_t lda, struct dulm_half b,
                              bool accumulate, float *c, size_t ldc) DIFFULM_MUST_USE;

#endif

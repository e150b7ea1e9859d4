/* int8.h: products by matrices in 8 bits. A weight matrix has one scale for each row, symmetric around 0; a row of activations
 * gets a scale and a zero point when it is multiplied. Sums are whole numbers, so they depend on neither batch nor threads. */
#ifndef DULM_NN_INT8_H
#define DULM_NN_INT8_H

#include "nn/packed.h"

/* W[o][i] = scales[o] values[o][i]; sums[o]: the sum of a row's values. The values are packed, from row `first` on, or lie row by
 * row. scales NULL: there is no matrix. */
struct dulm_matrix8 {
    const int8_t *values;
    const float *scales;
    const int32_t *sums;
    const struct dulm_packed *packed;
    size_t first;
};

/* The matrix that begins with another's row. */
struct dulm_matrix8 dulm_matrix8_from(struct dulm_matrix8 matrix, size_t row, size_t columns);
/* `count` rows: their values, and what they stand for. */
void dulm_matrix8_values(const struct dulm_matrix8 *matrix, size_t columns, size_t row,
                         size_t count, int8_t *out);
void dulm_matrix8_row(const struct dulm_matrix8 *matrix, size_t columns, size_t row, float *out);

/* Sums of more products than these might not fit 32 bits. */
#define DULM_INT8_INNER ((size_t)65536)

/* y[m, n] (ldy) = then(x[m, k] (without gaps) W[first .. first + n)^T + bias); bias may be NULL and begins with row `first`. */
diffulm_status dulm_gemm_int8(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                              const float *x, const struct dulm_matrix8 *w, size_t first,
                              const float *bias, enum dulm_activation then, float *y,
                              size_t ldy) DIFFULM_MUST_USE;

/* y[i] [m, n] (ldy) = x W[i]^T + bias[i] for each of the first n rows of `count` matrices that are packed and dulm_packed_alike. */
diffulm_status dulm_gemm_int8_each(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                   const float *x, size_t count, const struct dulm_matrix8 *w,
                                   const float *const *bias, float *const *y,
                                   size_t ldy) DIFFULM_MUST_USE;

/* x[m, k] W[first .. first + n)^T + bias, taken as it comes; W is packed. */
diffulm_status dulm_gemm_int8_taken(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                    const float *x, const struct dulm_matrix8 *w, size_t first,
                                    const float *bias,
                                    const struct dulm_taker *taker) DIFFULM_MUST_USE;

/* The greatest value of an activation that products get right: 255, or 127 where the CPU adds up pairs in 16 bits. */
int32_t dulm_int8_top(const struct diffulm_runtime *rt);

/* Rounds a matrix: values [rows, columns], scales [rows]. */
void dulm_quantize_matrix(const struct diffulm_runtime *rt, size_t rows, size_t columns,
                          const float *w, int8_t *values, float *scales);
/* sums[r] of values [rows, columns]. */
void dulm_sum_rows_int8(const struct diffulm_runtime *rt, size_t rows, size_t columns,
                        const int8_t *values, int32_t *sums);

#ifdef DULM_ONEDNN
/* C[m, n] (ldc) = A[m, k] B[n, k]^T. */
diffulm_status dulm_onednn_gemm_u8s8(int threads, size_t m, size_t n, size_t k, const uint8_t *a,
                                     const int8_t *b, int32_t *c, size_t ldc) DIFFULM_MUST_USE;
/* What oneDNN gets right on this CPU: 255, 127, or 0. Tried once, with sums that are as large as they can be. */
int32_t dulm_onednn_int8_top(void);
#endif

#endif

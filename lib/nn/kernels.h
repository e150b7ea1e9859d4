/* kernels.h: the single-threaded operations, each in one file under ref/, forward and backward side by
 * side. The same plain C is compiled for the baseline (the reference) and for wider instruction sets;
 * a runtime picks one table. Shapes are row-major; T is tokens, d the hidden size, f the FFN size. */
#ifndef DULM_NN_KERNELS_H
#define DULM_NN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dulm_activation { DULM_GELU, DULM_RELU, DULM_GELU_TANH, DULM_SILU, DULM_TANH, DULM_IDENTITY };

struct dulm_kernels {
    const char *name;

    /* Rows [begin, end) of C[m, n] (+)= op(A) op(B). trans_a: A is stored [k, m]; trans_b: B is stored
     * [n, k]. accumulate: add to C, else overwrite. */
    void (*gemm)(bool trans_a, bool trans_b, size_t begin, size_t end, size_t n, size_t k,
                 const float *a, size_t lda, const float *b, size_t ldb, bool accumulate, float *c,
                 size_t ldc);

    /* y = (x - mean) / sqrt(var + eps) * weight + bias, per row of d. bias may be NULL. */
    void (*layer_norm)(size_t rows, size_t d, const float *x, const float *weight,
                       const float *bias, float eps, float *y);
    /* dx += the gradient; stats[2 * row] = mean, [2 * row + 1] = 1/deviation for the parameters. */
    void (*layer_norm_backward)(size_t rows, size_t d, const float *x, const float *weight,
                                float eps, const float *dy, float *dx, float *stats);
    /* dweight, dbias (or NULL) += over all rows, columns [begin, end). */
    void (*layer_norm_parameters)(size_t begin, size_t end, size_t rows, size_t d, const float *x,
                                  const float *stats, const float *dy, float *dweight,
                                  float *dbias);

    /* y = act(u), y may be u; and du = dy * act'(u). */
    void (*activation)(enum dulm_activation kind, size_t count, const float *u, float *y);
    void (*activation_backward)(enum dulm_activation kind, size_t count, const float *u,
                                const float *dy, float *du);
    /* u: [rows, 2 f]; y[r][j] = act(u[r][j]) * u[r][f + j]. */
    void (*gated)(enum dulm_activation kind, size_t rows, size_t f, const float *u, float *y);
    void (*gated_backward)(enum dulm_activation kind, size_t rows, size_t f, const float *u,
                           const float *dy, float *du);

    float (*max)(size_t n, const float *x); /* NaN is passed over */
    /* Sum of e^(factor (x - top)), in an order that depends on n alone. */
    double (*exp_sum)(size_t n, const float *x, float top, float factor);
    double (*sum)(size_t n, const float *x);
    /* In place: x = factor e^(x - top) - floor, the gradient by logits of which top and sum are known. */
    void (*softmax_shifted)(size_t n, float *x, float top, float factor, float floor);
    /* In place: p = softmax(scale * s), each of `rows` rows of n; a row of -inf becomes zeros. */
    void (*softmax)(size_t rows, size_t n, float scale, float *s);
    /* ds = scale * p * (dp - sum(p * dp)), in place over dp. */
    void (*softmax_backward)(size_t rows, size_t n, float scale, const float *p, float *dp);

    /* out[j] += sum over rows of x[r][j], columns [begin, end) of a matrix with `stride` columns. */
    void (*column_sums)(size_t begin, size_t end, size_t rows, size_t stride, const float *x,
                        float *out);
    /* Rounded to the nearest bfloat16, ties to even; NaN stays NaN. */
    void (*to_bf16)(size_t count, const float *x, uint16_t *y);
    void (*from_bf16)(size_t count, const uint16_t *x, float *y);
    void (*from_f16)(size_t count, const uint16_t *x, float *y);
    /* x[i] is about scale (u[i] - zero), u[i] from 0 to top; scale is NaN where x holds an infinity or a NaN. */
    void (*quantize_row)(size_t n, const float *x, int32_t top, uint8_t *u, float *scale,
                         int32_t *zero);
    /* w[i] is about the result times q[i], q[i] from -127 to 127; NaN as above. */
    float (*quantize_weights)(size_t n, const float *w, int8_t *q);
    int32_t (*sum_int8)(size_t n, const int8_t *q);
    /* Rows [begin, end) of C[m, n] (ldc) = A[m, k] B[n, k]^T, in whole numbers. */
    void (*gemm_u8s8)(size_t begin, size_t end, size_t n, size_t k, const uint8_t *a,
                      const int8_t *b, int32_t *c, size_t ldc);
    /* y[j] = scale scales[j] (c[j] - zero sums[j]) + bias[j]; bias may be NULL. */
    void (*dequantize_row)(size_t n, const int32_t *c, float scale, int32_t zero,
                           const float *scales, const int32_t *sums, const float *bias, float *y);
    /* y = a + b. */
    void (*add)(size_t count, const float *a, const float *b, float *y);
    /* y = x, past the caches where the CPU can; other threads see it after copied_past. */
    void (*copy_past)(size_t count, const float *x, float *y);
    void (*copied_past)(void);

    /* ce = -log p[target], uniform_ce = -mean log p; then logits become the gradient
     * d_ce * (p - onehot) + d_uniform * (p - 1/n) unless both are 0 (logits are then untouched). */
    void (*cross_entropy)(size_t n, float *logits, size_t target, float d_ce, float d_uniform,
                          double *ce, double *uniform_ce);

    /* Decoupled weight decay (Loshchilov & Hutter 2019); correction1/2 = 1 - beta^step. */
    void (*adamw)(size_t count, float *theta, const float *g, float *m, float *v, float scale,
                  float lr, float decay, float beta1, float beta2, float epsilon, float correction1,
                  float correction2);
};

extern const struct dulm_kernels dulm_kernels_baseline;
#if defined(__x86_64__)
extern const struct dulm_kernels dulm_kernels_avx2;
extern const struct dulm_kernels dulm_kernels_avx512;
#endif

#endif

/* isa.h: names of the kernels for the instruction set this file is compiled for. The build compiles
 * each file of ref/ several times with another DULM_ISA. */
#ifndef DULM_NN_REF_ISA_H
#define DULM_NN_REF_ISA_H

#include "nn/kernels.h"

#ifndef DULM_ISA
#define DULM_ISA baseline
#endif
#define DULM_JOIN2(a, b) a##_##b
#define DULM_JOIN(a, b) DULM_JOIN2(a, b)
#define K(name) DULM_JOIN(dulm_##name, DULM_ISA)

void K(gemm)(bool trans_a, bool trans_b, size_t begin, size_t end, size_t n, size_t k,
             const float *a, size_t lda, const float *b, size_t ldb, bool accumulate, float *c,
             size_t ldc);
void K(layer_norm)(size_t rows, size_t d, const float *x, const float *weight, const float *bias,
                   float eps, float *y);
void K(layer_norm_backward)(size_t rows, size_t d, const float *x, const float *weight, float eps,
                            const float *dy, float *dx, float *stats);
void K(layer_norm_parameters)(size_t begin, size_t end, size_t rows, size_t d, const float *x,
                              const float *stats, const float *dy, float *dweight, float *dbias);
void K(activation)(enum dulm_activation kind, size_t count, const float *u, float *y);
void K(activation_backward)(enum dulm_activation kind, size_t count, const float *u,
                            const float *dy, float *du);
void K(gated)(enum dulm_activation kind, size_t rows, size_t f, const float *u, float *y);
void K(gated_backward)(enum dulm_activation kind, size_t rows, size_t f, const float *u,
                       const float *dy, float *du);
float K(max)(size_t n, const float *x);
double K(exp_sum)(size_t n, const float *x, float top, float factor);
double K(sum)(size_t n, const float *x);
void K(softmax_shifted)(size_t n, float *x, float top, float factor, float floor);
void K(softmax)(size_t rows, size_t n, float scale, float *s);
void K(softmax_backward)(size_t rows, size_t n, float scale, const float *p, float *dp);
void K(column_sums)(size_t begin, size_t end, size_t rows, size_t stride, const float *x,
                    float *out);
void K(to_bf16)(size_t count, const float *x, uint16_t *y);
void K(from_bf16)(size_t count, const uint16_t *x, float *y);
void K(from_f16)(size_t count, const uint16_t *x, float *y);
void K(quantize_row)(size_t n, const float *x, int32_t top, uint8_t *u, float *scale,
                     int32_t *zero);
float K(quantize_weights)(size_t n, const float *w, int8_t *q);
int32_t K(sum_int8)(size_t n, const int8_t *q);
void K(gemm_u8s8)(size_t begin, size_t end, size_t n, size_t k, const uint8_t *a, const int8_t *b,
                  int32_t *c, size_t ldc);
void K(dequantize_row)(size_t n, const int32_t *c, float scale, int32_t zero, const float *scales,
                       const int32_t *sums, const float *bias, float *y);
void K(add)(size_t count, const float *a, const float *b, float *y);
void K(copy_past)(size_t count, const float *x, float *y);
void K(copied_past)(void);
void K(cross_entropy)(size_t n, float *logits, size_t target, float d_ce, float d_uniform,
                      double *ce, double *uniform_ce);
void K(adamw)(size_t count, float *theta, const float *g, float *m, float *v, float scale, float lr,
              float decay, float beta1, float beta2, float epsilon, float correction1,
              float correction2);

#endif

/* runtime.h: the runtime handle and the operations over whole packed batches: kernels of one
 * instruction set cut over threads, matrix products by the chosen backend. */
#ifndef DULM_NN_RUNTIME_H
#define DULM_NN_RUNTIME_H

#include <diffulm/runtime.h>
#include <stdatomic.h>

#include "base/refcount.h"
#include "nn/head.h"
#include "nn/kernels.h"

struct diffulm_runtime {
    dulm_refcount refs;
    int threads;
    int backend;   /* DIFFULM_BACKEND_REFERENCE or _ONEDNN */
    int precision; /* DIFFULM_PRECISION_… */
    bool deterministic, pack_weights;
    const struct dulm_kernels *kernels;
    /* Of rounded attention; NULL: it is single in every precision. */
    const struct dulm_head_kernels *head;
    struct dulm_room *room;
};

/* C[m, n] (+)= op(A) op(B), all threads, in the runtime's precision; see dulm_kernels.gemm for the flags. */
diffulm_status dulm_gemm(const struct diffulm_runtime *rt, bool trans_a, bool trans_b, size_t m,
                         size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                         bool accumulate, float *c, size_t ldc) DIFFULM_MUST_USE;
/* The same in one precision; m and n are not 0. */
diffulm_status dulm_gemm_f32(const struct diffulm_runtime *rt, bool trans_a, bool trans_b, size_t m,
                             size_t n, size_t k, const float *a, size_t lda, const float *b,
                             size_t ldb, bool accumulate, float *c, size_t ldc) DIFFULM_MUST_USE;
diffulm_status dulm_gemm_bf16(const struct diffulm_runtime *rt, bool trans_a, bool trans_b,
                              size_t m, size_t n, size_t k, const float *a, size_t lda,
                              const float *b, size_t ldb, bool accumulate, float *c,
                              size_t ldc) DIFFULM_MUST_USE;
/* The same as dulm_gemm_f32 in tiles of one shape: the bits of a row depend on neither m nor threads. */
diffulm_status dulm_gemm_fixed(const struct diffulm_runtime *rt, bool trans_a, bool trans_b,
                               size_t m, size_t n, size_t k, const float *a, size_t lda,
                               const float *b, size_t ldb, bool accumulate, float *c,
                               size_t ldc) DIFFULM_MUST_USE;
/* y[rows, out] (ldy) = x W^T + bias, W [out, in]; bias may be NULL. */
diffulm_status dulm_gemm_linear(const struct diffulm_runtime *rt, size_t rows, size_t in,
                                size_t out, const float *x, const float *w, const float *bias,
                                float *y, size_t ldy) DIFFULM_MUST_USE;
/* In single precision on the calling thread alone, for use inside a parallel loop. */
diffulm_status dulm_gemm_single(const struct diffulm_runtime *rt, bool trans_a, bool trans_b,
                                size_t m, size_t n, size_t k, const float *a, size_t lda,
                                const float *b, size_t ldb, bool accumulate, float *c,
                                size_t ldc) DIFFULM_MUST_USE;

void dulm_layer_norm(const struct diffulm_runtime *rt, size_t rows, size_t d, const float *x,
                     const float *weight, const float *bias, float eps, float *y);
/* dx += ; dweight, dbias += (NULL: not wanted). stats: [2 rows] scratch. */
void dulm_layer_norm_backward(const struct diffulm_runtime *rt, size_t rows, size_t d,
                              const float *x, const float *weight, float eps, const float *dy,
                              float *dx, float *stats, float *dweight, float *dbias);
/* gated: u is [rows, 2 f]. */
void dulm_activate(const struct diffulm_runtime *rt, enum dulm_activation kind, bool gated,
                   size_t rows, size_t f, const float *u, float *y);
/* In place: y [rows, columns] (stride). */
void dulm_activate_rows(const struct diffulm_runtime *rt, enum dulm_activation kind, size_t rows,
                        size_t columns, size_t stride, float *y);
/* du may be dy when not gated. */
void dulm_activate_backward(const struct diffulm_runtime *rt, enum dulm_activation kind, bool gated,
                            size_t rows, size_t f, const float *u, const float *dy, float *du);
void dulm_column_sums(const struct diffulm_runtime *rt, size_t rows, size_t columns, size_t stride,
                      const float *x, float *out);
void dulm_residual(const struct diffulm_runtime *rt, size_t count, const float *a, const float *b,
                   float *y);
/* Every row of y[rows, stride] = bias[columns], or 0 where bias is NULL. */
void dulm_fill_rows(const struct diffulm_runtime *rt, size_t rows, size_t columns, size_t stride,
                    const float *bias, float *y);

/* Memory that products keep from one to the next, for copies and for oneDNN: fresh memory of such sizes would be cleared
 * by the kernel each time. A product that finds it taken by another thread makes its own. */
struct dulm_block {
    size_t bytes;
    _Alignas(64) unsigned char data[];
};
enum { DULM_PREPARED = 32 }; /* products; a power of 2 */
struct dulm_room {
    _Atomic(struct dulm_block *) copies, scratch, wide, fixed;
    _Atomic(struct dulm_plan *) plans; /* of packed products (onednn/plan.h) */
    _Atomic(struct dulm_prepared *) prepared[DULM_PREPARED]; /* by shape (onednn/matmul.c) */
};
struct dulm_block *dulm_block_take(_Atomic(struct dulm_block *) *spare, size_t bytes);
void dulm_block_give(_Atomic(struct dulm_block *) *spare, struct dulm_block *block);
struct dulm_room *dulm_room_create(void);
void dulm_room_destroy(struct dulm_room *room);

struct dulm_onednn_scope; /* onednn/scope.h */
/* Around several operations, so that oneDNN's scope is entered once: on all the runtime's threads, or on the one of a team's that
 * calls. Signals wait in between. */
void dulm_hold(const struct diffulm_runtime *rt, int threads, struct dulm_onednn_scope *scope);
void dulm_release(const struct diffulm_runtime *rt, const struct dulm_onednn_scope *scope);

/* The kernels of this CPU, up to DIFFULM_ISA_… */
const struct dulm_kernels *dulm_kernels_choose(int32_t isa);

/* The runtime that NULL stands for, with a reference for the caller. */
diffulm_status dulm_runtime_default(struct diffulm_runtime **out) DIFFULM_MUST_USE;

/* In onednn/: row-major products, by what is faster; by sgemm on `threads` threads; by the matmul primitive, also of bfloat16
 * matrices. */
#ifdef DULM_ONEDNN
diffulm_status dulm_onednn_gemm(const struct diffulm_runtime *rt, bool trans_a, bool trans_b,
                                size_t m, size_t n, size_t k, const float *a, size_t lda,
                                const float *b, size_t ldb, bool accumulate, float *c,
                                size_t ldc) DIFFULM_MUST_USE;
diffulm_status dulm_onednn_sgemm(int threads, bool trans_a, bool trans_b, size_t m, size_t n,
                                 size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                                 bool accumulate, float *c, size_t ldc) DIFFULM_MUST_USE;
/* C (+)= A B^T + bias; bias may be NULL. */
diffulm_status dulm_onednn_matmul(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                  const float *a, size_t lda, const float *b, size_t ldb,
                                  const float *bias, bool accumulate, float *c,
                                  size_t ldc) DIFFULM_MUST_USE;
bool dulm_onednn_prefers_matmul(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                size_t ldc);
diffulm_status dulm_onednn_matmul_bf16(const struct diffulm_runtime *rt, bool trans_a, bool trans_b,
                                       size_t m, size_t n, size_t k, const uint16_t *a, size_t lda,
                                       const uint16_t *b, size_t ldb, bool accumulate, float *c,
                                       size_t ldc) DIFFULM_MUST_USE;
void dulm_onednn_prepared_destroy(struct dulm_room *room);
void dulm_onednn_version(int *major, int *minor);
#endif

#endif

/* length_head.h: the length predictor's parameters, forward and backward. R rows, T source tokens,
 * d hidden size, f FFN size, P classes. */
#ifndef DULM_ARCH_LENGTH_HEAD_H
#define DULM_ARCH_LENGTH_HEAD_H

#include <diffulm/length.h>

#include "arch/block.h"
#include "arch/pass.h"

enum dulm_length_slot {
    DULM_LENGTH_QKV_W, /* [3 d, d] */
    DULM_LENGTH_QKV_B,
    DULM_LENGTH_OUT_W,
    DULM_LENGTH_OUT_B,
    DULM_LENGTH_UP_W,
    DULM_LENGTH_UP_B,
    DULM_LENGTH_DOWN_W,
    DULM_LENGTH_DOWN_B,
    DULM_LENGTH_NORM1_W,
    DULM_LENGTH_NORM1_B,
    DULM_LENGTH_NORM2_W,
    DULM_LENGTH_NORM2_B,
    DULM_LENGTH_DENSE_W, /* [f, d] */
    DULM_LENGTH_DENSE_B,
    DULM_LENGTH_CLASSIFIER_W, /* [P, f] */
    DULM_LENGTH_CLASSIFIER_B,
    DULM_LENGTH_SLOTS
};

struct dulm_length_parameter {
    const char *name; /* as in torch */
    int rank;
    int64_t shape[2];
    size_t elements;
};

struct diffulm_length_head {
    dulm_refcount refs;
    struct diffulm_model *model;
    float *values; /* all parameters in slot order */
    size_t total;
    struct dulm_length_parameter parameters[DULM_LENGTH_SLOTS];
};

/* The parameters for a configuration; returns their total size. */
size_t dulm_length_parameters(const struct dulm_config *config,
                              struct dulm_length_parameter out[DULM_LENGTH_SLOTS]);

/* A head over a copy of `values`. */
diffulm_status dulm_length_head_from_memory(struct diffulm_model *model, const float *values,
                                            struct diffulm_length_head **out) DIFFULM_MUST_USE;

/* Buffers of one pass. One thread at a time. */
struct dulm_length_pass;
diffulm_status dulm_length_pass_create(const struct dulm_config *config,
                                       struct dulm_length_pass **out) DIFFULM_MUST_USE;
void dulm_length_pass_destroy(struct dulm_length_pass *pass);

/* logits [R, P] from the encoder's states [T, d]; everything must stay alive until the backward pass. */
diffulm_status dulm_length_forward(struct dulm_length_pass *pass, const struct diffulm_runtime *rt,
                                   const float *values, size_t rows, const size_t *offsets,
                                   const int32_t *tokens, const float *states,
                                   float *logits) DIFFULM_MUST_USE;
/* Adds to `grads` (slot order, as values) the gradient, given d_logits [R, P]. */
diffulm_status dulm_length_backward(struct dulm_length_pass *pass, const float *d_logits,
                                    float *grads) DIFFULM_MUST_USE;

#endif

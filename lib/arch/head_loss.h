/* head_loss.h: the language-model head of a training pass, forward and backward, over the rows that have targets. */
#ifndef DULM_ARCH_HEAD_LOSS_H
#define DULM_ARCH_HEAD_LOSS_H

#include "arch/block.h"

/* Positions whose cross entropy counts. */
struct dulm_targets {
    size_t count;
    const size_t *position;  /* [count] packed positions, each at most once */
    const int32_t *target;   /* [count] */
    const float *d_ce;       /* [count] derivative of the loss by each ce */
    const float *d_uniform;  /* [count] by each uniform_ce */
    double *ce, *uniform_ce; /* [count] results */
};

/* What is computed at a time; a test makes them small. */
struct dulm_head_limits {
    size_t logits; /* floats kept for the gradients, or those of one row if it has more */
    size_t tile;   /* pieces of the vocabulary */
    size_t rows;
};
extern const struct dulm_head_limits dulm_head_limits;

/* Grows to the largest batch. Zero-initialise, free `memory`. */
struct dulm_head_room {
    float *memory;
    size_t capacity;
};

/* Cross entropies of the targets, from the encoder's last states [T, d]. With grads: also the gradients of the head,
 * added where grads has them, and d_encoded [T, d], of which rows without a target are left alone. */
diffulm_status dulm_head_loss(const struct dulm_pass *pass, const struct dulm_head_limits *limits,
                              struct dulm_head_room *room, const struct dulm_targets *targets,
                              const struct dulm_weights *grads, const float *encoded,
                              float *d_encoded) DIFFULM_MUST_USE;

#endif

/* tape.h: forward and backward over one packed batch, keeping what the backward pass needs. */
#ifndef DULM_ARCH_TAPE_H
#define DULM_ARCH_TAPE_H

#include "arch/head_loss.h"

/* Activations of the last forward pass; buffers grow to the largest batch. One thread at a time. */
struct dulm_tape;
/* recompute: activation checkpointing (Chen et al. 2016); gradients stay the same, bit for bit. */
diffulm_status dulm_tape_create(bool recompute, struct dulm_tape **out) DIFFULM_MUST_USE;
void dulm_tape_destroy(struct dulm_tape *tape);
/* Bytes held. */
size_t dulm_tape_bytes(const struct dulm_tape *tape);

/* Runs the encoder. `batch`, `config` and `weights` must stay alive until the backward pass. grads: those that it will be asked for, NULL
 * where none follows; what it would not read is not kept. */
diffulm_status dulm_tape_forward(struct dulm_tape *tape, const struct diffulm_runtime *rt,
                                 const struct dulm_config *config,
                                 const struct dulm_weights *weights, const struct dulm_batch *batch,
                                 const struct dulm_dropout *dropout,
                                 const struct dulm_weights *grads) DIFFULM_MUST_USE;

/* Cross entropies of the targets. With grads: also the gradients of the head, and of the encoder's last
 * states for dulm_tape_backward. */
diffulm_status dulm_tape_loss(struct dulm_tape *tape, const struct dulm_targets *targets,
                              const struct dulm_weights *grads) DIFFULM_MUST_USE;

/* Adds every gradient to grads (parameters that grads lacks are frozen). */
diffulm_status dulm_tape_backward(struct dulm_tape *tape,
                                  const struct dulm_weights *grads) DIFFULM_MUST_USE;

/* The encoder's last states [T, d]. */
const float *dulm_tape_encoded(const struct dulm_tape *tape);

#endif

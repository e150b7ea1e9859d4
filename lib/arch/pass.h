/* pass.h: checking a batch and preparing what every layer needs. */
#ifndef DULM_ARCH_PASS_H
#define DULM_ARCH_PASS_H

#include "arch/block.h"

/* Growing buffers that a pass over a batch needs besides activations. Zero-initialise. */
struct dulm_pass_buffers {
    int32_t *positions, *block;
    uint32_t *token_row, *token_at;
    float *scratch, *adapter;
    size_t capacity, scratch_capacity, adapter_capacity;
};

/* Checks tokens, rows and positions against the configuration, resolves position ids and blocks, and
 * fills *pass (dropout off). rounded: long rows' attention, which no backward pass may follow then. Errors name the row and position. */
diffulm_status dulm_pass_prepare(const struct diffulm_runtime *rt, const struct dulm_config *config,
                                 const struct dulm_weights *weights, const struct dulm_batch *batch,
                                 bool rounded, struct dulm_pass_buffers *buffers,
                                 struct dulm_pass *pass) DIFFULM_MUST_USE;
void dulm_pass_buffers_release(struct dulm_pass_buffers *buffers);

/* Grows *block to `needed` elements, contents lost; E_OUT_OF_MEMORY leaves it as it was. */
diffulm_status dulm_reserve(float **block, size_t *capacity, size_t needed) DIFFULM_MUST_USE;

#endif

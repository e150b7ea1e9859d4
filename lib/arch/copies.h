/* copies.h: a frozen model's matrices once more as its runtime multiplies by them: rounded to bfloat16, half the bytes to read at each
 * step and nothing to round but activations; in the order in which oneDNN's kernels read them; or both. */
#ifndef DULM_ARCH_COPIES_H
#define DULM_ARCH_COPIES_H

#include "arch/model.h"
#include "nn/copy.h"

struct dulm_copies;

/* The copies of a model, made by the first call and kept as long as the model; models with an adapter share those of the
 * model below. *out is NULL where the runtime has no use for any. Any thread. */
diffulm_status dulm_copies_of(const struct diffulm_model *model,
                              const struct dulm_copies **out) DIFFULM_MUST_USE;
/* NULL: there is none. `copies` may be NULL. */
const struct dulm_copy *dulm_copies_at(const struct dulm_copies *copies, int layer, int slot);
void dulm_copies_destroy(struct dulm_copies *copies);

#endif

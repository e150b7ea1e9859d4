/* rounded.h: a frozen model's matrices rounded to bfloat16 once, where the runtime multiplies so: half the bytes to read at
 * each step, and nothing to round but activations. */
#ifndef DULM_ARCH_ROUNDED_H
#define DULM_ARCH_ROUNDED_H

#include "arch/model.h"
#include "nn/rounded.h"

struct dulm_rounded;

/* The copies of a model, made by the first call and kept as long as the model; models with an adapter share those of the
 * model below. *out is NULL in single precision. Any thread. */
diffulm_status dulm_rounded_of(const struct diffulm_model *model,
                               const struct dulm_rounded **out) DIFFULM_MUST_USE;
/* The copy of a matrix, or of a part of one, by where its values are; false: there is none. `rounded` may be NULL. */
bool dulm_rounded_find(const struct dulm_rounded *rounded, const float *values,
                       struct dulm_matrix16 *out);
void dulm_rounded_destroy(struct dulm_rounded *rounded);

#endif

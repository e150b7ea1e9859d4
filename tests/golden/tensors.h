/* tensors.h: fixtures' safetensors and comparisons with a tolerance. */
#ifndef DULM_TESTS_GOLDEN_TENSORS_H
#define DULM_TESTS_GOLDEN_TENSORS_H

#include <diffulm/model.h>
#include <diffulm/sampler.h>

#include "golden.h"
#include "io/safetensors.h"

/* Every tolerance of the golden tests, each with its reason (fixtures' README.models.md and
 * README.diffusion.md). */
#define GOLDEN_LOGITS 1e-4        /* absolute; float32 noise is below 7e-6 */
#define GOLDEN_LOGITS_ROTARY 2e-4 /* ModernBERT: logits reach 19 */
#define GOLDEN_LOSS 1e-5          /* relative; float32 noise is 2e-7 */
#define GOLDEN_GRADIENT 1e-4      /* relative L2 for each tensor; noise 2e-6 */
#define GOLDEN_KEY_BIAS 1e-6      /* of the whole gradient's norm: its true value is 0 */
#define GOLDEN_WEIGHTS 2e-5       /* relative L2 after 20 steps; noise 3e-7 */
#define GOLDEN_MOMENTS 1e-4       /* relative L2; noise 2e-6 */
#define GOLDEN_MERGED 1e-6        /* absolute, merged LoRA weights */
#define GOLDEN_FORMULA 1e-9       /* relative; coefficients and schedules, all in double */
#define GOLDEN_GUMBEL 1e-6        /* absolute; two logarithms of an exact word */
#define GOLDEN_D_LOGITS 1e-6      /* absolute, plus the next; float32 exponentials */
#define GOLDEN_D_LOGITS_OF 1e-5   /* relative part of the same */

struct dulm_safetensors *golden_tensors(const char *area, const char *folder, const char *name);
/* NULL and a golden_fail when it is missing or has another dtype. */
const void *golden_tensor(const char *area, const struct dulm_safetensors *file, const char *name,
                          enum dulm_dtype dtype, size_t *elements);
/* Largest |a - b|; NaN counts as infinite. */
double golden_max_difference(size_t n, const float *a, const float *b);
/* |a - b|_2 / |b|_2. */
double golden_relative_l2(size_t n, const float *a, const float *b);
double golden_norm(size_t n, const float *a);
/* offsets [R + 1] of I32 as size_t, to free. */
size_t *golden_offsets(const int32_t *offsets, size_t count);

/* The sampler of a case: its policy, options, sampling and steps. NULL and a golden_fail if refused. */
diffulm_sampler *golden_sampler(const json_t *item);

/* The runtimes every model test runs on: the reference, and oneDNN where it was built in. */
struct golden_runtime {
    const char *name;
    diffulm_runtime *runtime;
};
extern struct golden_runtime golden_runtimes[3];
void golden_runtimes_open(void);
void golden_runtimes_close(void);

#endif

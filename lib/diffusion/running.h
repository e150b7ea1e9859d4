/* running.h: a candidate found while the vocabulary passes by in parts, so that a row of logits need not exist. */
#ifndef DULM_DIFFUSION_RUNNING_H
#define DULM_DIFFUSION_RUNNING_H

#include "diffusion/policy.h"

/* Logits that are folded at a time: what a candidate is depends on where these begin, and on nothing else. */
#define DULM_RUNNING_UNIT ((size_t)1024)

struct dulm_running {
    int32_t token;
    float top, second; /* the two highest logits; `second` for DULM_KEY_MARGIN only */
    float chosen;      /* the token's logit */
    double best;       /* its logit with Gumbel noise */
    double sum;        /* of e^(x - top) */
    double weighted;   /* of e^(x - top) (x - top), for the entropy */
};

/* Whether this sampler's candidates can be found so: not those whose draws or keys need the whole distribution twice. */
bool dulm_runs(const struct diffulm_sampler *sampler);

struct dulm_running dulm_running_begin(void);
/* The logits x[n] of tokens from `first`, a multiple of the unit, on; those that cannot be chosen are -inf. `vocabulary`: of the draws. */
void dulm_running_fold(const struct dulm_kernels *kernels, const struct diffulm_sampler *sampler,
                       const float *x, size_t first, size_t n, size_t vocabulary,
                       const struct dulm_draws *draws, size_t position,
                       struct dulm_running *running);
/* The candidate of all that was folded; its score is NaN where a logit was not finite, or none was left. */
struct dulm_candidate dulm_running_end(const struct diffulm_sampler *sampler,
                                       const struct dulm_running *running);

#endif

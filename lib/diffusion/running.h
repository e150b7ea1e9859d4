/* running.h: a candidate found while the vocabulary passes by in parts, so that a row of logits need not exist. */
#ifndef DULM_DIFFUSION_RUNNING_H
#define DULM_DIFFUSION_RUNNING_H

#include "diffusion/policy.h"

/* Logits that are folded at a time: what a candidate is depends on where these begin, and on nothing else. */
#define DULM_RUNNING_UNIT ((size_t)1024)

/* What a unit of the vocabulary weighs in a draw: e^((x - top) / temperature) summed over its logits. */
struct dulm_weight {
    double sum;
    float top;
};

struct dulm_running {
    int32_t token;
    float top, second; /* the two highest logits; `second` for DULM_KEY_MARGIN only */
    float chosen;      /* the token's logit */
    double best;       /* its logit with Gumbel noise */
    double sum;        /* of e^(x - top) */
    double weighted;   /* of e^(x - top) (x - top), for the entropy */
    struct dulm_weight
        *units; /* [units of the vocabulary] for categorical draws; NULL: none are kept */
};

/* Whether top_p or top_k take tokens out. */
bool dulm_filters(const struct diffulm_sampler *sampler);
/* filter.c: what top_p and then top_k take out of the logits x[n] becomes -inf. `top`: the highest; scratch: [n]. */
void dulm_filter(const struct dulm_kernels *kernels, const struct diffulm_sampler *sampler,
                 size_t n, float top, float *x, float *scratch);
/* Units of a vocabulary. */
size_t dulm_running_units(size_t vocabulary);

/* Whether this sampler's candidates can be found so: not filtered ones, nor those with keys that need the whole distribution twice. */
bool dulm_runs(const struct diffulm_sampler *sampler);

/* `units`: see above; needed if the sampler draws from the distribution. */
struct dulm_running dulm_running_begin(struct dulm_weight *units);
/* The logits x[n] of tokens from `first`, a multiple of the unit, on; those that cannot be chosen are -inf. `vocabulary`: of the draws. */
void dulm_running_fold(const struct dulm_kernels *kernels, const struct diffulm_sampler *sampler,
                       const float *x, size_t first, size_t n, size_t vocabulary,
                       const struct dulm_draws *draws, size_t position,
                       struct dulm_running *running);
/* The same of parts that are looked at in any order and joined in theirs, for samplers that need no more than the highest logit and the
 * sum. */
struct dulm_running_part {
    int32_t token;
    float top;
    float sum; /* of e^(x - base), base the higher of `top` and `seen` */
};
bool dulm_runs_apart(const struct diffulm_sampler *sampler);
/* Logits x[n], n at most a unit; `seen`: the highest of any that go before. */
void dulm_running_part_of(const struct dulm_kernels *kernels, const float *x, size_t first,
                          size_t n, float seen, struct dulm_running_part *part);
void dulm_running_join(const struct dulm_running_part *part, float seen,
                       struct dulm_running *running);
/* Inverse CDF in two steps, u in [0, 1): which unit is drawn, and *rest, what is left of u times the sum of all weights, in that
 * unit's scale; then, from the unit's logits x[n] again, the token. The sums of units are those of the kernel in single precision. */
size_t dulm_running_unit(const struct diffulm_sampler *sampler, const struct dulm_running *running,
                         size_t vocabulary, double u, double *rest);
void dulm_running_draw(const struct diffulm_sampler *sampler, const float *x, size_t unit, size_t n,
                       double rest, struct dulm_running *running);
/* The candidate of all that was folded; its score is NaN where a logit was not finite, or none was left. */
struct dulm_candidate dulm_running_end(const struct diffulm_sampler *sampler,
                                       const struct dulm_running *running);

#endif

/* policy.h: unmasking policies: one small file each, one row of the table in policy.c. A policy sees
 * candidates (a token and its score for each position), never logits. */
#ifndef DULM_DIFFUSION_POLICY_H
#define DULM_DIFFUSION_POLICY_H

#include <diffulm/sampler.h>
#include <stdbool.h>

#include "base/refcount.h"
#include "base/rng.h"
#include "nn/kernels.h"

/* What a policy ranks by, computed with the candidate from the whole distribution. */
enum dulm_key {
    DULM_KEY_SCORE,      /* lp[c] */
    DULM_KEY_Q,          /* q[c], q filtered and tempered */
    DULM_KEY_MARGIN,     /* highest minus second highest q */
    DULM_KEY_NEGENTROPY, /* sum q ln(q + 1e-10) */
    DULM_KEY_ENTROPY,    /* -sum p ln p of exp(lp) */
    DULM_KEY_ENTROPY_TOP /* the same, ranked by the highest p */
};

struct dulm_candidate {
    int32_t token;
    float score; /* lp[token] */
    double key;  /* see enum dulm_key */
    double top;  /* highest p; DULM_KEY_ENTROPY_TOP only */
};

struct dulm_ranked {
    double key;
    size_t position;
};

/* One row in the middle of its denoising. Arrays have `length` entries. */
struct dulm_row {
    size_t length;
    int32_t mask_id;
    int32_t *tokens;
    float *scores;
    uint8_t *noisy;
    const uint8_t *generated;
    size_t generated_count;
    size_t *quota;                          /* masks in the current block when it began (LLaDA) */
    const struct dulm_candidate *candidate; /* [length]; only where needs() asked */
    struct dulm_ranked *ranked;             /* [length] scratch */
};

/* Where the random draws of a step come from: the generator, or arrays that a caller feeds in. */
struct dulm_draws {
    uint64_t seed;
    uint32_t step, row;
    const float *token_sample, *reveal, *gumbel_rank, *token_sample_gumbel; /* NULL: generator */
};
double dulm_draws_reveal(const struct dulm_draws *draws, size_t position);
float dulm_draws_gumbel(const struct dulm_draws *draws, size_t position);
double dulm_draws_token(const struct dulm_draws *draws, size_t position);
float dulm_draws_token_gumbel(const struct dulm_draws *draws, size_t position, size_t v,
                              size_t vocabulary);

struct diffulm_sampler;
struct dulm_policy {
    const char *name; /* up to a parameter written into the name, such as stochastic0.5 */
    enum dulm_key key;
    bool (*parse)(const char *name,
                  struct diffulm_sampler *sampler); /* true: the name is this one */
    /* Sets wanted[i] = 1 where step k uses the logits of position i. */
    void (*needs)(const struct diffulm_sampler *, const struct dulm_row *,
                  const struct dulm_draws *, int32_t k, uint8_t *wanted);
    void (*step)(const struct diffulm_sampler *, struct dulm_row *, const struct dulm_draws *,
                 int32_t k);
};

struct diffulm_sampler {
    dulm_refcount refs;
    const struct dulm_policy *policy;
    struct diffulm_sampler_options options;
    char name[64];
    enum dulm_key key;
    bool conditional, cosine, by_confidence, by_factor, ancestral, random_order;
    double lambda;
};

extern const struct dulm_policy dulm_policy_reparam, dulm_policy_cmlm, dulm_policy_ar,
    dulm_policy_llada, dulm_policy_dream, dulm_policy_fast, dulm_policy_eb, dulm_policy_mdlm;

/* The candidate's token becomes data. */
void dulm_commit(struct dulm_row *row, size_t position);
/* Sorts ranked[0..count): highest key first, lower position first among equals. */
void dulm_rank(struct dulm_ranked *ranked, size_t count);
/* Marks every noisy position: what most policies need. */
void dulm_needs_noisy(const struct diffulm_sampler *, const struct dulm_row *,
                      const struct dulm_draws *, int32_t k, uint8_t *wanted);
size_t dulm_count_noisy(const struct dulm_row *row);

/* Floats of scratch that dulm_candidate_of needs. */
size_t dulm_candidate_scratch(const struct diffulm_sampler *sampler, size_t vocabulary);
/* The candidate of one position from its logits [vocabulary] (left untouched). The mask and `forbidden`
 * ids cannot be chosen. The score is NaN when the logits are not finite or leave no token. */
struct dulm_candidate dulm_candidate_of(const struct dulm_kernels *kernels,
                                        const struct diffulm_sampler *sampler, const float *logits,
                                        size_t vocabulary, int32_t mask_id,
                                        const int32_t *forbidden, size_t forbidden_count,
                                        const struct dulm_draws *draws, size_t position,
                                        float *scratch);
/* The position whose logits serve position i: i, or the one before under shift_logits. */
size_t dulm_logits_position(const struct diffulm_sampler *sampler, size_t i);

#endif

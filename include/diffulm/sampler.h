/* sampler.h: unmasking policies. A sampler is a policy with its options; it can be used alone, on
 * logits from any engine. */
#ifndef DIFFULM_SAMPLER_H
#define DIFFULM_SAMPLER_H

#include <diffulm/common.h>

DIFFULM_BEGIN_DECLS

/* Frozen and reference-counted; used from any number of threads. Since 0.1. */
typedef struct diffulm_sampler diffulm_sampler;

#define DIFFULM_SAMPLING_ARGMAX 0
#define DIFFULM_SAMPLING_CATEGORICAL 1 /* inverse CDF of softmax(logits / temperature) */
#define DIFFULM_SAMPLING_GUMBEL 2      /* argmax of logits + temperature * Gumbel noise */

struct diffulm_sampler_options {
    size_t struct_size;
    int32_t steps;           /* K, denoising steps; 0: 10 */
    int32_t sampling;        /* DIFFULM_SAMPLING_… */
    double temperature;      /* > 0; 0: 1 */
    double top_p;            /* keep ids until their probability passes it; 0: off */
    int32_t top_k;           /* keep the k highest; 0: off */
    int32_t shift_logits;    /* 1: position i uses the logits of position i - 1 (Dream) */
    int32_t block_length;    /* llada, fast: generated positions in a block; 0: one block */
    int32_t steps_per_block; /* llada; 0: steps */
    double eps;              /* dream; 0: 1e-3 */
    double alg_temp;         /* dream: noise on the ranking; 0: off */
    double threshold;        /* fast-threshold; 0: 0.9 */
    double factor;           /* fast-factor; 0: 1 */
    double gamma;            /* eb: entropy bound in nats; 0 is a bound of 0 */
    int32_t order;           /* eb: 0 entropy, 1 confidence; mdlm-counts: 0 confidence, 1 random */
};
#define DIFFULM_SAMPLER_OPTIONS_INIT                                                               \
    {                                                                                              \
        sizeof(struct diffulm_sampler_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0           \
    }
DIFFULM_API void diffulm_sampler_options_init(struct diffulm_sampler_options *options,
                                              size_t struct_size);

/* Makes a sampler by the name of its policy:
 *   reparam-{cond|uncond}-{deterministic|stochasticX}-{linear|cosine}  (Zheng et al. 2023; Ye et al.
 *   2023; X is the noise's scale), cmlm (Ghazvininejad et al. 2019), ar,
 *   llada-{low_confidence|random} (Nie et al. 2025), dream-{origin|maskgit_plus|topk_margin|entropy}
 *   (Ye et al. 2025), fast-{threshold|factor} (Wu et al. 2025), eb (Ben-Hamu et al. 2025),
 *   mdlm-{ancestral|counts}-{linear|cosine} (Sahoo et al. 2024).
 * NULL: reparam-uncond-deterministic-cosine. On success *out is the caller's (unref). Errors: E_ARGUMENT
 * names the policy or option. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_sampler_create(const char *policy,
                                                  const struct diffulm_sampler_options *options,
                                                  diffulm_sampler **out) DIFFULM_MUST_USE;
DIFFULM_API diffulm_sampler *diffulm_sampler_ref(diffulm_sampler *sampler);
DIFFULM_API void diffulm_sampler_unref(diffulm_sampler *sampler); /* NULL is allowed */
/* Its full name, and its number of steps. Since 0.1. */
DIFFULM_API const char *diffulm_sampler_name(const diffulm_sampler *sampler);
DIFFULM_API int32_t diffulm_sampler_steps(const diffulm_sampler *sampler);
/* The name pattern of policy `index`, NULL past the last. Since 0.1. */
DIFFULM_API const char *diffulm_sampler_policy(size_t index);

/* One row in the middle of its denoising; the host's arrays, `length` entries each. Start: tokens with
 * the mask at generated positions, scores 0, noisy = generated, quota 0. */
struct diffulm_sampler_state {
    size_t struct_size;
    size_t length;
    int32_t *tokens;
    float *scores;            /* log-probability at which each token was set */
    uint8_t *noisy;           /* 1: still mask-noise */
    const uint8_t *generated; /* 1: may be changed */
    size_t quota;             /* kept by the sampler from step to step */
    int32_t mask_id;
    uint64_t seed; /* of the draws, with row_number (design: RNG) */
    uint32_t row_number;
};

/* Sets wanted[i] = 1 where step k (from 1) needs the logits of position i. Since 0.1. */
DIFFULM_API diffulm_status diffulm_sampler_needs(const diffulm_sampler *sampler,
                                                 const struct diffulm_sampler_state *state,
                                                 int32_t k, uint8_t *wanted) DIFFULM_MUST_USE;
/* One denoising step. logits: [length, vocabulary], only the rows that diffulm_sampler_needs asked for
 * are read. On failure the state is unchanged: E_NUMERIC names a position whose logits are NaN, infinite
 * (-inf forbids a token) or leave none, E_ARGUMENT a position whose flags or score cannot be. Since 0.1. */
DIFFULM_API diffulm_status diffulm_sampler_transition(const diffulm_sampler *sampler,
                                                      struct diffulm_sampler_state *state,
                                                      int32_t k, const float *logits,
                                                      size_t vocabulary) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif

/* likelihood.h: how probable a model finds given rows. A masked diffusion model has no exact likelihood; it has a
 * bound, estimated here with its error, and the older pseudo-likelihood of masked language models. */
#ifndef DIFFULM_LIKELIHOOD_H
#define DIFFULM_LIKELIHOOD_H

#include <diffulm/common.h>
#include <diffulm/model.h>
#include <diffulm/trainer.h>

DIFFULM_BEGIN_DECLS

struct diffulm_likelihood_options {
    size_t struct_size;
    int32_t samples;    /* corrupted copies of each row, even, 2 to 2^20 [32] */
    int32_t timesteps;  /* T of the linear schedule [50] */
    int32_t mask_id;    /* the absorbing token; needed */
    int32_t attention;  /* DIFFULM_ATTENTION_… */
    int32_t newline_id; /* for blockwise attention */
    uint64_t seed;      /* of the draws (stream likelihood) */
};
#define DIFFULM_LIKELIHOOD_OPTIONS_INIT                                                            \
    {                                                                                              \
        sizeof(struct diffulm_likelihood_options), 0, 0, -1, 0, -1, 0                              \
    }
DIFFULM_API void diffulm_likelihood_options_init(struct diffulm_likelihood_options *options,
                                                 size_t struct_size);

struct diffulm_likelihood {
    size_t struct_size;
    double
        log_probability; /* nats; of the target given the source, all its maskable tokens together */
    double standard_error; /* of its estimation; 0 for the pseudo-likelihood, which draws nothing */
    size_t tokens;         /* maskable ones, eos included */
};

/* The lower bound on log p(target | source) of each row:
 *   - sum over t = 1..T of 1/t · E[cross entropies at the positions masked at rate t/T],
 * the evidence lower bound of absorbing diffusion with T steps (Austin et al. 2021; Sahoo et al. 2024), estimated from
 * `samples` timesteps, two in each of samples/2 equal strata, whose differences give the standard error. The mask
 * token itself has probability 0. rows: as for training; a row without a target has log-probability 0. first_row: the
 * number of rows[0] in the draws, so that results do not depend on how rows are cut into calls. out:
 * [rows->rows], struct_size of the first set. Errors: E_ARGUMENT names the option or row, E_LIMIT too long a row,
 * E_NUMERIC, E_UNSUPPORTED without a head; out is then untouched. Any thread. Since 0.1. */
DIFFULM_API diffulm_status
diffulm_likelihood_bound(const diffulm_model *model, const struct diffulm_rows *rows,
                         uint32_t first_row, const struct diffulm_likelihood_options *options,
                         struct diffulm_likelihood *out) DIFFULM_MUST_USE;

/* The pseudo-log-likelihood (Salazar et al. 2020): the sum over the target's tokens of log p(token | all others), each
 * masked alone; exp(-sum / tokens) is the pseudo-perplexity. samples, timesteps and seed are not used. Otherwise as
 * diffulm_likelihood_bound. Since 0.1. */
DIFFULM_API diffulm_status
diffulm_likelihood_pseudo(const diffulm_model *model, const struct diffulm_rows *rows,
                          const struct diffulm_likelihood_options *options,
                          struct diffulm_likelihood *out) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif

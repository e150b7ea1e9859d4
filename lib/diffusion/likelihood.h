/* likelihood.h: scoring masked copies of a row, many together. */
#ifndef DULM_DIFFUSION_LIKELIHOOD_H
#define DULM_DIFFUSION_LIKELIHOOD_H

#include <diffulm/likelihood.h>

#include "arch/score.h"

/* One clean row: its first source_length tokens are given, the others maskable. */
struct dulm_clean_row {
    const int32_t *tokens;
    size_t length, source_length;
    uint32_t number; /* in the draws */
};

struct dulm_scorer;
/* Buffers for rows of at most `longest` tokens. */
diffulm_status dulm_scorer_create(const struct diffulm_model *model,
                                  const struct diffulm_likelihood_options *options, size_t longest,
                                  struct dulm_scorer **out) DIFFULM_MUST_USE;
void dulm_scorer_destroy(struct dulm_scorer *scorer);
diffulm_status dulm_score_bound(struct dulm_scorer *scorer, const struct dulm_clean_row *row,
                                struct diffulm_likelihood *out) DIFFULM_MUST_USE;
diffulm_status dulm_score_pseudo(struct dulm_scorer *scorer, const struct dulm_clean_row *row,
                                 struct diffulm_likelihood *out) DIFFULM_MUST_USE;

#endif

/* unmask_cmlm.c: each noisy position is revealed with probability 1/(K - k + 1). */
#include <string.h>

#include "diffusion/policy.h"

static bool parse(const char *name, struct diffulm_sampler *s)
{
    (void)s;
    return strcmp(name, "cmlm") == 0;
}

static bool revealed(const struct diffulm_sampler *s, const struct dulm_row *row,
                     const struct dulm_draws *draws, int32_t k, size_t i)
{
    return row->noisy[i] && dulm_draws_reveal(draws, i) < 1.0 / (double)(s->options.steps - k + 1);
}

static void needs(const struct diffulm_sampler *s, const struct dulm_row *row,
                  const struct dulm_draws *draws, int32_t k, uint8_t *wanted)
{
    for (size_t i = 0; i < row->length; i++)
        wanted[i] = revealed(s, row, draws, k, i);
}

static void step(const struct diffulm_sampler *s, struct dulm_row *row,
                 const struct dulm_draws *draws, int32_t k)
{
    for (size_t i = 0; i < row->length; i++)
        if (revealed(s, row, draws, k, i))
            dulm_commit(row, i);
}

const struct dulm_policy dulm_policy_cmlm = {"cmlm", DULM_KEY_SCORE, parse, needs, step};

/* unmask_ar.c: left to right: the leftmost noisy position is revealed. */
#include <string.h>

#include "diffusion/policy.h"

static bool parse(const char *name, struct diffulm_sampler *s)
{
    (void)s;
    return strcmp(name, "ar") == 0;
}

static size_t leftmost(const struct dulm_row *row)
{
    size_t i = 0;
    while (i < row->length && !row->noisy[i])
        i++;
    return i;
}

static void needs(const struct diffulm_sampler *s, const struct dulm_row *row,
                  const struct dulm_draws *draws, int32_t k, uint8_t *wanted)
{
    (void)s, (void)draws, (void)k;
    memset(wanted, 0, row->length);
    const size_t i = leftmost(row);
    if (i < row->length)
        wanted[i] = 1;
}

static void step(const struct diffulm_sampler *s, struct dulm_row *row,
                 const struct dulm_draws *draws, int32_t k)
{
    (void)s, (void)draws, (void)k;
    const size_t i = leftmost(row);
    if (i < row->length)
        dulm_commit(row, i);
}

const struct dulm_policy dulm_policy_ar = {"ar", DULM_KEY_SCORE, parse, needs, step};

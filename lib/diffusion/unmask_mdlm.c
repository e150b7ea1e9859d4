/* unmask_mdlm.c: ancestral sampling of masked diffusion (Sahoo et al. 2024), each mask on its own, or an
 * exact number of masks in a step. */
#include <math.h>
#include <string.h>

#include "diffusion/policy.h"

static bool parse(const char *name, struct diffulm_sampler *s)
{
    s->ancestral = strncmp(name, "mdlm-ancestral-", 15) == 0;
    if (!s->ancestral && strncmp(name, "mdlm-counts-", 12) != 0)
        return false;
    name += s->ancestral ? 15 : 12;
    s->random_order = !s->ancestral && s->options.order == 1;
    s->cosine = strcmp(name, "cosine") == 0;
    return s->cosine || strcmp(name, "linear") == 0;
}

/* 1 - alpha at time t of the cosine schedule. */
static double mask_rate(double t)
{
    return cos(1.57079632679489661923 * (1.0 - t));
}

static double share_at(const struct diffulm_sampler *s, int32_t k)
{
    const double steps = (double)s->options.steps, left = (double)(s->options.steps - k);
    if (!s->cosine)
        return 1.0 / (left + 1);
    const double now = mask_rate((left + 1) / steps),
                 then = k == s->options.steps ? 0 : mask_rate(left / steps);
    return 1.0 - then / now;
}

/* count * share to the nearest integer, halves to even; in integers for the linear schedule. */
static size_t number_at(const struct diffulm_sampler *s, size_t count, int32_t k)
{
    if (s->cosine)
        return (size_t)nearbyint((double)count * share_at(s, k));
    const size_t d = (size_t)(s->options.steps - k + 1), whole = count / d, rest = count % d;
    return whole + (2 * rest > d || (2 * rest == d && whole % 2 == 1));
}

static void step(const struct diffulm_sampler *s, struct dulm_row *row,
                 const struct dulm_draws *draws, int32_t k)
{
    const double share = share_at(s, k);
    size_t count = 0;
    for (size_t i = 0; i < row->length; i++) {
        if (!row->noisy[i])
            continue;
        if (s->ancestral) {
            if (dulm_draws_reveal(draws, i) < share)
                dulm_commit(row, i);
            continue;
        }
        row->ranked[count++] = (struct dulm_ranked){
            s->random_order ? -dulm_draws_reveal(draws, i) : row->candidate[i].key, i};
    }
    dulm_rank(row->ranked, count);
    size_t reveal = count ? number_at(s, count, k) : 0;
    reveal = reveal < count ? reveal : count;
    for (size_t r = 0; r < reveal; r++)
        dulm_commit(row, row->ranked[r].position);
}

const struct dulm_policy dulm_policy_mdlm = {"mdlm-{ancestral|counts}-{linear|cosine}",
                                             DULM_KEY_SCORE, parse, dulm_needs_noisy, step};

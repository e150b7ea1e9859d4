/* unmask_reparam.c: reparameterised sampling (Zheng et al. 2023; definitions in the design, section 5):
 * at each step the lowest-scored share of the generated positions goes back to noise. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/policy.h"

/* A decimal such as 0.5, whatever the host's locale; NULL when there is none. */
static const char *decimal(const char *text, double *value)
{
    double digits = 0, scale = 1;
    const char *start = text;
    bool point = false;
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        digits = 10 * digits + (*text - '0');
        scale *= point ? 10 : 1;
    }
    *value = digits / scale;
    return text > start + point ? text : NULL;
}

/* reparam-{cond|uncond}-{deterministic|stochasticX}-{linear|cosine} */
static bool parse(const char *name, struct diffulm_sampler *s)
{
    if (strncmp(name, "reparam-", 8) != 0)
        return false;
    name += 8;
    s->conditional = strncmp(name, "cond-", 5) == 0;
    if (!s->conditional && strncmp(name, "uncond-", 7) != 0)
        return false;
    name += s->conditional ? 5 : 7;
    if (strncmp(name, "deterministic-", 14) == 0)
        name += 14;
    else if (strncmp(name, "stochastic", 10) == 0) {
        const char *end = decimal(name + 10, &s->lambda);
        if (!end || *end != '-' || !(s->lambda < 1e6))
            return false;
        name = end + 1;
    } else
        return false;
    s->cosine = strcmp(name, "cosine") == 0;
    return s->cosine || strcmp(name, "linear") == 0;
}

static double rate_at(const struct diffulm_sampler *s, int32_t k)
{
    const double done = (double)k / (double)s->options.steps;
    return s->cosine ? cos(done * 3.14159265358979323846 * 0.5) : 1.0 - done;
}

/* The product is single precision, as the reference computes it. */
static size_t cut_at(const struct diffulm_sampler *s, size_t generated, int32_t k)
{
    const float product = (float)generated * (float)rate_at(s, k);
    return product > 0 ? (size_t)product : 0;
}

/* Every generated position is ranked, unless nothing goes back to noise. */
static void needs(const struct diffulm_sampler *s, const struct dulm_row *row,
                  const struct dulm_draws *draws, int32_t k, uint8_t *wanted)
{
    (void)draws;
    const bool all = cut_at(s, row->generated_count, k) > 0;
    for (size_t i = 0; i < row->length; i++)
        wanted[i] = row->generated[i] && (all || row->noisy[i]);
}

static int ascending(const void *a, const void *b)
{
    const double x = ((const struct dulm_ranked *)a)->key, y = ((const struct dulm_ranked *)b)->key;
    return x < y ? -1 : x > y;
}

/* The cut-th smallest ranking score of the row, counting from 0; 1000 stands for given positions. */
static double threshold(const struct dulm_row *row, size_t cut)
{
    qsort(row->ranked, row->length, sizeof *row->ranked, ascending);
    return cut < row->length ? row->ranked[cut].key : INFINITY;
}

static float ranking(const struct diffulm_sampler *s, const struct dulm_row *row,
                     const struct dulm_draws *draws, float scale, size_t i)
{
    if (!row->generated[i])
        return 1000.0f;
    const float score = row->candidate[i].score;
    return s->lambda > 0 ? score + scale * dulm_draws_gumbel(draws, i) : score;
}

static void step(const struct diffulm_sampler *s, struct dulm_row *row,
                 const struct dulm_draws *draws, int32_t k)
{
    const size_t cut = cut_at(s, row->generated_count, k);
    const float scale = (float)(s->lambda * rate_at(s, k));
    double limit = -INFINITY;
    if (cut > 0) {
        for (size_t i = 0; i < row->length; i++)
            row->ranked[i] = (struct dulm_ranked){(double)ranking(s, row, draws, scale, i), i};
        limit = threshold(row, cut);
    }
    for (size_t i = 0; i < row->length; i++) {
        if (!row->generated[i])
            continue;
        const bool low = cut > 0 && (double)ranking(s, row, draws, scale, i) < limit;
        bool not_v1 = low;
        if (s->conditional && low)
            not_v1 = row->candidate[i].token == row->tokens[i] &&
                     row->candidate[i].score < row->scores[i];
        const bool was_noisy = row->noisy[i];
        if (was_noisy ? low : not_v1) {
            row->tokens[i] = row->mask_id;
            row->scores[i] = -INFINITY;
        } else if (was_noisy)
            dulm_commit(row, i);
        row->noisy[i] = (was_noisy || not_v1) && low;
    }
}

const struct dulm_policy dulm_policy_reparam = {
    "reparam-{cond|uncond}-{deterministic|stochasticX}-{linear|cosine}", DULM_KEY_SCORE, parse,
    needs, step};

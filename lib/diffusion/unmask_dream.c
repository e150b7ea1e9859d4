/* unmask_dream.c: Dream's schedules (Ye et al. 2025): a share 1 - t_k / t_{k-1} of the masks is revealed,
 * at random (origin) or by the confidence of the filtered, tempered distribution. */
#include <string.h>

#include "diffusion/policy.h"

static bool parse(const char *name, struct diffulm_sampler *s)
{
    static const struct {
        const char *name;
        enum dulm_key key;
    } kinds[] = {{"dream-maskgit_plus", DULM_KEY_Q},
                 {"dream-topk_margin", DULM_KEY_MARGIN},
                 {"dream-entropy", DULM_KEY_NEGENTROPY}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(name, kinds[i].name) == 0) {
            s->key = kinds[i].key;
            return true;
        }
    s->random_order = strcmp(name, "dream-origin") == 0;
    return s->random_order;
}

static double share_at(const struct diffulm_sampler *s, int32_t k)
{
    const double slope = s->options.eps - 1.0, steps = (double)s->options.steps;
    return 1.0 - (1.0 + slope * (double)k / steps) / (1.0 + slope * (double)(k - 1) / steps);
}

static void step(const struct diffulm_sampler *s, struct dulm_row *row,
                 const struct dulm_draws *draws, int32_t k)
{
    const double share = share_at(s, k);
    const bool last = k == s->options.steps;
    size_t count = 0;
    for (size_t i = 0; i < row->length; i++) {
        if (!row->noisy[i])
            continue;
        if (s->random_order) {
            if (last || dulm_draws_reveal(draws, i) < share)
                dulm_commit(row, i);
            continue;
        }
        double key = row->candidate[i].key;
        if (s->options.alg_temp > 0)
            key = key / s->options.alg_temp + (double)dulm_draws_gumbel(draws, i);
        row->ranked[count++] = (struct dulm_ranked){key, i};
    }
    dulm_rank(row->ranked, count);
    const size_t reveal = last ? count : (size_t)((double)count * share);
    for (size_t r = 0; r < reveal; r++)
        dulm_commit(row, row->ranked[r].position);
}

const struct dulm_policy dulm_policy_dream = {"dream-{origin|maskgit_plus|topk_margin|entropy}",
                                              DULM_KEY_SCORE, parse, dulm_needs_noisy, step};

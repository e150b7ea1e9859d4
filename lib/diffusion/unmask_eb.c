/* unmask_eb.c: entropy-bounded unmasking (Ben-Hamu et al. 2025): the longest prefix of the ranking with
 * sum H - max H <= gamma. */
#include <string.h>

#include "diffusion/policy.h"

static bool parse(const char *name, struct diffulm_sampler *s)
{
    s->key = s->options.order ? DULM_KEY_ENTROPY_TOP : DULM_KEY_ENTROPY;
    return strcmp(name, "eb") == 0;
}

static void step(const struct diffulm_sampler *s, struct dulm_row *row,
                 const struct dulm_draws *draws, int32_t k)
{
    (void)draws, (void)k;
    size_t count = 0;
    for (size_t i = 0; i < row->length; i++)
        if (row->noisy[i])
            row->ranked[count++] = (struct dulm_ranked){
                s->options.order ? row->candidate[i].top : -row->candidate[i].key, i};
    dulm_rank(row->ranked, count);
    double sum = 0, most = 0;
    for (size_t r = 0; r < count; r++) {
        const double entropy = row->candidate[row->ranked[r].position].key;
        sum += entropy;
        most = entropy > most ? entropy : most;
        if (r > 0 && sum - most > s->options.gamma)
            break;
        dulm_commit(row, row->ranked[r].position);
    }
}

const struct dulm_policy dulm_policy_eb = {"eb", DULM_KEY_ENTROPY, parse, dulm_needs_noisy, step};

/* unmask_fast.c: parallel decoding by confidence (Wu et al. 2025): in the first block with masks, all
 * positions whose probability passes a threshold, or a bound that tightens with their number. */
#include <math.h>
#include <string.h>

#include "diffusion/policy.h"

static bool parse(const char *name, struct diffulm_sampler *s)
{
    s->by_factor = strcmp(name, "fast-factor") == 0;
    return s->by_factor || strcmp(name, "fast-threshold") == 0;
}

/* Positions [*begin, *end) span the first block that holds a noisy position. */
static void first_block(const struct diffulm_sampler *s, const struct dulm_row *row, size_t *begin,
                        size_t *end)
{
    const size_t length =
        s->options.block_length ? (size_t)s->options.block_length : row->generated_count;
    size_t seen = 0, start = 0;
    bool noisy = false;
    *begin = *end = row->length;
    for (size_t i = 0; i < row->length; i++) {
        if (!row->generated[i])
            continue;
        if (seen % length == 0) {
            if (noisy) {
                *begin = start;
                *end = i;
                return;
            }
            start = i;
        }
        noisy = noisy || row->noisy[i];
        seen++;
    }
    if (noisy)
        *begin = start;
}

static void needs(const struct diffulm_sampler *s, const struct dulm_row *row,
                  const struct dulm_draws *draws, int32_t k, uint8_t *wanted)
{
    (void)draws, (void)k;
    size_t begin, end;
    first_block(s, row, &begin, &end);
    for (size_t i = 0; i < row->length; i++)
        wanted[i] = row->noisy[i] && i >= begin && i < end;
}

static void step(const struct diffulm_sampler *s, struct dulm_row *row,
                 const struct dulm_draws *draws, int32_t k)
{
    (void)draws, (void)k;
    size_t begin, end, count = 0;
    first_block(s, row, &begin, &end);
    for (size_t i = begin; i < end; i++)
        if (row->noisy[i])
            row->ranked[count++] = (struct dulm_ranked){exp((double)row->candidate[i].score), i};
    dulm_rank(row->ranked, count);
    for (size_t r = 0; r < count; r++) {
        const double limit =
            s->by_factor ? 1.0 - s->options.factor / (double)(r + 2) : s->options.threshold;
        if (r > 0 && row->ranked[r].key < limit)
            break;
        dulm_commit(row, row->ranked[r].position);
    }
}

const struct dulm_policy dulm_policy_fast = {"fast-{threshold|factor}", DULM_KEY_SCORE, parse,
                                             needs, step};

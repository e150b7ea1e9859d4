/* unmask_llada.c: blocks from left to right, each in a fixed number of steps that share its masks out
 * evenly (Nie et al. 2025); the most confident, or random, positions first. */
#include <string.h>

#include "diffusion/policy.h"

static bool parse(const char *name, struct diffulm_sampler *s)
{
    s->random_order = strcmp(name, "llada-random") == 0;
    return s->random_order || strcmp(name, "llada-low_confidence") == 0;
}

static int32_t steps_per_block(const struct diffulm_sampler *s)
{
    return s->options.steps_per_block ? s->options.steps_per_block : s->options.steps;
}

/* Index of generated position number (block + 1) * length, the end of the block of step k. */
static size_t block_end(const struct diffulm_sampler *s, const struct dulm_row *row, int32_t k,
                        size_t *begin)
{
    const size_t length =
        s->options.block_length ? (size_t)s->options.block_length : row->generated_count;
    const size_t block = (size_t)((k - 1) / steps_per_block(s));
    size_t seen = 0, end = 0;
    *begin = row->length;
    for (; end < row->length && seen < (block + 1) * length; end++) {
        if (row->generated[end] && seen == block * length && *begin == row->length)
            *begin = end;
        seen += row->generated[end];
    }
    return end;
}

static void needs(const struct diffulm_sampler *s, const struct dulm_row *row,
                  const struct dulm_draws *draws, int32_t k, uint8_t *wanted)
{
    (void)draws;
    size_t begin;
    const size_t end = block_end(s, row, k, &begin);
    for (size_t i = 0; i < row->length; i++)
        wanted[i] = row->noisy[i] && i < end;
}

static void step(const struct diffulm_sampler *s, struct dulm_row *row,
                 const struct dulm_draws *draws, int32_t k)
{
    size_t begin, count = 0;
    const size_t end = block_end(s, row, k, &begin);
    const size_t steps = (size_t)steps_per_block(s), turn = (size_t)(k - 1) % steps;
    if (turn == 0) {
        *row->quota = 0;
        for (size_t i = begin; i < end; i++)
            *row->quota += row->noisy[i];
    }
    for (size_t i = 0; i < end; i++)
        if (row->noisy[i])
            row->ranked[count++] = (struct dulm_ranked){
                s->random_order ? dulm_draws_reveal(draws, i) : row->candidate[i].key, i};
    dulm_rank(row->ranked, count);
    size_t share = *row->quota / steps + (turn < *row->quota % steps);
    share = share < count ? share : count;
    for (size_t r = 0; r < share; r++)
        dulm_commit(row, row->ranked[r].position);
}

const struct dulm_policy dulm_policy_llada = {"llada-{low_confidence|random}", DULM_KEY_SCORE,
                                              parse, needs, step};

/* corrupt.c: timesteps and masks of one training row (diffusion, sections 2 and 8). Batches of rows
 * are the trainer's (train/corrupt.c). */
#include "diffusion/corrupt.h"

#include <math.h>

#include "base/rng.h"

static int32_t timestep(const struct diffulm_schedule *s, uint64_t seed, uint32_t step,
                        uint32_t row, uint32_t j)
{
    const uint32_t word = dulm_draw(seed, DULM_STREAM_TIMESTEP, step, row, 0, j);
    return 1 + (int32_t)dulm_below(word, (uint32_t)s->options.timesteps);
}

struct dulm_timesteps dulm_draw_timesteps(const struct diffulm_schedule *s, uint64_t seed,
                                          uint32_t step, uint32_t row)
{
    if (s->options.corruption == DIFFULM_CORRUPTION_FIXED) {
        const int32_t t = (int32_t)ceil(s->options.mask_ratio * (double)s->options.timesteps);
        return (struct dulm_timesteps){t, t};
    }
    const int32_t t1 = timestep(s, seed, step, row, 0);
    const bool single = s->options.corruption == DIFFULM_CORRUPTION_SINGLE;
    return (struct dulm_timesteps){t1, single ? t1 : timestep(s, seed, step, row, 1)};
}

static double uniform(const struct dulm_uniforms *u, const double *fed, enum dulm_stream stream,
                      size_t i)
{
    if (fed)
        return fed[i];
    return dulm_uniform(dulm_draw(u->seed, stream, u->step, u->row, (uint32_t)i, 0));
}

/* Rates are fractions of `full`; comparisons multiply out, so that they are exact for integers. */
void dulm_mask_row(const struct diffulm_schedule *s, struct dulm_timesteps t,
                   const struct dulm_uniforms *u, size_t length, const uint8_t *maskable,
                   uint8_t *masked_hi, uint8_t *masked_lo)
{
    const bool independent = t.t1 == t.t2;
    const double full = dulm_noise_level_full(s);
    const double hi = dulm_noise_level(s, t.t1 > t.t2 ? t.t1 : t.t2);
    const double lo = dulm_noise_level(s, t.t1 > t.t2 ? t.t2 : t.t1);
    for (size_t i = 0; i < length; i++) {
        const bool may = !maskable || maskable[i];
        masked_hi[i] = may && uniform(u, u->hi, DULM_STREAM_CORRUPTION_HI, i) * full < hi;
        if (!masked_lo)
            continue;
        const double v = uniform(u, u->lo, DULM_STREAM_CORRUPTION_LO, i);
        masked_lo[i] = independent ? may && v * full < lo : masked_hi[i] && v * hi < lo;
    }
}

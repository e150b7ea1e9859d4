/* corrupt.h: the forward process on one row (diffusion, section 2): which positions are masked. */
#ifndef DULM_DIFFUSION_CORRUPT_H
#define DULM_DIFFUSION_CORRUPT_H

#include "diffusion/schedule.h"

/* The two timesteps of a row; equal where its two corruptions are independent, or where there is
 * one. */
struct dulm_timesteps {
    int32_t t1, t2;
};
struct dulm_timesteps dulm_draw_timesteps(const struct diffulm_schedule *schedule, uint64_t seed,
                                          uint32_t step, uint32_t row);

/* Where a row's uniforms come from: the generator, or arrays that a caller feeds in. */
struct dulm_uniforms {
    uint64_t seed;
    uint32_t step, row;
    const double *hi, *lo; /* [length], or NULL: generator */
};

/* masked_hi[i], masked_lo[i] (NULL: x_hi alone) of a row at the larger and the smaller of its
 * timesteps. maskable: [length], or NULL: everything is. */
void dulm_mask_row(const struct diffulm_schedule *schedule, struct dulm_timesteps t,
                   const struct dulm_uniforms *uniforms, size_t length, const uint8_t *maskable,
                   uint8_t *masked_hi, uint8_t *masked_lo);

#endif

/* rng.h: the counter-based generator, Philox4x32-10 (Salmon et al. 2011). A draw is a function of
 * (seed, stream, step, row, position, j) and of nothing else, so results do not depend on thread
 * count, batch composition or call order. */
#ifndef DULM_BASE_RNG_H
#define DULM_BASE_RNG_H

#include <stdint.h>

enum dulm_stream {
    DULM_STREAM_TIMESTEP = 1,
    DULM_STREAM_CORRUPTION_HI = 2,
    DULM_STREAM_CORRUPTION_LO = 3,
    DULM_STREAM_TOKEN_SAMPLE = 4,
    DULM_STREAM_GUMBEL_RANK = 5,
    DULM_STREAM_REVEAL = 6,
    DULM_STREAM_DROPOUT = 7,
    DULM_STREAM_SHUFFLE = 8,
    DULM_STREAM_MIXTURE = 9,
    DULM_STREAM_INIT = 10,
    DULM_STREAM_LIKELIHOOD = 11,
    DULM_STREAM_FEW_SHOT = 12
};

/* out = Philox4x32-10(counter, key). */
void dulm_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* key = (low, high word of seed); counter = (position, row, step, stream | (j / 4) << 8); the draw is
 * output word j % 4. j < 2^26. */
uint32_t dulm_draw(uint64_t seed, enum dulm_stream stream, uint32_t step, uint32_t row,
                   uint32_t position, uint32_t j);
/* The four draws 4*block .. 4*block+3 at once. */
void dulm_draw4(uint64_t seed, enum dulm_stream stream, uint32_t step, uint32_t row,
                uint32_t position, uint32_t block, uint32_t out[4]);

/* (x >> 8) * 2^-24, in [0, 1). */
static inline double dulm_uniform(uint32_t x)
{
    return (double)(x >> 8) * 0x1p-24;
}
/* x * n >> 32: an integer below n. */
static inline uint32_t dulm_below(uint32_t x, uint32_t n)
{
    return (uint32_t)(((uint64_t)x * n) >> 32);
}
/* Gumbel(0,1): -ln(-ln(((x >> 8) + 1/2) * 2^-24)), in double. */
double dulm_gumbel(uint32_t x);

#endif

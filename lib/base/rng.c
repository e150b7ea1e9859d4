/* rng.c: Philox4x32-10. */
#include "base/rng.h"

#include <math.h>

void dulm_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void dulm_draw4(uint64_t seed, enum dulm_stream stream, uint32_t step, uint32_t row,
                uint32_t position, uint32_t block, uint32_t out[4])
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {position, row, step, (uint32_t)stream | block << 8};
    dulm_philox(counter, key, out);
}

uint32_t dulm_draw(uint64_t seed, enum dulm_stream stream, uint32_t step, uint32_t row,
                   uint32_t position, uint32_t j)
{
    uint32_t out[4];
    dulm_draw4(seed, stream, step, row, position, j / 4, out);
    return out[j % 4];
}

double dulm_gumbel(uint32_t x)
{
    return -log(-log(((double)(x >> 8) + 0.5) * 0x1p-24));
}

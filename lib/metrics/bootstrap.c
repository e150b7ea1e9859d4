/* bootstrap.c: resampling with replacement. */
#include <diffulm/metrics.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"

size_t diffulm_bootstrap_draw(uint64_t seed, uint32_t resample, uint32_t item, size_t count)
{
    const uint32_t most = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
    return dulm_below(dulm_draw(seed, DULM_STREAM_SHUFFLE, resample, 0, item, 2), most);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

diffulm_status diffulm_bootstrap_mean(const double *values, size_t count, uint32_t resamples,
                                      double level, uint64_t seed, double *low, double *high)
{
    dulm_error_clear();
    if (!values || count == 0 || count > UINT32_MAX || resamples == 0 ||
        !(level > 0 && level < 1) || !low || !high)
        return dulm_fail(
            DIFFULM_E_ARGUMENT,
            "bootstrap: expected values, resamples above 0, a level between 0 and 1, low "
            "and high");
    double *means = dulm_alloc(resamples, sizeof *means);
    if (!means)
        return dulm_fail_memory();
    for (uint32_t r = 0; r < resamples; r++) {
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += values[diffulm_bootstrap_draw(seed, r, (uint32_t)i, count)];
        means[r] = sum / (double)count;
    }
    qsort(means, resamples, sizeof *means, ascending);
    const double tail = (1 - level) / 2, last = (double)(resamples - 1);
    *low = means[(size_t)floor(tail * last)];
    *high = means[(size_t)ceil((1 - tail) * last)];
    dulm_free(means);
    return DIFFULM_OK;
}

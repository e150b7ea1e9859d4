/* gradcheck.c: differences, tolerances and test data. */
#include "gradcheck.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

/* The differences are central and of fourth order:
 *   f'(x) = (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / 12 h + O(h^4),
 * so the step can be large against the rounding of single precision. Allowed is
 *   share * (largest gradient of the tensor) + rounding / h. */
static const struct {
    double step, share, rounding;
    const char *reason;
} table[GRADCHECK_KINDS] = {
    [GRADCHECK_LINEAR] = {0x1p-2, 1e-5, 1e-6, "no truncation, sums of up to 50 products round"},
    [GRADCHECK_SMOOTH] = {0x1p-5, 1e-4, 1e-6, "one operation on up to 1031 floats of size 4"},
    [GRADCHECK_NETWORK] = {0x1p-6, 5e-4, 1e-6, "up to 30 operations in a row, each rounding"},
};

void gradcheck(const struct gradcheck_loss *loss, const char *what, float *x, size_t n,
               const float *gradient)
{
    const double h = table[loss->kind].step;
    double worst = -1, largest = 0, found = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const float kept = x[i];
        double f[4];
        static const int steps[4] = {1, -1, 2, -2};
        for (int s = 0; s < 4; s++) {
            x[i] = (float)((double)kept + steps[s] * h);
            f[s] = loss->of(loss->user);
        }
        x[i] = kept;
        const double difference = (8 * (f[0] - f[1]) - (f[2] - f[3])) / (12 * h);
        const double error = fabs(difference - (double)gradient[i]);
        if (!(error <= worst)) {
            worst = error;
            at = i;
            found = difference;
        }
        largest = fmax(largest, fabs(difference));
    }
    loss->of(loss->user);
    const double allowed = table[loss->kind].share * largest + table[loss->kind].rounding / h;
    if (!(worst <= allowed))
        fail_msg("%s: entry %zu of %zu: gradient %.9g, differences %.9g (allowed %.2g: %s)", what,
                 at, n, (double)gradient[at], found, allowed, table[loss->kind].reason);
}

void gradcheck_fill_around(uint32_t seed, size_t n, float center, float scale, float *x)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t draw = dulm_draw(seed, DULM_STREAM_INIT, 0, 0, (uint32_t)i, 0);
        x[i] = center + scale * ((float)(draw >> 21) - 1024.0f) / 1024.0f;
    }
}

void gradcheck_fill(uint32_t seed, size_t n, float *x)
{
    gradcheck_fill_around(seed, n, 0, 1, x);
}

double gradcheck_sum(size_t n, const float *w, const float *y)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)w[i] * (double)y[i];
    return sum;
}

float *gradcheck_array(size_t n)
{
    float *x = calloc(n ? n : 1, sizeof *x);
    assert_non_null(x);
    return x;
}

const struct diffulm_runtime *gradcheck_runtime(void **state)
{
    return *state;
}

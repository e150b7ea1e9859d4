/* test_kernels.c: plain kernels of every instruction set against double precision. */
#include <math.h>
#include <string.h>

#include "nn/runtime.h"
#include "tiny.h"

enum { MOST = 700 };

static void each_instruction_set(void (*check)(const struct dulm_kernels *k))
{
    for (int32_t isa = DIFFULM_ISA_BASELINE; isa <= DIFFULM_ISA_AVX512; isa++)
        check(dulm_kernels_choose(isa));
}

static double distribution(double u)
{
    return 0.5 * erfc(-u / sqrt(2));
}

static void check_gelu(const struct dulm_kernels *k)
{
    float u[MOST], y[MOST], dy[MOST], du[MOST];
    for (size_t i = 0; i < MOST; i++)
        u[i] = ((float)i - MOST / 2) * 0.02f, dy[i] = 2;
    k->activation(DULM_GELU, MOST, u, y);
    k->activation_backward(DULM_GELU, MOST, u, dy, du);
    for (size_t i = 0; i < MOST; i++) {
        const double x = (double)u[i], phi = distribution(x);
        const double slope = phi + x * exp(-x * x / 2) * 0.3989422804014327;
        assert_true(fabs((double)y[i] - x * phi) < 1e-6);
        assert_true(fabs((double)du[i] - 2 * slope) < 2e-6);
    }
    memcpy(y, u, sizeof y); /* in place, of a number that leaves a rest */
    k->activation(DULM_GELU, 37, y, y);
    for (size_t i = 0; i < MOST; i++)
        if (i < 37)
            assert_true(fabs((double)y[i] - (double)u[i] * distribution((double)u[i])) < 1e-6);
        else
            assert_true(y[i] == u[i]);
}

static void gelu_is_exact_by_the_error_function(void **state)
{
    (void)state;
    each_instruction_set(check_gelu);
}

static void check_gelu_far(const struct dulm_kernels *k)
{
    const float u[] = {-6, -100, -3e38f, 6, 100, 3e38f, INFINITY, NAN};
    float y[8];
    k->activation(DULM_GELU, 8, u, y);
    for (size_t i = 0; i < 3; i++)
        assert_true(y[i] == 0);
    for (size_t i = 3; i < 7; i++)
        assert_true(y[i] == u[i]);
    assert_true(isnan(y[7]));
}

static void gelu_far_from_zero_is_zero_or_what_it_is_given(void **state)
{
    (void)state;
    each_instruction_set(check_gelu_far);
}

static void check_softmax(const struct dulm_kernels *k)
{
    static float s[3 * MOST];
    for (size_t n = 1; n <= MOST; n += n < 70 ? 1 : 97)
        for (int masked = 0; masked < 2; masked++) {
            double sum[3] = {0};
            for (size_t i = 0; i < 3 * n; i++) {
                s[i] = masked && i % 3 == 1 ? -INFINITY : (float)((i * 7919) % 1001) * 0.1f - 70;
                sum[i / n] += exp((double)s[i] * 0.25);
            }
            float p[3 * MOST];
            memcpy(p, s, 3 * n * sizeof *p);
            k->softmax(3, n, 0.25f, p);
            for (size_t i = 0; i < 3 * n; i++) {
                const double want = sum[i / n] > 0 ? exp((double)s[i] * 0.25) / sum[i / n] : 0;
                assert_true(fabs((double)p[i] - want) <= 4e-6 * want); /* exponents up to 25 */
            }
        }
}

/* What is masked has no share at all, and rows that are wholly so are zeros. */
static void softmax_is_exact_and_masked_scores_have_no_share(void **state)
{
    (void)state;
    each_instruction_set(check_softmax);
}

static void check_extremes(const struct dulm_kernels *k)
{
    for (size_t n = 1; n < 40; n++)
        for (size_t at = 0; at < n; at++) {
            float s[40] = {0};
            s[at] = 300; /* leaves the others less than the least number */
            k->softmax(1, n, 1, s);
            for (size_t i = 0; i < n; i++)
                assert_true(s[i] == (i == at ? 1.0f : 0.0f));
            for (size_t i = 0; i < n; i++)
                s[i] = -1;
            s[at] = NAN;
            assert_true(k->max(n, s) == (n > 1 ? -1 : -INFINITY)); /* NaN is passed over */
            k->softmax(1, n, 1, s);
            for (size_t i = 0; i < n; i++)
                assert_true(isnan(s[i]) || n == 1);
            assert_true(isnan(s[at]));
        }
}

static void softmax_gives_all_to_one_far_above_and_nan_reaches_its_row(void **state)
{
    (void)state;
    each_instruction_set(check_extremes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gelu_is_exact_by_the_error_function),
        cmocka_unit_test(gelu_far_from_zero_is_zero_or_what_it_is_given),
        cmocka_unit_test(softmax_is_exact_and_masked_scores_have_no_share),
        cmocka_unit_test(softmax_gives_all_to_one_far_above_and_nan_reaches_its_row),
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}

/* One denoising transition on logits that the test supplies. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <diffulm/diffulm.h>

enum { V = 4, N = 3, MASK = 3 };
static const float logits[N * V] = {0, 5, 0, 9, 2, 0, 0, 9, 0, 0, 3, 9};

static void mask_token_is_never_chosen_and_the_last_step_reveals_all(void **state)
{
    (void)state;
    diffulm_sampler *sampler = NULL;
    struct diffulm_sampler_options o = DIFFULM_SAMPLER_OPTIONS_INIT;
    o.steps = 1;
    assert_int_equal(diffulm_sampler_create(NULL, &o, &sampler), DIFFULM_OK);
    int32_t tokens[N] = {MASK, MASK, MASK};
    float scores[N] = {0};
    uint8_t noisy[N] = {1, 1, 1}, generated[N] = {1, 1, 1};
    struct diffulm_sampler_state s = {sizeof s, N, tokens, scores, noisy, generated, 0, MASK, 0, 0};
    assert_int_equal(diffulm_sampler_transition(sampler, &s, 1, logits, V), DIFFULM_OK);
    assert_int_equal(tokens[0], 1);
    assert_int_equal(tokens[1], 0);
    assert_int_equal(tokens[2], 2);
    assert_true(fabsf(scores[0] - (float)(5 - log(exp(5) + 2))) < 1e-5f);
    assert_int_equal(noisy[0] + noisy[1] + noisy[2], 0);
    diffulm_sampler_unref(sampler);
}

static void unknown_policy_and_bad_option_are_named(void **state)
{
    (void)state;
    diffulm_sampler *sampler = NULL;
    struct diffulm_sampler_options o = DIFFULM_SAMPLER_OPTIONS_INIT;
    assert_int_equal(diffulm_sampler_create("nucleus", NULL, &sampler), DIFFULM_E_ARGUMENT);
    o.top_p = 2;
    assert_int_equal(diffulm_sampler_create("ar", &o, &sampler), DIFFULM_E_ARGUMENT);
    assert_null(sampler);
}

static void needs_asks_ar_for_the_leftmost_mask_only(void **state)
{
    (void)state;
    diffulm_sampler *sampler = NULL;
    assert_int_equal(diffulm_sampler_create("ar", NULL, &sampler), DIFFULM_OK);
    int32_t tokens[N] = {0, MASK, MASK};
    float scores[N] = {0};
    uint8_t noisy[N] = {0, 1, 1}, generated[N] = {0, 1, 1}, wanted[N];
    struct diffulm_sampler_state s = {sizeof s, N, tokens, scores, noisy, generated, 0, MASK, 0, 0};
    assert_int_equal(diffulm_sampler_needs(sampler, &s, 1, wanted), DIFFULM_OK);
    assert_int_equal(wanted[0], 0);
    assert_int_equal(wanted[1], 1);
    assert_int_equal(wanted[2], 0);
    diffulm_sampler_unref(sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mask_token_is_never_chosen_and_the_last_step_reveals_all),
        cmocka_unit_test(unknown_policy_and_bad_option_are_named),
        cmocka_unit_test(needs_asks_ar_for_the_leftmost_mask_only)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

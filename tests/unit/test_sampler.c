/* One denoising transition on logits that the test supplies. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
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

/* Each case breaks one thing of a good state; the transition refuses it and touches nothing. */
static void states_and_logits_that_cannot_be_are_refused_and_left_as_they_are(void **state)
{
    (void)state;
    static const struct {
        float logit, score;
        uint8_t noisy, generated;
        size_t quota;
        diffulm_status expected;
    } cases[] = {{5, 0, 1, 1, 0, DIFFULM_OK},
                 {NAN, 0, 1, 1, 0, DIFFULM_E_NUMERIC},
                 {INFINITY, 0, 1, 1, 0, DIFFULM_E_NUMERIC},
                 {5, NAN, 1, 1, 0, DIFFULM_E_ARGUMENT},
                 {5, 0, 2, 1, 0, DIFFULM_E_ARGUMENT},
                 {5, 0, 1, 0, 0, DIFFULM_E_ARGUMENT},
                 {5, 0, 1, 2, 0, DIFFULM_E_ARGUMENT},
                 {5, 0, 1, 1, N + 1, DIFFULM_E_ARGUMENT}};
    diffulm_sampler *sampler = NULL;
    assert_int_equal(diffulm_sampler_create("llada-low_confidence", NULL, &sampler), DIFFULM_OK);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int32_t tokens[N] = {MASK, MASK, MASK};
        float scores[N] = {0, cases[c].score, 0}, x[N * V];
        uint8_t noisy[N] = {1, cases[c].noisy, 1}, generated[N] = {1, cases[c].generated, 1};
        struct diffulm_sampler_state s = {sizeof s,       N,    tokens, scores, noisy, generated,
                                          cases[c].quota, MASK, 0,      0};
        for (int i = 0; i < N * V; i++)
            x[i] = logits[i];
        x[V] = cases[c].logit;
        assert_int_equal(diffulm_sampler_transition(sampler, &s, 1, x, V), cases[c].expected);
        if (cases[c].expected == DIFFULM_OK)
            continue;
        assert_true(strstr(diffulm_error_message(), "position"));
        for (int i = 0; i < N; i++)
            assert_int_equal(tokens[i], MASK);
        assert_int_equal(s.quota, cases[c].quota);
    }
    diffulm_sampler_unref(sampler);
}

static void noise_scale_in_a_policy_name_is_read_alike_in_every_locale(void **state)
{
    (void)state;
    static const char *const good[] = {"0.5", "1", "12.25", "0.", ".5"};
    static const char *const bad[] = {"", ".", "0,5", "1e3", "-1", "0.5.5", "9999999"};
    char name[64];
    diffulm_sampler *sampler = NULL;
    (void)setlocale(LC_NUMERIC, "de_DE.UTF-8"); /* where it is installed */
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(name, sizeof name, "reparam-cond-stochastic%s-linear", good[i]);
        assert_int_equal(diffulm_sampler_create(name, NULL, &sampler), DIFFULM_OK);
        diffulm_sampler_unref(sampler);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(name, sizeof name, "reparam-cond-stochastic%s-linear", bad[i]);
        assert_int_equal(diffulm_sampler_create(name, NULL, &sampler), DIFFULM_E_ARGUMENT);
    }
    (void)setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mask_token_is_never_chosen_and_the_last_step_reveals_all),
        cmocka_unit_test(unknown_policy_and_bad_option_are_named),
        cmocka_unit_test(needs_asks_ar_for_the_leftmost_mask_only),
        cmocka_unit_test(states_and_logits_that_cannot_be_are_refused_and_left_as_they_are),
        cmocka_unit_test(noise_scale_in_a_policy_name_is_read_alike_in_every_locale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

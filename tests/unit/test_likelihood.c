/* The diffusion bound against its exact value by enumeration, and the pseudo-likelihood token by token. */
#include <math.h>
#include <string.h>

#include "tiny.h"

enum { LENGTH = 5, SOURCE = 2, TARGETS = LENGTH - SOURCE, T = 4 };
static const int32_t row_tokens[LENGTH] = {TINY_BOS, 7, 9, 4, TINY_EOS};
static const size_t offsets[2] = {0, LENGTH}, sources[1] = {SOURCE};

static struct diffulm_rows one_row(void)
{
    return (struct diffulm_rows){sizeof(struct diffulm_rows), 1, offsets, row_tokens, sources};
}

static struct diffulm_likelihood_options options_of(int32_t samples)
{
    struct diffulm_likelihood_options o = DIFFULM_LIKELIHOOD_OPTIONS_INIT;
    o.samples = samples;
    o.timesteps = T;
    o.mask_id = TINY_MASK;
    return o;
}

/* Sum of ln p of the targets that `masks` (bit i: target i) hides. */
static double masked_sum(const diffulm_model *model, unsigned masks)
{
    int32_t tokens[LENGTH];
    float logits[LENGTH * TINY_VOCABULARY];
    double total = 0;
    memcpy(tokens, row_tokens, sizeof tokens);
    for (int i = 0; i < TARGETS; i++)
        tokens[SOURCE + i] = masks >> i & 1 ? TINY_MASK : tokens[SOURCE + i];
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, logits), DIFFULM_OK);
    for (int i = SOURCE; i < LENGTH; i++) {
        const float *x = logits + i * TINY_VOCABULARY;
        double sum = 0;
        for (int v = 0; v < TINY_VOCABULARY; v++)
            sum += v == TINY_MASK ? 0 : exp((double)x[v]);
        total += masks >> (i - SOURCE) & 1 ? (double)x[row_tokens[i]] - log(sum) : 0;
    }
    return total;
}

static double exact_bound(const diffulm_model *model)
{
    double bound = 0;
    for (unsigned masks = 0; masks < 1u << TARGETS; masks++) {
        const double sum = masked_sum(model, masks);
        const int n = __builtin_popcount(masks);
        for (int t = 1; t <= T; t++)
            bound += sum / t * pow((double)t / T, n) * pow(1 - (double)t / T, TARGETS - n);
    }
    return bound;
}

static void bound_is_its_exact_value_within_the_error_it_states(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 3);
    const struct diffulm_rows rows = one_row();
    struct diffulm_likelihood found = {.struct_size = sizeof found};
    const double want = exact_bound(model);
    double last = INFINITY;
    for (int32_t samples = 64; samples <= 16384; samples *= 16) {
        const struct diffulm_likelihood_options o = options_of(samples);
        assert_int_equal(diffulm_likelihood_bound(model, &rows, 0, &o, &found), DIFFULM_OK);
        assert_int_equal(found.tokens, TARGETS);
        assert_true(found.standard_error > 0 && found.standard_error < last / 2);
        assert_true(fabs(found.log_probability - want) < 4 * found.standard_error);
        last = found.standard_error;
    }
    diffulm_model_unref(model);
}

static void pseudo_likelihood_masks_each_target_alone(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("modernbert", DIFFULM_BACKEND_REFERENCE, 1, 4);
    const struct diffulm_rows rows = one_row();
    const struct diffulm_likelihood_options o = options_of(0);
    struct diffulm_likelihood found = {.struct_size = sizeof found};
    assert_int_equal(diffulm_likelihood_pseudo(model, &rows, &o, &found), DIFFULM_OK);
    const double want = masked_sum(model, 1) + masked_sum(model, 2) + masked_sum(model, 4);
    assert_true(fabs(found.log_probability - want) < 1e-5);
    assert_true(found.standard_error == 0);
    diffulm_model_unref(model);
}

static void result_does_not_depend_on_threads_or_on_how_rows_are_cut(void **state)
{
    (void)state;
    static const int32_t tokens[2 * LENGTH] = {0, 7, 9, 4, 2, 0, 5, 6, 8, 2};
    static const size_t two_offsets[3] = {0, LENGTH, 2 * LENGTH}, two_sources[2] = {SOURCE, 1};
    const struct diffulm_likelihood_options o = options_of(10);
    struct diffulm_likelihood both[2] = {{.struct_size = sizeof *both}}, alone = both[0];
    for (int32_t threads = 1; threads <= 2; threads++) {
        diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, threads, 4);
        struct diffulm_rows rows = {sizeof rows, 2, two_offsets, tokens, two_sources};
        both[0].struct_size = sizeof *both;
        assert_int_equal(diffulm_likelihood_bound(model, &rows, 0, &o, both), DIFFULM_OK);
        rows = (struct diffulm_rows){sizeof rows, 1, offsets, tokens + LENGTH, two_sources + 1};
        const double first = alone.log_probability;
        assert_int_equal(diffulm_likelihood_bound(model, &rows, 1, &o, &alone), DIFFULM_OK);
        assert_true(alone.log_probability == both[1].log_probability);
        assert_true(threads == 1 || alone.log_probability == first);
        diffulm_model_unref(model);
    }
}

static void row_without_a_target_is_certain(void **state)
{
    (void)state;
    static const size_t all[1] = {LENGTH};
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 4);
    const struct diffulm_rows rows = {sizeof rows, 1, offsets, row_tokens, all};
    const struct diffulm_likelihood_options o = options_of(4);
    struct diffulm_likelihood found = {.struct_size = sizeof found};
    assert_int_equal(diffulm_likelihood_bound(model, &rows, 0, &o, &found), DIFFULM_OK);
    assert_true(found.log_probability == 0 && found.standard_error == 0 && found.tokens == 0);
    diffulm_model_unref(model);
}

static void refusals_name_option_or_row_and_leave_the_output(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 4);
    struct diffulm_rows rows = one_row();
    struct diffulm_likelihood_options o = options_of(3);
    struct diffulm_likelihood found = {.struct_size = sizeof found, .log_probability = 5};
    assert_int_equal(diffulm_likelihood_bound(model, &rows, 0, &o, &found), DIFFULM_E_ARGUMENT);
    assert_message_names("samples");
    o = options_of(2);
    o.mask_id = -1;
    assert_int_equal(diffulm_likelihood_bound(model, &rows, 0, &o, &found), DIFFULM_E_ARGUMENT);
    assert_message_names("mask_id");
    o.mask_id = TINY_MASK;
    static const int32_t bad[LENGTH] = {0, 7, TINY_VOCABULARY, 4, 2};
    rows.tokens = bad;
    assert_int_equal(diffulm_likelihood_pseudo(model, &rows, &o, &found), DIFFULM_E_ARGUMENT);
    assert_message_names("position 2");
    assert_true(found.log_probability == 5);
    diffulm_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound_is_its_exact_value_within_the_error_it_states),
        cmocka_unit_test(pseudo_likelihood_masks_each_target_alone),
        cmocka_unit_test(result_does_not_depend_on_threads_or_on_how_rows_are_cut),
        cmocka_unit_test(row_without_a_target_is_certain),
        cmocka_unit_test(refusals_name_option_or_row_and_leave_the_output)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

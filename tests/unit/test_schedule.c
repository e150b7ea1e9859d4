/* The parts of training, where the fixtures say nothing: life of a handle, refusals, edges. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <diffulm/diffulm.h>

static diffulm_schedule *made(const char *name, int32_t corruption, double ratio)
{
    struct diffulm_schedule_options o = DIFFULM_SCHEDULE_OPTIONS_INIT;
    o.corruption = corruption;
    o.mask_ratio = ratio;
    diffulm_schedule *s = NULL;
    assert_int_equal(diffulm_schedule_create(name, &o, &s), DIFFULM_OK);
    return s;
}

static void initialisers_equal_their_functions(void **state)
{
    (void)state;
    const struct diffulm_schedule_options a = DIFFULM_SCHEDULE_OPTIONS_INIT;
    struct diffulm_schedule_options b = {.timesteps = 9, .mask_ratio = 3};
    diffulm_schedule_options_init(&b, sizeof b);
    assert_true(a.struct_size == sizeof a && b.struct_size == sizeof b);
    assert_true(a.timesteps == b.timesteps && a.weight == b.weight &&
                a.corruption == b.corruption && a.mask_ratio == b.mask_ratio);
    const struct diffulm_training_row_options c = DIFFULM_TRAINING_ROW_OPTIONS_INIT;
    struct diffulm_training_row_options d = {.max_length = 9, .mask_on_padding = 1};
    diffulm_training_row_options_init(&d, sizeof d);
    assert_true(c.struct_size == sizeof c && d.struct_size == sizeof d);
    assert_true(c.max_length == d.max_length && c.pad_to == d.pad_to &&
                c.mask_on_source == d.mask_on_source && c.mask_on_padding == d.mask_on_padding);
}

static void a_schedule_lives_until_its_last_reference(void **state)
{
    (void)state;
    diffulm_schedule *s = NULL;
    assert_int_equal(diffulm_schedule_create(NULL, NULL, &s), DIFFULM_OK);
    assert_ptr_equal(diffulm_schedule_ref(s), s);
    diffulm_schedule_unref(s);
    assert_string_equal(diffulm_schedule_name(s), "linear");
    assert_int_equal(diffulm_schedule_timesteps(s), 50);
    diffulm_schedule_unref(s);
    diffulm_schedule_unref(NULL);
    assert_null(diffulm_schedule_ref(NULL));
}

static void wrong_options_are_named_and_leave_out_alone(void **state)
{
    (void)state;
    diffulm_schedule *s = NULL;
    struct diffulm_schedule_options o = DIFFULM_SCHEDULE_OPTIONS_INIT;
    assert_int_equal(diffulm_schedule_create("sigmoid", NULL, &s), DIFFULM_E_ARGUMENT);
    assert_non_null(strstr(diffulm_error_message(), "sigmoid"));
    o.timesteps = -1;
    assert_int_equal(diffulm_schedule_create(NULL, &o, &s), DIFFULM_E_ARGUMENT);
    assert_non_null(strstr(diffulm_error_message(), "timesteps"));
    o.timesteps = 0;
    o.mask_ratio = NAN;
    assert_int_equal(diffulm_schedule_create(NULL, &o, &s), DIFFULM_E_ARGUMENT);
    o.mask_ratio = 0;
    o.corruption = DIFFULM_CORRUPTION_FIXED;
    assert_int_equal(diffulm_schedule_create(NULL, &o, &s), DIFFULM_E_ARGUMENT);
    assert_non_null(strstr(diffulm_error_message(), "mask_ratio"));
    assert_null(s);
}

static void a_longer_struct_is_taken_if_its_tail_is_zero(void **state)
{
    (void)state;
    struct {
        struct diffulm_schedule_options known;
        uint64_t tail;
    } o = {DIFFULM_SCHEDULE_OPTIONS_INIT, 0};
    o.known.struct_size = sizeof o;
    diffulm_schedule *s = NULL;
    assert_int_equal(diffulm_schedule_create(NULL, &o.known, &s), DIFFULM_OK);
    diffulm_schedule_unref(s);
    s = NULL;
    o.tail = 1;
    assert_int_equal(diffulm_schedule_create(NULL, &o.known, &s), DIFFULM_E_ARGUMENT);
    o.known.struct_size = 8;
    assert_int_equal(diffulm_schedule_create(NULL, &o.known, &s), DIFFULM_E_ARGUMENT);
    assert_null(s);
}

static void every_schedule_masks_more_as_time_goes(void **state)
{
    (void)state;
    const char *name;
    for (size_t k = 0; (name = diffulm_schedule_known(k)); k++) {
        diffulm_schedule *s = made(name, 0, 0);
        double before = 0, rate = -1, alpha = -1, same = -1;
        for (int32_t t = 1; t <= 50; t++) {
            assert_int_equal(diffulm_schedule_mask_rate(s, t, &rate), DIFFULM_OK);
            assert_int_equal(diffulm_schedule_at_time(s, t / 50.0, &alpha, &same, NULL),
                             DIFFULM_OK);
            assert_true(rate > before && rate <= 1 && fabs(rate - same) < 1e-15);
            assert_true(fabs(alpha + rate - 1) < 1e-15);
            before = rate;
        }
        diffulm_schedule_unref(s);
    }
}

static void timesteps_out_of_range_leave_the_output_alone(void **state)
{
    (void)state;
    diffulm_schedule *s = made("cosine", 0, 0);
    double value = 7;
    assert_int_equal(diffulm_schedule_mask_rate(s, 0, &value), DIFFULM_E_ARGUMENT);
    assert_int_equal(diffulm_schedule_loss_weight(s, 51, &value), DIFFULM_E_ARGUMENT);
    assert_int_equal(diffulm_schedule_at_time(s, 0, NULL, NULL, &value), DIFFULM_E_ARGUMENT);
    assert_int_equal(diffulm_schedule_at_time(s, NAN, &value, NULL, NULL), DIFFULM_E_ARGUMENT);
    assert_true(value == 7);
    assert_int_equal(diffulm_schedule_at_time(s, 0, &value, NULL, NULL), DIFFULM_OK);
    assert_true(value == 1);
    diffulm_schedule_unref(s);
}

/* 11744051 / 2^24 is just below 35/50; rounded to single precision they are equal. */
static void the_lower_draw_is_compared_in_double(void **state)
{
    (void)state;
    diffulm_schedule *s = made("linear", 0, 0);
    const double u_hi[2] = {0, 0}, u_lo[2] = {11744051 * 0x1p-24, 11744052 * 0x1p-24};
    const int32_t tokens[2] = {5, 6};
    const struct diffulm_clean_row row = {
        .struct_size = sizeof row, .length = 2, .tokens = tokens, .u_hi = u_hi, .u_lo = u_lo};
    uint8_t lo[2] = {9, 9};
    struct diffulm_corrupted_pair out = {.struct_size = sizeof out, .masked_lo = lo};
    assert_int_equal(diffulm_schedule_corrupt(s, &row, 35, 50, &out), DIFFULM_OK);
    assert_int_equal(lo[0], 1);
    assert_int_equal(lo[1], 0);
    diffulm_schedule_unref(s);
}

static void single_corruption_makes_one_copy(void **state)
{
    (void)state;
    diffulm_schedule *s = made("linear", DIFFULM_CORRUPTION_SINGLE, 0);
    int32_t t1 = 0, t2 = 0, tokens[3] = {5, 6, 7}, x[3] = {0}, low[3] = {0};
    assert_int_equal(diffulm_schedule_draw_timesteps(s, 1, 2, 3, &t1, &t2), DIFFULM_OK);
    assert_true(t1 == t2 && t1 >= 1 && t1 <= 50);
    const uint8_t maskable[3] = {0, 1, 1};
    const struct diffulm_clean_row row = {.struct_size = sizeof row,
                                          .length = 3,
                                          .tokens = tokens,
                                          .maskable = maskable,
                                          .mask_id = 9};
    struct diffulm_corrupted_pair out = {.struct_size = sizeof out, .x_hi = x, .x_lo = low};
    assert_int_equal(diffulm_schedule_corrupt(s, &row, 50, 0, &out), DIFFULM_E_ARGUMENT);
    assert_int_equal(x[1], 0);
    out.x_lo = NULL;
    assert_int_equal(diffulm_schedule_corrupt(s, &row, 50, 0, &out), DIFFULM_OK);
    assert_true(x[0] == 5 && x[1] == 9 && x[2] == 9);
    diffulm_schedule_unref(s);
}

static void uniforms_outside_their_range_are_refused(void **state)
{
    (void)state;
    diffulm_schedule *s = made("linear", 0, 0);
    const double u[1] = {1};
    int32_t token = 5, x = 0;
    const struct diffulm_clean_row row = {
        .struct_size = sizeof row, .length = 1, .tokens = &token, .u_hi = u};
    struct diffulm_corrupted_pair out = {.struct_size = sizeof out, .x_hi = &x};
    assert_int_equal(diffulm_schedule_corrupt(s, &row, 50, 1, &out), DIFFULM_E_ARGUMENT);
    assert_non_null(strstr(diffulm_error_message(), "u_hi"));
    assert_int_equal(x, 0);
    diffulm_schedule_unref(s);
}

static void a_row_that_does_not_fit_reports_its_size(void **state)
{
    (void)state;
    const int32_t source[] = {0, 8, 9, 2}, target[] = {0, 7, 2};
    struct diffulm_pair pair = {sizeof pair, 4, 3, source, target, 0, 2, -1};
    struct diffulm_training_row row = {.struct_size = sizeof row};
    assert_int_equal(diffulm_training_row_build(&pair, NULL, &row), DIFFULM_BUFFER_TOO_SMALL);
    assert_true(row.length == 5 && row.padded == 5 && row.source_length == 3);
    int32_t tokens[8] = {0};
    row.tokens = tokens;
    row.capacity = 8;
    assert_int_equal(diffulm_training_row_build(&pair, NULL, &row), DIFFULM_OK);
    const int32_t want[5] = {0, 8, 9, 7, 2};
    assert_memory_equal(tokens, want, sizeof want);
    assert_int_equal(row.maskable_count, 2);
    struct diffulm_training_row_options o = DIFFULM_TRAINING_ROW_OPTIONS_INIT;
    o.pad_to = 4;
    assert_int_equal(diffulm_training_row_build(&pair, &o, &row), DIFFULM_E_ARGUMENT);
    o.pad_to = 6; /* there is no pad token */
    assert_int_equal(diffulm_training_row_build(&pair, &o, &row), DIFFULM_E_ARGUMENT);
    assert_int_equal(row.padded, 5);
}

enum { V = 3 };
static const float ruled_out[V] = {1, 2, -INFINITY};

static diffulm_status loss_at(int32_t target, double smoothing, struct diffulm_loss *loss,
                              float *d_logits)
{
    diffulm_schedule *s = made("linear", 0, 0);
    const int32_t t = 50;
    const size_t n = 1, row = 0;
    const struct diffulm_loss_rows rows = {sizeof rows, 1, &t, &n, smoothing};
    const struct diffulm_loss_logits in = {sizeof in, 1, V, &row, &target, ruled_out};
    const diffulm_status rc = diffulm_schedule_loss(s, &rows, &in, loss, d_logits);
    diffulm_schedule_unref(s);
    return rc;
}

static void ruled_out_ids_are_allowed_where_they_do_not_count(void **state)
{
    (void)state;
    float d[V] = {0};
    struct diffulm_loss loss = {.struct_size = sizeof loss, .loss = -1};
    assert_int_equal(loss_at(2, 0, &loss, d), DIFFULM_E_NUMERIC);
    assert_int_equal(loss_at(0, 0.1, &loss, d), DIFFULM_E_NUMERIC);
    assert_int_equal(loss_at(3, 0, &loss, d), DIFFULM_E_ARGUMENT);
    assert_true(loss.loss == -1);
    assert_int_equal(loss_at(0, 0, &loss, d), DIFFULM_OK);
    assert_true(fabs(loss.loss - log(1 + exp(1))) < 1e-6);
    assert_true(loss.cross_entropy == loss.loss && isinf(loss.uniform));
    assert_true(fabsf(d[0] + d[1]) < 1e-6f && d[2] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initialisers_equal_their_functions),
        cmocka_unit_test(a_schedule_lives_until_its_last_reference),
        cmocka_unit_test(wrong_options_are_named_and_leave_out_alone),
        cmocka_unit_test(a_longer_struct_is_taken_if_its_tail_is_zero),
        cmocka_unit_test(every_schedule_masks_more_as_time_goes),
        cmocka_unit_test(timesteps_out_of_range_leave_the_output_alone),
        cmocka_unit_test(the_lower_draw_is_compared_in_double),
        cmocka_unit_test(single_corruption_makes_one_copy),
        cmocka_unit_test(uniforms_outside_their_range_are_refused),
        cmocka_unit_test(a_row_that_does_not_fit_reports_its_size),
        cmocka_unit_test(ruled_out_ids_are_allowed_where_they_do_not_count)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

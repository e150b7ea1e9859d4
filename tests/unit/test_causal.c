/* test_causal.c: the causal objective, decoding left to right, and the keys and values that a session keeps. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "diffusion/session.h"
#include "tiny.h"

enum { ROWS = 3, TOKENS = 20 };

/* Rows of different lengths: bos, source, target, eos. Each target is its source in reverse. */
static const size_t offsets[ROWS + 1] = {0, 6, 12, 20};
static const int32_t tokens[TOKENS] = {0, 4, 5, 5, 4, 2,  0,  6, 7, 7,
                                       6, 2, 0, 8, 9, 10, 10, 9, 8, 2};
static const size_t sources[ROWS] = {3, 3, 4};

static struct diffulm_rows all_rows(void)
{
    return (struct diffulm_rows){sizeof(struct diffulm_rows), ROWS, offsets, tokens, sources};
}

static struct diffulm_trainer_options causal_options(void)
{
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    o.objective = DIFFULM_OBJECTIVE_CAUSAL;
    o.attention = DIFFULM_ATTENTION_CAUSAL;
    o.mask_id = TINY_MASK;
    o.lr = 5e-3;
    o.seed = 3;
    return o;
}

/* The definition of the loss, from the logits of the public forward pass. */
static double loss_by_hand(const diffulm_model *model, double smoothing, bool whole, double *mean)
{
    float logits[TOKENS * TINY_VOCABULARY];
    const struct diffulm_batch batch = {.struct_size = sizeof batch,
                                        .rows = ROWS,
                                        .offsets = offsets,
                                        .tokens = tokens,
                                        .attention = DIFFULM_ATTENTION_CAUSAL};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, TOKENS, logits), DIFFULM_OK);
    double loss = 0, sum = 0;
    size_t count = 0;
    for (size_t r = 0; r < ROWS; r++) {
        const size_t first = whole ? 1 : sources[r], n = offsets[r + 1] - offsets[r] - first;
        for (size_t i = offsets[r] + first; i < offsets[r + 1]; i++) {
            const float *x = logits + (i - 1) * TINY_VOCABULARY;
            double total = 0, uniform = 0;
            for (size_t v = 0; v < TINY_VOCABULARY; v++)
                total += exp((double)x[v]);
            for (size_t v = 0; v < TINY_VOCABULARY; v++)
                uniform += (log(total) - (double)x[v]) / TINY_VOCABULARY;
            const double ce = log(total) - (double)x[tokens[i]];
            loss += ((1 - smoothing) * ce + smoothing * uniform) / (double)(n * ROWS);
            sum += ce;
            count++;
        }
    }
    *mean = sum / (double)count;
    return loss;
}

static void check_loss(double smoothing, int32_t whole)
{
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 5);
    struct diffulm_trainer_options o = causal_options();
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    const struct diffulm_rows rows = all_rows();
    diffulm_trainer *trainer = NULL;
    o.label_smoothing = smoothing;
    o.mask_on_source = whole;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    double mean;
    const double loss = loss_by_hand(model, smoothing, whole, &mean);
    assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, &report), DIFFULM_OK);
    assert_float_equal(report.loss, loss, 1e-5);
    assert_float_equal(report.cross_entropy, mean, 1e-5);
    assert_int_equal(report.tokens, TOKENS);
    assert_int_equal(report.masked, whole ? TOKENS - ROWS : TOKENS - 10);
    assert_int_equal(diffulm_trainer_evaluate(trainer, &rows, 9, &report), DIFFULM_OK);
    assert_float_equal(report.loss, loss, 1e-5);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

static void causal_loss_is_the_cross_entropy_of_the_next_target_token(void **state)
{
    (void)state;
    check_loss(0, 0);
    check_loss(0.1, 0);
    check_loss(0, 1);
}

static void causal_objective_names_what_it_cannot_take(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 5);
    struct diffulm_trainer_options o = causal_options();
    diffulm_trainer *trainer = NULL;
    o.attention = DIFFULM_ATTENTION_FULL;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_E_ARGUMENT);
    assert_non_null(strstr(diffulm_error_message(), "causal attention"));
    o = causal_options();
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    const uint8_t flags[6] = {0, 0, 0, 1, 1, 1};
    const int32_t t = 1;
    const struct diffulm_corrupted_rows rows = {sizeof rows, 1,     offsets, tokens, tokens,
                                                flags,       flags, &t,      sources};
    assert_int_equal(diffulm_trainer_accumulate_corrupted(trainer, &rows, NULL),
                     DIFFULM_E_ARGUMENT);
    assert_non_null(strstr(diffulm_error_message(), "clean rows"));
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

static diffulm_model *trained(const char *family, int32_t backend)
{
    diffulm_model *model = tiny_model_on(family, backend, 1, 5), *out = NULL;
    const struct diffulm_trainer_options o = causal_options();
    const struct diffulm_rows rows = all_rows();
    diffulm_trainer *trainer = NULL;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    for (int i = 0; i < 120; i++) {
        assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, NULL), DIFFULM_OK);
        assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_OK);
    }
    assert_int_equal(diffulm_trainer_export(trainer, &out), DIFFULM_OK);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
    return out;
}

static diffulm_session *session_of(diffulm_model *model, const char *policy, int32_t shift,
                                   const struct diffulm_session_options *options)
{
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    so.steps = 12;
    so.shift_logits = shift;
    assert_int_equal(diffulm_sampler_create(policy, &so, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_session_create(model, sampler, options, &session), DIFFULM_OK);
    diffulm_sampler_unref(sampler);
    return session;
}

/* Row r of the training data with its target masked, and `more` masks behind. */
static void add_row(diffulm_session *session, size_t r, size_t more)
{
    int32_t canvas[TINY_LONGEST];
    uint8_t roles[TINY_LONGEST];
    const size_t length = offsets[r + 1] - offsets[r] + more;
    size_t row;
    for (size_t i = 0; i < length; i++) {
        canvas[i] = i < sources[r] ? tokens[offsets[r] + i] : TINY_MASK;
        roles[i] = i < sources[r] ? DIFFULM_ROLE_GIVEN : DIFFULM_ROLE_MASKED;
    }
    assert_int_equal(diffulm_session_add(session, canvas, length, roles, NULL, &row), DIFFULM_OK);
}

static struct diffulm_session_options causal_session(void)
{
    struct diffulm_session_options o = DIFFULM_SESSION_OPTIONS_INIT;
    o.attention = DIFFULM_ATTENTION_CAUSAL;
    return o;
}

static void check_answers(const char *family, int32_t backend)
{
    diffulm_model *model = trained(family, backend);
    struct diffulm_session_options o = causal_session();
    o.stop_id = TINY_EOS;
    diffulm_session *session = session_of(model, "ar", 1, &o);
    for (size_t r = 0; r < ROWS; r++)
        add_row(session, r, 4);
    assert_int_equal(diffulm_session_run(session), DIFFULM_DONE);
    for (size_t r = 0; r < ROWS; r++) {
        int32_t out[TINY_LONGEST];
        size_t length;
        assert_int_equal(diffulm_session_tokens(session, r, out, TINY_LONGEST, &length),
                         DIFFULM_OK);
        assert_memory_equal(out, tokens + offsets[r], (offsets[r + 1] - offsets[r]) * sizeof *out);
        for (size_t i = offsets[r + 1] - offsets[r]; i < length; i++)
            assert_int_equal(out[i], TINY_MASK);
    }
    diffulm_session_destroy(session);
    diffulm_model_unref(model);
}

static void a_trained_causal_model_answers_left_to_right_and_stops_at_eos(void **state)
{
    (void)state;
    check_answers("xlm-roberta", DIFFULM_BACKEND_REFERENCE);
    check_answers("modernbert", DIFFULM_BACKEND_REFERENCE);
#ifdef DULM_ONEDNN
    check_answers("xlm-roberta", DIFFULM_BACKEND_ONEDNN);
#endif
}

/* Both sessions to the end, the canvases compared after every step. Between steps `disturb` may change both. */
static void compare(diffulm_session *a, diffulm_session *b, void (*disturb)(diffulm_session *, int))
{
    int32_t x[TINY_LONGEST], y[TINY_LONGEST];
    float u[TINY_LONGEST], v[TINY_LONGEST];
    size_t n;
    for (int k = 0; k < 30; k++) {
        const diffulm_status rc = diffulm_session_step(a, NULL);
        assert_int_equal(rc, diffulm_session_step(b, NULL));
        for (size_t r = 0; r < diffulm_session_rows(a); r++) {
            assert_int_equal(diffulm_session_tokens(a, r, x, TINY_LONGEST, &n), DIFFULM_OK);
            assert_int_equal(diffulm_session_tokens(b, r, y, TINY_LONGEST, &n), DIFFULM_OK);
            assert_memory_equal(x, y, n * sizeof *x);
            assert_int_equal(diffulm_session_scores(a, r, u, TINY_LONGEST, &n), DIFFULM_OK);
            assert_int_equal(diffulm_session_scores(b, r, v, TINY_LONGEST, &n), DIFFULM_OK);
            assert_memory_equal(u, v, n * sizeof *u);
        }
        if (disturb) {
            disturb(a, k);
            disturb(b, k);
        }
    }
}

static void check_kept(const char *family, int32_t attention, const char *policy, int32_t shift,
                       void (*disturb)(diffulm_session *, int))
{
    diffulm_model *model = tiny_model_on(family, DIFFULM_BACKEND_REFERENCE, 2, 11);
    struct diffulm_session_options o = causal_session();
    o.attention = attention;
    diffulm_session *kept = session_of(model, policy, shift, &o);
    o.recompute = 1;
    diffulm_session *computed = session_of(model, policy, shift, &o);
    for (size_t r = 0; r < ROWS; r++) {
        add_row(kept, r, r);
        add_row(computed, r, r);
    }
    compare(kept, computed, disturb);
    diffulm_session_destroy(kept);
    diffulm_session_destroy(computed);
    diffulm_model_unref(model);
}

static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};
static const char *const policies[] = {"ar", "cmlm", NULL, "llada-low_confidence",
                                       "fast-threshold"};

static void kept_keys_and_values_give_the_same_bits_as_computing_them_again(void **state)
{
    (void)state;
    for (size_t f = 0; f < 3; f++)
        for (size_t p = 0; p < 5; p++)
            for (int32_t shift = 0; shift < 2; shift++) {
                check_kept(families[f], DIFFULM_ATTENTION_CAUSAL, policies[p], shift, NULL);
                check_kept(families[f], DIFFULM_ATTENTION_PREFIX_LM, policies[p], shift, NULL);
                check_kept(families[f], DIFFULM_ATTENTION_FULL, policies[p], shift, NULL);
            }
}

/* Positions that the last step computed, of all rows. */
static size_t computed_in(diffulm_session *session)
{
    struct diffulm_step_report report = {.struct_size = sizeof report};
    assert_true(diffulm_session_step(session, &report) >= 0);
    return session->step.offsets[ROWS];
}

static void a_step_computes_what_is_new_alone(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 11);
    struct diffulm_session_options o = causal_session();
    diffulm_session *causal = session_of(model, "ar", 1, &o);
    o.attention = DIFFULM_ATTENTION_PREFIX_LM;
    diffulm_session *prefix = session_of(model, NULL, 0, &o);
    for (size_t r = 0; r < ROWS; r++) {
        add_row(causal, r, 2);
        add_row(prefix, r, 0);
    }
    assert_int_equal(computed_in(causal), 10); /* the sources */
    assert_int_equal(computed_in(causal), ROWS);
    assert_int_equal(computed_in(causal), ROWS);
    assert_int_equal(computed_in(prefix), TOKENS);
    assert_int_equal(computed_in(prefix), TOKENS - 10);
    diffulm_session_destroy(causal);
    diffulm_session_destroy(prefix);
    diffulm_model_unref(model);
}

/* Rows of the sources 0, 1, 0, 0, 1, 2, of different lengths. */
static void add_beams(diffulm_session *session)
{
    static const size_t source_of[] = {0, 1, 0, 0, 1, 2};
    for (size_t i = 0; i < 6; i++)
        add_row(session, source_of[i], i);
}

static void rows_of_one_source_compute_it_once_and_give_the_same_bits(void **state)
{
    (void)state;
    for (size_t f = 0; f < 3; f++)
        for (size_t p = 0; p < 5; p++)
            for (int32_t shift = 0; shift < 2; shift++) {
                diffulm_model *model = tiny_model_on(families[f], DIFFULM_BACKEND_REFERENCE, 2, 11);
                struct diffulm_session_options o = causal_session();
                o.attention = DIFFULM_ATTENTION_PREFIX_LM;
                diffulm_session *shared = session_of(model, policies[p], shift, &o);
                o.recompute = 1;
                diffulm_session *computed = session_of(model, policies[p], shift, &o);
                add_beams(shared);
                add_beams(computed);
                compare(shared, computed, NULL);
                diffulm_session_destroy(shared);
                diffulm_session_destroy(computed);
                diffulm_model_unref(model);
            }
}

static void only_the_first_row_of_a_source_computes_it(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 11);
    struct diffulm_session_options o = causal_session();
    struct diffulm_step_report report = {.struct_size = sizeof report};
    o.attention = DIFFULM_ATTENTION_PREFIX_LM;
    diffulm_session *session = session_of(model, NULL, 0, &o);
    add_beams(session);
    assert_true(diffulm_session_step(session, &report) >= 0);
    size_t targets = 0;
    for (size_t r = 0; r < 6; r++) {
        const struct dulm_canvas *c = &session->canvas[r];
        targets += c->length - c->source_length;
        assert_int_equal(c->kept_count, c->source_length);
    }
    /* That of the last row, which is alone, is computed with its target. */
    assert_int_equal(session->step.offsets[6], targets + session->canvas[5].source_length);
    diffulm_session_destroy(session);
    diffulm_model_unref(model);
}

static void an_unchanged_row_is_not_scored_again_under_argmax(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 11);
    struct diffulm_session_options o = causal_session();
    struct diffulm_step_report report = {.struct_size = sizeof report};
    size_t quiet = 0, scored[2] = {0, 0}; /* steps: after one that changed nothing; with logits */
    o.attention = DIFFULM_ATTENTION_FULL;
    for (int32_t recompute = 0; recompute < 2; recompute++) {
        o.recompute = recompute;
        struct diffulm_sampler_options many = DIFFULM_SAMPLER_OPTIONS_INIT;
        diffulm_sampler *sampler = NULL;
        diffulm_session *session = NULL;
        many.steps = 40;
        assert_int_equal(diffulm_sampler_create("mdlm-ancestral-linear", &many, &sampler),
                         DIFFULM_OK);
        assert_int_equal(diffulm_session_create(model, sampler, &o, &session), DIFFULM_OK);
        diffulm_sampler_unref(sampler);
        add_row(session, 2, 0);
        bool changed = true;
        for (diffulm_status rc = DIFFULM_AGAIN; rc == DIFFULM_AGAIN;) {
            rc = diffulm_session_step(session, &report);
            quiet += !changed && report.scored > 0;
            scored[recompute] += report.scored > 0;
            changed = report.change_count > 0;
        }
        diffulm_session_destroy(session);
        if (!recompute)
            assert_int_equal(quiet, 0);
    }
    assert_true(quiet > 0);
    assert_int_equal(scored[0] + quiet, scored[1]);
    diffulm_model_unref(model);
}

/* A source token changes, a generated span is masked again, and the state goes out and back. */
static void edit(diffulm_session *session, int k)
{
    if (k == 2)
        assert_int_equal(diffulm_session_pin(session, 0, 1, 15), DIFFULM_OK);
    if (k == 4)
        assert_int_equal(diffulm_session_edit(session, 1, 1, 4), DIFFULM_OK);
    if (k == 5 || k == 9) /* what stands there, and what would */
        for (int32_t token = 0; token < TINY_VOCABULARY / 2; token++)
            assert_int_equal(diffulm_session_forbid(session, 2, SIZE_MAX, token), DIFFULM_OK);
    if (k != 6)
        return;
    char bytes[8192];
    size_t length;
    assert_int_equal(diffulm_session_snapshot(session, bytes, sizeof bytes, &length), DIFFULM_OK);
    assert_int_equal(diffulm_session_restore(session, bytes, length), DIFFULM_OK);
}

static void kept_keys_and_values_notice_edits_pins_and_restored_snapshots(void **state)
{
    (void)state;
    for (size_t p = 0; p < 5; p++) {
        check_kept("xlm-roberta", DIFFULM_ATTENTION_CAUSAL, policies[p], 1, edit);
        check_kept("xlm-roberta", DIFFULM_ATTENTION_PREFIX_LM, policies[p], 0, edit);
        check_kept("xlm-roberta", DIFFULM_ATTENTION_FULL, policies[p], 0, edit);
    }
}

static void a_stopped_row_frees_its_place_and_reparam_goes_on(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 5);
    struct diffulm_session_options o = causal_session();
    struct diffulm_step_report report = {.struct_size = sizeof report};
    const int32_t canvas[5] = {TINY_BOS, 4, TINY_EOS, TINY_MASK, TINY_MASK};
    const uint8_t given[5] = {DIFFULM_ROLE_GIVEN, DIFFULM_ROLE_GIVEN, DIFFULM_ROLE_EDITABLE,
                              DIFFULM_ROLE_MASKED, DIFFULM_ROLE_MASKED};
    size_t row;
    o.stop_id = TINY_EOS;
    diffulm_session *session = session_of(model, "ar", 1, &o);
    assert_int_equal(diffulm_session_add(session, canvas, 5, given, NULL, &row), DIFFULM_OK);
    assert_int_equal(diffulm_session_step(session, &report), DIFFULM_DONE);
    assert_int_equal(report.scored, 0);
    diffulm_session_destroy(session);
    session = session_of(model, NULL, 0, &o);
    assert_int_equal(diffulm_session_add(session, canvas, 5, given, NULL, &row), DIFFULM_OK);
    assert_int_equal(diffulm_session_step(session, &report), DIFFULM_AGAIN);
    diffulm_session_destroy(session);
    o.stop_id = TINY_VOCABULARY;
    diffulm_sampler *sampler = NULL;
    assert_int_equal(diffulm_sampler_create("ar", NULL, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_session_create(model, sampler, &o, &session), DIFFULM_E_ARGUMENT);
    assert_message_names("stop_id");
    diffulm_sampler_unref(sampler);
    diffulm_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(causal_loss_is_the_cross_entropy_of_the_next_target_token),
        cmocka_unit_test(causal_objective_names_what_it_cannot_take),
        cmocka_unit_test(a_trained_causal_model_answers_left_to_right_and_stops_at_eos),
        cmocka_unit_test(kept_keys_and_values_give_the_same_bits_as_computing_them_again),
        cmocka_unit_test(a_step_computes_what_is_new_alone),
        cmocka_unit_test(rows_of_one_source_compute_it_once_and_give_the_same_bits),
        cmocka_unit_test(only_the_first_row_of_a_source_computes_it),
        cmocka_unit_test(an_unchanged_row_is_not_scored_again_under_argmax),
        cmocka_unit_test(kept_keys_and_values_notice_edits_pins_and_restored_snapshots),
        cmocka_unit_test(a_stopped_row_frees_its_place_and_reparam_goes_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

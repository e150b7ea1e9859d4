/* test_session.c: sessions over tiny models: what results depend on, and what leaves them alone. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stdbool.h>
#include "tiny.h"

enum { ROWS = 3, LENGTH = 14 };

static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};
static const char *const policies[] = {"reparam-uncond-deterministic-cosine",
                                       "reparam-cond-stochastic0.5-linear",
                                       "cmlm",
                                       "ar",
                                       "llada-low_confidence",
                                       "dream-entropy",
                                       "fast-threshold",
                                       "eb",
                                       "mdlm-ancestral-linear",
                                       "mdlm-counts-cosine"};
enum { POLICIES = sizeof policies / sizeof *policies };

/* What rows hold when they are done. */
struct result {
    int32_t tokens[LENGTH];
    float scores[LENGTH];
};

static diffulm_session *session_on(diffulm_model *model, const char *policy, int32_t steps)
{
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    struct diffulm_session_options o = DIFFULM_SESSION_OPTIONS_INIT;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    so.steps = steps;
    so.sampling = DIFFULM_SAMPLING_CATEGORICAL;
    so.temperature = 0.75;
    o.seed = 31;
    assert_int_equal(diffulm_sampler_create(policy, &so, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_session_create(model, sampler, &o, &session), DIFFULM_OK);
    diffulm_sampler_unref(sampler);
    return session;
}

/* Row r: bos, 2 + r given tokens, masks up to its last position, eos. It is LENGTH - 2 r long. */
static size_t add_row(diffulm_session *session, size_t r)
{
    int32_t tokens[LENGTH];
    uint8_t roles[LENGTH];
    const size_t length = LENGTH - 2 * r;
    struct diffulm_row_options o = DIFFULM_ROW_OPTIONS_INIT;
    size_t row;
    o.row_number = 100 + (int64_t)r;
    for (size_t i = 0; i < length; i++) {
        tokens[i] = (int32_t)(3 + (5 * r + i) % 17);
        roles[i] = i < 3 + r || i == length - 1 ? DIFFULM_ROLE_GIVEN : DIFFULM_ROLE_MASKED;
    }
    tokens[0] = TINY_BOS;
    tokens[length - 1] = TINY_EOS;
    assert_int_equal(diffulm_session_add(session, tokens, length, roles, &o, &row), DIFFULM_OK);
    return row;
}

static void read_row(const diffulm_session *session, size_t row, struct result *out)
{
    size_t length;
    memset(out, 0, sizeof *out);
    assert_int_equal(diffulm_session_tokens(session, row, out->tokens, LENGTH, &length),
                     DIFFULM_OK);
    assert_int_equal(diffulm_session_scores(session, row, out->scores, LENGTH, &length),
                     DIFFULM_OK);
}

static diffulm_session *filled_session(diffulm_model *model, const char *policy, int32_t steps)
{
    diffulm_session *session = session_on(model, policy, steps);
    for (size_t r = 0; r < ROWS; r++)
        assert_int_equal(add_row(session, r), r);
    return session;
}

static void run_together(diffulm_model *model, const char *policy, struct result out[ROWS])
{
    diffulm_session *session = filled_session(model, policy, 6);
    assert_int_equal(diffulm_session_run(session), DIFFULM_DONE);
    for (size_t r = 0; r < ROWS; r++)
        read_row(session, r, &out[r]);
    diffulm_session_destroy(session);
}

static void run_alone(diffulm_model *model, const char *policy, struct result out[ROWS])
{
    for (size_t r = 0; r < ROWS; r++) {
        diffulm_session *session = session_on(model, policy, 6);
        assert_int_equal(add_row(session, r), 0);
        assert_int_equal(diffulm_session_run(session), DIFFULM_DONE);
        read_row(session, 0, &out[r]);
        diffulm_session_destroy(session);
    }
}

static void results_do_not_depend_on_threads_batch_or_repetition(void **state)
{
    (void)state;
    for (size_t f = 0; f < 3; f++) {
        diffulm_model *models[2];
        for (int t = 0; t < 2; t++)
            models[t] = tiny_model_on(families[f], DIFFULM_BACKEND_REFERENCE, t + 1, 7);
        for (size_t p = 0; p < POLICIES; p++) {
            struct result first[ROWS], again[ROWS];
            run_together(models[0], policies[p], first);
            for (int i = 0; i < 20; i++) {
                (i % 4 < 2 ? run_together : run_alone)(models[i % 2], policies[p], again);
                assert_memory_equal(first, again, sizeof first);
            }
        }
        diffulm_model_unref(models[0]);
        diffulm_model_unref(models[1]);
    }
}

static void onednn_repeats_its_results(void **state)
{
    (void)state;
#ifdef DULM_ONEDNN
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_ONEDNN, 1, 7);
    for (size_t p = 0; p < POLICIES; p++) {
        struct result first[ROWS], again[ROWS];
        run_together(model, policies[p], first);
        for (int i = 0; i < 20; i++) {
            run_together(model, policies[p], again);
            assert_memory_equal(first, again, sizeof first);
        }
    }
    diffulm_model_unref(model);
#else
    skip();
#endif
}

/* The whole state of a session; freed by the caller. */
static char *snapshot_of(const diffulm_session *session, size_t *length)
{
    assert_int_equal(diffulm_session_snapshot(session, NULL, 0, length), DIFFULM_BUFFER_TOO_SMALL);
    char *bytes = malloc(*length);
    assert_non_null(bytes);
    assert_int_equal(diffulm_session_snapshot(session, bytes, *length - 1, length),
                     DIFFULM_BUFFER_TOO_SMALL);
    assert_int_equal(diffulm_session_snapshot(session, bytes, *length, length), DIFFULM_OK);
    return bytes;
}

static void assert_state_is(const diffulm_session *session, const char *bytes, size_t length)
{
    size_t now;
    char *present = snapshot_of(session, &now);
    assert_int_equal(now, length);
    assert_memory_equal(present, bytes, length);
    free(present);
}

static void cancelled_step_changes_nothing_and_can_be_repeated(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 7);
    for (size_t p = 0; p < POLICIES; p++) {
        struct result expected[ROWS], found;
        run_together(model, policies[p], expected);
        diffulm_session *session = filled_session(model, policies[p], 6);
        diffulm_status rc = DIFFULM_AGAIN;
        while (rc == DIFFULM_AGAIN) {
            size_t length;
            char *before = snapshot_of(session, &length);
            diffulm_session_cancel(session);
            assert_int_equal(diffulm_session_step(session, NULL), DIFFULM_E_CANCELLED);
            assert_message_names("cancelled");
            assert_state_is(session, before, length);
            free(before);
            rc = diffulm_session_step(session, NULL);
        }
        assert_int_equal(rc, DIFFULM_DONE);
        for (size_t r = 0; r < ROWS; r++) {
            read_row(session, r, &found);
            assert_memory_equal(&found, &expected[r], sizeof found);
        }
        diffulm_session_destroy(session);
    }
    diffulm_model_unref(model);
}

static void *cancel_often(void *session)
{
    const struct timespec pause = {0, 50000};
    for (int i = 0; i < 40; i++) {
        nanosleep(&pause, NULL);
        diffulm_session_cancel(session);
    }
    return NULL;
}

static void cancelling_from_another_thread_does_not_change_the_result(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 7);
    struct result expected[ROWS], found;
    pthread_t thread;
    run_together(model, policies[0], expected);
    diffulm_session *session = filled_session(model, policies[0], 6);
    assert_int_equal(pthread_create(&thread, NULL, cancel_often, session), 0);
    diffulm_status rc = DIFFULM_AGAIN;
    while (rc == DIFFULM_AGAIN || rc == DIFFULM_E_CANCELLED)
        rc = diffulm_session_step(session, NULL);
    assert_int_equal(rc, DIFFULM_DONE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (size_t r = 0; r < ROWS; r++) {
        read_row(session, r, &found);
        assert_memory_equal(&found, &expected[r], sizeof found);
    }
    diffulm_session_destroy(session);
    diffulm_model_unref(model);
}

/* A session three steps into its work, with forbidden tokens in its state. */
static diffulm_session *started_session(diffulm_model *model, const char *policy)
{
    diffulm_session *session = filled_session(model, policy, 6);
    assert_int_equal(diffulm_session_forbid(session, 0, SIZE_MAX, 5), DIFFULM_OK);
    assert_int_equal(diffulm_session_forbid(session, 1, 6, 9), DIFFULM_OK);
    for (int k = 0; k < 3; k++)
        assert_int_equal(diffulm_session_step(session, NULL), DIFFULM_AGAIN);
    return session;
}

static void restored_session_goes_on_as_the_first_would_have(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("modernbert", DIFFULM_BACKEND_REFERENCE, 1, 8);
    static const char *const some[] = {"reparam-uncond-deterministic-cosine",
                                       "llada-low_confidence", "mdlm-ancestral-linear"};
    for (size_t p = 0; p < 3; p++) {
        diffulm_session *first = started_session(model, some[p]);
        diffulm_session *second = session_on(model, some[p], 6);
        size_t length, end;
        char *bytes = snapshot_of(first, &length);
        assert_int_equal(diffulm_session_restore(second, bytes, length), DIFFULM_OK);
        assert_state_is(second, bytes, length);
        assert_int_equal(diffulm_session_run(first), DIFFULM_DONE);
        assert_int_equal(diffulm_session_run(second), DIFFULM_DONE);
        char *last = snapshot_of(first, &end);
        assert_state_is(second, last, end);
        /* Back to the middle and forth again. */
        assert_int_equal(diffulm_session_restore(first, bytes, length), DIFFULM_OK);
        assert_int_equal(diffulm_session_run(first), DIFFULM_DONE);
        assert_state_is(first, last, end);
        free(bytes);
        free(last);
        diffulm_session_destroy(first);
        diffulm_session_destroy(second);
    }
    diffulm_model_unref(model);
}

static void snapshot_of_an_empty_session_restores(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 8);
    diffulm_session *empty = session_on(model, "ar", 6);
    diffulm_session *full = filled_session(model, "ar", 6);
    size_t length;
    char *bytes = snapshot_of(empty, &length);
    assert_int_equal(diffulm_session_restore(full, bytes, length), DIFFULM_OK);
    assert_int_equal(diffulm_session_rows(full), 0);
    assert_int_equal(diffulm_session_step(full, NULL), DIFFULM_DONE);
    assert_int_equal(add_row(full, 0), 0);
    assert_int_equal(diffulm_session_run(full), DIFFULM_DONE);
    free(bytes);
    diffulm_session_destroy(empty);
    diffulm_session_destroy(full);
    diffulm_model_unref(model);
}

static void damaged_snapshot_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char flips[] = {1, 64, (char)0xff};
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 8);
    diffulm_session *first = started_session(model, "llada-low_confidence");
    diffulm_session *second = filled_session(model, "llada-low_confidence", 6);
    size_t length, own;
    char *bytes = snapshot_of(first, &length), *before = snapshot_of(second, &own);
    for (size_t i = 0; i < length; i++)
        for (size_t f = 0; f < sizeof flips; f++) {
            bytes[i] = (char)(bytes[i] ^ flips[f]);
            if (diffulm_session_restore(second, bytes, length) != DIFFULM_E_FORMAT)
                fail_msg("byte %zu of %zu changed by %d was taken", i, length, flips[f]);
            bytes[i] = (char)(bytes[i] ^ flips[f]);
        }
    assert_message_names("byte");
    for (size_t cut = 0; cut < length; cut++)
        assert_int_equal(diffulm_session_restore(second, bytes, cut), DIFFULM_E_FORMAT);
    char *longer = calloc(length + 1, 1);
    assert_non_null(longer);
    memcpy(longer, bytes, length);
    assert_int_equal(diffulm_session_restore(second, longer, length + 1), DIFFULM_E_FORMAT);
    assert_state_is(second, before, own);
    assert_int_equal(diffulm_session_restore(second, bytes, length), DIFFULM_OK);
    free(longer);
    free(bytes);
    free(before);
    diffulm_session_destroy(first);
    diffulm_session_destroy(second);
    diffulm_model_unref(model);
}

static void edit_generates_its_span_anew_and_nothing_else(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 7);
    for (size_t p = 0; p < POLICIES; p++) {
        struct result before, masked, after;
        diffulm_session *session = filled_session(model, policies[p], 6);
        assert_int_equal(diffulm_session_run(session), DIFFULM_DONE);
        read_row(session, 0, &before);
        assert_int_equal(diffulm_session_edit(session, 0, 2, 7), DIFFULM_OK);
        read_row(session, 0, &masked);
        assert_int_equal(diffulm_session_run(session), DIFFULM_DONE);
        read_row(session, 0, &after);
        for (int i = 0; i < LENGTH; i++) {
            const bool inside = i >= 2 && i < 7;
            assert_int_equal(masked.tokens[i], inside ? TINY_MASK : before.tokens[i]);
            if (inside)
                assert_int_not_equal(after.tokens[i], TINY_MASK);
            else
                assert_int_equal(after.tokens[i], before.tokens[i]);
        }
        diffulm_session_destroy(session);
    }
    diffulm_model_unref(model);
}

static void pinned_token_stays_and_forbidden_tokens_never_appear(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 7);
    for (size_t p = 0; p < POLICIES; p++) {
        struct result free_choice, found;
        diffulm_session *session = filled_session(model, policies[p], 6);
        assert_int_equal(diffulm_session_run(session), DIFFULM_DONE);
        read_row(session, 1, &free_choice);
        diffulm_session_destroy(session);
        session = filled_session(model, policies[p], 6);
        assert_int_equal(diffulm_session_pin(session, 1, 5, 20), DIFFULM_OK);
        assert_int_equal(diffulm_session_forbid(session, 1, 6, free_choice.tokens[6]), DIFFULM_OK);
        for (int32_t t = 0; t < TINY_VOCABULARY; t += 2)
            assert_int_equal(diffulm_session_forbid(session, 0, SIZE_MAX, t), DIFFULM_OK);
        assert_int_equal(diffulm_session_run(session), DIFFULM_DONE);
        read_row(session, 1, &found);
        assert_int_equal(found.tokens[5], 20);
        assert_int_not_equal(found.tokens[6], free_choice.tokens[6]);
        read_row(session, 0, &found);
        for (int i = 3; i < LENGTH - 1; i++)
            assert_int_equal(found.tokens[i] % 2, 1);
        diffulm_session_destroy(session);
    }
    diffulm_model_unref(model);
}

static void position_with_every_token_forbidden_is_an_error(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 7);
    diffulm_session *session = filled_session(model, "llada-low_confidence", 6);
    size_t length;
    for (int32_t t = 0; t < TINY_VOCABULARY; t++)
        assert_int_equal(diffulm_session_forbid(session, 1, 6, t), DIFFULM_OK);
    char *before = snapshot_of(session, &length);
    assert_int_equal(diffulm_session_step(session, NULL), DIFFULM_E_NUMERIC);
    assert_message_names("row 1, position 6");
    assert_state_is(session, before, length);
    assert_int_equal(diffulm_session_pin(session, 1, 6, 4), DIFFULM_OK);
    assert_int_equal(diffulm_session_run(session), DIFFULM_DONE);
    free(before);
    diffulm_session_destroy(session);
    diffulm_model_unref(model);
}

static void run_for_takes_one_step_at_least_and_stops_when_done(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 7);
    diffulm_session *session = filled_session(model, "cmlm", 6);
    struct diffulm_step_report report = {.struct_size = sizeof report};
    assert_int_equal(diffulm_session_run_for(session, 0), DIFFULM_AGAIN);
    assert_int_equal(diffulm_session_run_for(session, -1), DIFFULM_AGAIN);
    assert_int_equal(diffulm_session_step(session, &report), DIFFULM_AGAIN);
    assert_int_equal(report.steps_done, 3);
    assert_int_equal(report.active_rows, ROWS);
    assert_int_equal(diffulm_session_run_for(session, 60 * 1000000), DIFFULM_DONE);
    assert_int_equal(diffulm_session_step(session, &report), DIFFULM_DONE);
    assert_int_equal(report.steps_done, 6);
    assert_int_equal(report.active_rows, 0);
    assert_int_equal(report.change_count, 0);
    diffulm_session_destroy(session);
    diffulm_model_unref(model);
}

static void changes_of_the_steps_add_up_to_the_canvas(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 7);
    for (size_t p = 0; p < POLICIES; p++) {
        diffulm_session *session = filled_session(model, policies[p], 6);
        struct diffulm_step_report report = {.struct_size = sizeof report};
        struct result drawn[ROWS], found;
        diffulm_status rc = DIFFULM_AGAIN;
        for (size_t r = 0; r < ROWS; r++)
            read_row(session, r, &drawn[r]);
        while (rc == DIFFULM_AGAIN) {
            rc = diffulm_session_step(session, &report);
            for (size_t i = 0; i < report.change_count; i++) {
                const struct diffulm_change *c = &report.changes[i];
                const int32_t before = drawn[c->row].tokens[c->position];
                assert_int_not_equal(before, c->token);
                assert_int_equal(c->kind, c->token == TINY_MASK ? DIFFULM_CHANGE_REMASKED
                                          : before == TINY_MASK ? DIFFULM_CHANGE_REVEALED
                                                                : DIFFULM_CHANGE_REVISED);
                drawn[c->row].tokens[c->position] = c->token;
            }
        }
        for (size_t r = 0; r < ROWS; r++) {
            read_row(session, r, &found);
            assert_memory_equal(found.tokens, drawn[r].tokens, sizeof found.tokens);
        }
        diffulm_session_destroy(session);
    }
    diffulm_model_unref(model);
}

static void errors_of_added_rows_name_the_position(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 7);
    diffulm_session *session = session_on(model, "ar", 6);
    int32_t tokens[TINY_LONGEST + 1] = {0};
    uint8_t roles[TINY_LONGEST + 1] = {0};
    struct diffulm_row_options o = DIFFULM_ROW_OPTIONS_INIT;
    size_t row;
    tokens[3] = 99;
    assert_int_equal(diffulm_session_add(session, tokens, 5, roles, NULL, &row),
                     DIFFULM_E_ARGUMENT);
    assert_message_names("position 3: token 99");
    tokens[3] = 4;
    roles[2] = 7;
    assert_int_equal(diffulm_session_add(session, tokens, 5, roles, NULL, &row),
                     DIFFULM_E_ARGUMENT);
    assert_message_names("position 2: role 7");
    roles[2] = 0;
    assert_int_equal(diffulm_session_add(session, tokens, TINY_LONGEST + 1, roles, NULL, &row),
                     DIFFULM_E_LIMIT);
    assert_message_names("31 tokens, expected 1 to 30");
    assert_int_equal(diffulm_session_add(session, tokens, 0, roles, NULL, &row), DIFFULM_E_LIMIT);
    o.source_length = 6;
    assert_int_equal(diffulm_session_add(session, tokens, 5, roles, &o, &row), DIFFULM_E_ARGUMENT);
    assert_message_names("source_length 6");
    assert_int_equal(diffulm_session_rows(session), 0);
    assert_int_equal(diffulm_session_add(session, tokens, TINY_LONGEST, roles, NULL, &row),
                     DIFFULM_OK);
    assert_string_equal(diffulm_error_message(), "");
    diffulm_session_destroy(session);
    diffulm_model_unref(model);
}

static void errors_of_calls_name_row_position_or_token(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 7);
    diffulm_session *session = filled_session(model, "ar", 6);
    int32_t tokens[LENGTH];
    size_t length;
    assert_int_equal(diffulm_session_tokens(session, 5, tokens, LENGTH, &length),
                     DIFFULM_E_ARGUMENT);
    assert_message_names("row 5 of a session with 3");
    assert_int_equal(diffulm_session_tokens(session, 0, tokens, 3, &length),
                     DIFFULM_BUFFER_TOO_SMALL);
    assert_int_equal(length, LENGTH);
    assert_int_equal(diffulm_session_edit(session, 0, 4, 4), DIFFULM_E_ARGUMENT);
    assert_message_names("span 4 to 4");
    assert_int_equal(diffulm_session_edit(session, 1, 4, LENGTH), DIFFULM_E_ARGUMENT);
    assert_message_names("span 4 to 14 of a row of 12");
    assert_int_equal(diffulm_session_pin(session, 0, LENGTH, 4), DIFFULM_E_ARGUMENT);
    assert_message_names("position 14");
    assert_int_equal(diffulm_session_pin(session, 0, 4, -1), DIFFULM_E_ARGUMENT);
    assert_message_names("token -1");
    assert_int_equal(diffulm_session_forbid(session, 0, SIZE_MAX, TINY_VOCABULARY),
                     DIFFULM_E_ARGUMENT);
    assert_message_names("token 24");
    diffulm_session_destroy(session);
    diffulm_model_unref(model);
}

static void errors_of_session_options_name_the_option(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 7);
    struct diffulm_session_options o = DIFFULM_SESSION_OPTIONS_INIT;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    assert_int_equal(diffulm_sampler_create("ar", NULL, &sampler), DIFFULM_OK);
    o.mask_id = TINY_VOCABULARY;
    assert_int_equal(diffulm_session_create(model, sampler, &o, &session), DIFFULM_E_ARGUMENT);
    assert_message_names("mask_id is 24");
    o.mask_id = -1;
    o.attention = 4;
    assert_int_equal(diffulm_session_create(model, sampler, &o, &session), DIFFULM_E_ARGUMENT);
    assert_message_names("attention is 4");
    assert_int_equal(diffulm_session_create(NULL, sampler, NULL, &session), DIFFULM_E_ARGUMENT);
    assert_null(session);
    diffulm_sampler_unref(sampler);
    diffulm_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_do_not_depend_on_threads_batch_or_repetition),
        cmocka_unit_test(onednn_repeats_its_results),
        cmocka_unit_test(cancelled_step_changes_nothing_and_can_be_repeated),
        cmocka_unit_test(cancelling_from_another_thread_does_not_change_the_result),
        cmocka_unit_test(restored_session_goes_on_as_the_first_would_have),
        cmocka_unit_test(snapshot_of_an_empty_session_restores),
        cmocka_unit_test(damaged_snapshot_is_refused_and_changes_nothing),
        cmocka_unit_test(edit_generates_its_span_anew_and_nothing_else),
        cmocka_unit_test(pinned_token_stays_and_forbidden_tokens_never_appear),
        cmocka_unit_test(position_with_every_token_forbidden_is_an_error),
        cmocka_unit_test(run_for_takes_one_step_at_least_and_stops_when_done),
        cmocka_unit_test(changes_of_the_steps_add_up_to_the_canvas),
        cmocka_unit_test(errors_of_added_rows_name_the_position),
        cmocka_unit_test(errors_of_calls_name_row_position_or_token),
        cmocka_unit_test(errors_of_session_options_name_the_option)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

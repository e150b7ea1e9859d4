/* test_refresh.c: sessions that compute a row's source at every Nth step only. In a model of one layer a source's keys and values
 * depend on nothing else, so there the approximation is exact. */
#include <stdio.h>
#include <string.h>

#include "diffusion/session.h"
#include "tiny.h"

enum { LENGTH = 12, SOURCE = 5, STEPS = 9 };
static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};

static diffulm_model *model_of(const char *family, int layers)
{
    char config[512];
    struct diffulm_model_options o = DIFFULM_MODEL_OPTIONS_INIT;
    diffulm_model *model = NULL;
    const int length = snprintf(
        config, sizeof config,
        "{\"model_type\": \"%s\", \"vocab_size\": %d, \"hidden_size\": 12, \"num_hidden_layers\": "
        "%d,"
        " \"num_attention_heads\": 3, \"intermediate_size\": 20, \"max_position_embeddings\": 32,"
        " \"type_vocab_size\": 1, \"pad_token_id\": 1, \"bos_token_id\": 0, \"eos_token_id\": 2,"
        " \"mask_token_id\": %d, \"local_attention\": 6, \"global_attn_every_n_layers\": 2}",
        family, TINY_VOCABULARY, layers, TINY_MASK);
    o.runtime = tiny_runtime(DIFFULM_BACKEND_REFERENCE, 1);
    o.seed = 11;
    assert_int_equal(diffulm_model_create(config, (size_t)length, &o, &model), DIFFULM_OK);
    diffulm_runtime_unref(o.runtime);
    return model;
}

static diffulm_session *session_of(diffulm_model *model, int32_t refresh)
{
    struct diffulm_session_options o = DIFFULM_SESSION_OPTIONS_INIT;
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    o.source_refresh = refresh;
    o.seed = 4;
    so.steps = STEPS;
    so.sampling = DIFFULM_SAMPLING_CATEGORICAL;
    so.temperature = 1;
    assert_int_equal(diffulm_sampler_create(NULL, &so, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_session_create(model, sampler, &o, &session), DIFFULM_OK);
    diffulm_sampler_unref(sampler);
    return session;
}

static void add(diffulm_session *session, int32_t first)
{
    int32_t tokens[LENGTH] = {TINY_BOS};
    uint8_t roles[LENGTH];
    size_t row;
    for (int32_t i = 0; i < LENGTH; i++) {
        roles[i] = i < SOURCE || i == LENGTH - 1 ? DIFFULM_ROLE_GIVEN : DIFFULM_ROLE_MASKED;
        tokens[i] = i == 0 ? TINY_BOS : i == LENGTH - 1 ? TINY_EOS : first + i;
    }
    assert_int_equal(diffulm_session_add(session, tokens, LENGTH, roles, NULL, &row), DIFFULM_OK);
}

/* Whether row 0 holds the same tokens and bits of scores. */
static bool same(const diffulm_session *a, const diffulm_session *b)
{
    return memcmp(a->canvas[0].tokens, b->canvas[0].tokens, LENGTH * sizeof(int32_t)) == 0 &&
           memcmp(a->canvas[0].scores, b->canvas[0].scores, LENGTH * sizeof(float)) == 0;
}

static size_t step(diffulm_session *session)
{
    assert_true(diffulm_session_step(session, NULL) >= 0);
    return session->step.offsets[1]; /* positions computed, of one row */
}

static void one_layer_is_exact_at_any_refresh(void **state)
{
    (void)state;
    for (size_t f = 0; f < 3; f++)
        for (int32_t refresh = 2; refresh < 6; refresh++) {
            diffulm_model *model = model_of(families[f], 1);
            diffulm_session *exact = session_of(model, 0), *kept = session_of(model, refresh);
            add(exact, 5);
            add(kept, 5);
            for (int32_t k = 0; k < STEPS; k++) {
                const bool whole = k % refresh == 0;
                assert_int_equal(step(exact), LENGTH);
                assert_int_equal(step(kept), whole ? LENGTH : LENGTH - SOURCE);
                assert_true(same(exact, kept));
            }
            diffulm_session_destroy(exact);
            diffulm_session_destroy(kept);
            diffulm_model_unref(model);
        }
}

static void two_layers_differ_after_the_first_step_but_not_at_refresh_1(void **state)
{
    (void)state;
    for (size_t f = 0; f < 3; f++) {
        diffulm_model *model = model_of(families[f], 2);
        diffulm_session *exact = session_of(model, 0), *every = session_of(model, 1);
        diffulm_session *kept = session_of(model, STEPS);
        bool differs = false;
        add(exact, 5);
        add(every, 5);
        add(kept, 5);
        for (int k = 0; k < STEPS; k++) {
            step(exact);
            step(every);
            step(kept);
            assert_true(same(exact, every));
            if (k == 0)
                assert_true(same(exact, kept));
            differs = differs || !same(exact, kept);
        }
        assert_true(differs);
        diffulm_session_destroy(exact);
        diffulm_session_destroy(every);
        diffulm_session_destroy(kept);
        diffulm_model_unref(model);
    }
}

static void a_cancelled_step_repeats_to_the_same_result(void **state)
{
    (void)state;
    diffulm_model *model = model_of("bert", 2);
    diffulm_session *calm = session_of(model, 3), *disturbed = session_of(model, 3);
    add(calm, 5);
    add(disturbed, 5);
    for (int k = 0; k < STEPS; k++) {
        diffulm_session_cancel(disturbed);
        assert_int_equal(diffulm_session_step(disturbed, NULL), DIFFULM_E_CANCELLED);
        step(calm);
        step(disturbed);
        assert_true(same(calm, disturbed));
    }
    diffulm_session_destroy(calm);
    diffulm_session_destroy(disturbed);
    diffulm_model_unref(model);
}

/* An edit starts the steps anew, and what an earlier canvas left is not used. */
static void an_edit_computes_the_source_anew(void **state)
{
    (void)state;
    diffulm_model *model = model_of("bert", 2);
    diffulm_session *kept = session_of(model, STEPS);
    add(kept, 5);
    for (int k = 0; k < 3; k++)
        step(kept);
    assert_int_equal(diffulm_session_edit(kept, 0, 6, 8), DIFFULM_OK);
    assert_int_equal(step(kept), LENGTH);
    assert_int_equal(step(kept), LENGTH - SOURCE);
    assert_int_equal(diffulm_session_pin(kept, 0, 2, 15), DIFFULM_OK);
    assert_int_equal(step(kept), LENGTH); /* another source */
    diffulm_session_destroy(kept);
    diffulm_model_unref(model);
}

static void it_goes_with_full_attention_alone(void **state)
{
    (void)state;
    struct diffulm_session_options o = DIFFULM_SESSION_OPTIONS_INIT;
    diffulm_model *model = model_of("bert", 1);
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    assert_int_equal(diffulm_sampler_create(NULL, NULL, &sampler), DIFFULM_OK);
    o.source_refresh = -1;
    assert_int_equal(diffulm_session_create(model, sampler, &o, &session), DIFFULM_E_ARGUMENT);
    assert_message_names("source_refresh is -1");
    o.source_refresh = 2;
    o.attention = DIFFULM_ATTENTION_PREFIX_LM;
    assert_int_equal(diffulm_session_create(model, sampler, &o, &session), DIFFULM_E_ARGUMENT);
    o.attention = DIFFULM_ATTENTION_FULL;
    o.recompute = 1;
    assert_int_equal(diffulm_session_create(model, sampler, &o, &session), DIFFULM_E_ARGUMENT);
    assert_message_names("under full attention without recompute");
    diffulm_sampler_unref(sampler);
    diffulm_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_layer_is_exact_at_any_refresh),
        cmocka_unit_test(two_layers_differ_after_the_first_step_but_not_at_refresh_1),
        cmocka_unit_test(a_cancelled_step_repeats_to_the_same_result),
        cmocka_unit_test(an_edit_computes_the_source_anew),
        cmocka_unit_test(it_goes_with_full_attention_alone),
    };
    return cmocka_run_group_tests_name("refresh", tests, NULL, NULL);
}

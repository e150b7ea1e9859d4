/* test_text.c: canvases from text and their text back; length candidates and selection. */
#include <math.h>
#include <string.h>

#include "tiny.h"

static const char words_json[] =
    "{\"added_tokens\": [{\"id\": 0, \"content\": \"<s>\", \"special\": true, \"normalized\": "
    "false},"
    "{\"id\": 2, \"content\": \"</s>\", \"special\": true, \"normalized\": false},"
    "{\"id\": 6, \"content\": \"\\n\", \"special\": false, \"normalized\": false},"
    "{\"id\": 23, \"content\": \"<mask>\", \"special\": true, \"normalized\": false}],"
    "\"pre_tokenizer\": {\"type\": \"Whitespace\"},"
    "\"model\": {\"type\": \"WordLevel\", \"unk_token\": \"u\", \"vocab\": {\"<s>\": 0, \"</s>\": "
    "2, \"u\": 3,"
    "\"one\": 4, \"two\": 5, \"\\n\": 6, \"<mask>\": 23}}}";

struct fixture {
    diffulm_model *model;
    diffulm_tokenizer *tokenizer;
    diffulm_sampler *sampler;
    diffulm_session *session;
};

static int open_all(void **state)
{
    static struct fixture f;
    struct diffulm_session_options options = DIFFULM_SESSION_OPTIONS_INIT;
    options.mask_id = TINY_MASK;
    f.model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 3);
    assert_int_equal(
        diffulm_tokenizer_open_memory(words_json, sizeof words_json - 1, NULL, &f.tokenizer), 0);
    assert_int_equal(diffulm_sampler_create(NULL, NULL, &f.sampler), 0);
    assert_int_equal(diffulm_session_create(f.model, f.sampler, &options, &f.session), 0);
    *state = &f;
    return 0;
}

static int close_all(void **state)
{
    struct fixture *f = *state;
    diffulm_session_destroy(f->session);
    diffulm_sampler_unref(f->sampler);
    diffulm_tokenizer_unref(f->tokenizer);
    diffulm_model_unref(f->model);
    return 0;
}

static void assert_row(const diffulm_session *session, size_t row, const int32_t *want,
                       size_t count)
{
    int32_t tokens[64];
    size_t length;
    assert_int_equal(diffulm_session_tokens(session, row, tokens, 64, &length), 0);
    assert_int_equal(length, count);
    assert_memory_equal(tokens, want, count * sizeof *want);
}

static void a_prompt_becomes_bos_text_newline_masks_eos_and_none_no_newline(void **state)
{
    struct fixture *f = *state;
    struct diffulm_text_options o = DIFFULM_TEXT_OPTIONS_INIT;
    size_t row;
    o.length = 3;
    assert_int_equal(diffulm_session_add_text(f->session, f->tokenizer, "one two", 7, &o, &row), 0);
    const int32_t want[] = {0, 4, 5, 6, 23, 23, 23, 2};
    assert_row(f->session, row, want, 8);
    assert_int_equal(diffulm_session_add_text(f->session, f->tokenizer, "", 0, &o, &row), 0);
    const int32_t plain[] = {0, 23, 23, 23, 2};
    assert_row(f->session, row, plain, 5);
}

static void infill_takes_the_texts_own_masks(void **state)
{
    struct fixture *f = *state;
    struct diffulm_text_options o = DIFFULM_TEXT_OPTIONS_INIT;
    static const char text[] = "one <mask> two <mask>";
    char filled[64];
    size_t row, length;
    o.infill = 1;
    assert_int_equal(
        diffulm_session_add_text(f->session, f->tokenizer, text, sizeof text - 1, &o, &row), 0);
    const int32_t want[] = {0, 4, 23, 5, 23, 2};
    assert_row(f->session, row, want, 6);
    assert_int_equal(diffulm_session_text(f->session, f->tokenizer, row, 1, filled, 64, &length),
                     0);
    assert_string_equal(filled, "one two");
    assert_int_equal(diffulm_session_text(f->session, f->tokenizer, row, 0, filled, 64, &length),
                     0);
    assert_int_equal(length, 0);
}

static void a_refused_text_adds_no_row_and_says_why(void **state)
{
    struct fixture *f = *state;
    struct diffulm_text_options o = DIFFULM_TEXT_OPTIONS_INIT;
    size_t row = 99;
    assert_int_equal(diffulm_session_add_text(f->session, f->tokenizer, "one", 3, &o, &row),
                     DIFFULM_E_ARGUMENT);
    assert_message_names("length");
    o.length = TINY_LONGEST + 1;
    assert_int_equal(diffulm_session_add_text(f->session, f->tokenizer, "one", 3, &o, &row),
                     DIFFULM_E_LIMIT);
    o.length = 2;
    assert_int_equal(diffulm_session_add_text(f->session, f->tokenizer, "a\xff", 2, &o, &row),
                     DIFFULM_E_UTF8);
    o.infill = 1;
    assert_int_equal(diffulm_session_add_text(f->session, f->tokenizer, "one", 3, &o, &row),
                     DIFFULM_E_ARGUMENT);
    assert_message_names("mask");
    assert_int_equal(row, 99);
    assert_int_equal(diffulm_session_rows(f->session), 0);
}

static void the_length_head_decides_where_no_length_is_given(void **state)
{
    struct fixture *f = *state;
    struct diffulm_text_options o = DIFFULM_TEXT_OPTIONS_INIT;
    diffulm_length_head *head = NULL;
    const int32_t source[] = {0, 4, 6};
    const size_t offsets[] = {0, 3};
    float logits[64];
    size_t row, best, count, length;
    assert_int_equal(diffulm_length_head_create(f->model, 5, &head), 0);
    const size_t classes = diffulm_length_head_classes(head);
    assert_int_equal(diffulm_length_head_logits(head, 1, offsets, source, logits), 0);
    assert_int_equal(diffulm_length_candidates(logits, classes, 1, classes, 3, 0, &best, &count),
                     0);
    o.length_head = head;
    assert_int_equal(diffulm_session_add_text(f->session, f->tokenizer, "one", 3, &o, &row), 0);
    assert_int_equal(diffulm_session_tokens(f->session, row, NULL, 0, &length),
                     DIFFULM_BUFFER_TOO_SMALL);
    assert_int_equal(length, 3 + best + 1);
    diffulm_length_head_unref(head);
}

static void length_candidates_come_best_first_and_clipped(void **state)
{
    (void)state;
    const float logits[] = {1, 5, 3, 5, -INFINITY};
    size_t out[5], count;
    assert_int_equal(diffulm_length_candidates(logits, 5, 5, 10, 4, 0, out, &count), 0);
    assert_int_equal(count, 5);
    const size_t want[] = {2, 3, 3, 1, 3}; /* class 3 and 4 are clipped to 10 - 3 - 4 */
    assert_memory_equal(out, want, sizeof want);
    assert_int_equal(diffulm_length_candidates(logits, 5, 5, 10, 4, 1, out, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(diffulm_length_candidates(logits, 5, 1, 10, 7, 0, out, &count),
                     DIFFULM_E_LIMIT);
}

static void selection_takes_the_first_among_equals(void **state)
{
    (void)state;
    const int32_t a[] = {1, 2, 3}, b[] = {1, 2, 4}, c[] = {7};
    const struct diffulm_hypothesis h[] = {{c, 1, -0.5f}, {a, 3, -0.1f}, {b, 3, -0.1f}};
    size_t best;
    double means[3];
    assert_int_equal(diffulm_select_hypothesis(h, 3, DIFFULM_SELECT_SCORE, &best, NULL), 0);
    assert_int_equal(best, 1);
    assert_int_equal(diffulm_select_hypothesis(h, 3, DIFFULM_SELECT_MBR, &best, means), 0);
    assert_int_equal(best, 1);
    assert_true(means[0] == 0 && fabs(means[1] - 1.0 / 3) < 1e-12);
}

static void a_created_model_depends_on_its_seed_alone(void **state)
{
    (void)state;
    diffulm_model *a = tiny_model_on("modernbert", DIFFULM_BACKEND_REFERENCE, 1, 3);
    diffulm_model *b = tiny_model_on("modernbert", DIFFULM_BACKEND_REFERENCE, 2, 3);
    diffulm_model *c = tiny_model_on("modernbert", DIFFULM_BACKEND_REFERENCE, 1, 4);
    const int32_t tokens[] = {0, 4, 5, 2};
    const size_t offsets[] = {0, 4};
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    float x[4 * TINY_VOCABULARY], y[4 * TINY_VOCABULARY], z[4 * TINY_VOCABULARY];
    assert_int_equal(diffulm_model_logits(a, &batch, NULL, 0, x), 0);
    assert_int_equal(diffulm_model_logits(b, &batch, NULL, 0, y), 0);
    assert_int_equal(diffulm_model_logits(c, &batch, NULL, 0, z), 0);
    assert_memory_equal(x, y, sizeof x);
    assert_true(memcmp(x, z, sizeof x) != 0);
    diffulm_model_unref(a);
    diffulm_model_unref(b);
    diffulm_model_unref(c);
    diffulm_model *none = NULL;
    assert_int_equal(diffulm_model_create("{\"model_type\": \"gpt2\"}", 22, NULL, &none),
                     DIFFULM_E_UNSUPPORTED);
    assert_message_names("gpt2");
    assert_int_equal(diffulm_model_create("{", 1, NULL, &none), DIFFULM_E_FORMAT);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_prompt_becomes_bos_text_newline_masks_eos_and_none_no_newline, open_all, close_all),
        cmocka_unit_test_setup_teardown(infill_takes_the_texts_own_masks, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_refused_text_adds_no_row_and_says_why, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(the_length_head_decides_where_no_length_is_given, open_all,
                                        close_all),
        cmocka_unit_test(length_candidates_come_best_first_and_clipped),
        cmocka_unit_test(selection_takes_the_first_among_equals),
        cmocka_unit_test(a_created_model_depends_on_its_seed_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

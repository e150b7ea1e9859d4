/* test_same_answer.c: the answer in bindings/same_answer.txt, which the tests of the C++ header, the Python package and the Rust
 * crates expect too: same model, prompt, policy and seed give the same tokens in every language, drawn ones as well.
 *   test-same-answer MODEL same_answer.txt */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tiny.h"

static const char *folder, *file;

static void the_answer_is_that_of_every_language(void **state)
{
    (void)state;
    char prompt[256], line[256];
    FILE *text = fopen(file, "r");
    assert_non_null(text);
    assert_non_null(fgets(prompt, sizeof prompt, text));
    assert_non_null(fgets(line, sizeof line, text));
    fclose(text);
    prompt[strcspn(prompt, "\n")] = 0;

    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    struct diffulm_session_options o = DIFFULM_SESSION_OPTIONS_INIT;
    struct diffulm_text_options to = DIFFULM_TEXT_OPTIONS_INIT;
    diffulm_model *model = NULL;
    diffulm_tokenizer *tokenizer = NULL;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    int32_t tokens[128];
    size_t row, length;
    mo.runtime = tiny_runtime(DIFFULM_BACKEND_REFERENCE, 1);
    so.steps = 6;
    so.sampling = DIFFULM_SAMPLING_CATEGORICAL;
    so.temperature = 4;
    o.seed = 7;
    to.length = 9;
    assert_int_equal(diffulm_model_open(folder, &mo, &model), DIFFULM_OK);
    assert_int_equal(diffulm_tokenizer_open(folder, NULL, &tokenizer), DIFFULM_OK);
    assert_int_equal(diffulm_sampler_create(NULL, &so, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_session_create(model, sampler, &o, &session), DIFFULM_OK);
    assert_int_equal(
        diffulm_session_add_text(session, tokenizer, prompt, strlen(prompt), &to, &row),
        DIFFULM_OK);
    assert_int_equal(diffulm_session_run(session), DIFFULM_DONE);
    assert_int_equal(diffulm_session_tokens(session, row, tokens, 128, &length), DIFFULM_OK);
    char *next = line;
    for (size_t i = 0; i < length; i++) {
        char *end;
        const long want = strtol(next, &end, 10);
        if (end == next || want != tokens[i])
            fail_msg("position %zu: token %d, %s has %s", i, tokens[i], file, next);
        next = end;
    }
    assert_int_equal(strspn(next, " \n"), strlen(next));
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    diffulm_tokenizer_unref(tokenizer);
    diffulm_model_unref(model);
    diffulm_runtime_unref(mo.runtime);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    folder = argv[1];
    file = argv[2];
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_answer_is_that_of_every_language)};
    return cmocka_run_group_tests_name("same answer", tests, NULL, NULL);
}

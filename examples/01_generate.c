/* 01_generate.c: a prompt in, an answer out.
 *   generate MODEL_FOLDER "Translate into German: The dog sleeps." */
#include <diffulm/diffulm.h>
#include <stdio.h>
#include <string.h>

static int fail(void)
{
    fprintf(stderr, "generate: %s\n", diffulm_error_message());
    return 1;
}

int main(int argc, char **argv)
{
    diffulm_model *model = NULL;
    diffulm_tokenizer *tokenizer = NULL;
    diffulm_length_head *length_head = NULL;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    struct diffulm_text_options options = DIFFULM_TEXT_OPTIONS_INIT;
    char answer[4096];
    size_t row, length;
    if (argc != 3) {
        fprintf(stderr, "usage: generate MODEL_FOLDER PROMPT\n");
        return 2;
    }
    if (diffulm_model_open(argv[1], NULL, &model) < 0 ||
        diffulm_tokenizer_open(argv[1], NULL, &tokenizer) < 0 ||
        diffulm_length_head_open(model, argv[1], &length_head) < 0 ||
        diffulm_sampler_create(NULL, NULL, &sampler) < 0 ||
        diffulm_session_create(model, sampler, NULL, &session) < 0)
        return fail();
    options.length_head = length_head; /* how many tokens to generate */
    if (diffulm_session_add_text(session, tokenizer, argv[2], strlen(argv[2]), &options, &row) <
            0 ||
        diffulm_session_run(session) < 0 ||
        diffulm_session_text(session, tokenizer, row, 0, answer, sizeof answer, &length) !=
            DIFFULM_OK)
        return fail();
    puts(answer);
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    diffulm_length_head_unref(length_head);
    diffulm_tokenizer_unref(tokenizer);
    diffulm_model_unref(model);
    return 0;
}

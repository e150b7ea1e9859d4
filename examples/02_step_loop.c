/* 02_step_loop.c: the host drives: one denoising step at a time, several prompts at once, and what each
 * step revealed or masked again.
 *   step-loop MODEL_FOLDER PROMPT... */
#include <diffulm/diffulm.h>
#include <stdio.h>
#include <string.h>

static int fail(void)
{
    fprintf(stderr, "step-loop: %s\n", diffulm_error_message());
    return 1;
}

static void show(const diffulm_tokenizer *tokenizer, const struct diffulm_step_report *report)
{
    static const char *const kinds[] = {"", "revealed", "masked again", "revised"};
    printf("step %lld:", (long long)report->steps_done);
    for (size_t i = 0; i < report->change_count; i++) {
        const struct diffulm_change *c = &report->changes[i];
        size_t length = 0;
        const char *piece = diffulm_tokenizer_piece(tokenizer, c->token, &length);
        printf(" [row %zu, %zu %s %.*s]", c->row, c->position, kinds[c->kind], (int)length,
               piece ? piece : "");
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    diffulm_model *model = NULL;
    diffulm_tokenizer *tokenizer = NULL;
    diffulm_length_head *length_head = NULL;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    struct diffulm_text_options options = DIFFULM_TEXT_OPTIONS_INIT;
    struct diffulm_step_report report = {.struct_size = sizeof report};
    char answer[4096];
    size_t row, length;
    if (argc < 3) {
        fprintf(stderr, "usage: step-loop MODEL_FOLDER PROMPT...\n");
        return 2;
    }
    so.steps = 5;
    if (diffulm_model_open(argv[1], NULL, &model) < 0 ||
        diffulm_tokenizer_open(argv[1], NULL, &tokenizer) < 0 ||
        diffulm_length_head_open(model, argv[1], &length_head) < 0 ||
        diffulm_sampler_create("reparam-uncond-deterministic-linear", &so, &sampler) < 0 ||
        diffulm_session_create(model, sampler, NULL, &session) < 0)
        return fail();
    options.length_head = length_head;
    for (int i = 2; i < argc; i++)
        if (diffulm_session_add_text(session, tokenizer, argv[i], strlen(argv[i]), &options, &row) <
            0)
            return fail();
    diffulm_status rc = DIFFULM_AGAIN;
    while (rc == DIFFULM_AGAIN) {
        rc = diffulm_session_step(session, &report);
        if (rc < 0)
            return fail();
        show(tokenizer, &report);
    }
    for (row = 0; row < diffulm_session_rows(session); row++) {
        if (diffulm_session_text(session, tokenizer, row, 0, answer, sizeof answer, &length) !=
            DIFFULM_OK)
            return fail();
        puts(answer);
    }
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    diffulm_length_head_unref(length_head);
    diffulm_tokenizer_unref(tokenizer);
    diffulm_model_unref(model);
    return 0;
}

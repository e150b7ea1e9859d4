/* 03_infill.c: fills the gaps of a text; every <mask> (or the model's own mask token) is one token.
 *   infill MODEL_FOLDER "The <mask> dog <mask>." [steps] */
#include <diffulm/diffulm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(void)
{
    fprintf(stderr, "infill: %s\n", diffulm_error_message());
    return 1;
}

int main(int argc, char **argv)
{
    diffulm_model *model = NULL;
    diffulm_tokenizer *tokenizer = NULL;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    struct diffulm_session_options options = DIFFULM_SESSION_OPTIONS_INIT;
    struct diffulm_text_options text = DIFFULM_TEXT_OPTIONS_INIT;
    struct diffulm_special_ids special = {.struct_size = sizeof special};
    char filled[8192];
    size_t row, length;
    if (argc < 3) {
        fprintf(stderr, "usage: infill MODEL_FOLDER TEXT [STEPS]\n");
        return 2;
    }
    so.steps = argc > 3 ? atoi(argv[3]) : 4;
    text.infill = 1;
    if (diffulm_tokenizer_open(argv[1], NULL, &tokenizer) < 0 ||
        diffulm_model_open(argv[1], NULL, &model) < 0 ||
        diffulm_tokenizer_special_ids(tokenizer, &special) < 0 ||
        diffulm_sampler_create(NULL, &so, &sampler) < 0)
        return fail();
    options.mask_id = special.mask;
    if (diffulm_session_create(model, sampler, &options, &session) < 0 ||
        diffulm_session_add_text(session, tokenizer, argv[2], strlen(argv[2]), &text, &row) < 0)
        return fail();
    diffulm_status rc = DIFFULM_AGAIN;
    while (rc == DIFFULM_AGAIN) {
        rc = diffulm_session_step(session, NULL);
        if (rc < 0 || diffulm_session_text(session, tokenizer, row, 1, filled, sizeof filled,
                                           &length) != DIFFULM_OK)
            return fail();
        puts(filled);
    }
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    diffulm_model_unref(model);
    diffulm_tokenizer_unref(tokenizer);
    return 0;
}

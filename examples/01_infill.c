/* 01_infill.c: fills the masks of a text, one denoising step at a time.
 *   infill MODEL_FOLDER "text with <mask> tokens" [steps] */
#include <diffulm/diffulm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(void)
{
    fprintf(stderr, "infill: %s\n", diffulm_error_message());
    return 1;
}

static int show(const diffulm_tokenizer *tok, const diffulm_session *session)
{
    int32_t ids[512];
    char text[8192];
    size_t count, length;
    if (diffulm_session_tokens(session, 0, ids, 512, &count) != DIFFULM_OK ||
        diffulm_tokenizer_decode(tok, ids, count, 0, text, sizeof text, &length) != DIFFULM_OK)
        return fail();
    puts(text);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: infill MODEL_FOLDER TEXT [STEPS]\n");
        return 2;
    }
    diffulm_tokenizer *tok = NULL;
    diffulm_model *model = NULL;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    struct diffulm_session_options options = DIFFULM_SESSION_OPTIONS_INIT;
    struct diffulm_special_ids special = {.struct_size = sizeof special};
    int32_t ids[512];
    uint8_t roles[512];
    size_t row;
    struct diffulm_encoding e = {sizeof e, 512, ids, NULL, NULL, NULL, NULL, 0};
    so.steps = argc > 3 ? atoi(argv[3]) : 4;

    if (diffulm_tokenizer_open(argv[1], &tok) < 0 || diffulm_model_open(argv[1], NULL, &model) < 0 ||
        diffulm_tokenizer_special_ids(tok, &special) < 0 ||
        diffulm_sampler_create(NULL, &so, &sampler) < 0)
        return fail();
    options.mask_id = special.mask;
    if (diffulm_tokenizer_encode(tok, argv[2], strlen(argv[2]), NULL, 0, NULL, &e) != DIFFULM_OK)
        return e.count > 512 ? (fprintf(stderr, "infill: more than 512 tokens\n"), 1) : fail();
    for (size_t i = 0; i < e.count; i++)
        roles[i] = ids[i] == special.mask ? DIFFULM_ROLE_MASKED : DIFFULM_ROLE_GIVEN;
    if (diffulm_session_create(model, sampler, &options, &session) < 0 ||
        diffulm_session_add(session, ids, e.count, roles, NULL, &row) < 0)
        return fail();

    diffulm_status rc = DIFFULM_AGAIN;
    while (rc == DIFFULM_AGAIN) {
        rc = diffulm_session_step(session, NULL);
        if (rc < 0 || show(tok, session) != 0)
            return fail();
    }
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    diffulm_model_unref(model);
    diffulm_tokenizer_unref(tok);
    return 0;
}

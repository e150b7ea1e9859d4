/* 04_finetune.c: a few updates on two prompts with answers, and the finetuned model on disk.
 *   finetune MODEL_FOLDER OUTPUT_FOLDER */
#include <diffulm/diffulm.h>
#include <stdio.h>
#include <string.h>

static int fail(void)
{
    fprintf(stderr, "finetune: %s\n", diffulm_error_message());
    return 1;
}

/* Appends the tokens of a text without special tokens. */
static int append(const diffulm_tokenizer *tokenizer, const char *text, int32_t *ids, size_t *count)
{
    struct diffulm_encode_options options = DIFFULM_ENCODE_OPTIONS_INIT;
    struct diffulm_encoding e = {
        .struct_size = sizeof e, .capacity = 256 - *count, .ids = ids + *count};
    options.no_special = 1;
    if (diffulm_tokenizer_encode(tokenizer, text, strlen(text), NULL, 0, &options, &e) !=
        DIFFULM_OK)
        return -1;
    *count += e.count;
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const pairs[][2] = {{"Greet the world.\n", "Hello world!"},
                                           {"Say goodbye.\n", "See you soon."}};
    diffulm_model *model = NULL, *tuned = NULL;
    diffulm_tokenizer *tokenizer = NULL;
    diffulm_trainer *trainer = NULL;
    struct diffulm_special_ids ids = {.struct_size = sizeof ids};
    struct diffulm_trainer_options options = DIFFULM_TRAINER_OPTIONS_INIT;
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    int32_t tokens[256];
    size_t count = 0, offsets[3] = {0}, sources[2];
    if (argc != 3) {
        fprintf(stderr, "usage: finetune MODEL_FOLDER OUTPUT_FOLDER\n");
        return 2;
    }
    if (diffulm_model_open(argv[1], NULL, &model) < 0 ||
        diffulm_tokenizer_open(argv[1], NULL, &tokenizer) < 0 ||
        diffulm_tokenizer_special_ids(tokenizer, &ids) < 0)
        return fail();
    for (int r = 0; r < 2; r++) { /* a row: bos source target eos */
        tokens[count++] = ids.bos;
        if (append(tokenizer, pairs[r][0], tokens, &count) < 0)
            return fail();
        sources[r] = count - offsets[r];
        if (append(tokenizer, pairs[r][1], tokens, &count) < 0)
            return fail();
        tokens[count++] = ids.eos;
        offsets[r + 1] = count;
    }
    options.lr = 5e-4;
    options.mask_id = ids.mask;
    options.weight = DIFFULM_WEIGHT_CONSTANT;
    if (diffulm_trainer_create(model, &options, &trainer) < 0)
        return fail();
    const struct diffulm_rows rows = {sizeof rows, 2, offsets, tokens, sources};
    for (int step = 0; step < 20; step++) {
        if (diffulm_trainer_accumulate(trainer, &rows, NULL) < 0 || /* forward and backward */
            diffulm_trainer_apply(trainer, &report) < 0)            /* one AdamW update */
            return fail();
        if (report.step % 5 == 0)
            printf("update %lld: loss %.3f\n", (long long)report.step, report.loss);
    }
    if (diffulm_trainer_export(trainer, &tuned) < 0 ||
        diffulm_model_save(tuned, argv[2], DIFFULM_DTYPE_F32) < 0)
        return fail();
    printf("written to %s\n", argv[2]);
    diffulm_model_unref(tuned);
    diffulm_trainer_destroy(trainer);
    diffulm_tokenizer_unref(tokenizer);
    diffulm_model_unref(model);
    return 0;
}

/* generate.c: `diffulm generate`: a prompt, and canvases of one or several lengths behind it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "denoise.h"

static const struct cli_command generate_command = {
    "generate", "MODEL [PROMPT]",
    "Answers a prompt (argument, --file, or standard input) by denoising masks.", NULL};
/* prompt, `length` masks, eos. */
static void answer_canvas(const struct cli_bundle *b, const struct cli_tokens *prompt,
                          size_t length, struct canvas *out)
{
    const int32_t mask = b->ids.mask >= 0 ? b->ids.mask : b->info.mask_id;
    *out = (struct canvas){.answer_begin = prompt->count, .answer_end = prompt->count + length};
    for (size_t i = 0; i < prompt->count; i++)
        cli_push(&out->tokens, prompt->ids[i]);
    for (size_t i = 0; i < length; i++)
        cli_push(&out->tokens, mask);
    if (b->ids.eos >= 0)
        cli_push(&out->tokens, b->ids.eos);
    out->roles = cli_alloc(out->tokens.count, 1);
    memset(out->roles + out->answer_begin, DIFFULM_ROLE_MASKED, length);
}

/* The lengths to try: as asked, or by the model's length head. Returns 0 or an exit code. */
static int choose_lengths(const struct cli_bundle *b, const char *folder,
                          const struct cli_tokens *prompt, int64_t asked, int64_t beam,
                          size_t *lengths, size_t *count)
{
    diffulm_length_head *head = NULL;
    if (asked > 0) {
        lengths[0] = (size_t)asked;
        *count = 1;
        return 0;
    }
    if (diffulm_length_head_open(b->model, folder, &head) < 0)
        return cli_error("generate", CLI_FAILED,
                         "this model predicts no length (%s); give --length N",
                         diffulm_error_message());
    const size_t classes = diffulm_length_head_classes(head);
    float *logits = cli_alloc(classes, sizeof *logits);
    const size_t offsets[2] = {0, prompt->count};
    int code = 0;
    if (diffulm_length_head_logits(head, 1, offsets, prompt->ids, logits) < 0 ||
        diffulm_length_candidates(logits, classes, (size_t)beam, classes, prompt->count, 1, lengths,
                                  count) < 0)
        code = cli_fail("generate");
    free(logits);
    diffulm_length_head_unref(head);
    return code;
}

/* A causal model says itself where it ends: the canvas is what the model can hold. */
static int longest(const struct cli_bundle *bundle, size_t prompt, size_t *lengths, size_t *count)
{
    const size_t row = (size_t)bundle->info.longest_row;
    if (row < prompt + 2)
        return cli_error("generate", CLI_FAILED, "the prompt has %zu tokens, the model takes %zu",
                         prompt, row - 2);
    lengths[0] = row - prompt - 1;
    *count = 1;
    return 0;
}

static int generate(const char *folder, const char *text, size_t text_length, int64_t length,
                    int64_t beam, const struct denoise_options *o)
{
    struct cli_bundle bundle;
    struct cli_tokens prompt = {0};
    size_t lengths[64], count = 0;
    struct canvas canvases[64];
    int code = 0;
    if (cli_bundle_open(folder, &o->compute, &bundle) < 0 ||
        cli_bundle_adapt(&bundle, o->adapter) < 0 ||
        cli_encode_prompt(&bundle, text, text_length, &prompt) < 0)
        code = cli_fail("generate");
    if (code == 0)
        code = o->causal && !length
                   ? longest(&bundle, prompt.count, lengths, &count)
                   : choose_lengths(&bundle, folder, &prompt, length, beam, lengths, &count);
    if (code == 0) {
        for (size_t i = 0; i < count; i++)
            answer_canvas(&bundle, &prompt, lengths[i], &canvases[i]);
        code = denoise("generate", &bundle, o, canvases, count, text);
        for (size_t i = 0; i < count; i++)
            canvas_release(&canvases[i]);
    }
    free(prompt.ids);
    cli_bundle_close(&bundle);
    return code;
}

int cli_generate(int argc, char **argv)
{
    struct denoise_options o = DENOISE_OPTIONS_INIT;
    const char *file = NULL;
    int64_t length = 0, beam = 1;
    const struct cli_option options[] = {
        {"file", "PATH", "read the prompt from a file", CLI_TEXT, &file},
        {"length", "N", "tokens to generate; default: predicted by the model (causal: at most)",
         CLI_INT, &length},
        {"length-beam", "N", "predicted lengths to try, at most 64 [1]", CLI_INT, &beam},
        {"mbr", NULL, "keep the answer most like the others instead of the best score", CLI_FLAG,
         &o.mbr},
        DENOISE_OPTION_ROWS(o),
        {0}};
    int rest;
    int code = cli_parse(&generate_command, options, argc, argv, &rest);
    if (code < 0)
        code = cli_compute_check("generate", &o.compute);
    if (code >= 0)
        return code;
    if (rest < 1 || rest > 2)
        return cli_error("generate", CLI_USAGE,
                         "expected MODEL and a prompt; see diffulm generate --help");
    if (length < 0 || length > 1 << 20 || beam < 1 || beam > 64)
        return cli_error("generate", CLI_USAGE,
                         "--length must be positive and --length-beam 1 to 64");
    size_t text_length;
    char *text = cli_input_text("generate", rest > 1 ? argv[1] : NULL, file, &text_length);
    if (!text)
        return CLI_FAILED;
    const int result = generate(argv[0], text, text_length, length, beam, &o);
    free(text);
    return result;
}

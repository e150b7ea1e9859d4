/* generate.c: `diffulm generate` and `diffulm infill`: from text to canvases. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "denoise.h"

static const struct cli_command generate_command = {
    "generate", "MODEL [PROMPT]",
    "Answers a prompt (argument, --file, or standard input) by denoising masks.", NULL};
static const struct cli_command infill_command = {
    "infill", "MODEL [TEXT]",
    "Fills the gaps of a text: [[3]] stands for three tokens, [[]] for two, <mask> for one.", NULL};

/* The text of a command: argument, file or standard input, without a final newline. */
static char *input_text(const char *command, const char *argument, const char *path, size_t *length)
{
    char *text;
    if (argument) {
        *length = strlen(argument);
        text = cli_alloc(*length + 1, 1);
        memcpy(text, argument, *length);
        return text;
    }
    text = path ? cli_read_path(path, length) : cli_read(stdin, length);
    if (!text)
        cli_error(command, CLI_FAILED, "%s: %s", path ? path : "standard input", strerror(errno));
    else if (*length && text[*length - 1] == '\n')
        text[--*length] = 0;
    return text;
}

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

static int generate(const char *folder, const char *text, size_t text_length, int64_t length,
                    int64_t beam, const struct denoise_options *o)
{
    struct cli_bundle bundle;
    struct cli_tokens prompt = {0};
    size_t lengths[64], count = 0;
    struct canvas canvases[64];
    int code = 0;
    if (cli_bundle_open(folder, o->threads, &bundle) < 0 ||
        cli_encode_prompt(&bundle, text, text_length, &prompt) < 0)
        code = cli_fail("generate");
    if (code == 0)
        code = choose_lengths(&bundle, folder, &prompt, length, beam, lengths, &count);
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
        {"length", "N", "tokens to generate; default: predicted by the model", CLI_INT, &length},
        {"length-beam", "N", "predicted lengths to try, at most 64 [1]", CLI_INT, &beam},
        {"mbr", NULL, "keep the answer most like the others instead of the best score", CLI_FLAG,
         &o.mbr},
        DENOISE_OPTION_ROWS(o),
        {0}};
    int rest;
    const int code = cli_parse(&generate_command, options, argc, argv, &rest);
    if (code >= 0)
        return code;
    if (rest < 1 || rest > 2)
        return cli_error("generate", CLI_USAGE,
                         "expected MODEL and a prompt; see diffulm generate --help");
    if (length < 0 || length > 1 << 20 || beam < 1 || beam > 64)
        return cli_error("generate", CLI_USAGE,
                         "--length must be positive and --length-beam 1 to 64");
    size_t text_length;
    char *text = input_text("generate", rest > 1 ? argv[1] : NULL, file, &text_length);
    if (!text)
        return CLI_FAILED;
    const int result = generate(argv[0], text, text_length, length, beam, &o);
    free(text);
    return result;
}

/* Replaces [[N]] by N masks, and drops the spaces in front of a gap, as mask tokens stand for words. */
static char *expand_gaps(const char *text, const char *mask, size_t *gaps)
{
    const size_t mask_length = strlen(mask);
    size_t capacity = strlen(text) + 1, n = 0;
    char *out = cli_alloc(capacity, 1);
    *gaps = 0;
    while (*text) {
        char *end = NULL;
        long count = 1;
        size_t skip = 0;
        if (strncmp(text, "[[", 2) == 0) {
            count = strtol(text + 2, &end, 10);
            count = end == text + 2 ? 2 : count;
            if (count > 0 && count < 4096 && strncmp(end, "]]", 2) == 0)
                skip = (size_t)(end + 2 - text);
        } else if (strncmp(text, mask, mask_length) == 0) {
            skip = mask_length;
        }
        capacity += skip ? (size_t)count * mask_length : 0;
        out = cli_grow(out, capacity, 1);
        if (!skip) {
            out[n++] = *text++;
            continue;
        }
        while (n && out[n - 1] == ' ')
            n--;
        for (long i = 0; i < count; i++, n += mask_length)
            memcpy(out + n, mask, mask_length);
        *gaps += (size_t)count;
        text += skip;
    }
    out[n] = 0;
    return out;
}

static int infill(const char *folder, const char *text, const struct denoise_options *o)
{
    struct cli_bundle b;
    struct canvas c = {0};
    size_t gaps = 0;
    int code = 0;
    if (cli_bundle_open(folder, o->threads, &b) < 0) {
        cli_bundle_close(&b);
        return cli_fail("infill");
    }
    const char *mask =
        b.ids.mask >= 0 ? diffulm_tokenizer_piece(b.tokenizer, b.ids.mask, NULL) : NULL;
    char *expanded = mask ? expand_gaps(text, mask, &gaps) : NULL;
    if (!mask)
        code = cli_error("infill", CLI_FAILED, "%s: the tokenizer has no mask token", folder);
    else if (!gaps)
        code = cli_error("infill", CLI_USAGE, "no gap in the text; [[3]] stands for three tokens");
    if (code == 0 && b.ids.bos >= 0)
        cli_push(&c.tokens, b.ids.bos);
    c.answer_begin = c.tokens.count;
    if (code == 0 && cli_encode(b.tokenizer, expanded, strlen(expanded), &c.tokens) < 0)
        code = cli_fail("infill");
    c.answer_end = c.tokens.count;
    if (code == 0) {
        if (b.ids.eos >= 0)
            cli_push(&c.tokens, b.ids.eos);
        c.roles = cli_alloc(c.tokens.count, 1);
        for (size_t i = 0; i < c.tokens.count; i++)
            if (c.tokens.ids[i] == b.ids.mask)
                c.roles[i] = DIFFULM_ROLE_MASKED;
        code = denoise("infill", &b, o, &c, 1, text);
    }
    free(expanded);
    canvas_release(&c);
    cli_bundle_close(&b);
    return code;
}

int cli_infill(int argc, char **argv)
{
    struct denoise_options o = DENOISE_OPTIONS_INIT;
    const char *file = NULL;
    const struct cli_option options[] = {
        {"file", "PATH", "read the text from a file", CLI_TEXT, &file},
        DENOISE_OPTION_ROWS(o),
        {0}};
    int rest;
    const int code = cli_parse(&infill_command, options, argc, argv, &rest);
    if (code >= 0)
        return code;
    if (rest < 1 || rest > 2)
        return cli_error("infill", CLI_USAGE,
                         "expected MODEL and a text; see diffulm infill --help");
    size_t length;
    char *text = input_text("infill", rest > 1 ? argv[1] : NULL, file, &length);
    if (!text)
        return CLI_FAILED;
    const int result = infill(argv[0], text, &o);
    free(text);
    return result;
}

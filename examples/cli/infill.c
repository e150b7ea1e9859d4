/* infill.c: `diffulm infill`: a text with gaps, and the text with its gaps filled. */
#include <stdlib.h>
#include <string.h>

#include "denoise.h"

static const struct cli_command infill_command = {
    "infill", "MODEL [TEXT]",
    "Fills the gaps of a text: [[3]] stands for three tokens, [[]] for two, <mask> for one.", NULL};

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

/* The text before and behind its first newline, each by itself, as prompt and answer of a row are. */
static diffulm_status encode_lines(const struct cli_bundle *b, const char *text,
                                   struct cli_tokens *tokens)
{
    const char *line = b->newline >= 0 ? strchr(text, '\n') : NULL;
    if (!line)
        return cli_encode(b->tokenizer, text, strlen(text), tokens);
    diffulm_status rc = cli_encode(b->tokenizer, text, (size_t)(line - text), tokens);
    cli_push(tokens, b->newline);
    return rc < 0 ? rc : cli_encode(b->tokenizer, line + 1, strlen(line + 1), tokens);
}

/* What tokens [begin, end) add to the text of those before them: decoders strip what begins a text. */
static char *added_text(const struct cli_bundle *b, const int32_t *tokens, size_t first,
                        size_t begin, size_t end)
{
    char *before = cli_decode(b->tokenizer, tokens + first, begin - first);
    char *all = cli_decode(b->tokenizer, tokens + first, end - first);
    const size_t n = before ? strlen(before) : 0;
    if (all && before && strncmp(all, before, n) == 0)
        memmove(all, all + n, strlen(all + n) + 1);
    else {
        free(all);
        all = cli_decode(b->tokenizer, tokens + begin, end - begin);
    }
    free(before);
    return all;
}

char *canvas_filled(const struct cli_bundle *b, const struct canvas *c, const int32_t *tokens)
{
    const char *mask = diffulm_tokenizer_piece(b->tokenizer, b->ids.mask, NULL), *at = c->given;
    const size_t mask_length = strlen(mask);
    size_t n = 0, line = c->answer_begin;
    char *out = cli_alloc(strlen(c->given) + 1, 1);
    for (size_t i = c->answer_begin; i < c->answer_end; i++) {
        if (c->roles[i] != DIFFULM_ROLE_MASKED) {
            line = c->tokens.ids[i] == b->newline ? i + 1 : line;
            continue;
        }
        const size_t begin = i;
        const char *gap = strstr(at, mask);
        while (i < c->answer_end && c->roles[i] == DIFFULM_ROLE_MASKED)
            i++;
        char *text = gap ? added_text(b, tokens, line, begin, i) : NULL;
        if (!text) {
            free(out);
            return NULL;
        }
        out = cli_grow(out, n + strlen(c->given) + strlen(text) + 1, 1);
        memcpy(out + n, at, (size_t)(gap - at));
        n += (size_t)(gap - at);
        memcpy(out + n, text, strlen(text));
        n += strlen(text);
        free(text);
        for (size_t k = begin; k < i; k++, at = gap + mask_length)
            gap = strstr(at, mask) ? strstr(at, mask) : gap;
        i--;
    }
    out = cli_grow(out, n + strlen(at) + 1, 1);
    memcpy(out + n, at, strlen(at) + 1);
    return out;
}

static int infill(const char *folder, const char *text, const struct denoise_options *o)
{
    struct cli_bundle b;
    struct canvas c = {0};
    size_t gaps = 0;
    int code = 0;
    if (cli_bundle_open(folder, &o->compute, &b) < 0 || cli_bundle_adapt(&b, o->adapter) < 0) {
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
    c.given = expanded;
    if (code == 0 && encode_lines(&b, expanded, &c.tokens) < 0)
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
    int code = cli_parse(&infill_command, options, argc, argv, &rest);
    if (code < 0)
        code = cli_compute_check("infill", &o.compute);
    if (code >= 0)
        return code;
    if (rest < 1 || rest > 2)
        return cli_error("infill", CLI_USAGE,
                         "expected MODEL and a text; see diffulm infill --help");
    size_t length;
    char *text = cli_input_text("infill", rest > 1 ? argv[1] : NULL, file, &length);
    if (!text)
        return CLI_FAILED;
    const int result = infill(argv[0], text, &o);
    free(text);
    return result;
}

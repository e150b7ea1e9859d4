/* samples.c: what the model answers to some validation rows while it is trained, frame by frame, as a line each
 * of samples.jsonl. */
#include "samples.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "denoise.h"

#define STEPS 10
#define TOKENS 4096 /* of canvases denoised together, but for the last: memory grows with them */

/* [[text, kind, change], ...] of a canvas; before: the frame before, or NULL. */
static json_t *frame_json(const struct cli_bundle *b, const int32_t *tokens, const int32_t *before,
                          const uint8_t *roles, size_t count, int32_t mask)
{
    json_t *frame = json_array();
    for (size_t i = 0; i < count; i++) {
        char *text = piece_text(b->tokenizer, tokens[i]);
        json_t *shown = json_string(text); /* NULL when a byte piece is not UTF-8 by itself */
        const char *kind = roles[i] == DIFFULM_ROLE_GIVEN ? "given"
                           : tokens[i] == mask            ? "mask"
                                                          : "set";
        const int change = !before || tokens[i] == before[i] ? 0
                           : tokens[i] == mask               ? DIFFULM_CHANGE_REMASKED
                                                             : DIFFULM_CHANGE_REVEALED;
        json_array_append_new(
            frame,
            json_pack("[o, s, i]", shown ? shown : json_string("\xef\xbf\xbd"), kind, change));
        free(text);
    }
    return frame;
}

/* A causal model gets room for twice the reference: where the answer ends is its own decision. */
static void make_canvas(const struct cli_bundle *b, const struct rows *rows, size_t row,
                        int32_t mask, bool causal, struct canvas *c)
{
    const int32_t *tokens = rows->tokens.ids + rows->offsets[row];
    const size_t whole = rows->offsets[row + 1] - rows->offsets[row];
    const size_t source = rows->source_lengths[row], most = (size_t)b->info.longest_row;
    const size_t twice = source + 2 * (whole - source), room = twice < most ? twice : most;
    const size_t length = causal ? room : whole;
    *c = (struct canvas){.answer_begin = source,
                         .answer_end = causal ? room : whole - (b->ids.eos >= 0)};
    c->roles = cli_alloc(length, 1);
    for (size_t i = 0; i < length; i++) {
        const bool answer = i >= c->answer_begin && i < c->answer_end;
        cli_push(&c->tokens, answer ? mask : tokens[i]);
        c->roles[i] = answer ? DIFFULM_ROLE_MASKED : DIFFULM_ROLE_GIVEN;
    }
}

/* A session for canvases of up to `longest` tokens. */
static diffulm_status open_session(const struct cli_bundle *b, const diffulm_model *model,
                                   int32_t mask, const struct sample_place *at, size_t longest,
                                   diffulm_session **out)
{
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    struct diffulm_session_options options = DIFFULM_SESSION_OPTIONS_INIT;
    diffulm_sampler *sampler = NULL;
    so.steps = at->causal ? (int32_t)longest : STEPS;
    so.shift_logits = at->causal;
    options.mask_id = mask;
    options.attention = at->attention;
    options.newline_id = b->newline;
    options.stop_id = at->causal ? b->ids.eos : -1;
    diffulm_status rc = diffulm_sampler_create(at->causal ? "ar" : NULL, &so, &sampler);
    if (rc == DIFFULM_OK)
        rc = diffulm_session_create((diffulm_model *)(uintptr_t)model, sampler, &options, out);
    diffulm_sampler_unref(sampler);
    return rc;
}

/* Denoises the canvas, which then holds the answer; frames get its states. */
static diffulm_status run(const struct cli_bundle *b, const diffulm_model *model, int32_t mask,
                          const struct sample_place *at, struct canvas *c, json_t *frames)
{
    diffulm_session *session = NULL;
    const size_t n = c->tokens.count;
    int32_t *next = cli_alloc(n, sizeof *next);
    size_t row, length;
    diffulm_status rc = open_session(b, model, mask, at, n, &session);
    if (rc == DIFFULM_OK)
        rc = diffulm_session_add(session, c->tokens.ids, n, c->roles, NULL, &row);
    json_array_append_new(frames, frame_json(b, c->tokens.ids, NULL, c->roles, n, mask));
    for (rc = rc == DIFFULM_OK ? DIFFULM_AGAIN : rc; rc == DIFFULM_AGAIN;) {
        rc = diffulm_session_step(session, NULL);
        if (rc < 0 || diffulm_session_tokens(session, 0, next, n, &length) < 0)
            break;
        json_array_append_new(frames, frame_json(b, next, c->tokens.ids, c->roles, n, mask));
        memcpy(c->tokens.ids, next, n * sizeof *next);
    }
    free(next);
    diffulm_session_destroy(session);
    return rc < 0 ? rc : DIFFULM_OK;
}

static int32_t mask_of(const struct cli_bundle *b)
{
    return b->ids.mask >= 0 ? b->ids.mask : b->info.mask_id;
}

static char *answer_of(const struct cli_bundle *b, const struct canvas *c)
{
    return cli_decode(b->tokenizer, c->tokens.ids + c->answer_begin,
                      c->answer_end - c->answer_begin);
}

/* Denoises canvases together, which then hold the answers. */
static diffulm_status run_all(const struct cli_bundle *b, const diffulm_model *model,
                              const struct sample_place *at, struct canvas *canvases, size_t count,
                              size_t longest)
{
    diffulm_session *session = NULL;
    size_t row, length;
    diffulm_status rc = open_session(b, model, mask_of(b), at, longest, &session);
    for (size_t i = 0; rc == DIFFULM_OK && i < count; i++)
        rc = diffulm_session_add(session, canvases[i].tokens.ids, canvases[i].tokens.count,
                                 canvases[i].roles, NULL, &row);
    if (rc == DIFFULM_OK)
        rc = diffulm_session_run(session);
    for (size_t i = 0; rc >= 0 && i < count; i++)
        rc = diffulm_session_tokens(session, i, canvases[i].tokens.ids, canvases[i].tokens.count,
                                    &length);
    diffulm_session_destroy(session);
    return rc < 0 ? rc : DIFFULM_OK;
}

diffulm_status samples_answer(const struct cli_bundle *b, const diffulm_model *model,
                              const struct rows *rows, size_t first, const struct sample_place *at,
                              char *texts[SAMPLES_TOGETHER], size_t *count)
{
    struct canvas canvases[SAMPLES_TOGETHER];
    size_t longest = 0, n = 0, tokens = 0;
    for (; n < SAMPLES_TOGETHER && first + n < rows->count && tokens < TOKENS; n++) {
        make_canvas(b, rows, first + n, mask_of(b), at->causal, &canvases[n]);
        tokens += canvases[n].tokens.count;
        longest = canvases[n].tokens.count > longest ? canvases[n].tokens.count : longest;
    }
    diffulm_status rc = run_all(b, model, at, canvases, n, longest);
    *count = 0;
    for (size_t i = 0; i < n; i++) {
        if (rc == DIFFULM_OK && !(texts[(*count)++] = answer_of(b, &canvases[i]))) {
            rc = DIFFULM_E_STATE; /* the message is the decoder's */
            --*count;
        }
        canvas_release(&canvases[i]);
    }
    return rc;
}

static diffulm_status write_sample(FILE *file, const struct cli_bundle *b,
                                   const diffulm_model *model, const struct rows *rows, size_t row,
                                   const struct sample_place *at)
{
    struct canvas c;
    make_canvas(b, rows, row, mask_of(b), at->causal, &c);
    json_t *frames = json_array();
    diffulm_status rc = run(b, model, mask_of(b), at, &c, frames);
    char *prompt = cli_decode(b->tokenizer, c.tokens.ids, c.answer_begin);
    char *text = answer_of(b, &c);
    json_t *line = json_pack("{s:s, s:I, s:s, s:s, s:s, s:o}", "stage", at->stage, "step",
                             (json_int_t)at->step, "prompt", prompt ? prompt : "", "text",
                             text ? text : "", "reference", rows->targets[row], "frames", frames);
    if (rc == DIFFULM_OK && line) {
        json_dumpf(line, file, JSON_COMPACT | JSON_ENSURE_ASCII);
        fputc('\n', file);
    }
    json_decref(line);
    free(prompt);
    free(text);
    canvas_release(&c);
    return rc;
}

diffulm_status samples_write(const char *path, const struct cli_bundle *bundle,
                             const diffulm_model *model, const struct rows *rows, size_t count,
                             const struct sample_place *at)
{
    FILE *file = fopen(path, at->first ? "wb" : "ab");
    if (!file) {
        cli_error("finetune", 0, "%s: %s", path, strerror(errno));
        return DIFFULM_E_IO;
    }
    diffulm_status rc = DIFFULM_OK;
    count = count < rows->count ? count : rows->count;
    for (size_t i = 0; rc == DIFFULM_OK && i < count; i++)
        rc = write_sample(file, bundle, model, rows, i * rows->count / count, at);
    if (fclose(file) != 0 && rc == DIFFULM_OK) {
        cli_error("finetune", 0, "%s: could not be written", path);
        rc = DIFFULM_E_IO;
    }
    return rc;
}

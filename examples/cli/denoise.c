/* denoise.c: runs a session over one or several canvases of the same prompt and prints the best. */
#include "denoise.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static diffulm_session *watched;

static void on_interrupt(int number)
{
    (void)number;
    diffulm_session_cancel(watched);
}

void canvas_release(struct canvas *canvas)
{
    free(canvas->tokens.ids);
    free(canvas->roles);
    *canvas = (struct canvas){0};
}

char *piece_text(const diffulm_tokenizer *tokenizer, int32_t id)
{
    static const char *const marks[] = {"\xe2\x96\x81", "\xc4\xa0"}; /* U+2581, U+0120 */
    size_t length = 0, n = 0;
    const char *piece = diffulm_tokenizer_piece(tokenizer, id, &length);
    char *out = cli_alloc(length + 2, 1);
    for (size_t i = 0; piece && i < length;) {
        size_t mark = 0;
        for (int k = 0; k < 2 && !mark; k++)
            if (strncmp(piece + i, marks[k], strlen(marks[k])) == 0)
                mark = strlen(marks[k]);
        out[n++] = mark ? ' ' : piece[i];
        i += mark ? mark : 1;
    }
    return out;
}

/* One step a token: as many as any row may have. */
#define LONGEST_CAUSAL (1 << 20)

int denoise_sampler(const char *command, const struct denoise_options *o,
                    struct diffulm_session_options *session, diffulm_sampler **sampler)
{
    static const char *const kinds[] = {"full", "prefix_lm", "causal", "blockwise"};
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    int kind = 0;
    while (kind < 4 && strcmp(kinds[kind], o->attention) != 0)
        kind++;
    if (kind == 4)
        return cli_error(command, CLI_USAGE,
                         "--attention is %s, expected full, prefix_lm, causal or blockwise",
                         o->attention);
    if (o->steps < 1 || o->steps > 100000)
        return cli_error(command, CLI_USAGE, "--steps is %lld, expected 1 to 100000",
                         (long long)o->steps);
    session->attention = kind;
    session->seed = (uint64_t)o->seed;
    if (o->source_refresh < 0 || o->source_refresh > 1 << 20 || (o->source_refresh > 1 && kind))
        return cli_error(command, CLI_USAGE,
                         "--source-refresh must be 1 to %d, and full attention goes with it",
                         1 << 20);
    session->source_refresh = o->source_refresh;
    so.steps = (int32_t)o->steps;
    so.temperature = o->temperature;
    so.sampling = o->temperature > 0 ? DIFFULM_SAMPLING_CATEGORICAL : DIFFULM_SAMPLING_ARGMAX;
    if (o->causal) {
        session->attention = DIFFULM_ATTENTION_CAUSAL;
        so.shift_logits = 1;
        so.steps = LONGEST_CAUSAL;
    }
    const char *policy = o->causal && !o->policy ? "ar" : o->policy;
    return diffulm_sampler_create(policy, &so, sampler) < 0 ? (cli_fail(command), CLI_USAGE) : 0;
}

static void add_frame(struct frames *frames, const diffulm_session *session,
                      const struct diffulm_step_report *report)
{
    const size_t n = frames->canvas->tokens.count;
    size_t length;
    frames->list = cli_grow(frames->list, frames->count + 1, sizeof *frames->list);
    struct frame *f = &frames->list[frames->count++];
    *f =
        (struct frame){cli_alloc(n, sizeof(int32_t)), cli_alloc(n, sizeof(float)), cli_alloc(n, 1)};
    if (diffulm_session_tokens(session, 0, f->tokens, n, &length) < 0 ||
        diffulm_session_scores(session, 0, f->scores, n, &length) < 0)
        return;
    for (size_t i = 0; report && i < report->change_count; i++)
        if (report->changes[i].row == 0)
            f->change[report->changes[i].position] = (uint8_t)report->changes[i].kind;
}

static void release_frames(struct frames *frames)
{
    for (size_t i = 0; i < frames->count; i++) {
        free(frames->list[i].tokens);
        free(frames->list[i].scores);
        free(frames->list[i].change);
    }
    free(frames->list);
}

static diffulm_status run(const struct cli_bundle *bundle, const struct denoise_options *o,
                          diffulm_session *session, struct frames *frames, int32_t mask)
{
    const bool live = isatty(1) && !o->quiet && !o->json;
    struct diffulm_step_report report = {.struct_size = sizeof report};
    diffulm_status rc = DIFFULM_AGAIN;
    add_frame(frames, session, NULL);
    if (live)
        live_draw(bundle, frames, mask);
    while (rc == DIFFULM_AGAIN) {
        rc = diffulm_session_step(session, &report);
        if (rc < 0)
            break;
        add_frame(frames, session, &report);
        if (live) {
            live_draw(bundle, frames, mask);
            usleep(120000); /* slow enough to watch */
        }
    }
    if (live)
        live_clear();
    return rc;
}

/* The generated tokens of a row that are text. */
static size_t hypothesis(const struct cli_bundle *b, const struct canvas *c,
                         const diffulm_session *session, size_t row, int32_t mask, int32_t *out)
{
    size_t length, n = 0;
    int32_t *tokens = cli_alloc(c->tokens.count, sizeof *tokens);
    if (diffulm_session_tokens(session, row, tokens, c->tokens.count, &length) == DIFFULM_OK)
        for (size_t i = c->answer_begin; i < c->answer_end; i++)
            if (tokens[i] != b->ids.bos && tokens[i] != b->ids.eos && tokens[i] != b->ids.pad &&
                tokens[i] != mask)
                out[n++] = tokens[i];
    free(tokens);
    return n;
}

static size_t choose(const struct cli_bundle *b, const struct denoise_options *o,
                     const struct canvas *canvases, size_t count, const diffulm_session *session,
                     int32_t mask, struct diffulm_hypothesis *all)
{
    size_t best = 0;
    for (size_t r = 0; r < count; r++) {
        int32_t *tokens = cli_alloc(canvases[r].tokens.count, sizeof *tokens);
        all[r].length = hypothesis(b, &canvases[r], session, r, mask, tokens);
        all[r].tokens = tokens;
        if (diffulm_session_row_score(session, r, &all[r].score) < 0)
            all[r].score = -INFINITY;
    }
    if (diffulm_select_hypothesis(all, count, o->mbr ? DIFFULM_SELECT_MBR : DIFFULM_SELECT_SCORE,
                                  &best, NULL) < 0)
        return 0;
    return best;
}

static json_t *steps_json(const struct frames *frames)
{
    json_t *steps = json_array();
    for (size_t k = 1; k < frames->count; k++) {
        json_t *changes = json_array();
        for (size_t i = 0; i < frames->canvas->tokens.count; i++) {
            static const char *const kinds[] = {"", "revealed", "remasked", "revised"};
            const struct frame *f = &frames->list[k];
            if (!f->change[i])
                continue;
            json_t *change = json_pack("{s:I, s:I, s:s}", "position", (json_int_t)i, "token",
                                       (json_int_t)f->tokens[i], "kind", kinds[f->change[i]]);
            if (isfinite(f->scores[i]))
                json_object_set_new(change, "score", json_real((double)f->scores[i]));
            json_array_append_new(changes, change);
        }
        json_array_append_new(steps, changes);
    }
    return steps;
}

static int print_json(const char *command, const char *prompt, const char *text,
                      const struct diffulm_hypothesis *h, const struct frames *frames)
{
    json_t *tokens = json_array();
    for (size_t i = 0; i < h->length; i++)
        json_array_append_new(tokens, json_integer(h->tokens[i]));
    json_t *root = json_pack("{s:s, s:s, s:o, s:o}", "prompt", prompt, "text", text, "tokens",
                             tokens, "steps", steps_json(frames));
    if (!root)
        return cli_error(command, CLI_FAILED, "out of memory");
    json_object_set_new(root, "score",
                        isfinite(h->score) ? json_real((double)h->score) : json_null());
    json_dumpf(root, stdout, JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
    return 0;
}

static int report(const char *command, const struct cli_bundle *bundle,
                  const struct denoise_options *o, const struct canvas *canvases, size_t count,
                  const char *prompt, const diffulm_session *session, const struct frames *frames,
                  int32_t mask)
{
    struct diffulm_hypothesis *all = cli_alloc(count, sizeof *all);
    const size_t best = choose(bundle, o, canvases, count, session, mask, all);
    const struct frame *last = &frames->list[frames->count - 1];
    char *text = canvases[best].given
                     ? canvas_filled(bundle, &canvases[best], last->tokens)
                     : cli_decode(bundle->tokenizer, all[best].tokens, all[best].length);
    int code = 0;
    if (!text)
        code = cli_fail(command);
    else if (o->json)
        code = print_json(command, prompt, text, &all[best], frames);
    else
        puts(text);
    if (code == 0 && o->trace)
        code = trace_write(command, o->trace, bundle, frames, prompt, mask);
    for (size_t r = 0; r < count; r++)
        free((void *)(uintptr_t)all[r].tokens);
    free(all);
    free(text);
    return code;
}

int denoise(const char *command, const struct cli_bundle *bundle, const struct denoise_options *o,
            const struct canvas *canvases, size_t count, const char *prompt)
{
    struct diffulm_session_options so = DIFFULM_SESSION_OPTIONS_INIT;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    struct frames frames = {.canvas = canvases};
    int code = denoise_sampler(command, o, &so, &sampler);
    if (code != 0)
        return code;
    so.mask_id = bundle->ids.mask >= 0 ? bundle->ids.mask : bundle->info.mask_id;
    so.newline_id = bundle->newline;
    so.stop_id = o->causal ? bundle->ids.eos : -1;
    diffulm_status rc = diffulm_session_create(bundle->model, sampler, &so, &session);
    for (size_t i = 0; rc == DIFFULM_OK && i < count; i++) {
        size_t row;
        rc = diffulm_session_add(session, canvases[i].tokens.ids, canvases[i].tokens.count,
                                 canvases[i].roles, NULL, &row);
    }
    if (rc == DIFFULM_OK) {
        watched = session;
        signal(SIGINT, on_interrupt);
        rc = run(bundle, o, session, &frames, so.mask_id);
        signal(SIGINT, SIG_DFL);
    }
    if (rc >= 0)
        code = report(command, bundle, o, canvases, count, prompt, session, &frames, so.mask_id);
    else
        code = rc == DIFFULM_E_CANCELLED ? cli_error(command, CLI_CANCELLED, "cancelled")
                                         : cli_fail(command);
    release_frames(&frames);
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    return code;
}

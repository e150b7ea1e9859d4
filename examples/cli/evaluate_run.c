/* evaluate_run.c: denoises canvases for each row under each combination, keeps one candidate a row and scores its text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evaluate.h"

#define SLICE 64           /* rows whose lengths are predicted together */
#define BATCH_TOKENS 16384 /* a session takes rows until it holds so many: memory grows with them */

/* Rows [first, first + rows) with all candidates, which are the session's rows in the same order. */
struct batch {
    size_t first, rows, begin[SLICE + 1]; /* begin: first canvas of each row */
    struct canvas *canvases;
    size_t count, tokens;
};

void show_progress(double start, size_t done, size_t all)
{
    if (!isatty(2) || cli_seconds() - start < 2)
        return;
    fprintf(stderr, "\r%zu of %zu rows", done, all);
    if (done == all)
        fputs("\r\x1b[K", stderr);
}

/* Adds the canvases of the next row: every length `mbr` times, numbered so that their draws depend on nothing else. */
static int add_row(const struct evaluation *e, const struct combination *c, const float *logits,
                   diffulm_session *session, struct batch *b)
{
    const size_t row = b->first + b->rows;
    size_t *lengths = NULL, count = 0;
    int code = answer_lengths(e, c->beam, row, logits, &lengths, &count);
    const size_t more = code == 0 ? count * (size_t)e->mbr : 0;
    b->canvases = cli_grow(b->canvases, b->count + more + 1, sizeof *b->canvases);
    b->begin[b->rows++] = b->count;
    for (size_t i = 0; code == 0 && i < more; i++) {
        struct diffulm_row_options ro = DIFFULM_ROW_OPTIONS_INIT;
        struct canvas *canvas = &b->canvases[b->count++];
        size_t added;
        ro.row_number = ((int64_t)row * c->beam) * e->mbr + (int64_t)i;
        answer_canvas(e, row, lengths[i / (size_t)e->mbr], canvas);
        b->tokens += canvas->tokens.count;
        if (diffulm_session_add(session, canvas->tokens.ids, canvas->tokens.count, canvas->roles,
                                &ro, &added) < 0)
            code = cli_error(EVALUATE, CLI_FAILED, "%s: row %zu: %s", e->data, row + 1,
                             diffulm_error_message());
    }
    b->begin[b->rows] = b->count;
    free(lengths);
    return code;
}

static int read_candidate(const struct evaluation *e, const diffulm_session *session, size_t index,
                          const struct canvas *canvas, struct diffulm_hypothesis *out)
{
    const size_t n = canvas->tokens.count;
    int32_t *kept = cli_alloc(n, sizeof *kept), *tokens = cli_alloc(n, sizeof *tokens);
    float *scores = cli_alloc(n, sizeof *scores);
    size_t length;
    out->tokens = kept;
    int code = diffulm_session_tokens(session, index, tokens, n, &length) < 0 ||
                       diffulm_session_scores(session, index, scores, n, &length) < 0
                   ? cli_fail(EVALUATE)
                   : 0;
    if (code == 0)
        out->length = answer_tokens(e, canvas, tokens, scores, kept, &out->score);
    free(tokens);
    free(scores);
    return code;
}

static int write_prediction(const struct evaluation *e, const struct combination *c, size_t seed,
                            size_t row, const char *text, size_t choice)
{
    json_t *item = json_pack("{s:s, s:I, s:s, s:I, s:I, s:I, s:s, s:s}", "task", e->rows.tasks[row],
                             "row", (json_int_t)row + 1, "policy", c->policy, "length_beam",
                             (json_int_t)c->beam, "steps", (json_int_t)c->steps, "seed",
                             (json_int_t)(e->options.seed + (int64_t)seed), "target",
                             e->rows.targets[row], "text", text);
    if (item && e->choosing)
        json_object_set_new(item, "choice",
                            choice == SIZE_MAX
                                ? json_null()
                                : json_string(e->choices.texts[e->choices.begin[row] + choice]));
    if (!item)
        return cli_error(EVALUATE, CLI_FAILED, "%s: row %zu: the answer cannot be written as JSON",
                         e->data, row + 1);
    json_dumpf(item, e->predictions, JSON_COMPACT);
    fputc('\n', e->predictions);
    json_decref(item);
    return 0;
}

static int score_answer(struct evaluation *e, struct combination *c, size_t seed, size_t row,
                        const struct diffulm_hypothesis *answer)
{
    struct answer_score *score = &c->answers[seed][row];
    size_t choice = SIZE_MAX;
    char *text = cli_decode(e->bundle.tokenizer, answer->tokens, answer->length);
    if (!text)
        return cli_fail(EVALUATE);
    c->tokens += answer->length;
    int code = answer_compare(&e->scoring, text, e->rows.targets[row], score);
    if (code == 0 && e->choosing) {
        code = choice_nearest(&e->choices, row, text, &choice);
        score->share[ACCURACY] = choice == e->choices.right[row];
    }
    if (code == 0 && e->predictions)
        code = write_prediction(e, c, seed, row, text, choice);
    free(text);
    return code;
}

/* Keeps one of the candidates of row `r` of the batch. */
static int finish_row(struct evaluation *e, struct combination *c, size_t seed,
                      const diffulm_session *session, const struct batch *b, size_t r)
{
    const size_t begin = b->begin[r], count = b->begin[r + 1] - begin;
    struct diffulm_hypothesis *all = cli_alloc(count, sizeof *all);
    size_t best = 0;
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++)
        code = read_candidate(e, session, begin + i, &b->canvases[begin + i], &all[i]);
    if (code == 0 && diffulm_select_hypothesis(all, count, e->select, &best, NULL) < 0)
        code = cli_fail(EVALUATE);
    if (code == 0)
        code = score_answer(e, c, seed, b->first + r, &all[best]);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)all[i].tokens);
    free(all);
    return code;
}

/* Answers rows from b->first on, up to `end` or until the session is full. logits: of the first row, or NULL. */
static int run_batch(struct evaluation *e, struct combination *c, size_t seed, size_t end,
                     const float *logits, struct batch *b)
{
    const double start = cli_seconds();
    const size_t classes = logits ? diffulm_length_head_classes(e->head) : 0;
    diffulm_session *session = NULL;
    e->session.seed = (uint64_t)e->options.seed + seed;
    int code = diffulm_session_create(e->bundle.model, c->sampler, &e->session, &session) < 0
                   ? cli_fail(EVALUATE)
                   : 0;
    const size_t most = e->batch ? (size_t)e->batch : SLICE;
    while (code == 0 && b->first + b->rows < end && b->rows < most && b->tokens < BATCH_TOKENS)
        code = add_row(e, c, logits ? logits + b->rows * classes : NULL, session, b);
    if (code == 0 && diffulm_session_run(session) < 0)
        code = cli_fail(EVALUATE);
    c->seconds += cli_seconds() - start;
    for (size_t r = 0; code == 0 && r < b->rows; r++)
        code = finish_row(e, c, seed, session, b, r);
    diffulm_session_destroy(session);
    for (size_t i = 0; i < b->count; i++)
        canvas_release(&b->canvases[i]);
    free(b->canvases);
    return code;
}

static int run_slice(struct evaluation *e, struct combination *c, size_t seed, size_t first,
                     size_t end, const float *logits)
{
    const size_t classes = logits ? diffulm_length_head_classes(e->head) : 0;
    int code = 0;
    for (size_t next = first; code == 0 && next < end;) {
        struct batch batch = {.first = next};
        code =
            run_batch(e, c, seed, end, logits ? logits + (next - first) * classes : NULL, &batch);
        next += batch.rows;
    }
    return code;
}

int evaluation_generate(struct evaluation *e)
{
    const double start = cli_seconds();
    int code = 0;
    for (size_t first = 0; code == 0 && first < e->rows.count; first += SLICE) {
        const size_t left = e->rows.count - first, end = first + (left < SLICE ? left : SLICE);
        const double before = cli_seconds();
        float *logits = NULL;
        if (e->answer_length == LENGTH_PREDICTED)
            code = length_logits(e, first, end - first, &logits);
        e->length_seconds += cli_seconds() - before;
        for (size_t i = 0; code == 0 && i < e->combination_count; i++)
            for (size_t seed = 0; code == 0 && seed < (size_t)e->seeds; seed++)
                code = run_slice(e, &e->combinations[i], seed, first, end, logits);
        free(logits);
        show_progress(start, end, e->rows.count);
    }
    return code;
}

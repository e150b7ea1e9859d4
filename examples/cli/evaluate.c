/* evaluate.c: `diffulm evaluate`: metrics per task at several numbers of steps. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "denoise.h"
#include "rows.h"
#include "scores.h"

#define ME "evaluate"
#define MAX_STEPS 16
#define MAX_TASKS 64
#define BATCH 64
#define MAX_BEAM 16

/* The answers of one task, for each number of steps. */
struct task {
    char *name;
    struct answer_score *answers[MAX_STEPS];
    size_t count[MAX_STEPS];
};

struct evaluation {
    struct cli_bundle bundle;
    diffulm_length_head *head;
    struct rows rows;
    struct denoise_options options;
    const char *predictions;
    FILE *out;
    int64_t steps[MAX_STEPS];
    size_t step_count;
    int64_t beam; /* predicted lengths tried for each row */
    bool oracle, infill;
    struct task tasks[MAX_TASKS];
    size_t task_count;
    struct score_options scoring;
    enum metric metrics[METRICS];
    size_t metric_count;
    int64_t resamples; /* for intervals; 0: none */
    int32_t mask;
};

static int parse_steps(struct evaluation *e, const char *text)
{
    while (*text) {
        char *end;
        const long k = strtol(text, &end, 10);
        if (end == text || k < 1 || k > 100000 || e->step_count == MAX_STEPS ||
            (*end && *end != ','))
            return cli_error(ME, CLI_USAGE, "--steps is wrong at %s, expected numbers as in 1,4,10",
                             text);
        e->steps[e->step_count++] = k;
        text = *end ? end + 1 : end;
    }
    return 0;
}

static struct task *task_of(struct evaluation *e, const char *name)
{
    for (size_t i = 0; i < e->task_count; i++)
        if (strcmp(e->tasks[i].name, name) == 0)
            return &e->tasks[i];
    struct task *s = &e->tasks[e->task_count < MAX_TASKS - 1 ? e->task_count++ : MAX_TASKS - 1];
    if (!s->name)
        s->name = strcpy(cli_alloc(strlen(name) + 1, 1), name);
    return s;
}

static int index_in(const char *const *names, const char *text, size_t length)
{
    for (int i = 0; names[i]; i++)
        if (strlen(names[i]) == length && strncmp(names[i], text, length) == 0)
            return i;
    return -1;
}

static int parse_metrics(struct evaluation *e, const char *text)
{
    while (*text) {
        const size_t length = strcspn(text, ",");
        const int metric = index_in(metric_names, text, length);
        if (metric < 0 || e->metric_count == METRICS)
            return cli_error(
                ME, CLI_USAGE,
                "--metrics is wrong at %s, expected exact, squad, last-number, rouge-l, "
                "bleu and chrf between commas",
                text);
        e->metrics[e->metric_count++] = (enum metric)metric;
        text += length + (text[length] == ',');
    }
    return 0;
}

static int parse_bleu(struct evaluation *e, const char *tokenizer, bool lowercase)
{
    static const char *const names[] = {"13a", "intl", "char", "none", NULL};
    const int i = index_in(names, tokenizer, strlen(tokenizer));
    e->scoring.bleu.tokenizer = i;
    e->scoring.bleu.lowercase = e->scoring.chrf.lowercase = lowercase;
    return i >= 0 ? 0
                  : cli_error(ME, CLI_USAGE,
                              "--bleu-tokenize is %s, expected 13a, intl, char or none", tokenizer);
}

/* The numbers of masks to try after the sources of rows [first, first + n). */
struct lengths {
    size_t length[BATCH][MAX_BEAM], count[BATCH];
};

static diffulm_status lengths_of(struct evaluation *e, size_t first, size_t n, struct lengths *out)
{
    const struct rows *rows = &e->rows;
    const size_t eos = e->bundle.ids.eos >= 0;
    for (size_t r = 0; r < n; r++) {
        out->count[r] = 1;
        out->length[r][0] = rows->offsets[first + r + 1] - rows->offsets[first + r] -
                            rows->source_lengths[first + r] - eos;
    }
    if (e->oracle || e->infill)
        return DIFFULM_OK;
    const size_t classes = diffulm_length_head_classes(e->head);
    float *logits = cli_alloc(n * classes, sizeof *logits);
    size_t offsets[BATCH + 1] = {0};
    struct cli_tokens sources = {0};
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < rows->source_lengths[first + r]; i++)
            cli_push(&sources, rows->tokens.ids[rows->offsets[first + r] + i]);
        offsets[r + 1] = sources.count;
    }
    diffulm_status rc = diffulm_length_head_logits(e->head, n, offsets, sources.ids, logits);
    for (size_t r = 0; rc == DIFFULM_OK && r < n; r++)
        rc = diffulm_length_candidates(logits + r * classes, classes, (size_t)e->beam, classes,
                                       offsets[r + 1] - offsets[r], 1, out->length[r],
                                       &out->count[r]);
    free(logits);
    free(sources.ids);
    return rc;
}

/* The canvas of a row: answer masked whole, or (infill) its middle third. */
static void make_canvas(const struct evaluation *e, size_t row, size_t length, struct canvas *c)
{
    const int32_t *tokens = e->rows.tokens.ids + e->rows.offsets[row];
    const size_t source = e->rows.source_lengths[row];
    size_t begin = source, end = source + length;
    if (e->infill && length >= 3) {
        begin += length / 3;
        end = begin + (length + 2) / 3;
    }
    *c = (struct canvas){.answer_begin = source, .answer_end = source + length};
    for (size_t i = 0; i < source + length; i++)
        cli_push(&c->tokens, i >= begin && i < end ? e->mask : tokens[i]);
    if (e->bundle.ids.eos >= 0)
        cli_push(&c->tokens, e->bundle.ids.eos);
    c->roles = cli_alloc(c->tokens.count, 1);
    memset(c->roles + begin, DIFFULM_ROLE_MASKED, end - begin);
}

static char *answer_text(const struct evaluation *e, const struct canvas *c, const int32_t *tokens)
{
    const struct diffulm_special_ids *s = &e->bundle.ids;
    struct cli_tokens kept = {0};
    for (size_t i = c->answer_begin; i < c->answer_end; i++)
        if (tokens[i] != s->bos && tokens[i] != s->eos && tokens[i] != s->pad &&
            tokens[i] != e->mask)
            cli_push(&kept, tokens[i]);
    cli_push(&kept, 0);
    char *text = cli_decode(e->bundle.tokenizer, kept.ids, kept.count - 1);
    free(kept.ids);
    return text;
}

static diffulm_status score_row(struct evaluation *e, size_t row, size_t k, const struct canvas *c,
                                const int32_t *tokens)
{
    char *text = answer_text(e, c, tokens);
    const char *task = e->rows.tasks[row], *target = e->rows.targets[row];
    struct task *t = task_of(e, task);
    if (!text)
        return DIFFULM_E_INTERNAL;
    t->answers[k] = cli_grow(t->answers[k], t->count[k] + 1, sizeof *t->answers[k]);
    const int code = answer_compare(&e->scoring, text, target, &t->answers[k][t->count[k]++]);
    if (code == 0 && e->out) {
        json_t *item = json_pack("{s:s, s:I, s:s, s:s}", "task", task, "steps",
                                 (json_int_t)e->steps[k], "target", target, "text", text);
        json_dumpf(item, e->out, JSON_COMPACT);
        fputc('\n', e->out);
        json_decref(item);
    }
    free(text);
    return code == 0 ? DIFFULM_OK : DIFFULM_E_INTERNAL;
}

/* Adds every candidate of a row; the session's rows follow in that order. */
static diffulm_status add_candidates(const struct evaluation *e, diffulm_session *session,
                                     size_t row, size_t count, const size_t *lengths,
                                     struct canvas *canvases)
{
    diffulm_status rc = DIFFULM_OK;
    size_t added;
    for (size_t i = 0; i < count; i++) {
        make_canvas(e, row, lengths[i], &canvases[i]);
        if (rc == DIFFULM_OK)
            rc = diffulm_session_add(session, canvases[i].tokens.ids, canvases[i].tokens.count,
                                     canvases[i].roles, NULL, &added);
    }
    return rc;
}

/* Scores the candidate with the best mean log-probability. */
static diffulm_status keep_best(struct evaluation *e, const diffulm_session *session, size_t row,
                                size_t k, size_t first, size_t count, const struct canvas *canvases)
{
    size_t best = 0, length;
    float top = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        float score;
        diffulm_status rc = diffulm_session_row_score(session, first + i, &score);
        if (rc < 0)
            return rc;
        if (score > top) {
            top = score;
            best = i;
        }
    }
    const size_t n = canvases[best].tokens.count;
    int32_t *tokens = cli_alloc(n, sizeof *tokens);
    diffulm_status rc = diffulm_session_tokens(session, first + best, tokens, n, &length);
    if (rc == DIFFULM_OK)
        rc = score_row(e, row, k, &canvases[best], tokens);
    free(tokens);
    return rc;
}

static diffulm_status run_batch(struct evaluation *e, diffulm_sampler *sampler,
                                const struct diffulm_session_options *so, size_t k, size_t first,
                                size_t n, const struct lengths *lengths)
{
    struct canvas *canvases = cli_alloc(BATCH * MAX_BEAM, sizeof *canvases);
    diffulm_session *session = NULL;
    size_t at = 0;
    diffulm_status rc = diffulm_session_create(e->bundle.model, sampler, so, &session);
    for (size_t r = 0; rc == DIFFULM_OK && r < n; at += lengths->count[r++])
        rc = add_candidates(e, session, first + r, lengths->count[r], lengths->length[r],
                            canvases + at);
    if (rc == DIFFULM_OK)
        rc = diffulm_session_run(session);
    at = 0;
    for (size_t r = 0; rc >= 0 && r < n; at += lengths->count[r++])
        rc = keep_best(e, session, first + r, k, at, lengths->count[r], canvases + at);
    for (size_t i = 0; i < BATCH * MAX_BEAM; i++)
        canvas_release(&canvases[i]);
    free(canvases);
    diffulm_session_destroy(session);
    return rc < 0 ? rc : DIFFULM_OK;
}

static int run_all(struct evaluation *e)
{
    diffulm_sampler *samplers[MAX_STEPS] = {0};
    struct diffulm_session_options so = DIFFULM_SESSION_OPTIONS_INIT;
    int code = 0;
    so.mask_id = e->mask;
    so.newline_id = e->bundle.newline;
    for (size_t k = 0; code == 0 && k < e->step_count; k++) {
        e->options.steps = e->steps[k];
        code = denoise_sampler(ME, &e->options, &so, &samplers[k]);
    }
    const double start = cli_seconds();
    const bool tell = isatty(2);
    for (size_t first = 0; code == 0 && first < e->rows.count; first += BATCH) {
        const size_t left = e->rows.count - first, n = left < BATCH ? left : BATCH;
        struct lengths lengths;
        diffulm_status rc = lengths_of(e, first, n, &lengths);
        for (size_t k = 0; rc == DIFFULM_OK && k < e->step_count; k++)
            rc = run_batch(e, samplers[k], &so, k, first, n, &lengths);
        if (rc < 0)
            code = cli_fail(ME);
        if (tell && cli_seconds() - start > 2)
            fprintf(stderr, "\r%zu of %zu rows", first + n, e->rows.count);
    }
    if (tell)
        fputs("\r\x1b[K", stderr);
    for (size_t k = 0; k < e->step_count; k++)
        diffulm_sampler_unref(samplers[k]);
    return code;
}

/* One column: a metric at a number of steps, for each task and at last for their mean (exact and its kind) or for all
 * answers together. */
static double value_of(const struct evaluation *e, const struct task *t, enum metric metric,
                       size_t k)
{
    return answers_score(&e->scoring, metric, t->answers[k], NULL, t->count[k]);
}

static void print_row(const struct evaluation *e, const struct task *t)
{
    printf("\n%-14s %5zu", t->name, t->count[0]);
    for (size_t m = 0; m < e->metric_count; m++)
        for (size_t k = 0; k < e->step_count; k++) {
            double low, high;
            printf("  %9.1f", value_of(e, t, e->metrics[m], k));
            if (!e->resamples)
                continue;
            answers_interval(&e->scoring, e->metrics[m], t->answers[k], t->count[k], e->resamples,
                             &low, &high);
            printf(" [%5.1f, %5.1f]", low, high);
        }
}

static void print_table(const struct evaluation *e)
{
    const int width = e->resamples ? 15 : 0;
    printf("%-14s %5s", "task", "rows");
    for (size_t m = 0; m < e->metric_count; m++)
        for (size_t k = 0; k < e->step_count; k++) {
            char title[32];
            snprintf(title, sizeof title, "%s@%lld", metric_titles[e->metrics[m]],
                     (long long)e->steps[k]);
            printf("  %9s%*s", title, width, "");
        }
    for (size_t i = 0; i < e->task_count; i++)
        print_row(e, &e->tasks[i]);
    printf("\n%-14s %5zu", "mean of tasks", e->rows.count);
    for (size_t m = 0; m < e->metric_count; m++)
        for (size_t k = 0; k < e->step_count; k++) {
            double mean = 0;
            for (size_t i = 0; i < e->task_count; i++)
                mean += value_of(e, &e->tasks[i], e->metrics[m], k) / (double)e->task_count;
            printf("  %9.1f%*s", mean, width, "");
        }
    putchar('\n');
}

static int print_signature(const struct evaluation *e)
{
    char signature[256];
    size_t length;
    for (size_t m = 0; m < e->metric_count; m++)
        if (e->metrics[m] == BLEU) {
            if (diffulm_bleu_signature(&e->scoring.bleu, 1, signature, sizeof signature, &length) <
                0)
                return cli_fail(ME);
            printf("BLEU: %s\n", signature);
        }
    return 0;
}

static json_t *json_of(const struct evaluation *e, const struct task *t, size_t k)
{
    json_t *item = json_pack("{s:s, s:I, s:I}", "task", t->name, "rows", (json_int_t)t->count[k],
                             "steps", (json_int_t)e->steps[k]);
    for (size_t m = 0; m < e->metric_count; m++) {
        const enum metric metric = e->metrics[m];
        json_object_set_new(item, metric == EXACT ? "exact_match" : metric_names[metric],
                            json_real(value_of(e, t, metric, k)));
        if (!e->resamples)
            continue;
        char key[32];
        double low, high;
        answers_interval(&e->scoring, metric, t->answers[k], t->count[k], e->resamples, &low,
                         &high);
        snprintf(key, sizeof key, "%s_interval",
                 metric == EXACT ? "exact_match" : metric_names[metric]);
        json_object_set_new(item, key, json_pack("[f, f]", low, high));
    }
    return item;
}

static void print_json(const struct evaluation *e)
{
    json_t *root = json_array();
    for (size_t i = 0; i < e->task_count; i++)
        for (size_t k = 0; k < e->step_count; k++)
            json_array_append_new(root, json_of(e, &e->tasks[i], k));
    json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(root);
}

static int evaluate(struct evaluation *e, const char *folder, const char *data)
{
    if (cli_bundle_open(folder, e->options.threads, &e->bundle) < 0 ||
        cli_bundle_adapt(&e->bundle, e->options.adapter) < 0)
        return cli_fail(ME);
    e->mask = e->bundle.ids.mask >= 0 ? e->bundle.ids.mask : e->bundle.info.mask_id;
    if (!e->oracle && !e->infill && diffulm_length_head_open(e->bundle.model, folder, &e->head) < 0)
        return cli_error(ME, CLI_FAILED, "this model predicts no length (%s); use --oracle",
                         diffulm_error_message());
    e->rows.keep_texts = true;
    int code = rows_read_path(ME, data, &e->bundle, &e->rows);
    if (code == 0 && e->predictions && !(e->out = fopen(e->predictions, "wb")))
        code = cli_error(ME, CLI_FAILED, "%s: cannot be written", e->predictions);
    if (code == 0)
        code = run_all(e);
    if (code == 0 && e->options.json)
        print_json(e);
    else if (code == 0) {
        print_table(e);
        code = print_signature(e);
    }
    return code;
}

int cli_evaluate(int argc, char **argv)
{
    static const struct cli_command command = {ME, "MODEL DATA",
                                               "Scores the answers to each task of a file.", NULL};
    struct evaluation e = {.options = DENOISE_OPTIONS_INIT,
                           .beam = 1,
                           .scoring = {DIFFULM_BLEU_OPTIONS_INIT, DIFFULM_CHRF_OPTIONS_INIT}};
    const char *steps = "1,4,10", *metrics = "exact,bleu", *tokenizer = "13a";
    bool lowercase = false;
    const struct cli_option options[] = {
        {"steps", "K,K,…", "denoising steps to try [1,4,10]", CLI_TEXT, &steps},
        {"length-beam", "N", "predicted lengths to try, at most 16; the best score is kept [1]",
         CLI_INT, &e.beam},
        {"oracle", NULL, "use the reference's length instead of the predicted one", CLI_FLAG,
         &e.oracle},
        {"infill", NULL, "mask the middle third of each answer only", CLI_FLAG, &e.infill},
        {"policy", "NAME", "unmasking policy", CLI_TEXT, &e.options.policy},
        {"attention", "KIND", "full, prefix_lm, causal or blockwise [full]", CLI_TEXT,
         &e.options.attention},
        {"metrics", "M,M,…", "exact, squad, last-number, rouge-l, bleu, chrf [exact,bleu]",
         CLI_TEXT, &metrics},
        {"bleu-tokenize", "NAME", "13a, intl, char or none [13a]", CLI_TEXT, &tokenizer},
        {"lowercase", NULL, "BLEU and chrF without case", CLI_FLAG, &lowercase},
        {"confidence", "N", "95 % intervals from N resamples of the rows [0: none]", CLI_INT,
         &e.resamples},
        {"adapter", "FOLDER", "add this LoRA adapter to the model", CLI_TEXT, &e.options.adapter},
        {"threads", "N", "0: one per core [0]", CLI_INT, &e.options.threads},
        {"predictions", "FILE", "write every answer as JSONL", CLI_TEXT, &e.predictions},
        {"json", NULL, "print a JSON array", CLI_FLAG, &e.options.json},
        {0}};
    int rest;
    int code = cli_parse(&command, options, argc, argv, &rest);
    if (code >= 0)
        return code;
    if (rest != 2)
        return cli_error(ME, CLI_USAGE, "expected MODEL and DATA; see diffulm evaluate --help");
    if (e.beam < 1 || e.beam > MAX_BEAM)
        return cli_error(ME, CLI_USAGE, "--length-beam must be 1 to %d", MAX_BEAM);
    if (e.resamples < 0 || e.resamples > 1000000)
        return cli_error(ME, CLI_USAGE, "--confidence must be 0 to 1000000");
    code = parse_steps(&e, steps);
    if (code == 0)
        code = parse_metrics(&e, metrics);
    if (code == 0)
        code = parse_bleu(&e, tokenizer, lowercase);
    if (code == 0)
        code = evaluate(&e, argv[0], argv[1]);
    if (e.out)
        fclose(e.out);
    for (size_t i = 0; i < e.task_count; i++) {
        free(e.tasks[i].name);
        for (size_t k = 0; k < e.step_count; k++)
            free(e.tasks[i].answers[k]);
    }
    rows_release(&e.rows);
    diffulm_length_head_unref(e.head);
    cli_bundle_close(&e.bundle);
    return code;
}

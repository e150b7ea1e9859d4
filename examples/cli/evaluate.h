/* evaluate.h: what the files of `diffulm evaluate` share: a data set, combinations of policy, length beam and steps, and the
 * answers that each of them gave. evaluate_options.c reads the command line, evaluate_run.c fills the answers (evaluate_likelihood.c where
 * choices are scored), evaluate_figures.c sums them up, three more files show the figures. */
#ifndef DIFFULM_CLI_EVALUATE_H
#define DIFFULM_CLI_EVALUATE_H

#include <jansson.h>

#include "denoise.h"
#include "rows.h"
#include "scores.h"

#define EVALUATE "evaluate"

/* How many masks stand for an answer. */
enum answer_length { LENGTH_PREDICTED, LENGTH_REFERENCE, LENGTH_INFILL, LENGTH_FIXED, LENGTH_TRIM };
enum choosing { CHOOSE_NOTHING, CHOOSE_LIKELIHOOD, CHOOSE_GENERATION };

/* One way to answer; with CHOOSE_LIKELIHOOD there is a single one, without policy, beam and steps. */
struct combination {
    const char *policy;
    int64_t steps, beam;
    diffulm_sampler *sampler;
    struct answer_score **answers; /* [seeds][rows] */
    double seconds;                /* over all seeds; without the prediction of lengths */
    size_t tokens;                 /* of the answers kept or choices scored, over all seeds */
};

struct task {
    const char *name;
    size_t *rows; /* [count] */
    size_t count, capacity;
};

/* Percent. deviation: over seeds, 0 with one; low, high: the 95 % interval, if asked for. */
struct figure {
    double mean, deviation, low, high;
};

/* The choices of each row: texts[begin[row]] to texts[begin[row + 1] - 1]. */
struct choices {
    char **texts;
    size_t *begin, *right; /* [rows + 1]; [rows] the right one, from 0 within the row */
    size_t count, capacity;
};

struct evaluation {
    const char *folder, *data, *predictions_path, *picture;
    const char *given_choices; /* of rows that have none, or NULL */
    struct cli_bundle bundle;
    diffulm_length_head *head; /* LENGTH_PREDICTED */
    struct rows rows;
    struct choices choices;
    struct denoise_options options;
    struct diffulm_session_options session;
    struct combination *combinations; /* by policy, then beam, then steps */
    size_t combination_count;
    size_t step_count; /* combinations of the same policy and beam, side by side */
    enum answer_length answer_length;
    enum choosing choosing;
    int64_t length;     /* LENGTH_FIXED, LENGTH_TRIM: masks */
    int64_t seeds, mbr; /* runs; candidates of each length */
    int64_t batch;      /* rows answered together; 0: as many as fit */
    int32_t select;     /* DIFFULM_SELECT_… */
    int64_t draws;      /* CHOOSE_LIKELIHOOD: corrupted copies of each choice */
    bool unique, by_token;
    int64_t resamples; /* for intervals; 0: none */
    struct score_options scoring;
    enum metric metrics[METRICS];
    size_t metric_count;
    FILE *predictions;
    struct task *tasks;
    size_t task_count;
    double length_seconds;  /* prediction of lengths, once for all combinations */
    struct figure *figures; /* see evaluation_figure */
};

/* ---- evaluate_options.c: sets options and combinations. Returns -1 to go on, else an exit code. */
int evaluation_read_options(int argc, char **argv, struct evaluation *e);

/* ---- evaluate_lengths.c: canvases of one row */
/* Lengths to try, best first, for a row; logits: its row of the length head's, or NULL. out grows. Returns 0 or an exit code. */
int answer_lengths(const struct evaluation *e, int64_t beam, size_t row, const float *logits,
                   size_t **out, size_t *count);
/* The length head's logits [count, classes] for the sources of rows [first, first + count). */
int length_logits(const struct evaluation *e, size_t first, size_t count, float **logits);
void answer_canvas(const struct evaluation *e, size_t row, size_t length, struct canvas *out);
/* The tokens of the answer that are text; with LENGTH_TRIM what stands before the first eos. scores: of `tokens`;
 * *score: the mean over what is kept, -inf when nothing is. Returns their number; out: [canvas tokens]. */
size_t answer_tokens(const struct evaluation *e, const struct canvas *canvas, const int32_t *tokens,
                     const float *scores, int32_t *out, float *score);

/* ---- evaluate_run.c, evaluate_likelihood.c: fill the answers. Return 0 or an exit code. */
int evaluation_generate(struct evaluation *e);
int evaluation_choose(struct evaluation *e);
/* Says on a terminal how far the run is, from two seconds after `start` on; clears the line when all is done. */
void show_progress(double start, size_t done, size_t all);

/* ---- evaluate_choices.c */
/* Reads JSONL with source (or inputs), choices and answer (or targets); the right choice becomes the row's target. given: the
 * choices of rows that have none, between commas, or NULL. */
int choices_read(const char *path, const char *given, const struct cli_bundle *bundle,
                 struct rows *rows, struct choices *choices);
void choices_release(struct choices *choices);
/* The choice that a generated answer means, SIZE_MAX when it is like none. Returns 0 or an exit code. */
int choice_nearest(const struct choices *choices, size_t row, const char *answer, size_t *nearest);

/* ---- evaluate_figures.c */
void evaluation_summarise(struct evaluation *e); /* after the run */
/* A metric (by its place in `metrics`) of a task; task == task_count: the mean of all tasks. */
const struct figure *evaluation_figure(const struct evaluation *e, size_t combination, size_t task,
                                       size_t metric);
double combination_seconds(const struct evaluation *e, const struct combination *c); /* one seed */
double combination_tokens_per_second(const struct evaluation *e, const struct combination *c);

/* ---- how figures are shown */
int evaluation_print_table(const struct evaluation *e);
void evaluation_print_json(const struct evaluation *e);
/* evaluate_picture.c: the first metric against steps, a line for each policy and beam, as SVG. */
int evaluation_write_picture(const struct evaluation *e, const char *path);

#endif

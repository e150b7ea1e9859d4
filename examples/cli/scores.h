/* scores.h: the metrics of `diffulm evaluate`, kept for each answer so that they can be summed and resampled. */
#ifndef DIFFULM_CLI_SCORES_H
#define DIFFULM_CLI_SCORES_H

#include "cli.h"

/* ACCURACY: the right one of several choices was chosen; answer_compare leaves it to the caller. */
/* ACCURACY, of choices, is last: recipes number the others. */
enum metric { EXACT, SQUAD, LAST_NUMBER, ROUGE_L, BLEU, CHRF, ACCURACY, METRICS };
extern const char *const metric_names[METRICS + 1]; /* as on the command line */
extern const char *const metric_titles[METRICS];

/* How BLEU and chrF are computed. */
struct score_options {
    struct diffulm_bleu_options bleu;
    struct diffulm_chrf_options chrf;
};

struct answer_score {
    double share[METRICS]; /* 0 to 1; not of BLEU and CHRF */
    struct diffulm_bleu_statistics bleu;
    struct diffulm_chrf_statistics chrf;
};
/* Compares an answer with its reference. Returns 0 or an exit code after a message. */
int answer_compare(const struct score_options *options, const char *answer, const char *reference,
                   struct answer_score *out);

/* Rows that are scored together, a task's. */
struct answer_group {
    const size_t *rows; /* [count] which */
    size_t count;
};
/* A metric of the rows of one run in percent. rows may repeat. */
double answers_score(const struct score_options *options, enum metric metric,
                     const struct answer_score *answers, const size_t *rows, size_t count);
/* The 95 % interval of the mean over groups of the mean over runs, by resampling the rows within each group. runs: [run_count],
 * each the answers to all rows. */
void answers_interval(const struct score_options *options, enum metric metric,
                      struct answer_score *const *runs, size_t run_count,
                      const struct answer_group *groups, size_t group_count, int64_t resamples,
                      double *low, double *high);

#endif

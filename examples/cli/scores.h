/* scores.h: the metrics of `diffulm evaluate`, kept for each answer so that they can be summed and resampled. */
#ifndef DIFFULM_CLI_SCORES_H
#define DIFFULM_CLI_SCORES_H

#include "cli.h"

enum metric { EXACT, SQUAD, LAST_NUMBER, ROUGE_L, BLEU, CHRF, METRICS };
extern const char *const metric_names[METRICS + 1]; /* as on the command line */
extern const char *const metric_titles[METRICS];

/* How BLEU and chrF are computed. */
struct score_options {
    struct diffulm_bleu_options bleu;
    struct diffulm_chrf_options chrf;
};

struct answer_score {
    double share[BLEU]; /* EXACT … ROUGE_L: 0 to 1 */
    struct diffulm_bleu_statistics bleu;
    struct diffulm_chrf_statistics chrf;
};
/* Compares an answer with its reference. Returns 0 or an exit code after a message. */
int answer_compare(const struct score_options *options, const char *answer, const char *reference,
                   struct answer_score *out);

/* A metric of `count` answers in percent. order: which answers (with repetitions), or NULL: all. */
double answers_score(const struct score_options *options, enum metric metric,
                     const struct answer_score *answers, const size_t *order, size_t count);
/* The 95 % interval of that by resampling the answers. */
void answers_interval(const struct score_options *options, enum metric metric,
                      const struct answer_score *answers, size_t count, int64_t resamples,
                      double *low, double *high);

#endif

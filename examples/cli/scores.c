/* scores.c: metrics of single answers, of many, and of resamples of many. */
#include "scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ME "evaluate"

const char *const metric_names[METRICS + 1] = {"exact", "squad", "last-number", "rouge-l",
                                               "bleu",  "chrf",  "accuracy",    NULL};
const char *const metric_titles[METRICS] = {"exact", "squad", "number",  "ROUGE-L",
                                            "BLEU",  "chrF",  "accuracy"};

static struct diffulm_string string_of(const char *text)
{
    return (struct diffulm_string){text, strlen(text)};
}

/* 1 when both answers end with the same number. */
static diffulm_status same_number(const struct diffulm_string *a, const struct diffulm_string *b,
                                  double *out)
{
    char x[256], y[256];
    size_t n = 0, m = 0;
    diffulm_status rc = diffulm_last_number(DIFFULM_LAST_NUMBER, a, x, sizeof x, &n);
    if (rc >= 0)
        rc = diffulm_last_number(DIFFULM_LAST_NUMBER, b, y, sizeof y, &m);
    *out = rc == DIFFULM_OK && n && n < sizeof x && strcmp(x, y) == 0;
    return rc;
}

int answer_compare(const struct score_options *o, const char *answer, const char *reference,
                   struct answer_score *out)
{
    const struct diffulm_string a = string_of(answer), r = string_of(reference);
    struct diffulm_rouge rouge = {.struct_size = sizeof rouge};
    int32_t exact = 0, squad = 0;
    *out = (struct answer_score){.bleu = {.struct_size = sizeof out->bleu},
                                 .chrf = {.struct_size = sizeof out->chrf}};
    if (diffulm_match(DIFFULM_MATCH_EXACT, &a, &r, &exact) < 0 ||
        diffulm_match(DIFFULM_MATCH_SQUAD, &a, &r, &squad) < 0 ||
        same_number(&a, &r, &out->share[LAST_NUMBER]) < 0 ||
        diffulm_rouge_score(DIFFULM_ROUGE_L_WHITE_SPACE, 0, &a, &r, &rouge) < 0 ||
        diffulm_bleu_add(&o->bleu, &a, &r, 1, &out->bleu) < 0 ||
        diffulm_chrf_add(&o->chrf, &a, &r, 1, &out->chrf) < 0)
        return cli_fail(ME);
    out->share[EXACT] = exact;
    out->share[SQUAD] = squad;
    out->share[ROUGE_L] = rouge.f1;
    return 0;
}

static void add_counts(int64_t *sum, const int64_t *more, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += more[i];
}

static double bleu_of(const struct score_options *o, const struct answer_score *answers,
                      const size_t *rows, size_t count)
{
    struct diffulm_bleu_statistics sum = {.struct_size = sizeof sum};
    struct diffulm_bleu bleu = {.struct_size = sizeof bleu};
    for (size_t i = 0; i < count; i++) {
        const struct diffulm_bleu_statistics *s = &answers[rows[i]].bleu;
        add_counts(sum.correct, s->correct, DIFFULM_BLEU_ORDERS);
        add_counts(sum.total, s->total, DIFFULM_BLEU_ORDERS);
        sum.hypothesis_length += s->hypothesis_length;
        sum.reference_length += s->reference_length;
    }
    return diffulm_bleu_score(&o->bleu, &sum, &bleu) == DIFFULM_OK ? bleu.score : NAN;
}

static double chrf_of(const struct score_options *o, const struct answer_score *answers,
                      const size_t *rows, size_t count)
{
    struct diffulm_chrf_statistics sum = {.struct_size = sizeof sum};
    double score = NAN;
    for (size_t i = 0; i < count; i++) {
        const struct diffulm_chrf_statistics *s = &answers[rows[i]].chrf;
        add_counts(sum.hypothesis, s->hypothesis, DIFFULM_CHRF_ORDERS);
        add_counts(sum.reference, s->reference, DIFFULM_CHRF_ORDERS);
        add_counts(sum.matched, s->matched, DIFFULM_CHRF_ORDERS);
    }
    return diffulm_chrf_score(&o->chrf, &sum, &score) == DIFFULM_OK ? score : NAN;
}

double answers_score(const struct score_options *o, enum metric metric,
                     const struct answer_score *answers, const size_t *rows, size_t count)
{
    double sum = 0;
    if (metric == BLEU)
        return bleu_of(o, answers, rows, count);
    if (metric == CHRF)
        return chrf_of(o, answers, rows, count);
    for (size_t i = 0; i < count; i++)
        sum += answers[rows[i]].share[metric];
    return count ? 100 * sum / (double)count : NAN;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

void answers_interval(const struct score_options *o, enum metric metric,
                      struct answer_score *const *runs, size_t run_count,
                      const struct answer_group *groups, size_t group_count, int64_t resamples,
                      double *low, double *high)
{
    double *scores = cli_alloc((size_t)resamples, sizeof *scores);
    size_t *drawn = NULL;
    for (int64_t r = 0; r < resamples; r++) {
        uint32_t item = 0; /* counts on over the groups, so that their draws differ */
        for (size_t g = 0; g < group_count; g++) {
            const size_t count = groups[g].count;
            drawn = cli_grow(drawn, count, sizeof *drawn);
            for (size_t i = 0; i < count; i++)
                drawn[i] = groups[g].rows[diffulm_bootstrap_draw(0, (uint32_t)r, item++, count)];
            for (size_t k = 0; k < run_count; k++)
                scores[r] += answers_score(o, metric, runs[k], drawn, count) /
                             (double)(run_count * group_count);
        }
    }
    qsort(scores, (size_t)resamples, sizeof *scores, ascending);
    *low = scores[(size_t)floor(0.025 * (double)(resamples - 1))];
    *high = scores[(size_t)ceil(0.975 * (double)(resamples - 1))];
    free(scores);
    free(drawn);
}

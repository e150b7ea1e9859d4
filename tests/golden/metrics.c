/* metrics.c: the files of FOLDER/metrics: BLEU and its tokenizers, chrF, ROUGE, matches and numbers. Counts and strings must be
 * equal, scores to 1e-9 of their size: the sums are those of the originals, in double. */
#include <diffulm/diffulm.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "areas.h"
#include "golden.h"

#define AREA "metrics"
enum { MOST = 64 };

static struct diffulm_string string_of(const json_t *json)
{
    return (struct diffulm_string){json_string_value(json), json_string_length(json)};
}

static struct diffulm_string member(const json_t *line, const char *key)
{
    return string_of(json_object_get(line, key));
}

static bool near(double have, const json_t *want)
{
    const double w = json_number_value(want);
    return fabs(have - w) <= 1e-9 * fmax(1, fabs(w));
}

static int choice(const json_t *line, const char *key, const char *const *names)
{
    const char *name = json_string_value(json_object_get(line, key));
    for (int i = 0; name && names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static const char *const tokenizers[] = {"13a", "intl", "char", "none", NULL};

static struct diffulm_bleu_options bleu_options(const json_t *line)
{
    static const char *const smoothings[] = {"exp", "floor", "add-k", "none", NULL};
    struct diffulm_bleu_options o = DIFFULM_BLEU_OPTIONS_INIT;
    o.tokenizer = choice(line, "tokenize", tokenizers);
    o.lowercase = json_is_true(json_object_get(line, "lowercase"));
    o.smoothing = choice(line, "smooth_method", smoothings);
    o.smooth_value = json_number_value(json_object_get(line, "smooth_value"));
    o.effective_order = json_is_true(json_object_get(line, "effective_order"));
    o.max_order = (int32_t)json_integer_value(json_object_get(line, "max_ngram_order"));
    return o;
}

/* References of hypothesis i; their number. */
static size_t references_of(const json_t *line, size_t i, struct diffulm_string out[MOST])
{
    const json_t *refs = json_array_get(json_object_get(line, "refs"), i);
    if (json_is_string(refs)) {
        out[0] = string_of(refs);
        return 1;
    }
    const size_t count = json_array_size(refs) < MOST ? json_array_size(refs) : MOST;
    for (size_t r = 0; r < count; r++)
        out[r] = string_of(json_array_get(refs, r));
    return count;
}

static bool same_counts(const json_t *list, const int64_t *have, double added)
{
    for (size_t n = 0; n < json_array_size(list); n++) {
        const double k = n > 0 ? added : 0;
        if (json_number_value(json_array_get(list, n)) != (double)have[n] &&
            json_number_value(json_array_get(list, n)) != (double)have[n] + k)
            return false;
    }
    return true;
}

static bool same_bleu(const json_t *line, const struct diffulm_bleu_options *o,
                      const struct diffulm_bleu_statistics *s, const struct diffulm_bleu *b)
{
    const double k = o->smoothing != DIFFULM_BLEU_SMOOTH_ADD_K ? 0
                     : o->smooth_value == 0                    ? 1
                                                               : o->smooth_value;
    const json_t *precisions = json_object_get(line, "precisions");
    bool same = near(b->score, json_object_get(line, "score")) &&
                near(b->brevity_penalty, json_object_get(line, "bp")) &&
                json_integer_value(json_object_get(line, "sys_len")) == s->hypothesis_length &&
                json_integer_value(json_object_get(line, "ref_len")) == s->reference_length &&
                same_counts(json_object_get(line, "counts"), s->correct, k) &&
                same_counts(json_object_get(line, "totals"), s->total, k);
    for (size_t n = 0; n < json_array_size(precisions); n++)
        same = same && near(b->precision[n], json_array_get(precisions, n));
    return same;
}

static bool run_bleu(const json_t *line)
{
    const struct diffulm_bleu_options o = bleu_options(line);
    struct diffulm_bleu_statistics s = {.struct_size = sizeof s};
    struct diffulm_bleu b = {.struct_size = sizeof b};
    const json_t *hyps = json_object_get(line, "hyps");
    struct diffulm_string refs[MOST];
    for (size_t i = 0; i < json_array_size(hyps); i++) {
        const struct diffulm_string hyp = string_of(json_array_get(hyps, i));
        const size_t count = references_of(line, i, refs);
        if (diffulm_bleu_add(&o, &hyp, refs, count, &s) < 0)
            return false;
    }
    return diffulm_bleu_score(&o, &s, &b) == DIFFULM_OK && same_bleu(line, &o, &s, &b);
}

static bool run_tokenize(const json_t *line)
{
    struct diffulm_bleu_options o = DIFFULM_BLEU_OPTIONS_INIT;
    const struct diffulm_string text = member(line, "text"), want = member(line, "tokens");
    struct diffulm_string have = {NULL, 0};
    o.tokenizer = choice(line, "tokenize", tokenizers);
    char *buffer = malloc(8 * text.length + 16);
    const bool same = buffer &&
                      diffulm_bleu_tokenize(&o, &text, buffer, 8 * text.length + 16,
                                            &have.length) == DIFFULM_OK &&
                      have.length == want.length && memcmp(buffer, want.data, want.length) == 0;
    free(buffer);
    return same;
}

static bool run_chrf(const json_t *line)
{
    struct diffulm_chrf_options o = DIFFULM_CHRF_OPTIONS_INIT;
    struct diffulm_chrf_statistics s = {.struct_size = sizeof s};
    const json_t *hyps = json_object_get(line, "hyps");
    struct diffulm_string refs[MOST];
    double score = -1;
    o.char_order = (int32_t)json_integer_value(json_object_get(line, "char_order"));
    o.word_order = (int32_t)json_integer_value(json_object_get(line, "word_order"));
    o.beta = json_number_value(json_object_get(line, "beta"));
    o.lowercase = json_is_true(json_object_get(line, "lowercase"));
    o.whitespace = json_is_true(json_object_get(line, "whitespace"));
    o.eps_smoothing = json_is_true(json_object_get(line, "eps_smoothing"));
    for (size_t i = 0; i < json_array_size(hyps); i++) {
        const struct diffulm_string hyp = string_of(json_array_get(hyps, i));
        const size_t count = references_of(line, i, refs);
        if (diffulm_chrf_add(&o, &hyp, refs, count, &s) < 0)
            return false;
    }
    return diffulm_chrf_score(&o, &s, &score) == DIFFULM_OK &&
           near(score, json_object_get(line, "score"));
}

static bool same_rouge(int32_t kind, int32_t stem, const json_t *line, const json_t *want)
{
    const struct diffulm_string hyp = member(line, "hyp"), ref = member(line, "ref");
    struct diffulm_rouge r = {.struct_size = sizeof r};
    return diffulm_rouge_score(kind, stem, &hyp, &ref, &r) == DIFFULM_OK &&
           near(r.precision, json_array_get(want, 0)) && near(r.recall, json_array_get(want, 1)) &&
           near(r.f1, json_array_get(want, 2));
}

static bool run_rouge(const json_t *line)
{
    static const char *const kinds[] = {"rouge1", "rouge2", "rougeL", "rougeLsum"};
    const json_t *stemmed = json_object_get(line, "stem");
    bool same =
        same_rouge(DIFFULM_ROUGE_L_WHITE_SPACE, 0, line, json_object_get(line, "ws_rougeL"));
    for (int32_t k = 0; k < 4; k++)
        same = same && same_rouge(k, 0, line, json_object_get(line, kinds[k])) &&
               same_rouge(k, 1, line, json_object_get(stemmed, kinds[k]));
    return same;
}

static bool same_number(int32_t kind, const struct diffulm_string *text, const json_t *want)
{
    char have[4096];
    size_t length;
    return diffulm_last_number(kind, text, have, sizeof have, &length) == DIFFULM_OK &&
           (json_is_null(want) ? length == 0 : strcmp(have, json_string_value(want)) == 0);
}

static bool run_answers(const json_t *line)
{
    if (strcmp(json_string_value(json_object_get(line, "kind")), "number") == 0) {
        const struct diffulm_string text = member(line, "text");
        return same_number(DIFFULM_LAST_NUMBER, &text, json_object_get(line, "last_number")) &&
               same_number(DIFFULM_LAST_INTEGER, &text, json_object_get(line, "last_integer"));
    }
    const struct diffulm_string a = member(line, "hyp"), b = member(line, "ref");
    int32_t exact = -1, squad = -1;
    return diffulm_match(DIFFULM_MATCH_EXACT, &a, &b, &exact) == DIFFULM_OK &&
           diffulm_match(DIFFULM_MATCH_SQUAD, &a, &b, &squad) == DIFFULM_OK &&
           exact == json_is_true(json_object_get(line, "exact")) &&
           squad == json_is_true(json_object_get(line, "squad"));
}

static void run_file(const char *folder, const char *name, bool (*run)(const json_t *))
{
    char *path = golden_path(folder, name), *line = NULL;
    FILE *file = fopen(path, "rb");
    size_t size = 0;
    ssize_t length;
    for (long number = 1; file && (length = getline(&line, &size, file)) >= 0; number++) {
        json_t *json = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, NULL);
        if (number == 1 && json_object_get(json, "made_with")) {
            json_decref(json);
            continue;
        }
        if (json && run(json))
            golden_pass(AREA, "%s:%ld", name, number);
        else
            golden_fail(AREA, "%s:%ld: %.300s", name, number, line);
        json_decref(json);
    }
    if (file)
        fclose(file);
    free(line);
    free(path);
}

void golden_metrics(const char *folder)
{
    if (!golden_exists(folder, "metrics"))
        return;
    char *metrics = golden_path(folder, "metrics");
    run_file(metrics, "bleu.jsonl", run_bleu);
    run_file(metrics, "bleu_tokenize.jsonl", run_tokenize);
    run_file(metrics, "chrf.jsonl", run_chrf);
    run_file(metrics, "rouge.jsonl", run_rouge);
    run_file(metrics, "answers.jsonl", run_answers);
    free(metrics);
}

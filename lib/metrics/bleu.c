/* bleu.c: n-gram statistics of one hypothesis, the score of their sum, and the signature. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "metrics/bleu_tokenize.h"

void diffulm_bleu_options_init(struct diffulm_bleu_options *options, size_t struct_size)
{
    const struct diffulm_bleu_options defaults = DIFFULM_BLEU_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

static diffulm_status check(const struct diffulm_bleu_options *options,
                            struct diffulm_bleu_options *o)
{
    *o = (struct diffulm_bleu_options)DIFFULM_BLEU_OPTIONS_INIT;
    if (options && !dulm_struct_read(o, sizeof *o, options))
        return dulm_fail(
            DIFFULM_E_ARGUMENT,
            "BLEU options: struct_size is %zu, expected %zu, or more with zeros at the end",
            options->struct_size, sizeof *o);
    o->max_order = o->max_order == 0 ? 4 : o->max_order;
    const struct {
        const char *name;
        double value, low, high;
    } ranges[] = {{"tokenizer", o->tokenizer, 0, DIFFULM_BLEU_NONE},
                  {"lowercase", o->lowercase, 0, 1},
                  {"smoothing", o->smoothing, 0, DIFFULM_BLEU_SMOOTH_NONE},
                  {"effective_order", o->effective_order, 0, 1},
                  {"max_order", o->max_order, 1, DIFFULM_BLEU_ORDERS},
                  {"smooth_value", o->smooth_value, 0, 1e9}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            return dulm_fail(DIFFULM_E_ARGUMENT, "BLEU options: %s is %g, expected %g to %g",
                             ranges[i].name, ranges[i].value, ranges[i].low, ranges[i].high);
    if (o->smooth_value == 0)
        o->smooth_value = o->smoothing == DIFFULM_BLEU_SMOOTH_FLOOR ? 0.1 : 1;
    return DIFFULM_OK;
}

static diffulm_status words_of(const struct diffulm_bleu_options *o,
                               const struct diffulm_string *text, const char *what,
                               struct dulm_words *words)
{
    struct dulm_strbuf tokens = {0};
    diffulm_status rc = dulm_bleu_text(o, text, what, &tokens);
    if (rc == DIFFULM_OK)
        dulm_words_split(words, tokens.data ? tokens.data : "", tokens.length);
    dulm_strbuf_release(&tokens);
    return words->failed ? dulm_fail_memory() : rc;
}

/* The reference length closest to the hypothesis', the shorter among equals. */
static size_t closest(const struct dulm_words *words, size_t references)
{
    const size_t h = words[0].count;
    size_t best = words[1].count;
    for (size_t r = 1; r <= references; r++) {
        const size_t n = words[r].count, d = n > h ? n - h : h - n,
                     b = best > h ? best - h : h - best;
        best = d < b || (d == b && n < best) ? n : best;
    }
    return best;
}

static diffulm_status count_grams(const struct diffulm_bleu_options *o,
                                  const struct dulm_words *words, size_t references,
                                  struct diffulm_bleu_statistics *out)
{
    struct dulm_grams grams;
    diffulm_status rc = dulm_grams_begin(words, references + 1, &grams);
    if (rc < 0)
        return rc;
    for (int32_t n = 0; rc == DIFFULM_OK && n < o->max_order; n++) {
        if (n > 0)
            rc = dulm_grams_extend(&grams);
        if (rc < 0)
            break;
        out->total[n] += (int64_t)grams.list[0].count;
        out->correct[n] += dulm_grams_matched(&grams, 0, grams.lists);
    }
    dulm_grams_release(&grams);
    out->hypothesis_length += (int64_t)words[0].count;
    out->reference_length += (int64_t)closest(words, references);
    return rc;
}

diffulm_status diffulm_bleu_add(const struct diffulm_bleu_options *options,
                                const struct diffulm_string *hypothesis,
                                const struct diffulm_string *references, size_t count,
                                struct diffulm_bleu_statistics *statistics)
{
    dulm_error_clear();
    struct diffulm_bleu_options o;
    struct diffulm_bleu_statistics sum = {0};
    diffulm_status rc = check(options, &o);
    if (rc == DIFFULM_OK && (!references || count == 0 || !statistics ||
                             !dulm_struct_read(&sum, sizeof sum, statistics)))
        rc = dulm_fail(DIFFULM_E_ARGUMENT,
                       "BLEU: there must be a reference, and statistics with struct_size %zu",
                       sizeof *statistics);
    if (rc < 0)
        return rc;
    struct dulm_words *words = dulm_alloc_zero(count + 1, sizeof *words);
    if (!words)
        return dulm_fail_memory();
    rc = words_of(&o, hypothesis, "hypothesis", &words[0]);
    for (size_t r = 0; rc == DIFFULM_OK && r < count; r++)
        rc = words_of(&o, &references[r], "reference", &words[r + 1]);
    if (rc == DIFFULM_OK)
        rc = count_grams(&o, words, count, &sum);
    for (size_t i = 0; i <= count; i++)
        dulm_words_release(&words[i]);
    dulm_free(words);
    if (rc == DIFFULM_OK)
        dulm_struct_write(statistics, sizeof sum, &sum);
    return rc;
}

static double safe_log(double x)
{
    return x > 0 ? log(x) : -9999999999.0;
}

/* The smoothed precisions; returns the number of orders that count. */
static int32_t precisions(const struct diffulm_bleu_options *o,
                          const struct diffulm_bleu_statistics *s, double *out)
{
    double halved = 1;
    int32_t order = o->max_order;
    for (int32_t n = 0; n < o->max_order; n++) {
        const double k = o->smoothing == DIFFULM_BLEU_SMOOTH_ADD_K && n > 0 ? o->smooth_value : 0;
        const double correct = (double)s->correct[n] + k, total = (double)s->total[n] + k;
        if (total == 0)
            break;
        if (o->effective_order)
            order = n + 1;
        if (correct > 0)
            out[n] = 100 * correct / total;
        else if (o->smoothing == DIFFULM_BLEU_SMOOTH_EXP)
            out[n] = 100 / ((halved *= 2) * total);
        else if (o->smoothing == DIFFULM_BLEU_SMOOTH_FLOOR)
            out[n] = 100 * o->smooth_value / total;
    }
    return order;
}

diffulm_status diffulm_bleu_score(const struct diffulm_bleu_options *options,
                                  const struct diffulm_bleu_statistics *statistics,
                                  struct diffulm_bleu *out)
{
    dulm_error_clear();
    struct diffulm_bleu_options o;
    struct diffulm_bleu_statistics sum = {0}, *s = &sum;
    diffulm_status rc = check(options, &o);
    if (rc == DIFFULM_OK && (!statistics || !dulm_struct_read(s, sizeof *s, statistics) || !out ||
                             !dulm_struct_fits(out, sizeof *out)))
        rc =
            dulm_fail(DIFFULM_E_ARGUMENT, "BLEU: struct_size of statistics must be %zu, of out %zu",
                      sizeof *s, sizeof *out);
    if (rc < 0)
        return rc;
    const double h = (double)s->hypothesis_length, r = (double)s->reference_length;
    struct diffulm_bleu b = {.struct_size = sizeof b, .brevity_penalty = 1};
    bool any = false;
    if (h < r)
        b.brevity_penalty = h > 0 ? exp(1 - r / h) : 0;
    for (int32_t n = 0; n < o.max_order; n++)
        any |= s->correct[n] > 0;
    if (any) {
        const int32_t order = precisions(&o, s, b.precision);
        double logs = 0;
        for (int32_t n = 0; n < order; n++)
            logs += safe_log(b.precision[n]);
        b.score = b.brevity_penalty * exp(logs / order);
    }
    dulm_struct_write(out, sizeof b, &b);
    return DIFFULM_OK;
}

/* Copies a string that is held together with its NUL. */
static diffulm_status hand_out(const struct dulm_strbuf *text, char *buffer, size_t capacity,
                               size_t *length)
{
    if (text->failed)
        return dulm_fail_memory();
    *length = text->length;
    if (capacity <= text->length)
        return DIFFULM_BUFFER_TOO_SMALL;
    if (text->length)
        memcpy(buffer, text->data, text->length);
    buffer[text->length] = '\0';
    return DIFFULM_OK;
}

diffulm_status diffulm_bleu_tokenize(const struct diffulm_bleu_options *options,
                                     const struct diffulm_string *text, char *buffer,
                                     size_t capacity, size_t *length)
{
    dulm_error_clear();
    struct diffulm_bleu_options o;
    struct dulm_strbuf out = {0};
    diffulm_status rc = check(options, &o);
    if (rc == DIFFULM_OK && (!length || (!buffer && capacity)))
        rc = dulm_fail(DIFFULM_E_ARGUMENT, "BLEU tokenize: length or buffer is NULL");
    if (rc == DIFFULM_OK)
        rc = dulm_bleu_text(&o, text, "text", &out);
    if (rc == DIFFULM_OK)
        rc = hand_out(&out, buffer, capacity, length);
    dulm_strbuf_release(&out);
    return rc;
}

diffulm_status diffulm_bleu_signature(const struct diffulm_bleu_options *options, size_t references,
                                      char *buffer, size_t capacity, size_t *length)
{
    static const char *const tokenizers[] = {"13a", "intl", "char", "none"};
    static const char *const smoothings[] = {"exp", "floor", "add-k", "none"};
    dulm_error_clear();
    struct diffulm_bleu_options o;
    struct dulm_strbuf out = {0};
    char count[24] = "var";
    diffulm_status rc = check(options, &o);
    if (rc == DIFFULM_OK && (!length || (!buffer && capacity)))
        rc = dulm_fail(DIFFULM_E_ARGUMENT, "BLEU signature: length or buffer is NULL");
    if (rc < 0)
        return rc;
    if (references)
        snprintf(count, sizeof count, "%zu", references);
    dulm_strbuf_printf(&out, "nrefs:%s|case:%s|eff:%s|tok:%s|smooth:%s", count,
                       o.lowercase ? "lc" : "mixed", o.effective_order ? "yes" : "no",
                       tokenizers[o.tokenizer], smoothings[o.smoothing]);
    const bool valued =
        o.smoothing == DIFFULM_BLEU_SMOOTH_FLOOR || o.smoothing == DIFFULM_BLEU_SMOOTH_ADD_K;
    if (valued) /* hundredths: no decimal point of a locale */
        dulm_strbuf_printf(&out, "[%d.%02d]", (int)o.smooth_value,
                           (int)lround((o.smooth_value - floor(o.smooth_value)) * 100) % 100);
    if (o.max_order != 4)
        dulm_strbuf_printf(&out, "|order:%d", o.max_order);
    dulm_strbuf_printf(&out, "|version:diffulm-%s", DULM_VERSION);
    rc = hand_out(&out, buffer, capacity, length);
    dulm_strbuf_release(&out);
    return rc;
}

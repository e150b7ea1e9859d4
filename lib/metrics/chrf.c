/* chrf.c: F-scores of character and word n-grams. */
#include <string.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "metrics/words.h"
#include "text/utf8.h"

void diffulm_chrf_options_init(struct diffulm_chrf_options *options, size_t struct_size)
{
    const struct diffulm_chrf_options defaults = DIFFULM_CHRF_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

static diffulm_status check(const struct diffulm_chrf_options *options,
                            struct diffulm_chrf_options *o)
{
    *o = (struct diffulm_chrf_options)DIFFULM_CHRF_OPTIONS_INIT;
    if (options && !dulm_struct_read(o, sizeof *o, options))
        return dulm_fail(
            DIFFULM_E_ARGUMENT,
            "chrF options: struct_size is %zu, expected %zu, or more with zeros at the end",
            options->struct_size, sizeof *o);
    o->char_order = o->char_order == 0 ? 6 : o->char_order;
    o->beta = o->beta == 0 ? 2 : o->beta;
    const struct {
        const char *name;
        double value, low, high;
    } ranges[] = {{"char_order", o->char_order, 1, DIFFULM_CHRF_ORDERS},
                  {"word_order", o->word_order, 0, DIFFULM_CHRF_ORDERS - o->char_order},
                  {"lowercase", o->lowercase, 0, 1},
                  {"whitespace", o->whitespace, 0, 1},
                  {"eps_smoothing", o->eps_smoothing, 0, 1},
                  {"beta", o->beta, 0, 1e6}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            return dulm_fail(DIFFULM_E_ARGUMENT, "chrF options: %s is %g, expected %g to %g",
                             ranges[i].name, ranges[i].value, ranges[i].low, ranges[i].high);
    return DIFFULM_OK;
}

static bool is_ascii_sign(unsigned char c)
{
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
}

/* A word of more than one character loses an ASCII sign at its end, or else at its start, as a word of its own. */
static void add_word(struct dulm_words *out, const char *w, size_t length)
{
    size_t first;
    dulm_utf8_decode(w, &first);
    if (length > first && is_ascii_sign((unsigned char)w[length - 1])) {
        dulm_words_add(out, w, length - 1);
        dulm_words_add(out, w + length - 1, 1);
    } else if (length > first && is_ascii_sign((unsigned char)w[0])) {
        dulm_words_add(out, w, 1);
        dulm_words_add(out, w + 1, length - 1);
    } else
        dulm_words_add(out, w, length);
}

static diffulm_status cut(const struct diffulm_chrf_options *o, const struct diffulm_string *text,
                          const char *what, struct dulm_words *characters, struct dulm_words *words)
{
    struct dulm_strbuf lower = {0};
    struct dulm_words split = {0};
    diffulm_status rc = dulm_string_check(text, what);
    if (rc < 0)
        return rc;
    struct diffulm_string t = *text;
    if (o->lowercase) {
        dulm_lower_text(t.data, t.length, &lower);
        t = (struct diffulm_string){lower.data, lower.length};
    }
    size_t n;
    for (size_t i = 0; i < t.length; i += n)
        if (!dulm_is_space(dulm_utf8_decode(t.data + i, &n)) || o->whitespace)
            dulm_words_add(characters, t.data + i, n);
    if (o->word_order)
        dulm_words_split(&split, t.data, t.length);
    for (size_t i = 0; i < split.count; i++)
        add_word(words, dulm_word(&split, i), split.length[i]);
    const bool failed = lower.failed || split.failed || characters->failed || words->failed;
    dulm_strbuf_release(&lower);
    dulm_words_release(&split);
    return failed ? dulm_fail_memory() : DIFFULM_OK;
}

/* Orders 1 to `orders` of two texts' pieces, into places from `at` on. */
static diffulm_status count_orders(const struct dulm_words pair[2], int32_t orders, int32_t at,
                                   struct diffulm_chrf_statistics *s)
{
    struct dulm_grams grams;
    if (orders == 0)
        return DIFFULM_OK;
    diffulm_status rc = dulm_grams_begin(pair, 2, &grams);
    if (rc < 0)
        return rc;
    for (int32_t n = 0; rc == DIFFULM_OK && n < orders; n++) {
        if (n > 0)
            rc = dulm_grams_extend(&grams);
        if (rc < 0)
            break;
        const int64_t of_reference = (int64_t)grams.list[1].count;
        s->hypothesis[at + n] = of_reference ? (int64_t)grams.list[0].count : 0;
        s->reference[at + n] = of_reference;
        s->matched[at + n] = dulm_grams_matched(&grams, 0, 1);
    }
    dulm_grams_release(&grams);
    return rc;
}

static double score_of(const struct diffulm_chrf_options *o,
                       const struct diffulm_chrf_statistics *s)
{
    const int32_t orders = o->char_order + o->word_order;
    const double factor = o->beta * o->beta, eps = 1e-16;
    double score = 0, precision = 0, recall = 0;
    int32_t counted = 0;
    for (int32_t i = 0; i < orders; i++) {
        const double h = (double)s->hypothesis[i], r = (double)s->reference[i];
        const double m = (double)s->matched[i], p = h > 0 ? m / h : eps, q = r > 0 ? m / r : eps;
        const double below = factor * p + q;
        score += below > 0 ? (1 + factor) * p * q / below : eps;
        if (h > 0 && r > 0) {
            precision += p;
            recall += q;
            counted++;
        }
    }
    if (o->eps_smoothing)
        return 100 * score / orders;
    precision = counted ? precision / counted : 0;
    recall = counted ? recall / counted : 0;
    return precision + recall > 0
               ? 100 * ((1 + factor) * precision * recall / (factor * precision + recall))
               : 0;
}

static diffulm_status against(const struct diffulm_chrf_options *o,
                              const struct dulm_words hypothesis[2],
                              const struct diffulm_string *reference,
                              struct diffulm_chrf_statistics *out)
{
    const struct dulm_words none = {.failed = false};
    struct dulm_words characters[2] = {hypothesis[0], none}, words[2] = {hypothesis[1], none};
    *out = (struct diffulm_chrf_statistics){.struct_size = sizeof *out};
    diffulm_status rc = cut(o, reference, "reference", &characters[1], &words[1]);
    if (rc == DIFFULM_OK)
        rc = count_orders(characters, o->char_order, 0, out);
    if (rc == DIFFULM_OK)
        rc = count_orders(words, o->word_order, o->char_order, out);
    dulm_words_release(&characters[1]);
    dulm_words_release(&words[1]);
    return rc;
}

diffulm_status diffulm_chrf_add(const struct diffulm_chrf_options *options,
                                const struct diffulm_string *hypothesis,
                                const struct diffulm_string *references, size_t count,
                                struct diffulm_chrf_statistics *statistics)
{
    dulm_error_clear();
    struct diffulm_chrf_options o;
    struct dulm_words pieces[2] = {{.failed = false}, {.failed = false}};
    struct diffulm_chrf_statistics sum = {0}, best = {0}, now;
    double most = -1;
    diffulm_status rc = check(options, &o);
    if (rc == DIFFULM_OK && (!references || count == 0 || !statistics ||
                             !dulm_struct_read(&sum, sizeof sum, statistics)))
        rc = dulm_fail(DIFFULM_E_ARGUMENT,
                       "chrF: there must be a reference, and statistics with struct_size %zu",
                       sizeof *statistics);
    if (rc == DIFFULM_OK)
        rc = cut(&o, hypothesis, "hypothesis", &pieces[0], &pieces[1]);
    for (size_t r = 0; rc == DIFFULM_OK && r < count; r++) {
        rc = against(&o, pieces, &references[r], &now);
        if (rc == DIFFULM_OK && score_of(&o, &now) > most) {
            most = score_of(&o, &now);
            best = now;
        }
    }
    dulm_words_release(&pieces[0]);
    dulm_words_release(&pieces[1]);
    for (int i = 0; rc == DIFFULM_OK && i < DIFFULM_CHRF_ORDERS; i++) {
        sum.hypothesis[i] += best.hypothesis[i];
        sum.reference[i] += best.reference[i];
        sum.matched[i] += best.matched[i];
    }
    if (rc == DIFFULM_OK)
        dulm_struct_write(statistics, sizeof sum, &sum);
    return rc;
}

diffulm_status diffulm_chrf_score(const struct diffulm_chrf_options *options,
                                  const struct diffulm_chrf_statistics *statistics, double *score)
{
    dulm_error_clear();
    struct diffulm_chrf_options o;
    struct diffulm_chrf_statistics s = {0};
    diffulm_status rc = check(options, &o);
    if (rc == DIFFULM_OK && (!statistics || !dulm_struct_read(&s, sizeof s, statistics) || !score))
        rc = dulm_fail(DIFFULM_E_ARGUMENT, "chrF: score is NULL, or struct_size is not %zu",
                       sizeof *statistics);
    if (rc == DIFFULM_OK)
        *score = score_of(&o, &s);
    return rc;
}

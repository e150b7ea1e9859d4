/* rouge.c: overlap of n-grams, and longest common subsequences of texts and of sentences. */
#include <string.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "metrics/stem.h"
#include "metrics/words.h"
#include "text/utf8.h"

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Lower-cased runs of ASCII letters and digits, stemmed when longer than three. */
static void cut(const char *text, size_t length, bool stem, struct dulm_words *out)
{
    struct dulm_strbuf lower = {0}, word = {0};
    dulm_lower_text(text, length, &lower);
    for (size_t i = 0; i < lower.length;) {
        size_t n = 0;
        while (i + n < lower.length && is_word_byte(lower.data[i + n]))
            n++;
        word.length = 0;
        dulm_strbuf_append(&word, lower.data + i,
                           n + (i + n < lower.length)); /* room for the stemmer */
        i += n ? n : 1;
        if (n && !word.failed)
            dulm_words_add(out, word.data, stem && n > 3 ? dulm_stem(word.data, n) : n);
    }
    out->failed |= lower.failed || word.failed;
    dulm_strbuf_release(&lower);
    dulm_strbuf_release(&word);
}

static void set(struct diffulm_rouge *out, double hits, double of_hypothesis, double of_reference)
{
    out->precision = of_hypothesis > 0 ? hits / of_hypothesis : 0;
    out->recall = of_reference > 0 ? hits / of_reference : 0;
    const double sum = out->precision + out->recall;
    out->f1 = sum > 0 ? 2 * out->precision * out->recall / sum : 0;
}

/* Lengths of longest common subsequences of all beginnings: [(n + 1) (m + 1)]. */
static int32_t *table_of(const struct dulm_ids *a, const struct dulm_ids *b)
{
    const size_t width = b->count + 1;
    int32_t *t = a->count < SIZE_MAX / 4 / (width + 1)
                     ? dulm_alloc_zero((a->count + 1) * width, sizeof *t)
                     : NULL;
    for (size_t i = 1; t && i <= a->count; i++)
        for (size_t j = 1; j < width; j++) {
            const int32_t up = t[(i - 1) * width + j], left = t[i * width + j - 1];
            t[i * width + j] = a->id[i - 1] == b->id[j - 1] ? t[(i - 1) * width + j - 1] + 1
                               : up > left                  ? up
                                                            : left;
        }
    return t;
}

/* Two rows are enough for the length alone. */
static diffulm_status common(const struct dulm_ids *a, const struct dulm_ids *b, int64_t *out)
{
    int32_t *row = dulm_alloc_zero(b->count + 1, sizeof *row);
    if (!row)
        return dulm_fail_memory();
    for (size_t i = 0; i < a->count; i++) {
        int32_t diagonal = 0;
        for (size_t j = 1; j <= b->count; j++) {
            const int32_t up = row[j];
            row[j] = a->id[i] == b->id[j - 1] ? diagonal + 1 : up > row[j - 1] ? up : row[j - 1];
            diagonal = up;
        }
    }
    *out = row[b->count];
    dulm_free(row);
    return DIFFULM_OK;
}

static diffulm_status score_words(int32_t kind, const struct dulm_words pair[2],
                                  struct diffulm_rouge *out)
{
    struct dulm_grams grams;
    diffulm_status rc = dulm_grams_begin(pair, 2, &grams);
    if (rc < 0)
        return rc;
    int64_t hits = 0;
    if (kind == DIFFULM_ROUGE_2)
        rc = dulm_grams_extend(&grams);
    if (rc == DIFFULM_OK && kind >= DIFFULM_ROUGE_L)
        rc = common(&grams.list[1], &grams.list[0], &hits);
    else if (rc == DIFFULM_OK)
        hits = dulm_grams_matched(&grams, 0, 1);
    if (rc == DIFFULM_OK)
        set(out, (double)hits, (double)grams.list[0].count, (double)grams.list[1].count);
    dulm_grams_release(&grams);
    return rc;
}

/* Marks in `of_reference` the words of one common subsequence of a reference sentence with a hypothesis sentence. */
static diffulm_status mark_common(const struct dulm_ids *reference,
                                  const struct dulm_ids *hypothesis, uint8_t *of_reference)
{
    const size_t width = hypothesis->count + 1;
    int32_t *t = table_of(reference, hypothesis);
    if (!t)
        return dulm_fail_memory();
    for (size_t i = reference->count, j = hypothesis->count; i > 0 && j > 0;) {
        if (reference->id[i - 1] == hypothesis->id[j - 1]) {
            of_reference[--i] = 1;
            j--;
        } else if (t[i * width + j - 1] > t[(i - 1) * width + j])
            j--;
        else
            i--;
    }
    dulm_free(t);
    return DIFFULM_OK;
}

/* Lists 0 … hypotheses - 1 are the hypothesis' sentences, the others the reference's. Each word of a union of common
 * subsequences counts while both texts still have one of it. */
static diffulm_status count_unions(const struct dulm_grams *g, size_t hypotheses, int64_t *hits)
{
    int32_t *left = dulm_alloc_zero(2 * (size_t)g->distinct + 1, sizeof *left);
    size_t longest = 1;
    for (size_t k = 0; k < g->lists; k++) {
        longest = g->list[k].count > longest ? g->list[k].count : longest;
        for (size_t i = 0; left && i < g->list[k].count; i++)
            left[(k < hypotheses ? 0 : g->distinct) + g->list[k].id[i]]++;
    }
    uint8_t *marked = dulm_alloc(longest, 1);
    diffulm_status rc = left && marked ? DIFFULM_OK : dulm_fail_memory();
    for (size_t k = hypotheses; rc == DIFFULM_OK && k < g->lists; k++) {
        const struct dulm_ids *r = &g->list[k];
        memset(marked, 0, longest);
        for (size_t h = 0; rc == DIFFULM_OK && h < hypotheses; h++)
            rc = mark_common(r, &g->list[h], marked);
        for (size_t i = 0; rc == DIFFULM_OK && i < r->count; i++) {
            const int32_t v = r->id[i];
            if (marked[i] && left[v] > 0 && left[g->distinct + v] > 0) {
                (*hits)++;
                left[v]--;
                left[g->distinct + v]--;
            }
        }
    }
    dulm_free(left);
    dulm_free(marked);
    return rc;
}

static size_t count_lines(const struct diffulm_string *t)
{
    size_t lines = 1;
    for (size_t i = 0; i < t->length; i++)
        lines += t->data[i] == '\n';
    return lines;
}

static size_t cut_lines(const struct diffulm_string *t, bool stem, struct dulm_words *out)
{
    size_t lines = 0, begin = 0;
    for (size_t i = 0; i <= t->length; i++)
        if (i == t->length || t->data[i] == '\n') {
            if (i > begin)
                cut(t->data + begin, i - begin, stem, &out[lines++]);
            begin = i + 1;
        }
    return lines;
}

static diffulm_status score_sentences(bool stem, const struct diffulm_string *hypothesis,
                                      const struct diffulm_string *reference,
                                      struct diffulm_rouge *out)
{
    const size_t most = count_lines(hypothesis) + count_lines(reference);
    struct dulm_words *lines = dulm_alloc_zero(most, sizeof *lines);
    struct dulm_grams grams;
    int64_t hits = 0;
    double total[2] = {0, 0};
    if (!lines)
        return dulm_fail_memory();
    const size_t h = cut_lines(hypothesis, stem, lines);
    const size_t count = h + cut_lines(reference, stem, lines + h);
    for (size_t k = 0; k < count; k++)
        total[k >= h] += (double)lines[k].count;
    diffulm_status rc = dulm_grams_begin(lines, count, &grams);
    if (rc == DIFFULM_OK) {
        rc = count_unions(&grams, h, &hits);
        dulm_grams_release(&grams);
    }
    for (size_t k = 0; k < most; k++)
        dulm_words_release(&lines[k]);
    dulm_free(lines);
    if (rc == DIFFULM_OK)
        set(out, (double)hits, total[0], total[1]);
    return rc;
}

diffulm_status diffulm_rouge_score(int32_t kind, int32_t stem,
                                   const struct diffulm_string *hypothesis,
                                   const struct diffulm_string *reference,
                                   struct diffulm_rouge *out)
{
    dulm_error_clear();
    if (kind < 0 || kind > DIFFULM_ROUGE_L_WHITE_SPACE || stem < 0 || stem > 1 || !out ||
        !dulm_struct_fits(out, sizeof *out))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "ROUGE: kind is %d, expected 0 to 4, stem %d, 0 or 1; struct_size of out "
                         "must be %zu",
                         kind, stem, sizeof *out);
    diffulm_status rc = dulm_string_check(hypothesis, "hypothesis");
    if (rc == DIFFULM_OK)
        rc = dulm_string_check(reference, "reference");
    if (rc < 0)
        return rc;
    struct diffulm_rouge score = {.struct_size = sizeof score};
    if (kind == DIFFULM_ROUGE_LSUM) {
        rc = score_sentences(stem, hypothesis, reference, &score);
        if (rc == DIFFULM_OK)
            dulm_struct_write(out, sizeof score, &score);
        return rc;
    }
    struct dulm_words pair[2] = {{.failed = false}, {.failed = false}};
    const struct diffulm_string *const texts[2] = {hypothesis, reference};
    for (int k = 0; k < 2; k++) {
        const char *data = texts[k]->data ? texts[k]->data : "";
        if (kind == DIFFULM_ROUGE_L_WHITE_SPACE)
            dulm_words_split(&pair[k], data, texts[k]->length);
        else
            cut(data, texts[k]->length, stem, &pair[k]);
    }
    rc = score_words(kind, pair, &score);
    if (rc == DIFFULM_OK)
        dulm_struct_write(out, sizeof score, &score);
    dulm_words_release(&pair[0]);
    dulm_words_release(&pair[1]);
    return rc;
}

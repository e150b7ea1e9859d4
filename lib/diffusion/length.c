/* length.c: which lengths to try, and which hypothesis to keep. */
#include <diffulm/length.h>
#include <math.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "base/error.h"

/* Best class that comes after `last` in the order by logit, then by class; classes if none is left. */
static size_t next_class(const float *logits, size_t classes, size_t last)
{
    size_t best = classes;
    for (size_t c = 0; c < classes; c++) {
        if (last < classes &&
            (logits[c] > logits[last] || (logits[c] == logits[last] && c <= last)))
            continue;
        if (best == classes || logits[c] > logits[best])
            best = c;
    }
    return best;
}

diffulm_status diffulm_length_candidates(const float *logits, size_t classes, size_t length_beam,
                                         size_t positions, size_t source_length, int32_t unique,
                                         size_t *out, size_t *count)
{
    dulm_error_clear();
    if (!logits || !out || !count || length_beam == 0)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "length candidates: logits, out, count or length_beam is missing");
    if (positions < source_length + 4)
        return dulm_fail(DIFFULM_E_LIMIT,
                         "a source of %zu tokens leaves no room for an answer in %zu positions",
                         source_length, positions);
    for (size_t c = 0; c < classes; c++)
        if (isnan(logits[c]))
            return dulm_fail(DIFFULM_E_NUMERIC, "the logit of length class %zu is NaN", c);
    const size_t limit = positions - 3 - source_length;
    size_t made = 0, last = classes;
    for (size_t tried = 0; tried < length_beam; tried++) {
        last = next_class(logits, classes, last);
        if (last == classes)
            break;
        const size_t length = last + 1 < limit ? last + 1 : limit;
        bool repeated = false;
        for (size_t i = 0; unique && i < made; i++)
            repeated |= out[i] == length;
        if (!repeated)
            out[made++] = length;
    }
    *count = made;
    return DIFFULM_OK;
}

/* Longest common subsequence; row: [b + 1] scratch. */
static size_t common(const struct diffulm_hypothesis *a, const struct diffulm_hypothesis *b,
                     size_t *row)
{
    for (size_t j = 0; j <= b->length; j++)
        row[j] = 0;
    for (size_t i = 0; i < a->length; i++) {
        size_t diagonal = 0;
        for (size_t j = 0; j < b->length; j++) {
            const size_t above = row[j + 1];
            if (a->tokens[i] == b->tokens[j])
                row[j + 1] = diagonal + 1;
            else if (row[j] > above)
                row[j + 1] = row[j];
            diagonal = above;
        }
    }
    return row[b->length];
}

static double rouge_l(const struct diffulm_hypothesis *a, const struct diffulm_hypothesis *b,
                      size_t *row)
{
    if (a->length == 0 || b->length == 0)
        return 0;
    return 2.0 * (double)common(a, b, row) / (double)(a->length + b->length);
}

static diffulm_status select_mbr(const struct diffulm_hypothesis *h, size_t count, size_t *best,
                                 double *means)
{
    size_t longest = 0;
    for (size_t i = 0; i < count; i++)
        longest = h[i].length > longest ? h[i].length : longest;
    size_t *row = dulm_alloc(longest + 1, sizeof *row);
    if (!row)
        return dulm_fail_memory();
    double top = -1;
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t j = 0; j < count; j++)
            if (j != i)
                sum += rouge_l(&h[i], &h[j], row);
        const double mean = count > 1 ? sum / (double)(count - 1) : 0;
        if (means)
            means[i] = mean;
        if (mean > top) {
            top = mean;
            *best = i;
        }
    }
    dulm_free(row);
    return DIFFULM_OK;
}

diffulm_status diffulm_select_hypothesis(const struct diffulm_hypothesis *hypotheses, size_t count,
                                         int32_t method, size_t *best, double *mean_rouge_l)
{
    dulm_error_clear();
    if (!hypotheses || count == 0 || !best || method < 0 || method > DIFFULM_SELECT_MBR)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "select: no hypotheses, best is NULL, or method is %d, expected 0 or 1",
                         method);
    if (method == DIFFULM_SELECT_MBR)
        return select_mbr(hypotheses, count, best, mean_rouge_l);
    size_t top = 0;
    for (size_t i = 1; i < count; i++)
        if (hypotheses[i].score > hypotheses[top].score)
            top = i;
    *best = top;
    return DIFFULM_OK;
}

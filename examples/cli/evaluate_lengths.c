/* evaluate_lengths.c: how many masks stand for an answer, the canvases made of them, and what of a denoised canvas is the
 * answer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"

int length_logits(const struct evaluation *e, size_t first, size_t count, float **logits)
{
    const struct rows *rows = &e->rows;
    size_t *offsets = cli_alloc(count + 1, sizeof *offsets);
    struct cli_tokens sources = {0};
    for (size_t r = 0; r < count; r++) {
        for (size_t i = 0; i < rows->source_lengths[first + r]; i++)
            cli_push(&sources, rows->tokens.ids[rows->offsets[first + r] + i]);
        offsets[r + 1] = sources.count;
    }
    *logits = cli_alloc(count * diffulm_length_head_classes(e->head), sizeof **logits);
    const int code = diffulm_length_head_logits(e->head, count, offsets, sources.ids, *logits) < 0
                         ? cli_fail(EVALUATE)
                         : 0;
    free(offsets);
    free(sources.ids);
    return code;
}

int answer_lengths(const struct evaluation *e, int64_t beam, size_t row, const float *logits,
                   size_t **out, size_t *count)
{
    const struct rows *rows = &e->rows;
    const size_t source = rows->source_lengths[row], eos = e->bundle.ids.eos >= 0;
    const size_t longest = (size_t)e->bundle.info.longest_row;
    *out = cli_grow(*out, (size_t)beam, sizeof **out);
    *count = 1;
    if (e->answer_length == LENGTH_PREDICTED) {
        const size_t classes = diffulm_length_head_classes(e->head);
        return diffulm_length_candidates(logits, classes, (size_t)beam, classes, source, e->unique,
                                         *out, count) < 0
                   ? cli_error(EVALUATE, CLI_FAILED, "%s: row %zu: %s", e->data, row + 1,
                               diffulm_error_message())
                   : 0;
    }
    const bool asked = e->answer_length == LENGTH_FIXED || e->answer_length == LENGTH_TRIM;
    (*out)[0] =
        asked ? (size_t)e->length : rows->offsets[row + 1] - rows->offsets[row] - source - eos;
    /* With the reference's length the row was found to fit when it was read. */
    if (asked && source + (*out)[0] + eos > longest)
        return cli_error(EVALUATE, CLI_FAILED,
                         "%s: row %zu: a source of %zu tokens leaves no room for an answer of %zu "
                         "in %zu positions",
                         e->data, row + 1, source, (*out)[0], longest);
    return 0;
}

/* Masks the answer whole, or (infill) its middle third. */
void answer_canvas(const struct evaluation *e, size_t row, size_t length, struct canvas *out)
{
    const int32_t *tokens = e->rows.tokens.ids + e->rows.offsets[row];
    const size_t source = e->rows.source_lengths[row];
    size_t begin = source, end = source + length;
    if (e->answer_length == LENGTH_INFILL && length >= 3) {
        begin += length / 3;
        end = begin + (length + 2) / 3;
    }
    *out = (struct canvas){.answer_begin = source, .answer_end = source + length};
    for (size_t i = 0; i < source + length; i++)
        cli_push(&out->tokens, i >= begin && i < end ? e->session.mask_id : tokens[i]);
    /* In training the eos is masked like any token of the answer: to trim, the model is left to place it. */
    if (e->bundle.ids.eos >= 0 && e->answer_length != LENGTH_TRIM)
        cli_push(&out->tokens, e->bundle.ids.eos);
    out->roles = cli_alloc(out->tokens.count, 1);
    memset(out->roles + begin, DIFFULM_ROLE_MASKED, end - begin);
}

size_t answer_tokens(const struct evaluation *e, const struct canvas *canvas, const int32_t *tokens,
                     const float *scores, int32_t *out, float *score)
{
    const struct diffulm_special_ids *s = &e->bundle.ids;
    size_t n = 0, scored = 0;
    double sum = 0;
    for (size_t i = canvas->answer_begin; i < canvas->answer_end; i++) {
        if (tokens[i] == s->eos && e->answer_length == LENGTH_TRIM)
            break;
        if (tokens[i] == s->bos || tokens[i] == s->eos || tokens[i] == s->pad ||
            tokens[i] == e->session.mask_id)
            continue;
        out[n++] = tokens[i];
        if (canvas->roles[i] != DIFFULM_ROLE_MASKED)
            continue;
        sum += (double)scores[i];
        scored++;
    }
    *score = scored ? (float)(sum / (double)scored) : -INFINITY;
    return n;
}

/* evaluate_likelihood.c: scores every choice of a row by the diffusion bound and takes the most probable. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"

/* All choices of a row bear its number, so that they are masked by the same draws: what differs is the choice. */
static int score_choice(const struct evaluation *e, struct combination *c, size_t seed, size_t row,
                        const char *text, double *score)
{
    const int32_t *source = e->rows.tokens.ids + e->rows.offsets[row];
    const size_t length = e->rows.source_lengths[row];
    struct diffulm_likelihood_options options = DIFFULM_LIKELIHOOD_OPTIONS_INIT;
    struct diffulm_likelihood found = {.struct_size = sizeof found};
    struct cli_tokens tokens = {0};
    options.samples = (int32_t)e->draws;
    options.mask_id = e->session.mask_id;
    options.attention = e->session.attention;
    options.newline_id = e->session.newline_id;
    options.seed = (uint64_t)e->options.seed + seed;
    for (size_t i = 0; i < length; i++)
        cli_push(&tokens, source[i]);
    diffulm_status rc = cli_encode(e->bundle.tokenizer, text, strlen(text), &tokens);
    if (e->bundle.ids.eos >= 0)
        cli_push(&tokens, e->bundle.ids.eos);
    const size_t offsets[2] = {0, tokens.count};
    const struct diffulm_rows rows = {sizeof rows, 1, offsets, tokens.ids, &length};
    if (rc == DIFFULM_OK)
        rc = diffulm_likelihood_bound(e->bundle.model, &rows, (uint32_t)row, &options, &found);
    *score = found.log_probability;
    c->tokens += found.tokens;
    if (e->by_token && found.tokens)
        *score /= (double)found.tokens;
    free(tokens.ids);
    return rc < 0 ? cli_error(EVALUATE, CLI_FAILED, "%s: row %zu: %s", e->data, row + 1,
                              diffulm_error_message())
                  : 0;
}

static int write_prediction(const struct evaluation *e, size_t seed, size_t row, size_t chosen,
                            const double *scores)
{
    const size_t begin = e->choices.begin[row], count = e->choices.begin[row + 1] - begin;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_real(scores[i]));
    json_t *item =
        json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:o}", "task", e->rows.tasks[row], "row",
                  (json_int_t)row + 1, "draws", (json_int_t)e->draws, "seed",
                  (json_int_t)(e->options.seed + (int64_t)seed), "target", e->rows.targets[row],
                  "choice", e->choices.texts[begin + chosen], "scores", list);
    if (!item)
        return cli_error(EVALUATE, CLI_FAILED, "%s: row %zu: the answer cannot be written as JSON",
                         e->data, row + 1);
    json_dumpf(item, e->predictions, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', e->predictions);
    json_decref(item);
    return 0;
}

static int choose(struct evaluation *e, struct combination *c, size_t seed, size_t row)
{
    const size_t begin = e->choices.begin[row], count = e->choices.begin[row + 1] - begin;
    double *scores = cli_alloc(count, sizeof *scores);
    const double start = cli_seconds();
    size_t best = 0;
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = score_choice(e, c, seed, row, e->choices.texts[begin + i], &scores[i]);
        best = scores[i] > scores[best] ? i : best;
    }
    c->seconds += cli_seconds() - start;
    c->answers[seed][row].share[ACCURACY] = best == e->choices.right[row];
    if (code == 0 && e->predictions)
        code = write_prediction(e, seed, row, best, scores);
    free(scores);
    return code;
}

int evaluation_choose(struct evaluation *e)
{
    const double start = cli_seconds();
    int code = 0;
    for (size_t row = 0; code == 0 && row < e->rows.count; row++) {
        for (size_t seed = 0; code == 0 && seed < (size_t)e->seeds; seed++)
            code = choose(e, &e->combinations[0], seed, row);
        show_progress(start, row + 1, e->rows.count);
    }
    return code;
}

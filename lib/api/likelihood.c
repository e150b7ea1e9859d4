/* likelihood.c: checks, then one row after another. */
#include <diffulm/likelihood.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "diffusion/likelihood.h"

void diffulm_likelihood_options_init(struct diffulm_likelihood_options *options, size_t struct_size)
{
    const struct diffulm_likelihood_options defaults = DIFFULM_LIKELIHOOD_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

static diffulm_status check_options(const diffulm_model *model,
                                    const struct diffulm_likelihood_options *options,
                                    struct diffulm_likelihood_options *o)
{
    diffulm_likelihood_options_init(o, sizeof *o);
    if (!options || !dulm_struct_read(o, sizeof *o, options))
        return dulm_fail(DIFFULM_E_ARGUMENT, "likelihood options: NULL, or struct_size is not %zu",
                         sizeof *options);
    o->samples = o->samples == 0 ? 32 : o->samples;
    o->timesteps = o->timesteps == 0 ? 50 : o->timesteps;
    const struct {
        const char *name;
        int64_t value, low, high;
    } ranges[] = {{"samples", o->samples, 2, 1 << 20},
                  {"timesteps", o->timesteps, 1, 1 << 20},
                  {"mask_id", o->mask_id, 0, model->config.vocabulary - 1},
                  {"attention", o->attention, 0, DIFFULM_ATTENTION_BLOCKWISE}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].value < ranges[i].low || ranges[i].value > ranges[i].high)
            return dulm_fail(DIFFULM_E_ARGUMENT,
                             "likelihood options: %s is %lld, expected %lld to %lld",
                             ranges[i].name, (long long)ranges[i].value, (long long)ranges[i].low,
                             (long long)ranges[i].high);
    if (o->samples % 2 != 0)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "likelihood options: samples is %d, expected an even number", o->samples);
    return DIFFULM_OK;
}

static diffulm_status read_rows(const diffulm_model *model, const struct diffulm_rows *given,
                                struct diffulm_rows *rows, size_t *longest)
{
    if (!given || !dulm_struct_read(rows, sizeof *rows, given) || !rows->offsets || !rows->tokens)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "rows: struct_size must be %zu, offsets and tokens not NULL",
                         sizeof *rows);
    const size_t most = dulm_config_longest_row(&model->config);
    *longest = 0;
    for (size_t r = 0; r < rows->rows; r++) {
        const size_t begin = rows->offsets[r], end = rows->offsets[r + 1];
        if (end <= begin || (r == 0 && begin != 0))
            return dulm_fail(DIFFULM_E_ARGUMENT, "row %zu: offsets must rise from 0", r);
        const size_t length = end - begin;
        if (length > most)
            return dulm_fail(DIFFULM_E_LIMIT, "row %zu has %zu tokens, the model takes %zu", r,
                             length, most);
        if (rows->source_lengths && rows->source_lengths[r] > length)
            return dulm_fail(DIFFULM_E_ARGUMENT, "row %zu: its source is longer than the row", r);
        for (size_t i = begin; i < end; i++)
            if (rows->tokens[i] < 0 || rows->tokens[i] >= model->config.vocabulary)
                return dulm_fail(
                    DIFFULM_E_ARGUMENT, "row %zu, position %zu: token %d is outside 0 to %lld", r,
                    i - begin, rows->tokens[i], (long long)model->config.vocabulary - 1);
        *longest = length > *longest ? length : *longest;
    }
    return DIFFULM_OK;
}

typedef diffulm_status score_function(struct dulm_scorer *, const struct dulm_clean_row *,
                                      struct diffulm_likelihood *);

static diffulm_status score_rows(const diffulm_model *model, const struct diffulm_rows *given,
                                 uint32_t first_row,
                                 const struct diffulm_likelihood_options *options,
                                 score_function *score, struct diffulm_likelihood *out)
{
    dulm_error_clear();
    struct diffulm_likelihood_options o;
    struct diffulm_rows known = {0}, *rows = &known;
    struct dulm_scorer *scorer = NULL;
    struct diffulm_likelihood *found = NULL;
    size_t longest = 0;
    if (!model || !out || out->struct_size != sizeof *out)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "likelihood: model or out is NULL, or struct_size is not %zu",
                         sizeof *out);
    if (!model->config.has_head)
        return dulm_fail(DIFFULM_E_UNSUPPORTED, "likelihood: the model has no language-model head");
    diffulm_status rc = check_options(model, options, &o);
    if (rc == DIFFULM_OK)
        rc = read_rows(model, given, rows, &longest);
    if (rc == DIFFULM_OK)
        rc = dulm_scorer_create(model, &o, longest, &scorer);
    if (rc == DIFFULM_OK && !(found = dulm_alloc_zero(rows->rows, sizeof *found)))
        rc = dulm_fail_memory();
    for (size_t r = 0; rc == DIFFULM_OK && r < rows->rows; r++) {
        const struct dulm_clean_row row = {.tokens = rows->tokens + rows->offsets[r],
                                           .length = rows->offsets[r + 1] - rows->offsets[r],
                                           .source_length =
                                               rows->source_lengths ? rows->source_lengths[r] : 0,
                                           .number = first_row + (uint32_t)r};
        found[r].struct_size = sizeof *out;
        rc = score(scorer, &row, &found[r]);
    }
    for (size_t r = 0; rc == DIFFULM_OK && r < rows->rows; r++)
        out[r] = found[r];
    dulm_free(found);
    dulm_scorer_destroy(scorer);
    return rc;
}

diffulm_status diffulm_likelihood_bound(const diffulm_model *model, const struct diffulm_rows *rows,
                                        uint32_t first_row,
                                        const struct diffulm_likelihood_options *options,
                                        struct diffulm_likelihood *out)
{
    return score_rows(model, rows, first_row, options, dulm_score_bound, out);
}

diffulm_status diffulm_likelihood_pseudo(const diffulm_model *model,
                                         const struct diffulm_rows *rows,
                                         const struct diffulm_likelihood_options *options,
                                         struct diffulm_likelihood *out)
{
    return score_rows(model, rows, 0, options, dulm_score_pseudo, out);
}

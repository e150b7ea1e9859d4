/* samplers.c: traces of the denoising loop (samplers/POLICY.json), each with its draws fed in and from
 * the seed alone. */
#include <diffulm/error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "areas.h"
#include "diffusion/policy.h"
#include "nn/runtime.h"
#include "tensors.h"

#define AREA "samplers"

/* Scores: 2e-5 + 1e-5 |x| (fixtures' README.diffusion.md). */
static bool close_score(double have, double want)
{
    if (isinf(want) || isinf(have))
        return have == want;
    return fabs(have - want) <= 2e-5 + 1e-5 * fabs(want);
}

static double number(const json_t *object, const char *key, double fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : json_is_true(value) ? 1 : fallback;
}

diffulm_sampler *golden_sampler(const json_t *item)
{
    const json_t *options = json_object_get(item, "options");
    const json_t *sampling = json_object_get(item, "sampling");
    const char *mode = json_string_value(json_object_get(sampling, "mode"));
    const char *order = json_string_value(json_object_get(options, "order"));
    struct diffulm_sampler_options o = DIFFULM_SAMPLER_OPTIONS_INIT;
    o.steps = (int32_t)number(item, "steps", 0);
    o.sampling = strcmp(mode, "argmax") == 0        ? DIFFULM_SAMPLING_ARGMAX
                 : strcmp(mode, "categorical") == 0 ? DIFFULM_SAMPLING_CATEGORICAL
                                                    : DIFFULM_SAMPLING_GUMBEL;
    o.temperature = number(sampling, "temperature", 0);
    o.top_p = number(options, "top_p", 0);
    o.top_k = (int32_t)number(options, "top_k", 0);
    o.shift_logits = (int32_t)number(options, "shift_logits", 0);
    o.block_length = (int32_t)number(options, "block_length", 0);
    o.steps_per_block = (int32_t)number(options, "steps_per_block", 0);
    o.eps = number(options, "eps", 0);
    o.alg_temp = number(options, "alg_temp", 0);
    o.threshold = number(options, "threshold", 0);
    o.factor = number(options, "factor", 0);
    o.gamma = number(options, "gamma", 0);
    const char *policy = json_string_value(json_object_get(item, "policy"));
    o.order = order && strcmp(order, strcmp(policy, "eb") == 0 ? "confidence" : "random") == 0;
    diffulm_sampler *sampler = NULL;
    if (diffulm_sampler_create(policy, &o, &sampler) < 0)
        golden_fail(AREA, "%s", diffulm_error_message());
    return sampler;
}

struct tables {
    struct dulm_safetensors *tables, *draws;
};

/* The draws of step k and row r of a stream's tensor [K, rows, positions(, V)]; NULL if there is none. */
static const float *fed(const struct tables *t, const json_t *item, const char *stream, size_t k,
                        size_t row)
{
    const char *name = json_string_value(json_object_get(json_object_get(item, "draws"), stream));
    const struct dulm_tensor *x = name ? dulm_safetensors_find(t->draws, name) : NULL;
    if (!x)
        return NULL;
    size_t inner = (size_t)x->shape[2] * (x->rank == 4 ? (size_t)x->shape[3] : 1);
    return (const float *)x->data + ((k - 1) * (size_t)x->shape[1] + row) * inner;
}

struct canvas {
    struct dulm_row row;
    uint8_t *generated, *wanted;
    struct dulm_candidate *candidates;
    float *scratch;
    size_t quota;
};

static void canvas_open(struct canvas *c, const json_t *item, const json_t *row,
                        const diffulm_sampler *sampler, size_t vocabulary)
{
    const json_t *tokens = json_object_get(row, "tokens");
    const json_t *generated = json_object_get(row, "generated");
    const size_t n = json_array_size(tokens);
    *c = (struct canvas){.generated = calloc(n, 1), .wanted = calloc(n, 1)};
    c->candidates = calloc(n, sizeof *c->candidates);
    c->scratch = calloc(dulm_candidate_scratch(sampler, vocabulary), sizeof *c->scratch);
    c->row = (struct dulm_row){.length = n,
                               .tokens = calloc(n, 4),
                               .scores = calloc(n, 4),
                               .noisy = calloc(n, 1),
                               .generated = c->generated};
    c->row.mask_id = (int32_t)number(json_object_get(item, "special"), "mask", -1);
    for (size_t i = 0; i < n; i++)
        c->row.tokens[i] = (int32_t)json_integer_value(json_array_get(tokens, i));
    for (size_t i = 0; i < json_array_size(generated); i++) {
        const size_t at = (size_t)json_integer_value(json_array_get(generated, i));
        c->generated[at] = c->row.noisy[at] = 1;
    }
    c->row.generated_count = json_array_size(generated);
    c->row.ranked = calloc(n, sizeof *c->row.ranked);
    c->row.candidate = c->candidates;
}

static void canvas_close(struct canvas *c)
{
    free(c->generated);
    free(c->wanted);
    free(c->candidates);
    free(c->scratch);
    free(c->row.tokens);
    free(c->row.scores);
    free(c->row.noisy);
    free(c->row.ranked);
}

static void canvas_step(struct canvas *c, const diffulm_sampler *sampler, const float *logits,
                        size_t vocabulary, const struct dulm_draws *draws, int32_t k)
{
    c->row.quota = &c->quota;
    sampler->policy->needs(sampler, &c->row, draws, k, c->wanted);
    for (size_t i = 0; i < c->row.length; i++)
        if (c->wanted[i])
            c->candidates[i] =
                dulm_candidate_of(dulm_kernels_choose(DIFFULM_ISA_AUTO), sampler,
                                  logits + dulm_logits_position(sampler, i) * vocabulary,
                                  vocabulary, c->row.mask_id, NULL, 0, draws, i, c->scratch);
    sampler->policy->step(sampler, &c->row, draws, k);
}

/* NULL if the row stands as the trace says, else what differs. */
static const char *compare(const struct canvas *c, const json_t *entry, size_t r)
{
    const json_t *tokens = json_array_get(json_object_get(entry, "tokens"), r);
    const json_t *scores = json_array_get(json_object_get(entry, "scores"), r);
    const json_t *noisy = json_array_get(json_object_get(entry, "noisy"), r);
    for (size_t i = 0; i < c->row.length; i++) {
        if (json_integer_value(json_array_get(tokens, i)) != c->row.tokens[i])
            return "tokens";
        if (json_integer_value(json_array_get(noisy, i)) != c->row.noisy[i])
            return "noisy";
        const json_t *score = json_array_get(scores, i);
        const double want = json_is_null(score) ? -INFINITY : json_number_value(score);
        if (scores && !close_score((double)c->row.scores[i], want))
            return "scores";
    }
    return NULL;
}

static void run_row(const json_t *item, const struct tables *t, const diffulm_sampler *sampler,
                    size_t r, bool feed)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *table_name = json_string_value(json_object_get(item, "table"));
    const struct dulm_tensor *table = dulm_safetensors_find(t->tables, table_name);
    const json_t *trace = json_object_get(item, "trace");
    const char *seed = json_string_value(json_object_get(item, "seed"));
    const size_t v = (size_t)number(item, "vocab", 0);
    struct canvas c;
    canvas_open(&c, item, json_array_get(json_object_get(item, "rows"), r), sampler, v);
    const char *wrong = table ? NULL : "table";
    size_t k = 1;
    for (; !wrong && k <= json_array_size(trace); k++) {
        const size_t entry = (k - 1) % (size_t)table->shape[0];
        const float *logits = (const float *)table->data +
                              (entry * (size_t)table->shape[1] + r) * (size_t)table->shape[2] * v;
        struct dulm_draws draws = {
            seed ? strtoull(seed, NULL, 10) : 0, (uint32_t)k, (uint32_t)r, NULL, NULL, NULL, NULL};
        if (feed) {
            draws.token_sample = fed(t, item, "token_sample", k, r);
            draws.reveal = fed(t, item, "reveal", k, r);
            draws.gumbel_rank = fed(t, item, "gumbel_rank", k, r);
            draws.token_sample_gumbel = fed(t, item, "token_sample_gumbel", k, r);
        }
        canvas_step(&c, sampler, logits, v, &draws, (int32_t)k);
        wrong = compare(&c, json_array_get(trace, k - 1), r);
    }
    if (wrong)
        golden_fail(AREA, "%s row %zu %s: %s differ at step %zu", name, r,
                    feed ? "draws fed" : "from the seed", wrong, k - 1);
    else
        golden_pass(AREA, "%s row %zu", name, r);
    canvas_close(&c);
}

void golden_samplers(const char *parent)
{
    char *folder = golden_path(parent, "samplers");
    if (!golden_exists(folder, "tables.safetensors")) {
        free(folder);
        return;
    }
    struct tables t = {golden_tensors(AREA, folder, "tables.safetensors"),
                       golden_tensors(AREA, folder, "draws.safetensors")};
    char **names = golden_names(folder);
    for (char **name = names; t.tables && t.draws && name && *name; name++) {
        char *path = golden_path(folder, *name);
        json_t *root = strstr(*name, ".json") ? golden_json(AREA, path) : NULL;
        const char *format = json_string_value(json_object_get(root, "format"));
        size_t i;
        json_t *item;
        if (format && strcmp(format, "sampler-trace 1") == 0)
            json_array_foreach(json_object_get(root, "cases"), i, item)
            {
                diffulm_sampler *sampler = golden_sampler(item);
                const size_t rows = json_array_size(json_object_get(item, "rows"));
                for (size_t r = 0; sampler && r < rows; r++) {
                    run_row(item, &t, sampler, r, false);
                    if (json_object_get(item, "draws"))
                        run_row(item, &t, sampler, r, true);
                }
                diffulm_sampler_unref(sampler);
            }
        json_decref(root);
        free(path);
    }
    golden_names_free(names);
    dulm_safetensors_close(t.tables);
    dulm_safetensors_close(t.draws);
    free(folder);
}

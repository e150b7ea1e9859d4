/* sessions.c: the whole loop around a network: samplers/end_to_end.json, and the masked sequences of real
 * models (models/NAME/golden/fill_cases.json). Every row alone and all rows in one batch. */
#include <diffulm/error.h>
#include <diffulm/session.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "areas.h"
#include "tensors.h"

#define AREA "sessions"

struct run {
    const char *name, *backend;
    diffulm_model *model;
    diffulm_sampler *sampler;
    int32_t mask, attention;
    uint64_t seed;
};

static diffulm_session *session_of(const struct run *r)
{
    struct diffulm_session_options o = DIFFULM_SESSION_OPTIONS_INIT;
    o.mask_id = r->mask;
    o.attention = r->attention;
    o.seed = r->seed;
    diffulm_session *session = NULL;
    if (diffulm_session_create(r->model, r->sampler, &o, &session) < 0)
        golden_fail(AREA, "%s: %s", r->name, diffulm_error_message());
    return session;
}

static bool add_row(diffulm_session *s, const json_t *tokens, const json_t *generated,
                    int64_t source, int64_t number)
{
    const size_t n = json_array_size(tokens);
    int32_t *ids = calloc(n, sizeof *ids);
    uint8_t *roles = calloc(n, 1);
    struct diffulm_row_options o = DIFFULM_ROW_OPTIONS_INIT;
    size_t row;
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(tokens, i));
    for (size_t i = 0; i < json_array_size(generated); i++)
        roles[json_integer_value(json_array_get(generated, i))] = DIFFULM_ROLE_MASKED;
    o.source_length = source > 0 ? source : -1;
    o.row_number = number;
    const bool ok = diffulm_session_add(s, ids, n, roles, &o, &row) == DIFFULM_OK;
    free(ids);
    free(roles);
    return ok;
}

/* Row `row` against a list of tokens: the whole row, or (positions given) those positions. */
static bool same(diffulm_session *s, size_t row, const json_t *want, const json_t *positions)
{
    int32_t ids[1024];
    size_t n;
    if (diffulm_session_tokens(s, row, ids, 1024, &n) != DIFFULM_OK)
        return false;
    for (size_t i = 0; i < json_array_size(want); i++) {
        const size_t at = positions ? (size_t)json_integer_value(json_array_get(positions, i)) : i;
        if (at >= n || ids[at] != json_integer_value(json_array_get(want, i)))
            return false;
    }
    return true;
}

static bool scores_close(diffulm_session *s, size_t row, const json_t *want)
{
    float scores[1024];
    size_t n;
    if (diffulm_session_scores(s, row, scores, 1024, &n) != DIFFULM_OK)
        return false;
    for (size_t i = 0; i < json_array_size(want); i++) {
        const json_t *x = json_array_get(want, i);
        const double w = json_is_null(x) ? -INFINITY : json_number_value(x);
        if (isinf(w) ? (double)scores[i] != w
                     : !(fabs((double)scores[i] - w) <= 1e-4 + 1e-4 * fabs(w)))
            return false;
    }
    return true;
}

/* Rows [first, last) of a trace case in one session. */
static void run_trace(const struct run *r, const json_t *item, size_t first, size_t last)
{
    const json_t *rows = json_object_get(item, "rows"), *trace = json_object_get(item, "trace");
    diffulm_session *s = session_of(r);
    bool ok = s != NULL;
    for (size_t i = first; ok && i < last; i++) {
        const json_t *row = json_array_get(rows, i);
        ok = add_row(s, json_object_get(row, "tokens"), json_object_get(row, "generated"),
                     json_integer_value(json_object_get(row, "source_length")), (int64_t)i);
    }
    for (size_t k = 0; ok && k < json_array_size(trace); k++) {
        const json_t *entry = json_array_get(trace, k);
        ok = diffulm_session_step(s, NULL) >= 0;
        for (size_t i = first; ok && i < last; i++)
            ok = same(s, i - first, json_array_get(json_object_get(entry, "tokens"), i), NULL) &&
                 scores_close(s, i - first, json_array_get(json_object_get(entry, "scores"), i));
        if (!ok)
            golden_fail(AREA, "%s %s rows %zu-%zu: step %zu differs: %s", r->name, r->backend,
                        first, last, k + 1, diffulm_error_message());
    }
    if (ok)
        golden_pass(AREA, "%s %s rows %zu-%zu", r->name, r->backend, first, last);
    diffulm_session_destroy(s);
}

static void run_end_to_end(const char *folder, const struct golden_runtime *rt)
{
    char *path = golden_path(folder, "samplers/end_to_end.json");
    json_t *root = golden_json(AREA, path), *item;
    size_t i;
    json_array_foreach(json_object_get(root, "cases"), i, item)
    {
        char *models = golden_path(folder, "models");
        char *model = golden_path(models, json_string_value(json_object_get(item, "model")));
        struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
        mo.runtime = rt->runtime;
        const char *seed = json_string_value(json_object_get(item, "seed"));
        const char *attention = json_string_value(json_object_get(item, "attention"));
        struct run r = {.name = json_string_value(json_object_get(item, "name")),
                        .backend = rt->name,
                        .sampler = golden_sampler(item),
                        .seed = seed ? strtoull(seed, NULL, 10) : 0,
                        .mask = (int32_t)json_integer_value(
                            json_object_get(json_object_get(item, "special"), "mask")),
                        .attention =
                            strcmp(attention, "prefix_lm") == 0 ? DIFFULM_ATTENTION_PREFIX_LM : 0};
        const size_t rows = json_array_size(json_object_get(item, "rows"));
        if (diffulm_model_open(model, &mo, &r.model) < 0)
            golden_fail(AREA, "%s", diffulm_error_message());
        else {
            run_trace(&r, item, 0, rows);
            for (size_t row = 0; rows > 1 && row < rows; row++)
                run_trace(&r, item, row, row + 1);
        }
        diffulm_sampler_unref(r.sampler);
        diffulm_model_unref(r.model);
        free(model);
        free(models);
    }
    json_decref(root);
    free(path);
}

static void run_fill_case(struct run *r, const char *policy, const json_t *item)
{
    const json_t *ids = json_object_get(item, "ids"),
                 *generated = json_object_get(item, "generated");
    json_t *entry;
    size_t i;
    json_array_foreach(json_object_get(item, "runs"), i, entry)
    {
        const json_t *steps = json_object_get(entry, "steps");
        struct diffulm_sampler_options o = DIFFULM_SAMPLER_OPTIONS_INIT;
        o.steps = (int32_t)json_integer_value(json_object_get(entry, "K"));
        if (diffulm_sampler_create(policy, &o, &r->sampler) < 0)
            golden_fail(AREA, "%s", diffulm_error_message());
        diffulm_session *s = session_of(r);
        bool ok = s && add_row(s, ids, generated, 0, 0);
        for (size_t k = 0; ok && k < json_array_size(steps); k++)
            ok = diffulm_session_step(s, NULL) >= 0 &&
                 same(s, 0, json_array_get(steps, k), generated);
        if (ok)
            golden_pass(AREA, "%s K=%d %s", r->name, o.steps, r->backend);
        else
            golden_fail(AREA, "%s K=%d %s: differs: %s", r->name, o.steps, r->backend,
                        diffulm_error_message());
        diffulm_session_destroy(s);
        diffulm_sampler_unref(r->sampler);
    }
}

static void run_fill(const char *models, const char *name, const struct golden_runtime *rt)
{
    char *folder = golden_path(models, name);
    char *path = golden_path(folder, "golden/fill_cases.json");
    json_t *root = golden_json(AREA, path), *item;
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    mo.runtime = rt->runtime;
    struct run r = {.backend = rt->name,
                    .mask = (int32_t)json_integer_value(json_object_get(root, "mask_id"))};
    const char *policy = json_string_value(json_object_get(root, "policy"));
    size_t i;
    if (diffulm_model_open(folder, &mo, &r.model) < 0)
        golden_fail(AREA, "%s", diffulm_error_message());
    else
        json_array_foreach(json_object_get(root, "cases"), i, item)
        {
            r.name = json_string_value(json_object_get(item, "name"));
            run_fill_case(&r, policy, item);
        }
    diffulm_model_unref(r.model);
    json_decref(root);
    free(path);
    free(folder);
}

void golden_sessions(const char *folder)
{
    char *models = golden_path(folder, "models");
    char **names = golden_names(models);
    golden_runtimes_open();
    for (const struct golden_runtime *rt = golden_runtimes; rt->name; rt++) {
        if (golden_exists(folder, "samplers/end_to_end.json"))
            run_end_to_end(folder, rt);
        for (char **name = names; name && *name; name++) {
            char *path = golden_path(models, *name);
            if (golden_exists(path, "golden/fill_cases.json"))
                run_fill(models, *name, rt);
            free(path);
        }
    }
    golden_runtimes_close();
    golden_names_free(names);
    free(models);
}

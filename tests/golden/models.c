/* models.c: checkpoints against what transformers computes with them (models/NAME/golden), and broken
 * ones that must be refused (models/bad/expect.tsv). */
#include <diffulm/error.h>
#include <diffulm/model.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "areas.h"
#include "tensors.h"

static const char *const kinds[] = {"full", "prefix_lm", "causal", "blockwise"};

static int kind_of(const char *name)
{
    for (int i = 0; i < 4; i++)
        if (name && strcmp(name, kinds[i]) == 0)
            return i;
    return 0;
}

/* Marks the first source_lengths[r] tokens of each row. */
static uint8_t *source_flags(const size_t *offsets, size_t rows, const int32_t *lengths)
{
    uint8_t *flags = calloc(offsets[rows] + 1, 1);
    for (size_t r = 0; lengths && r < rows; r++)
        memset(flags + offsets[r], 1, (size_t)lengths[r]);
    return flags;
}

struct context {
    const char *name, *backend;
    diffulm_model *model;
    const struct dulm_safetensors *golden;
    double tolerance;
    int32_t newline, pad;
    size_t vocabulary;
};

/* One case: run `batch` and compare with the logits tensor `expected`. */
static void compare(const struct context *c, const struct diffulm_batch *batch,
                    const char *expected)
{
    size_t count;
    const float *want = golden_tensor("models", c->golden, expected, DULM_F32, &count);
    const size_t total = batch->offsets[batch->rows];
    if (!want)
        return;
    if (count != total * c->vocabulary) {
        golden_fail("models", "%s: %s has %zu elements", c->name, expected, count);
        return;
    }
    float *logits = malloc(count * sizeof *logits);
    if (diffulm_model_logits(c->model, batch, NULL, 0, logits) < 0)
        golden_fail("models", "%s %s %s: %s", c->name, c->backend, expected,
                    diffulm_error_message());
    else {
        const double d = golden_max_difference(count, logits, want);
        if (d <= c->tolerance)
            golden_pass("models", "%s %s %s: %.2g", c->name, c->backend, expected, d);
        else
            golden_fail("models", "%s %s %s: logits differ by %.3g, at most %.1g allowed", c->name,
                        c->backend, expected, d, c->tolerance);
    }
    free(logits);
}

static const char *text_or(const json_t *item, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(item, key));
    return text ? text : fallback;
}

static void run_case(const struct context *c, const json_t *item)
{
    size_t rows, n;
    const char *tokens_name = text_or(item, "tokens", "tokens");
    const char *offsets_name = text_or(item, "offsets", "offsets");
    const char *logits_name = text_or(item, "logits", "full.logits");
    const char *positions_name = json_string_value(json_object_get(item, "position_ids"));
    const int32_t *tokens = golden_tensor("models", c->golden, tokens_name, DULM_I32, &n);
    const int32_t *offsets32 = golden_tensor("models", c->golden, offsets_name, DULM_I32, &rows);
    if (!tokens || !offsets32)
        return;
    rows--;
    size_t *offsets = golden_offsets(offsets32, rows + 1);
    const struct dulm_tensor *sources = strcmp(tokens_name, "tokens") == 0
                                            ? dulm_safetensors_find(c->golden, "source_lengths")
                                            : NULL;
    uint8_t *flags = source_flags(offsets, rows, sources ? sources->data : NULL);
    uint8_t *attended = NULL;
    const json_t *pads = json_object_get(item, "pads_attended");
    if (pads && json_is_false(pads)) {
        attended = malloc(n);
        for (size_t i = 0; i < n; i++)
            attended[i] = tokens[i] != c->pad;
    }
    struct diffulm_batch batch = {
        sizeof batch,
        rows,
        offsets,
        tokens,
        positions_name ? golden_tensor("models", c->golden, positions_name, DULM_I32, NULL) : NULL,
        flags,
        attended,
        kind_of(json_string_value(json_object_get(item, "attention"))),
        c->newline};
    compare(c, &batch, logits_name);
    free(attended);
    free(flags);
    free(offsets);
}

/* The encoder's last state of one row under full attention. */
static void check_states(const struct context *c, const json_t *cases, const char *family,
                         int64_t layers, size_t hidden)
{
    const json_t *states = json_object_get(cases, "states"), *row = json_object_get(states, "row");
    char name[64];
    snprintf(name, sizeof name, "hidden.layer.%lld", (long long)layers - 1);
    if (strcmp(family, "xlm-roberta-xl") == 0)
        snprintf(name, sizeof name, "hidden.final_norm");
    if (!json_is_integer(row) || !dulm_safetensors_find(c->golden, name))
        return;
    size_t n;
    const float *want = golden_tensor("models", c->golden, name, DULM_F32, &n);
    const int32_t *tokens = golden_tensor("models", c->golden, "tokens", DULM_I32, NULL);
    const int32_t *offsets = golden_tensor("models", c->golden, "offsets", DULM_I32, NULL);
    const int32_t first = offsets[json_integer_value(row)];
    const size_t bounds[2] = {0, n / hidden};
    const struct diffulm_batch batch = {sizeof batch, 1,    bounds, tokens + first,
                                        NULL,         NULL, NULL,   DIFFULM_ATTENTION_FULL,
                                        c->newline};
    float *have = malloc(n * sizeof *have);
    const diffulm_status rc = diffulm_model_hidden(c->model, &batch, have);
    const double error = golden_max_difference(n, have, want);
    if (rc == DIFFULM_OK && error <= c->tolerance)
        golden_pass("models", "%s %s %s: %.2g", c->name, c->backend, name, error);
    else
        golden_fail("models", "%s %s %s: states differ by %.3g, at most %.1g allowed", c->name,
                    c->backend, name, error, c->tolerance);
    free(have);
}

static void run_cases(struct context *c, const json_t *cases)
{
    size_t i;
    json_t *item;
    json_t *list = json_object_get(cases, "cases");
    json_array_foreach(list, i, item) run_case(c, item);
}

static void run_model(const char *folder, const char *name, const struct golden_runtime *rt)
{
    char *path = golden_path(folder, name);
    char *golden = golden_path(path, "golden");
    struct diffulm_model_options options = DIFFULM_MODEL_OPTIONS_INIT;
    options.runtime = rt->runtime;
    struct context c = {.name = name, .backend = rt->name, .newline = -1};
    if (diffulm_model_open(path, &options, &c.model) < 0) {
        golden_fail("models", "%s: must load: %s", name, diffulm_error_message());
        goto done;
    }
    struct diffulm_model_info info = {.struct_size = sizeof info};
    if (diffulm_model_get_info(c.model, &info) < 0)
        goto done;
    golden_pass("models", "%s %s loads", name, rt->name);
    if (!golden_exists(golden, "forward.safetensors") || !golden_exists(golden, "cases.json"))
        goto done;
    c.vocabulary = (size_t)info.vocabulary;
    c.pad = info.pad_id;
    c.tolerance = strcmp(info.family, "modernbert") == 0 ? GOLDEN_LOGITS_ROTARY : GOLDEN_LOGITS;
    char *cases_path = golden_path(golden, "cases.json");
    json_t *cases = golden_json("models", cases_path);
    struct dulm_safetensors *forward = golden_tensors("models", golden, "forward.safetensors");
    c.golden = forward;
    if (cases && forward) {
        const json_t *newline = json_object_get(cases, "newline_id");
        c.newline = json_is_integer(newline) ? (int32_t)json_integer_value(newline) : -1;
        run_cases(&c, cases);
        check_states(&c, cases, info.family, info.layers, (size_t)info.hidden);
    }
    dulm_safetensors_close(forward);
    json_decref(cases);
    free(cases_path);
done:
    diffulm_model_unref(c.model);
    free(golden);
    free(path);
}

/* words: separated by spaces, all must appear; a|b: either. */
static bool mentions(const char *message, const char *words)
{
    char copy[512];
    snprintf(copy, sizeof copy, "%s", words);
    char *save_word = NULL, *save_choice = NULL;
    for (char *word = strtok_r(copy, " ", &save_word); word;
         word = strtok_r(NULL, " ", &save_word)) {
        bool found = false;
        for (char *choice = strtok_r(word, "|", &save_choice); choice;
             choice = strtok_r(NULL, "|", &save_choice))
            found = found || strstr(message, choice);
        if (!found)
            return false;
    }
    return true;
}

static void run_bad(const char *folder)
{
    char *list = golden_path(folder, "expect.tsv"), line[1024];
    FILE *file = fopen(list, "r");
    while (file && fgets(line, sizeof line, file)) {
        char *save = NULL, *name = strtok_r(line, "\t\n", &save),
             *words = strtok_r(NULL, "\t\n", &save);
        if (!name || name[0] == '#' || !words)
            continue;
        char *path = golden_path(folder, name);
        diffulm_model *model = NULL;
        if (diffulm_model_open(path, NULL, &model) >= 0)
            golden_fail("models", "bad/%s must be refused", name);
        else if (!mentions(diffulm_error_message(), words))
            golden_fail("models", "bad/%s: the message should name %s: %s", name, words,
                        diffulm_error_message());
        else
            golden_pass("models", "bad/%s: %s", name, diffulm_error_message());
        diffulm_model_unref(model);
        free(path);
    }
    if (file)
        fclose(file);
    free(list);
}

void golden_models(const char *folder)
{
    char *models = golden_path(folder, "models");
    char **names = golden_names(models);
    golden_runtimes_open();
    for (char **name = names; name && *name; name++) {
        char *path = golden_path(models, *name);
        if (golden_exists(path, "expect.tsv"))
            run_bad(path);
        else if (golden_exists(path, "config.json"))
            for (int i = 0; golden_runtimes[i].name; i++)
                run_model(models, *name, &golden_runtimes[i]);
        free(path);
    }
    golden_runtimes_close();
    golden_names_free(names);
    free(models);
}

/* lengths.c: length beams and selections (diffusion/lengths.json), and the length head's logits, loss,
 * gradients and decoding (training/length_head/). */
#include <diffulm/error.h>
#include <diffulm/length.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "areas.h"
#include "tensors.h"
#include "train/length_trainer.h"

#define AREA "lengths"

static bool same_sizes(const json_t *want, const size_t *have, size_t count)
{
    if (json_array_size(want) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if ((size_t)json_integer_value(json_array_get(want, i)) != have[i])
            return false;
    return true;
}

static void run_beam(const json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const json_t *values = json_object_get(item, "logits");
    const size_t classes = json_array_size(values);
    const size_t beam = (size_t)json_integer_value(json_object_get(item, "length_beam"));
    const size_t positions =
        (size_t)json_integer_value(json_object_get(item, "max_position_embeddings"));
    const size_t source = json_array_size(json_object_get(item, "source"));
    float *logits = calloc(classes, sizeof *logits);
    size_t *lengths = calloc(beam, sizeof *lengths), count = 0;
    for (size_t c = 0; c < classes; c++)
        logits[c] = json_is_number(json_array_get(values, c)) /* null is minus infinity */
                        ? (float)json_number_value(json_array_get(values, c))
                        : -INFINITY;
    static const char *const keys[] = {"lengths", "unique_lengths"};
    for (int unique = 0; unique < 2; unique++) {
        const json_t *want = json_object_get(item, keys[unique]);
        if (!want)
            continue;
        const diffulm_status rc = diffulm_length_candidates(logits, classes, beam, positions,
                                                            source, unique, lengths, &count);
        const bool right = json_is_null(want)
                               ? rc == DIFFULM_E_LIMIT
                               : rc == DIFFULM_OK && same_sizes(want, lengths, count);
        if (right)
            golden_pass(AREA, "%s %s", name, keys[unique]);
        else
            golden_fail(AREA, "%s: %s differ (status %d)", name, keys[unique], rc);
    }
    free(logits);
    free(lengths);
}

static void run_selection(const json_t *item, size_t number)
{
    const json_t *list = json_object_get(item, "hypotheses");
    const size_t count = json_array_size(list);
    struct diffulm_hypothesis *h = calloc(count, sizeof *h);
    double *means = calloc(count, sizeof *means);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(list, i), *tokens = json_object_get(one, "tokens");
        const json_t *score = json_object_get(one, "score");
        int32_t *ids = calloc(json_array_size(tokens) + 1, sizeof *ids);
        for (size_t k = 0; k < json_array_size(tokens); k++)
            ids[k] = (int32_t)json_integer_value(json_array_get(tokens, k));
        h[i] = (struct diffulm_hypothesis){ids, json_array_size(tokens),
                                           json_is_number(score) ? (float)json_number_value(score)
                                                                 : -INFINITY};
    }
    static const char *const keys[] = {"by_score", "by_mbr"};
    for (int method = 0; method < 2; method++) {
        size_t best = count;
        const diffulm_status rc = diffulm_select_hypothesis(h, count, method, &best, means);
        const size_t want = (size_t)json_integer_value(json_object_get(item, keys[method]));
        if (rc == DIFFULM_OK && best == want)
            golden_pass(AREA, "selection %zu %s", number, keys[method]);
        else
            golden_fail(AREA, "selection %zu %s: %zu, expected %zu", number, keys[method], best,
                        want);
    }
    const json_t *rouge = json_object_get(item, "mean_rouge_l");
    for (size_t i = 0; i < json_array_size(rouge); i++)
        if (fabs(means[i] - json_number_value(json_array_get(rouge, i))) > 1e-12)
            golden_fail(AREA, "selection %zu: ROUGE-L of %zu is %.17g", number, i, means[i]);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)h[i].tokens);
    free(h);
    free(means);
}

static void run_lists(const char *folder)
{
    if (!golden_exists(folder, "diffusion/lengths.json"))
        return;
    char *path = golden_path(folder, "diffusion/lengths.json");
    json_t *root = golden_json(AREA, path), *item;
    size_t i;
    json_array_foreach(json_object_get(root, "beams"), i, item) run_beam(item);
    json_array_foreach(json_object_get(root, "selections"), i, item) run_selection(item, i);
    json_decref(root);
    free(path);
}

struct head_case {
    const char *label, *backend;
    struct dulm_safetensors *golden, *grads;
    json_t *cases;
    diffulm_length_head *head;
    size_t rows, classes;
    size_t *offsets;
    const int32_t *tokens, *target_lengths;
};

static void check_logits(const struct head_case *c)
{
    const float *want = golden_tensor(AREA, c->golden, "logits", DULM_F32, NULL);
    float *logits = calloc(c->rows * c->classes, sizeof *logits);
    const diffulm_status rc =
        diffulm_length_head_logits(c->head, c->rows, c->offsets, c->tokens, logits);
    const double error = want ? golden_max_difference(c->rows * c->classes, logits, want) : 1;
    if (rc == DIFFULM_OK && error <= GOLDEN_LOGITS)
        golden_pass(AREA, "%s %s logits: %.2g", c->label, c->backend, error);
    else
        golden_fail(AREA, "%s %s logits: %.3g %s", c->label, c->backend, error,
                    diffulm_error_message());
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(c->cases, "decode"), i, item)
    {
        const size_t beam = (size_t)json_integer_value(json_object_get(item, "length_beam"));
        size_t lengths[64], count;
        for (size_t r = 0; r < c->rows; r++) {
            const json_t *expected = json_array_get(json_object_get(item, "target_lengths"), r);
            if (diffulm_length_candidates(logits + r * c->classes, c->classes, beam, c->classes,
                                          c->offsets[r + 1] - c->offsets[r], 0, lengths,
                                          &count) == DIFFULM_OK &&
                same_sizes(expected, lengths, count))
                golden_pass(AREA, "%s %s beam %zu row %zu", c->label, c->backend, beam, r);
            else
                golden_fail(AREA, "%s %s beam %zu row %zu differs", c->label, c->backend, beam, r);
        }
    }
    free(logits);
}

/* Clean rows of which only the source and the target's length matter. */
static void check_gradients(const struct head_case *c)
{
    size_t total = 0, at = 0;
    for (size_t r = 0; r < c->rows; r++)
        total += c->offsets[r + 1] - c->offsets[r] + (size_t)c->target_lengths[r];
    int32_t *tokens = calloc(total, sizeof *tokens);
    size_t *offsets = calloc(c->rows + 1, sizeof *offsets),
           *sources = calloc(c->rows, sizeof *sources);
    for (size_t r = 0; r < c->rows; r++) {
        sources[r] = c->offsets[r + 1] - c->offsets[r];
        memcpy(tokens + at, c->tokens + c->offsets[r], sources[r] * sizeof *tokens);
        at += sources[r] + (size_t)c->target_lengths[r];
        offsets[r + 1] = at;
    }
    const struct diffulm_rows rows = {sizeof rows, c->rows, offsets, tokens, sources};
    diffulm_length_trainer *t = NULL;
    double loss = 0;
    const double want = json_number_value(json_object_get(c->cases, "loss"));
    if (diffulm_length_trainer_create(c->head, NULL, &t) < 0 ||
        dulm_length_trainer_gradient(t, &rows, &loss) < 0)
        golden_fail(AREA, "%s: %s", c->label, diffulm_error_message());
    else if (fabs(loss - want) <= GOLDEN_LOSS * want)
        golden_pass(AREA, "%s %s loss: relative %.2g", c->label, c->backend, fabs(loss / want - 1));
    else
        golden_fail(AREA, "%s %s loss: %.9g, expected %.9g", c->label, c->backend, loss, want);
    for (int i = 0; t && i < DULM_LENGTH_SLOTS; i++) {
        struct dulm_trainable *x = &t->trainables[i];
        const float *expected = golden_tensor(AREA, c->grads, x->name, DULM_F32, NULL);
        if (i == DULM_LENGTH_QKV_B) { /* the key third is noise around 0 and stored as 0 */
            const size_t d = x->elements / 3;
            const double noise = golden_norm(d, x->gradient + d) /
                                 json_number_value(json_object_get(c->cases, "grad_norm"));
            if (noise > GOLDEN_KEY_BIAS)
                golden_fail(AREA, "%s key bias: %.2g of the norm", c->label, noise);
            memset(x->gradient + d, 0, d * sizeof(float));
        }
        const double error = expected ? golden_relative_l2(x->elements, x->gradient, expected) : 1;
        if (error <= GOLDEN_GRADIENT)
            golden_pass(AREA, "%s %s %s: %.2g", c->label, c->backend, x->name, error);
        else
            golden_fail(AREA, "%s %s %s: relative L2 %.3g", c->label, c->backend, x->name, error);
    }
    diffulm_length_trainer_destroy(t);
    free(tokens);
    free(offsets);
    free(sources);
}

/* The fixture's file is head.safetensors; a head is opened by the library's own name for it. */
static diffulm_length_head *open_head(diffulm_model *model, const struct dulm_safetensors *file)
{
    struct dulm_length_parameter parameters[DULM_LENGTH_SLOTS];
    const size_t total = dulm_length_parameters(&model->config, parameters);
    float *values = calloc(total, sizeof *values), *next = values;
    diffulm_length_head *head = NULL;
    for (int i = 0; i < DULM_LENGTH_SLOTS; i++) {
        size_t n = 0;
        const float *data = golden_tensor(AREA, file, parameters[i].name, DULM_F32, &n);
        if (data && n == parameters[i].elements)
            memcpy(next, data, n * sizeof *data);
        next += parameters[i].elements;
    }
    if (dulm_length_head_from_memory(model, values, &head) < 0)
        golden_fail(AREA, "%s", diffulm_error_message());
    free(values);
    return head;
}

static void run_head(const char *folder, const char *name, const struct golden_runtime *rt)
{
    char *sub = golden_path(folder, name), *cases_path = golden_path(sub, "cases.json");
    struct dulm_safetensors *weights = golden_tensors(AREA, sub, "head.safetensors");
    struct head_case c = {.label = name,
                          .backend = rt->name,
                          .golden = golden_tensors(AREA, sub, "golden.safetensors"),
                          .grads = golden_tensors(AREA, sub, "grads.safetensors"),
                          .cases = golden_json(AREA, cases_path)};
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    diffulm_model *model = NULL;
    char *parent = golden_path(folder, ".."),
         *path = golden_path(parent, json_string_value(json_object_get(c.cases, "model")));
    size_t n = 0;
    mo.runtime = rt->runtime;
    if (!weights || !c.golden || !c.grads || !c.cases ||
        diffulm_model_open(path, &mo, &model) < 0) {
        golden_fail(AREA, "%s: %s", sub, diffulm_error_message());
    } else if ((c.head = open_head(model, weights))) {
        const int32_t *offsets = golden_tensor(AREA, c.golden, "offsets", DULM_I32, &n);
        c.rows = n - 1;
        c.offsets = golden_offsets(offsets, n);
        c.tokens = golden_tensor(AREA, c.golden, "tokens", DULM_I32, NULL);
        c.target_lengths = golden_tensor(AREA, c.golden, "target_lengths_with_eos", DULM_I32, NULL);
        c.classes = diffulm_length_head_classes(c.head);
        check_logits(&c);
        check_gradients(&c);
    }
    diffulm_length_head_unref(c.head);
    diffulm_model_unref(model);
    dulm_safetensors_close(weights);
    dulm_safetensors_close(c.golden);
    dulm_safetensors_close(c.grads);
    json_decref(c.cases);
    free(c.offsets);
    free(parent);
    free(path);
    free(cases_path);
    free(sub);
}

void golden_lengths(const char *folder)
{
    run_lists(folder);
    char *heads = golden_path(folder, "training/length_head");
    char **names = golden_names(heads);
    golden_runtimes_open();
    for (const struct golden_runtime *rt = golden_runtimes; names && rt->name; rt++)
        for (char **name = names; *name; name++)
            run_head(heads, *name, rt);
    golden_runtimes_close();
    golden_names_free(names);
    free(heads);
}

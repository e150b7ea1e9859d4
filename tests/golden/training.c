/* training.c: losses, gradients, optimizer runs and LoRA against torch in float64 (training/). */
#include <diffulm/error.h>
#include <diffulm/trainer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "areas.h"
#include "tensors.h"
#include "train/trainer.h"

#define AREA "training"

/* Corrupted rows of a batch file. */
struct batch {
    struct dulm_safetensors *file;
    struct diffulm_corrupted_rows rows;
    size_t *offsets, *sources;
};

static bool batch_open(struct batch *b, const char *folder, const char *name)
{
    *b = (struct batch){.file = golden_tensors(AREA, folder, name)};
    if (!b->file)
        return false;
    size_t n;
    const int32_t *offsets = golden_tensor(AREA, b->file, "offsets", DULM_I32, &n);
    const int32_t *sources = golden_tensor(AREA, b->file, "source_lengths", DULM_I32, NULL);
    if (!offsets || !sources)
        return false;
    b->offsets = golden_offsets(offsets, n);
    b->sources = golden_offsets(sources, n - 1);
    b->rows =
        (struct diffulm_corrupted_rows){sizeof b->rows,
                                        n - 1,
                                        b->offsets,
                                        golden_tensor(AREA, b->file, "x_t", DULM_I32, NULL),
                                        golden_tensor(AREA, b->file, "x_0", DULM_I32, NULL),
                                        golden_tensor(AREA, b->file, "maskable", DULM_U8, NULL),
                                        golden_tensor(AREA, b->file, "masked", DULM_U8, NULL),
                                        golden_tensor(AREA, b->file, "t", DULM_I32, NULL),
                                        b->sources};
    return b->rows.x_t && b->rows.x_0 && b->rows.maskable && b->rows.masked && b->rows.t;
}

static void batch_close(struct batch *b)
{
    dulm_safetensors_close(b->file);
    free(b->offsets);
    free(b->sources);
}

static int weight_of(const char *name)
{
    return strcmp(name, "linear") == 0     ? DIFFULM_WEIGHT_LINEAR
           : strcmp(name, "constant") == 0 ? DIFFULM_WEIGHT_CONSTANT
                                           : DIFFULM_WEIGHT_MDLM;
}

static diffulm_trainer *trainer_on(const char *folder, const char *model_path,
                                   const struct golden_runtime *rt,
                                   struct diffulm_trainer_options *options)
{
    char *path = golden_path(folder, model_path);
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    mo.runtime = rt->runtime;
    diffulm_model *model = NULL;
    diffulm_trainer *trainer = NULL;
    options->mask_id = 210;
    if (diffulm_model_open(path, &mo, &model) < 0 ||
        diffulm_trainer_create(model, options, &trainer) < 0)
        golden_fail(AREA, "%s: %s", path, diffulm_error_message());
    diffulm_model_unref(model);
    free(path);
    return trainer;
}

static void check_relative(const char *what, const char *backend, double have, double want,
                           double tolerance)
{
    const double error = fabs(have - want) / fabs(want);
    if (error <= tolerance)
        golden_pass(AREA, "%s %s: relative %.2g", what, backend, error);
    else
        golden_fail(AREA, "%s %s: %.9g, expected %.9g (relative %.2g, at most %.1g)", what, backend,
                    have, want, error, tolerance);
}

/* Every trained tensor against a file of the same names; `what` picks gradient, values or moments. */
enum part { GRADIENT, VALUES, FIRST, SECOND };
static void check_tensors(const char *label, const char *backend, const diffulm_trainer *t,
                          const struct dulm_safetensors *file, enum part part, double tolerance)
{
    double total = 0;
    for (size_t i = 0; i < t->count; i++) {
        const double norm = golden_norm(t->trainables[i].elements, t->trainables[i].gradient);
        total += norm * norm;
    }
    for (size_t i = 0; i < t->count; i++) {
        const struct dulm_trainable *x = &t->trainables[i];
        const float *have[] = {x->gradient, x->values, x->m, x->v};
        const bool key = strstr(x->name, "key.bias") != NULL;
        size_t n;
        const float *want = golden_tensor(AREA, file, x->name, DULM_F32, &n);
        if (!want || n != x->elements || (key && part != GRADIENT))
            continue;
        if (key) {
            const double noise = golden_norm(n, have[part]) / sqrt(total);
            if (noise <= GOLDEN_KEY_BIAS)
                golden_pass(AREA, "%s %s %s: %.2g of the norm", label, backend, x->name, noise);
            else
                golden_fail(AREA, "%s %s %s: %.2g of the norm", label, backend, x->name, noise);
            continue;
        }
        const double error = golden_relative_l2(n, have[part], want);
        if (error <= tolerance)
            golden_pass(AREA, "%s %s %s: %.2g", label, backend, x->name, error);
        else
            golden_fail(AREA, "%s %s %s: relative L2 %.3g, at most %.1g", label, backend, x->name,
                        error, tolerance);
    }
}

static double gradient_norm(const diffulm_trainer *t)
{
    return golden_norm(t->total, t->memory);
}

struct objective {
    const char *attention, *weight, *gradients;
    double smoothing, loss, norm;
};

static void run_objective(const char *folder, const char *model, const char *label,
                          const struct golden_runtime *rt, const struct batch *b,
                          const struct objective *o, const char *data)
{
    struct diffulm_trainer_options options = DIFFULM_TRAINER_OPTIONS_INIT;
    options.weight = weight_of(o->weight);
    options.label_smoothing = o->smoothing;
    options.attention = strcmp(o->attention, "prefix_lm") == 0 ? DIFFULM_ATTENTION_PREFIX_LM : 0;
    diffulm_trainer *t = trainer_on(folder, model, rt, &options);
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    char what[160];
    snprintf(what, sizeof what, "%s %s-%g-%s", label, o->weight, o->smoothing, o->attention);
    if (!t)
        return;
    if (diffulm_trainer_accumulate_corrupted(t, &b->rows, &report) < 0)
        golden_fail(AREA, "%s: %s", what, diffulm_error_message());
    else {
        check_relative(what, rt->name, report.loss, o->loss, GOLDEN_LOSS);
        if (o->norm > 0)
            check_relative(what, rt->name, gradient_norm(t), o->norm, GOLDEN_LOSS);
        struct dulm_safetensors *file =
            o->gradients ? golden_tensors(AREA, data, o->gradients) : NULL;
        if (file)
            check_tensors(what, rt->name, t, file, GRADIENT, GOLDEN_GRADIENT);
        dulm_safetensors_close(file);
    }
    diffulm_trainer_destroy(t);
}

/* Cases as a list, or (ModernBERT) as an object of "weight-smoothing-attention". */
static void run_losses(const char *folder, const char *sub, const char *model_prefix,
                       const char *name, const struct golden_runtime *rt)
{
    char *data = golden_path(folder, sub), *cases_path = golden_path(data, "cases.json");
    char model[128], gradients[128], weight[32];
    json_t *cases = golden_json(AREA, cases_path);
    struct batch b;
    const bool open = batch_open(&b, data, "batch.safetensors");
    snprintf(model, sizeof model, "%s%s", model_prefix, name);
    size_t i;
    json_t *item;
    const char *key;
    if (open)
        json_array_foreach(json_object_get(cases, "cases"), i, item)
        {
            const char *attention = json_string_value(json_object_get(item, "attention"));
            const struct objective o = {attention ? attention : "full",
                                        json_string_value(json_object_get(item, "weight")),
                                        json_string_value(json_object_get(item, "gradients")),
                                        json_number_value(json_object_get(item, "label_smoothing")),
                                        json_number_value(json_object_get(item, "loss")),
                                        json_number_value(json_object_get(item, "grad_norm"))};
            run_objective(folder, model, sub, rt, &b, &o, data);
        }
    if (open)
        json_object_foreach(json_object_get(cases, "losses"), key, item)
        {
            double smoothing = 0;
            snprintf(gradients, sizeof gradients, "grads-%s.safetensors", key);
            sscanf(key, "%31[a-z]-%lf", weight, &smoothing);
            const struct objective o = {"full",
                                        weight,
                                        golden_exists(data, gradients) ? gradients : NULL,
                                        smoothing,
                                        json_number_value(json_object_get(item, "loss")),
                                        json_number_value(json_object_get(item, "grad_norm"))};
            run_objective(folder, model, sub, rt, &b, &o, data);
        }
    batch_close(&b);
    json_decref(cases);
    free(cases_path);
    free(data);
}

static struct diffulm_trainer_options run_options(const json_t *cases)
{
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    o.weight = weight_of(json_string_value(json_object_get(cases, "weight")));
    o.label_smoothing = json_number_value(json_object_get(cases, "label_smoothing"));
    const char *attention = json_string_value(json_object_get(cases, "attention"));
    o.attention = strcmp(attention, "prefix_lm") == 0 ? DIFFULM_ATTENTION_PREFIX_LM : 0;
    o.lr = json_number_value(json_object_get(cases, "base_lr"));
    o.warmup = json_integer_value(json_object_get(cases, "warmup_steps"));
    o.steps = json_integer_value(json_object_get(cases, "total_steps"));
    o.clip = json_number_value(json_object_get(cases, "clip_norm"));
    const char *schedule = json_string_value(json_object_get(cases, "schedule"));
    o.lr_schedule = strcmp(schedule, "linear") == 0 ? DIFFULM_LR_LINEAR : DIFFULM_LR_INVERSE_SQRT;
    return o;
}

/* Rows [first, last) of a batch, offsets starting at 0 again. */
static diffulm_status feed(diffulm_trainer *t, const struct batch *b, size_t first, size_t last)
{
    const size_t at = b->offsets[first];
    size_t *offsets = calloc(last - first + 1, sizeof *offsets);
    for (size_t r = first; r <= last; r++)
        offsets[r - first] = b->offsets[r] - at;
    struct diffulm_corrupted_rows rows = b->rows;
    rows.rows = last - first;
    rows.offsets = offsets;
    rows.x_t += at;
    rows.x_0 += at;
    rows.maskable += at;
    rows.masked += at;
    rows.t += first;
    rows.source_lengths += first;
    const diffulm_status rc = diffulm_trainer_accumulate_corrupted(t, &rows, NULL);
    free(offsets);
    return rc;
}

static void run_steps(diffulm_trainer *t, const struct batch *b, const json_t *cases,
                      const char *label, const char *backend)
{
    const int32_t *bounds = golden_tensor(AREA, b->file, "micro_batch_rows", DULM_I32, NULL);
    const json_t *log = json_object_get(cases, "log");
    const size_t micro =
        (size_t)json_integer_value(json_object_get(cases, "micro_batches_per_step"));
    for (size_t k = 0; bounds && k < json_array_size(log); k++) {
        const json_t *entry = json_array_get(log, k);
        struct diffulm_trainer_report report = {.struct_size = sizeof report};
        diffulm_status rc = DIFFULM_OK;
        for (size_t m = 0; rc == DIFFULM_OK && m < micro; m++)
            rc = feed(t, b, (size_t)bounds[k * micro + m], (size_t)bounds[k * micro + m + 1]);
        if (rc == DIFFULM_OK)
            rc = diffulm_trainer_apply(t, &report);
        if (rc < 0) {
            golden_fail(AREA, "%s step %zu: %s", label, k, diffulm_error_message());
            return;
        }
        check_relative(label, backend, report.loss,
                       json_number_value(json_object_get(entry, "loss")), GOLDEN_LOSS);
        check_relative(label, backend, report.grad_norm,
                       json_number_value(json_object_get(entry, "grad_norm")), GOLDEN_LOSS);
        const double lr = json_number_value(json_object_get(entry, "lr"));
        if (fabs(report.lr - lr) > 1e-12)
            golden_fail(AREA, "%s step %zu: lr %g, expected %g", label, k, report.lr, lr);
    }
}

static void run_trajectory(const char *folder, const char *sub, const struct golden_runtime *rt)
{
    static const struct {
        const char *file;
        enum part part;
        double tolerance;
    } ends[] = {{"final_weights.safetensors", VALUES, GOLDEN_WEIGHTS},
                {"exp_avg.safetensors", FIRST, GOLDEN_MOMENTS},
                {"exp_avg_sq.safetensors", SECOND, GOLDEN_MOMENTS}};
    char *data = golden_path(folder, sub), *cases_path = golden_path(data, "cases.json");
    json_t *cases = golden_json(AREA, cases_path);
    struct diffulm_trainer_options options = run_options(cases);
    diffulm_trainer *t =
        trainer_on(folder, json_string_value(json_object_get(cases, "model")), rt, &options);
    struct batch b;
    if (batch_open(&b, data, "batches.safetensors") && t) {
        run_steps(t, &b, cases, sub, rt->name);
        for (size_t i = 0; i < 3; i++) {
            struct dulm_safetensors *file = golden_tensors(AREA, data, ends[i].file);
            if (file)
                check_tensors(sub, rt->name, t, file, ends[i].part, ends[i].tolerance);
            dulm_safetensors_close(file);
        }
    }
    batch_close(&b);
    diffulm_trainer_destroy(t);
    json_decref(cases);
    free(cases_path);
    free(data);
}

static void check_lora_export(const diffulm_trainer *t, const char *data, const struct batch *b,
                              const char *backend)
{
    struct dulm_safetensors *golden = golden_tensors(AREA, data, "golden.safetensors");
    struct dulm_safetensors *merged = golden_tensors(AREA, data, "merged.safetensors");
    diffulm_model *model = NULL;
    size_t n = 0;
    const float *want = golden ? golden_tensor(AREA, golden, "logits", DULM_F32, &n) : NULL;
    float *logits = calloc(n + 1, sizeof *logits);
    const struct diffulm_batch batch = {.struct_size = sizeof batch,
                                        .rows = b->rows.rows,
                                        .offsets = b->offsets,
                                        .tokens = b->rows.x_t};
    if (diffulm_trainer_export(t, &model) < 0 ||
        diffulm_model_logits(model, &batch, NULL, 0, logits) < 0)
        golden_fail(AREA, "lora export: %s", diffulm_error_message());
    else if (want && golden_max_difference(n, logits, want) <= GOLDEN_LOGITS)
        golden_pass(AREA, "lora logits %s", backend);
    else
        golden_fail(AREA, "lora logits %s: differ by %.3g", backend,
                    want ? golden_max_difference(n, logits, want) : NAN);
    for (size_t i = 0; model && merged && i < model->parameter_count; i++) {
        const struct dulm_parameter *p = &model->parameters[i];
        const struct dulm_tensor *tensor = dulm_safetensors_find(merged, p->name);
        if (!tensor)
            continue;
        const double d =
            golden_max_difference(p->elements, dulm_weights_get(&model->weights, p), tensor->data);
        if (d <= GOLDEN_MERGED)
            golden_pass(AREA, "lora merged %s %s", p->name, backend);
        else
            golden_fail(AREA, "lora merged %s %s: differs by %.3g", p->name, backend, d);
    }
    diffulm_model_unref(model);
    free(logits);
    dulm_safetensors_close(golden);
    dulm_safetensors_close(merged);
}

static void run_lora(const char *folder, const struct golden_runtime *rt)
{
    char *data = golden_path(folder, "lora"), *cases_path = golden_path(data, "cases.json");
    json_t *cases = golden_json(AREA, cases_path);
    struct diffulm_trainer_options options = DIFFULM_TRAINER_OPTIONS_INIT;
    options.lora_rank = (int32_t)json_integer_value(json_object_get(cases, "rank"));
    options.lora_alpha = json_number_value(json_object_get(cases, "alpha"));
    diffulm_trainer *t =
        trainer_on(folder, json_string_value(json_object_get(cases, "model")), rt, &options);
    struct dulm_safetensors *adapter = golden_tensors(AREA, data, "adapter.safetensors");
    struct dulm_safetensors *grads = golden_tensors(AREA, data, "grads.safetensors");
    struct batch b;
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    if (batch_open(&b, data, "batch.safetensors") && t && adapter && grads) {
        for (size_t i = 0; i < t->count; i++) {
            size_t n;
            const float *values = golden_tensor(AREA, adapter, t->trainables[i].name, DULM_F32, &n);
            if (values && n == t->trainables[i].elements)
                memcpy(t->trainables[i].values, values, n * sizeof *values);
        }
        if (diffulm_trainer_accumulate_corrupted(t, &b.rows, &report) < 0)
            golden_fail(AREA, "lora: %s", diffulm_error_message());
        check_relative("lora", rt->name, report.loss,
                       json_number_value(json_object_get(cases, "loss")), GOLDEN_LOSS);
        check_tensors("lora", rt->name, t, grads, GRADIENT, GOLDEN_GRADIENT);
        check_lora_export(t, data, &b, rt->name);
    }
    batch_close(&b);
    dulm_safetensors_close(adapter);
    dulm_safetensors_close(grads);
    diffulm_trainer_destroy(t);
    json_decref(cases);
    free(cases_path);
    free(data);
}

static void each(const char *folder, const char *sub, const struct golden_runtime *rt,
                 void (*run)(const char *, const char *, const struct golden_runtime *))
{
    char *parent = golden_path(folder, sub);
    char **names = golden_names(parent);
    for (char **name = names; name && *name; name++) {
        char *path = golden_path(sub, *name);
        run(folder, path, rt);
        free(path);
    }
    golden_names_free(names);
    free(parent);
}

static void run_family(const char *folder, const char *sub, const struct golden_runtime *rt)
{
    run_losses(folder, sub, "models/", strrchr(sub, '/') + 1, rt);
}

void golden_training(const char *parent)
{
    char *folder = golden_path(parent, "training");
    golden_runtimes_open();
    for (const struct golden_runtime *rt = golden_runtimes; rt->name; rt++) {
        each(folder, "loss_and_grads", rt, run_family);
        each(folder, "adamw_trajectory", rt, run_trajectory);
        if (golden_exists(folder, "lora"))
            run_lora(folder, rt);
        if (golden_exists(folder, "mlm"))
            run_losses(folder, "mlm", "models/", "xlmr", rt);
    }
    golden_runtimes_close();
    free(folder);
}

/* trainer.c: life of a trainer: its weights or adapters, accumulating, updating, exporting. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "arch/adapter.h"
#include "arch/quantized.h"
#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"

static void destroy(struct diffulm_trainer *t)
{
    dulm_tape_destroy(t->tape);
    if (t->buffers)
        dulm_row_buffers_release(t->buffers);
    dulm_free(t->buffers);
    dulm_free(t->adapters);
    dulm_free(t->adapted);
    dulm_free(t->adapter_grads);
    dulm_free(t->averaged_adapters);
    dulm_weights_release(&t->weights);
    dulm_weights_release(&t->grads);
    dulm_weights_release(&t->averaged);
    dulm_free(t->values);
    dulm_free(t->averages);
    dulm_free(t->memory);
    dulm_free(t->trainables);
    dulm_config_release(&t->config);
    dulm_schedule_release(t->schedule);
    diffulm_model_unref(t->base);
    dulm_free(t);
}

void diffulm_trainer_destroy(diffulm_trainer *trainer)
{
    if (trainer)
        destroy(trainer);
}

diffulm_status dulm_trainer_place(struct diffulm_trainer *t)
{
    t->total = 0;
    for (size_t i = 0; i < t->count; i++)
        t->total += t->trainables[i].elements;
    t->values = dulm_alloc_tensor(t->total, sizeof(float));
    t->memory = dulm_alloc_tensor(3 * t->total, sizeof(float));
    if (t->options.ema_decay > 0)
        t->averages = dulm_alloc_tensor(t->total, sizeof(float));
    if (!t->values || !t->memory || (t->options.ema_decay > 0 && !t->averages))
        return dulm_fail_memory();
    memset(t->memory, 0, 3 * t->total * sizeof(float));
    size_t at = 0;
    for (size_t i = 0; i < t->count; i++) {
        struct dulm_trainable *x = &t->trainables[i];
        x->values = t->values + at;
        x->gradient = t->memory + at;
        x->m = t->memory + t->total + at;
        x->v = t->memory + 2 * t->total + at;
        x->average = t->averages ? t->averages + at : NULL;
        at += x->elements;
    }
    return DIFFULM_OK;
}

static void copy_weights(const struct diffulm_model *m, const struct dulm_parameter *p, float *out)
{
    const float *values = dulm_weights_get(&m->weights, p);
    for (size_t at = 0, n; at < p->elements; at += n) {
        const size_t left = p->elements - at;
        n = left < DULM_COPIED_AT_ONCE ? left : DULM_COPIED_AT_ONCE;
        memcpy(out + at, values + at, n * sizeof *out);
        dulm_model_let_go(m, values + at, n * sizeof *out);
    }
}

static diffulm_status train_all(struct diffulm_trainer *t)
{
    const struct diffulm_model *model = t->base;
    t->count = model->parameter_count;
    t->trainables = dulm_alloc_zero(t->count, sizeof *t->trainables);
    if (!t->trainables)
        return dulm_fail_memory();
    for (size_t i = 0; i < t->count; i++) {
        const struct dulm_parameter *p = &model->parameters[i];
        struct dulm_trainable *x = &t->trainables[i];
        snprintf(x->name, sizeof x->name, "%s", p->name);
        x->elements = p->elements;
        x->decays = p->decays;
    }
    diffulm_status rc = dulm_trainer_place(t);
    for (size_t i = 0; rc == DIFFULM_OK && i < t->count; i++) {
        const struct dulm_parameter *p = &model->parameters[i];
        copy_weights(model, p, t->trainables[i].values);
        dulm_weights_set(&t->weights, &t->config, p, t->trainables[i].values);
        dulm_weights_set(&t->grads, &t->config, p, t->trainables[i].gradient);
        if (t->averages)
            dulm_weights_set(&t->averaged, &t->config, p, t->trainables[i].average);
    }
    return rc;
}

static void fill_defaults(struct diffulm_trainer_options *o)
{
    o->lr = o->lr == 0 ? 5e-5 : o->lr;
    o->beta1 = o->beta1 == 0 ? 0.9 : o->beta1;
    o->beta2 = o->beta2 == 0 ? 0.98 : o->beta2;
    o->epsilon = o->epsilon == 0 ? 1e-8 : o->epsilon;
    o->weight_decay = o->weight_decay == 0 ? 0.01 : o->weight_decay < 0 ? 0 : o->weight_decay;
    o->clip = o->clip == 0 ? 1.0 : o->clip < 0 ? INFINITY : o->clip;
    o->timesteps = o->timesteps == 0 ? 50 : o->timesteps;
    o->lora_alpha = o->lora_alpha == 0 ? o->lora_rank : o->lora_alpha;
}

diffulm_status dulm_trainer_options_check(const struct dulm_config *config,
                                          struct diffulm_trainer_options *o)
{
    fill_defaults(o);
    const struct {
        const char *name;
        double value, low, high;
    } ranges[] = {{"lr", o->lr, 0, 1e3},
                  {"beta1", o->beta1, 0, 0.999999},
                  {"beta2", o->beta2, 0, 0.999999},
                  {"epsilon", o->epsilon, 0, 1},
                  {"label_smoothing", o->label_smoothing, 0, 1},
                  {"mask_ratio", o->mask_ratio, 0, 1},
                  {"objective", o->objective, 0, 1},
                  {"timesteps", o->timesteps, 1, 1 << 20},
                  {"weight", o->weight, 0, 2},
                  {"corruption", o->corruption, 0, 2},
                  {"lr_schedule", o->lr_schedule, 0, 3},
                  {"attention", o->attention, 0, 3},
                  {"warmup", (double)o->warmup, 0, 1e12},
                  {"steps", (double)o->steps, 0, 1e12},
                  {"ema_decay", o->ema_decay, 0, 0.999999},
                  {"checkpoint_activations", o->checkpoint_activations, 0, 1},
                  {"lora_rank", o->lora_rank, 0, (double)config->hidden},
                  {"mask_id", o->mask_id, 0, (double)config->vocabulary - 1}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            return dulm_fail(DIFFULM_E_ARGUMENT, "trainer options: %s is %g, expected %g to %g",
                             ranges[i].name, ranges[i].value, ranges[i].low, ranges[i].high);
    if (o->lr_schedule >= DIFFULM_LR_LINEAR && o->steps <= o->warmup)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "trainer options: steps must exceed warmup with this lr_schedule");
    if (o->objective == DIFFULM_OBJECTIVE_CAUSAL && o->attention != DIFFULM_ATTENTION_CAUSAL)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "trainer options: the causal objective needs causal attention");
    if (o->corruption == DIFFULM_CORRUPTION_FIXED && o->mask_ratio == 0)
        return dulm_fail(DIFFULM_E_ARGUMENT, "trainer options: mask_ratio is 0");
    return DIFFULM_OK;
}

static diffulm_status check_model(const struct diffulm_model *model,
                                  const struct diffulm_trainer_options *o)
{
    if (o->dropout && !dulm_dropout_fits(&model->config))
        return dulm_fail(DIFFULM_E_UNSUPPORTED,
                         "dropout: this model needs more than 2^26 draws for each position");
    if (!model->config.has_head)
        return dulm_fail(DIFFULM_E_UNSUPPORTED,
                         "this model has no language-model head; open it with a fresh one");
    if (model->adapter)
        return dulm_fail(DIFFULM_E_STATE, "this model has an adapter: merge it before training");
    return dulm_can_train(model);
}

void diffulm_trainer_options_init(struct diffulm_trainer_options *options, size_t struct_size)
{
    const struct diffulm_trainer_options defaults = DIFFULM_TRAINER_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

diffulm_status diffulm_trainer_create(diffulm_model *model,
                                      const struct diffulm_trainer_options *options,
                                      diffulm_trainer **out)
{
    dulm_error_clear();
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    if (!model || !out || (options && !dulm_struct_read(&o, sizeof o, options)))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "trainer create: model or out is NULL, or struct_size is not %zu",
                         sizeof o);
    diffulm_status rc = dulm_trainer_options_check(&model->config, &o);
    if (rc == DIFFULM_OK)
        rc = check_model(model, &o);
    if (rc < 0)
        return rc;
    struct diffulm_trainer *t = dulm_alloc_zero(1, sizeof *t);
    if (!t)
        return dulm_fail_memory();
    t->options = o;
    t->base = diffulm_model_ref(model);
    const struct diffulm_schedule_options schedule = {sizeof schedule, o.timesteps, o.weight,
                                                      o.corruption, o.mask_ratio};
    rc = dulm_schedule_create("linear", &schedule, &t->schedule);
    if (rc == DIFFULM_OK)
        rc = dulm_config_copy(&model->config, &t->config);
    if (rc == DIFFULM_OK)
        rc = dulm_weights_create(&t->config, &t->weights);
    if (rc == DIFFULM_OK)
        rc = dulm_weights_create(&t->config, &t->grads);
    if (rc == DIFFULM_OK && o.ema_decay > 0)
        rc = dulm_weights_create(&t->config, &t->averaged);
    if (rc == DIFFULM_OK)
        rc = o.lora_rank ? dulm_trainer_adapt(t) : train_all(t);
    if (rc == DIFFULM_OK && t->averages)
        memcpy(t->averages, t->values, t->total * sizeof(float));
    t->options.lora_targets = NULL; /* the caller's; t->adapted has what it chose */
    if (rc == DIFFULM_OK)
        rc = dulm_tape_create(o.checkpoint_activations != 0, &t->tape);
    if (rc == DIFFULM_OK && !(t->buffers = dulm_alloc_zero(1, sizeof *t->buffers)))
        rc = dulm_fail_memory();
    if (rc < 0) {
        destroy(t);
        return rc;
    }
    *out = t;
    return DIFFULM_OK;
}

static void report_on(const struct diffulm_trainer *t, double loss, double ce, int64_t tokens,
                      int64_t masked, struct diffulm_trainer_report *report)
{
    struct diffulm_trainer_report told = {0};
    if (!report || !dulm_struct_read(&told, sizeof told, report))
        return;
    told.step = t->step;
    told.loss = loss;
    told.cross_entropy = ce;
    told.tokens = tokens;
    told.masked = masked;
    dulm_struct_write(report, sizeof told, &told);
}

static diffulm_status accumulate(struct diffulm_trainer *t,
                                 const struct diffulm_corrupted_rows *rows, uint32_t clean_rows,
                                 struct diffulm_trainer_report *report)
{
    double loss, ce;
    size_t masked;
    diffulm_status rc = dulm_trainer_pass(t, rows, true, &loss, &ce, &masked);
    if (rc < 0)
        return rc;
    t->next_row += clean_rows;
    t->micro_batches++;
    t->tokens += (int64_t)rows->offsets[rows->rows];
    t->masked += (int64_t)masked;
    t->loss_sum += loss;
    report_on(t, loss, ce, t->tokens, t->masked, report);
    return DIFFULM_OK;
}

static diffulm_status check_report(const struct diffulm_trainer_report *report)
{
    if (report && !dulm_struct_fits(report, sizeof *report))
        return dulm_fail(DIFFULM_E_ARGUMENT, "trainer report: struct_size must be %zu",
                         sizeof *report);
    return DIFFULM_OK;
}

diffulm_status diffulm_trainer_accumulate_corrupted(diffulm_trainer *t,
                                                    const struct diffulm_corrupted_rows *given,
                                                    struct diffulm_trainer_report *report)
{
    dulm_error_clear();
    struct diffulm_corrupted_rows known = {0}, *rows = &known;
    if (!t || !given || !dulm_struct_read(rows, sizeof *rows, given) || rows->rows == 0)
        return dulm_fail(DIFFULM_E_ARGUMENT, "rows: none, or struct_size is not %zu", sizeof *rows);
    if (t->options.objective == DIFFULM_OBJECTIVE_CAUSAL)
        return dulm_fail(DIFFULM_E_ARGUMENT, "rows: the causal objective takes clean rows");
    diffulm_status rc = check_report(report);
    if (rc == DIFFULM_OK)
        rc = dulm_rows_check(rows->rows, rows->offsets, rows->source_lengths);
    if (rc == DIFFULM_OK)
        rc = dulm_row_buffers_reserve(t->buffers, rows->offsets[rows->rows], rows->rows);
    if (rc < 0)
        return rc;
    for (size_t r = 0; r < rows->rows; r++)
        t->buffers->row_number[r] = t->next_row + (uint32_t)r;
    return accumulate(t, rows, (uint32_t)rows->rows, report);
}

/* Corrupted rows of the buffers, as a batch. */
static diffulm_status corrupt(struct diffulm_trainer *t, const struct diffulm_rows *given,
                              uint64_t seed, uint32_t step, uint32_t first,
                              struct diffulm_corrupted_rows *out)
{
    struct diffulm_rows known = {0}, *clean = &known;
    if (!given || !dulm_struct_read(clean, sizeof *clean, given) || clean->rows == 0)
        return dulm_fail(DIFFULM_E_ARGUMENT, "rows: none, or struct_size is not %zu",
                         sizeof *clean);
    struct dulm_row_buffers *b = t->buffers;
    size_t rows = 0;
    diffulm_status rc = dulm_corrupt_batch(t, seed, step, first, clean, &rows);
    *out = (struct diffulm_corrupted_rows){sizeof *out, rows,   b->offsets,
                                           b->x_t,      b->x_0, b->maskable,
                                           b->masked,   b->t,   b->source_lengths};
    return rc;
}

diffulm_status diffulm_trainer_accumulate(diffulm_trainer *t, const struct diffulm_rows *rows,
                                          struct diffulm_trainer_report *report)
{
    dulm_error_clear();
    if (!t)
        return dulm_fail(DIFFULM_E_ARGUMENT, "trainer is NULL");
    struct diffulm_corrupted_rows corrupted;
    diffulm_status rc = check_report(report);
    if (rc == DIFFULM_OK)
        rc = corrupt(t, rows, t->options.seed, (uint32_t)t->step, t->next_row, &corrupted);
    return rc < 0 ? rc : accumulate(t, &corrupted, (uint32_t)rows->rows, report);
}

diffulm_status diffulm_trainer_evaluate(diffulm_trainer *t, const struct diffulm_rows *rows,
                                        uint64_t seed, struct diffulm_trainer_report *report)
{
    dulm_error_clear();
    if (!t || !report)
        return dulm_fail(DIFFULM_E_ARGUMENT, "trainer or report is NULL");
    struct diffulm_corrupted_rows corrupted;
    double loss, ce;
    size_t masked;
    diffulm_status rc = check_report(report);
    if (rc == DIFFULM_OK)
        rc = corrupt(t, rows, seed, 0, 0, &corrupted);
    if (rc == DIFFULM_OK)
        rc = dulm_trainer_pass(t, &corrupted, false, &loss, &ce, &masked);
    if (rc < 0)
        return rc;
    report_on(t, loss, ce, (int64_t)corrupted.offsets[corrupted.rows], (int64_t)masked, report);
    return DIFFULM_OK;
}

void diffulm_trainer_discard(diffulm_trainer *t)
{
    memset(t->memory, 0, t->total * sizeof(float));
    t->micro_batches = t->tokens = t->masked = 0;
    t->next_row = 0;
    t->loss_sum = 0;
}

int64_t diffulm_trainer_parameters(const diffulm_trainer *t)
{
    return t ? (int64_t)t->total : -1;
}

static diffulm_status check_export(const struct diffulm_trainer *t, diffulm_model **out)
{
    dulm_error_clear();
    return t && out ? DIFFULM_OK : dulm_fail(DIFFULM_E_ARGUMENT, "trainer or out is NULL");
}

static diffulm_status export_model(const struct diffulm_trainer *t, const float *values,
                                   const struct dulm_adapter *adapters, diffulm_model **out)
{
    if (!adapters)
        return dulm_model_from_memory(t->base->runtime, &t->config, values, out);
    return dulm_merge_adapters(t->base, adapters, out);
}

diffulm_status diffulm_trainer_export(const diffulm_trainer *t, diffulm_model **out)
{
    diffulm_status rc = check_export(t, out);
    return rc < 0 ? rc : export_model(t, t->values, t->adapters, out);
}

diffulm_status dulm_trainer_check_averages(const struct diffulm_trainer *t)
{
    return t->averages
               ? DIFFULM_OK
               : dulm_fail(DIFFULM_E_STATE, "this trainer keeps no averages: its ema_decay is 0");
}

diffulm_status diffulm_trainer_export_ema(const diffulm_trainer *t, diffulm_model **out)
{
    diffulm_status rc = check_export(t, out);
    if (rc == DIFFULM_OK)
        rc = dulm_trainer_check_averages(t);
    return rc < 0 ? rc : export_model(t, t->averages, t->averaged_adapters, out);
}

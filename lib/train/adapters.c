/* adapters.c: what a trainer trains with LoRA: pairs of matrices beside frozen weights. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "arch/adapter.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "train/trainer.h"

/* A starts uniform in ±sqrt(3/in)·sqrt(1/3) = ±1/sqrt(in) (kaiming with a = sqrt 5), B at 0. */
static void start(struct diffulm_trainer *t, uint32_t number, struct dulm_trainable *a,
                  struct dulm_trainable *b)
{
    const double bound = 1.0 / sqrt((double)a->columns);
    for (size_t i = 0; i < a->elements; i++) {
        const uint32_t x = dulm_draw(t->options.seed, DULM_STREAM_INIT, 0, number, (uint32_t)i, 0);
        a->values[i] = (float)((2 * dulm_uniform(x) - 1) * bound);
    }
    memset(b->values, 0, b->elements * sizeof(float));
}

static void describe(const struct diffulm_trainer *t, const struct dulm_parameter *p,
                     struct dulm_trainable pair[2])
{
    const size_t rank = (size_t)t->options.lora_rank;
    char module[128];
    dulm_module_name(p, module, sizeof module);
    for (int b = 0; b < 2; b++) {
        snprintf(pair[b].name, sizeof pair[b].name, "%s.lora_%c.weight", module, b ? 'B' : 'A');
        pair[b].rows = b ? (size_t)p->shape[0] : rank;
        pair[b].columns = b ? rank : (size_t)p->shape[1];
        pair[b].elements = pair[b].rows * pair[b].columns;
        pair[b].decays = true;
    }
}

static diffulm_status describe_all(struct diffulm_trainer *t)
{
    const struct diffulm_model *model = t->base;
    const size_t table = (size_t)t->config.layers * DULM_LAYER_SLOTS;
    t->adapted = dulm_alloc(model->parameter_count, 1);
    if (!t->adapted)
        return dulm_fail_memory();
    diffulm_status rc = dulm_adapter_choose(model, t->options.lora_targets, t->adapted);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < model->parameter_count; i++)
        t->count += 2 * t->adapted[i];
    t->trainables = dulm_alloc_zero(t->count, sizeof *t->trainables);
    t->adapters = dulm_alloc_zero(table, sizeof *t->adapters);
    t->adapter_grads = dulm_alloc_zero(table, sizeof *t->adapter_grads);
    const bool averages = t->options.ema_decay > 0;
    if (averages)
        t->averaged_adapters = dulm_alloc_zero(table, sizeof *t->averaged_adapters);
    if (!t->trainables || !t->adapters || !t->adapter_grads || (averages && !t->averaged_adapters))
        return dulm_fail_memory();
    for (size_t i = 0, n = 0; i < model->parameter_count; i++)
        if (t->adapted[i]) {
            describe(t, &model->parameters[i], t->trainables + n);
            n += 2;
        }
    return DIFFULM_OK;
}

diffulm_status dulm_trainer_adapt(struct diffulm_trainer *t)
{
    const struct diffulm_model *model = t->base;
    const size_t rank = (size_t)t->options.lora_rank;
    const float scale = (float)(t->options.lora_alpha / t->options.lora_rank);
    diffulm_status rc = describe_all(t);
    if (rc == DIFFULM_OK)
        rc = dulm_trainer_place(t);
    if (rc < 0)
        return rc;
    for (size_t i = 0, n = 0; i < model->parameter_count; i++) {
        const struct dulm_parameter *p = &model->parameters[i];
        dulm_weights_set(&t->weights, &t->config, p, dulm_weights_get(&model->weights, p));
        if (t->averages)
            dulm_weights_set(&t->averaged, &t->config, p, dulm_weights_get(&model->weights, p));
        if (!t->adapted[i])
            continue;
        struct dulm_trainable *a = &t->trainables[n], *b = a + 1;
        start(t, (uint32_t)n, a, b);
        dulm_adapter_enter(t->adapters, p, a->values, b->values, rank, scale);
        dulm_adapter_enter(t->adapter_grads, p, a->gradient, b->gradient, rank, scale);
        if (t->averages)
            dulm_adapter_enter(t->averaged_adapters, p, a->average, b->average, rank, scale);
        n += 2;
    }
    t->weights.half = t->averaged.half = model->weights.half;
    t->weights.adapter = t->adapters;
    t->grads.adapter = t->adapter_grads;
    t->averaged.adapter = t->averaged_adapters;
    return DIFFULM_OK;
}

diffulm_status dulm_trainer_copy_adapter(const struct diffulm_trainer *t, const float *values,
                                         struct diffulm_adapter **out)
{
    struct diffulm_adapter *adapter;
    diffulm_status rc = dulm_adapter_create(t->base, t->adapted, (size_t)t->options.lora_rank,
                                            t->options.lora_alpha, &adapter);
    if (rc < 0)
        return rc;
    memcpy(adapter->values, values, t->total * sizeof(float));
    *out = adapter;
    return DIFFULM_OK;
}

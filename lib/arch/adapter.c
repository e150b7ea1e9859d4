/* adapter.c: which linear maps adapters are added to, the frozen adapter, and models with one: shared or merged. */
#include "arch/adapter.h"

#include <stdio.h>
#include <string.h>

#include "arch/quantized.h"
#include "base/alloc.h"
#include "base/error.h"

bool dulm_adaptable(const struct dulm_parameter *p)
{
    return p->layer >= 0 && p->rank == 2;
}

void dulm_module_name(const struct dulm_parameter *p, char *out, size_t capacity)
{
    snprintf(out, capacity, "%.*s", (int)(strlen(p->name) - strlen(".weight")), p->name);
}

/* PEFT's rule: the module's whole name, or its end behind a dot. */
static bool fits(const char *module, const char *target, size_t length)
{
    const size_t n = strlen(module);
    return n >= length && strncmp(module + n - length, target, length) == 0 &&
           (n == length || module[n - length - 1] == '.');
}

diffulm_status dulm_adapter_choose(const struct diffulm_model *model, const char *targets,
                                   uint8_t *chosen)
{
    const bool stacked = dulm_family_of(model->config.family)->stacked_qkv;
    memset(chosen, 0, model->parameter_count);
    targets = targets ? targets : stacked ? "Wqkv" : "query,value";
    while (*targets) {
        const size_t length = strcspn(targets, ",");
        const bool all = length == 10 && strncmp(targets, "all-linear", 10) == 0;
        bool any = false;
        for (size_t i = 0; length && i < model->parameter_count; i++) {
            char module[128];
            if (!dulm_adaptable(&model->parameters[i]))
                continue;
            dulm_module_name(&model->parameters[i], module, sizeof module);
            if (all || fits(module, targets, length)) {
                chosen[i] = 1;
                any = true;
            }
        }
        if (!any)
            return dulm_fail(DIFFULM_E_ARGUMENT, "LoRA: no linear map of this model is called %.*s",
                             (int)(length < 80 ? length : 80), targets);
        targets += length + (targets[length] == ',');
    }
    return DIFFULM_OK;
}

void dulm_adapter_enter(struct dulm_adapter *table, const struct dulm_parameter *p, float *a,
                        float *b, size_t rank, float scale)
{
    struct dulm_adapter *slot = table + (size_t)p->layer * DULM_LAYER_SLOTS;
    const size_t third = (size_t)p->shape[0] / 3 * rank;
    slot[p->slot] = (struct dulm_adapter){a, b, rank, scale};
    for (size_t i = 0; p->slot == DULM_QKV_W && i < 3; i++)
        slot[DULM_QUERY_W + 2 * i] = (struct dulm_adapter){a, b + i * third, rank, scale};
}

static void destroy(struct diffulm_adapter *adapter)
{
    diffulm_model_unref(adapter->model);
    dulm_free(adapter->part);
    dulm_free(adapter->values);
    dulm_free(adapter->table);
    dulm_free(adapter);
}

diffulm_adapter *diffulm_adapter_ref(diffulm_adapter *adapter)
{
    if (adapter)
        dulm_refcount_take(&adapter->refs);
    return adapter;
}

void diffulm_adapter_unref(diffulm_adapter *adapter)
{
    if (adapter && dulm_refcount_drop(&adapter->refs))
        destroy(adapter);
}

static void place_parts(struct diffulm_adapter *adapter, const uint8_t *chosen)
{
    float *next = adapter->values;
    for (size_t i = 0; i < adapter->model->parameter_count; i++) {
        const struct dulm_parameter *p = &adapter->model->parameters[i];
        if (!chosen[i])
            continue;
        struct dulm_adapter_part *part = &adapter->part[adapter->count++];
        *part = (struct dulm_adapter_part){p, next, next + adapter->rank * (size_t)p->shape[1]};
        dulm_adapter_enter(adapter->table, p, part->a, part->b, adapter->rank, adapter->scale);
        next = part->b + adapter->rank * (size_t)p->shape[0];
    }
}

diffulm_status dulm_adapter_create(struct diffulm_model *model, const uint8_t *chosen, size_t rank,
                                   double alpha, struct diffulm_adapter **out)
{
    size_t parts = 0, total = 0;
    for (size_t i = 0; i < model->parameter_count; i++) {
        const struct dulm_parameter *p = &model->parameters[i];
        parts += chosen[i];
        total += chosen[i] ? rank * (size_t)(p->shape[0] + p->shape[1]) : 0;
    }
    struct diffulm_adapter *adapter = dulm_alloc_zero(1, sizeof *adapter);
    if (!adapter)
        return dulm_fail_memory();
    dulm_refcount_init(&adapter->refs);
    adapter->model = diffulm_model_ref(model);
    adapter->rank = rank;
    adapter->alpha = alpha;
    adapter->scale = (float)(alpha / (double)rank);
    adapter->part = dulm_alloc_zero(parts, sizeof *adapter->part);
    adapter->values = dulm_alloc_tensor(total, sizeof *adapter->values);
    adapter->table =
        dulm_alloc_zero((size_t)model->config.layers * DULM_LAYER_SLOTS, sizeof *adapter->table);
    if (!adapter->part || !adapter->values || !adapter->table) {
        destroy(adapter);
        return dulm_fail_memory();
    }
    place_parts(adapter, chosen);
    *out = adapter;
    return DIFFULM_OK;
}

static void add_product(const struct dulm_adapter *a, size_t out, size_t in, float *w)
{
    for (size_t o = 0; o < out; o++)
        for (size_t r = 0; r < a->rank; r++) {
            const float factor = a->scale * a->b[o * a->rank + r];
            for (size_t i = 0; i < in; i++)
                w[o * in + i] += factor * a->a[r * in + i];
        }
}

diffulm_status dulm_merge_adapters(const struct diffulm_model *model,
                                   const struct dulm_adapter *table, struct diffulm_model **out)
{
    const size_t total = dulm_parameters_total(model->parameters, model->parameter_count);
    diffulm_status rc = dulm_needs_floats(model, "merging an adapter");
    if (rc < 0)
        return rc;
    float *values = dulm_alloc_tensor(total, sizeof *values);
    if (!values)
        return dulm_fail_memory();
    float *next = values;
    for (size_t i = 0; i < model->parameter_count; i++) {
        const struct dulm_parameter *p = &model->parameters[i];
        dulm_model_values(model, p, next);
        const struct dulm_adapter *a =
            p->layer < 0 ? NULL : &table[p->layer * DULM_LAYER_SLOTS + p->slot];
        if (a && a->rank)
            add_product(a, (size_t)p->shape[0], (size_t)p->shape[1], next);
        next += p->elements;
    }
    return dulm_model_take(model->runtime, &model->config, values, out);
}

diffulm_status dulm_adapter_attach(struct diffulm_adapter *adapter, struct diffulm_model **out)
{
    const struct diffulm_model *base = adapter->model;
    struct diffulm_model *m = dulm_alloc_zero(1, sizeof *m);
    if (!m)
        return dulm_fail_memory();
    dulm_refcount_init(&m->refs);
    m->runtime = diffulm_runtime_ref(base->runtime);
    m->adapter = diffulm_adapter_ref(adapter);
    m->dtype = base->dtype;
    diffulm_status rc = dulm_config_copy(&base->config, &m->config);
    if (rc == DIFFULM_OK)
        rc = dulm_parameters_list(&m->config, &m->parameters, &m->parameter_count);
    if (rc == DIFFULM_OK)
        rc = dulm_weights_create(&m->config, &m->weights);
    if (rc < 0) {
        diffulm_model_unref(m);
        return rc;
    }
    for (size_t i = 0; i < m->parameter_count; i++)
        dulm_weights_set(&m->weights, &m->config, &m->parameters[i],
                         dulm_weights_get(&base->weights, &base->parameters[i]));
    m->weights.half = base->weights.half;
    m->weights.adapter = adapter->table;
    *out = m;
    return DIFFULM_OK;
}

/* model.c: life of the frozen model: from memory, release. */
#include <string.h>

#include "arch/adapter.h"
#include "arch/quantized.h"
#include "arch/copies.h"
#include "arch/score.h"
#include "base/alloc.h"
#include "base/error.h"

static void destroy(struct diffulm_model *m)
{
    for (size_t i = 0; i < m->skipped_count; i++)
        dulm_free(m->skipped[i]);
    dulm_free(m->skipped);
    dulm_shards_close(m->shards, m->shard_count);
    dulm_free(m->widened);
    dulm_free(m->half);
    dulm_copies_destroy(atomic_load(&m->copies));
    dulm_quantized_destroy(atomic_load(&m->quantized));
    dulm_workspace_destroy(atomic_load(&m->spare));
    dulm_weights_release(&m->weights);
    dulm_free(m->parameters);
    dulm_config_release(&m->config);
    diffulm_adapter_unref(m->adapter);
    diffulm_runtime_unref(m->runtime);
    dulm_free(m);
}

diffulm_model *diffulm_model_ref(diffulm_model *model)
{
    if (model)
        dulm_refcount_take(&model->refs);
    return model;
}

void diffulm_model_unref(diffulm_model *model)
{
    if (model && dulm_refcount_drop(&model->refs))
        destroy(model);
}

void dulm_model_let_go(const struct diffulm_model *m, const void *data, size_t bytes)
{
    for (size_t i = 0; i < m->shard_count; i++)
        dulm_safetensors_let_go(m->shards[i], data, bytes);
}

diffulm_status dulm_model_take(struct diffulm_runtime *runtime, const struct dulm_config *config,
                               float *values, struct diffulm_model **out)
{
    struct diffulm_model *m = dulm_alloc_zero(1, sizeof *m);
    if (!m) {
        dulm_free(values);
        return dulm_fail_memory();
    }
    dulm_refcount_init(&m->refs);
    m->runtime = diffulm_runtime_ref(runtime);
    m->widened = values;
    diffulm_status rc = dulm_config_copy(config, &m->config);
    if (rc == DIFFULM_OK)
        rc = dulm_parameters_list(&m->config, &m->parameters, &m->parameter_count);
    if (rc == DIFFULM_OK)
        rc = dulm_weights_create(&m->config, &m->weights);
    if (rc < 0) {
        destroy(m);
        return rc;
    }
    float *next = values;
    for (size_t i = 0; i < m->parameter_count; i++) {
        dulm_weights_set(&m->weights, &m->config, &m->parameters[i], next);
        next += m->parameters[i].elements;
    }
    *out = m;
    return DIFFULM_OK;
}

void dulm_model_rows(const struct diffulm_model *model, const struct dulm_parameter *p,
                     size_t first, size_t count, float *out)
{
    const size_t columns = p->elements / (size_t)p->shape[0], at = first * columns;
    const float *values = dulm_weights_get(&model->weights, p);
    const struct dulm_half *half = dulm_half_at(&model->weights, p->layer, p->slot);
    if (values)
        memcpy(out, values + at, count * columns * sizeof *out);
    else if (half)
        dulm_half_widen(model->runtime, dulm_half_from(*half, at), count * columns, out);
    else
        dulm_quantized_rows(model, p, first, count, out);
}

void dulm_model_let_go_rows(const struct diffulm_model *model, const struct dulm_parameter *p,
                            size_t first, size_t count)
{
    const size_t columns = p->elements / (size_t)p->shape[0], at = first * columns;
    const float *values = dulm_weights_get(&model->weights, p);
    const struct dulm_half *half = dulm_half_at(&model->weights, p->layer, p->slot);
    if (values)
        dulm_model_let_go(model, values + at, count * columns * sizeof *values);
    else if (half)
        dulm_model_let_go(model, half->values + at, count * columns * sizeof *half->values);
}

void dulm_model_values(const struct diffulm_model *model, const struct dulm_parameter *p,
                       float *out)
{
    const size_t rows = (size_t)p->shape[0], columns = p->elements / rows;
    const size_t most = DULM_COPIED_AT_ONCE / columns + 1;
    for (size_t r = 0, n; r < rows; r += n) {
        n = rows - r < most ? rows - r : most;
        dulm_model_rows(model, p, r, n, out + r * columns);
        dulm_model_let_go_rows(model, p, r, n);
    }
}

diffulm_status dulm_model_from_memory(struct diffulm_runtime *runtime,
                                      const struct dulm_config *config, const float *values,
                                      struct diffulm_model **out)
{
    struct dulm_parameter *parameters = NULL;
    size_t count;
    diffulm_status rc = dulm_parameters_list(config, &parameters, &count);
    if (rc < 0)
        return rc;
    const size_t total = dulm_parameters_total(parameters, count);
    dulm_free(parameters);
    float *copy = dulm_alloc_tensor(total, sizeof *copy);
    if (!copy)
        return dulm_fail_memory();
    memcpy(copy, values, total * sizeof *copy);
    return dulm_model_take(runtime, config, copy, out);
}

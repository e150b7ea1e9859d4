/* adapter.c: merging low-rank adapters into a copy of the weights: W + scale B A. */
#include <string.h>

#include "arch/model.h"
#include "base/alloc.h"
#include "base/error.h"

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
                                   const struct dulm_adapter *adapters, struct diffulm_model **out)
{
    const size_t total = dulm_parameters_total(model->parameters, model->parameter_count);
    float *values = dulm_alloc_tensor(total, sizeof *values);
    if (!values)
        return dulm_fail_memory();
    float *next = values;
    for (size_t i = 0; i < model->parameter_count; i++) {
        const struct dulm_parameter *p = &model->parameters[i];
        memcpy(next, dulm_weights_get(&model->weights, p), p->elements * sizeof *next);
        const struct dulm_adapter *a =
            p->layer < 0 ? NULL : &adapters[p->layer * DULM_LAYER_SLOTS + p->slot];
        if (a && a->rank)
            add_product(a, (size_t)p->shape[0], (size_t)p->shape[1], next);
        next += p->elements;
    }
    diffulm_status rc = dulm_model_from_memory(model->runtime, &model->config, values, out);
    dulm_free(values);
    return rc;
}

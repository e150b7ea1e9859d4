/* quantized.c: the table of a model's matrices in 8 bits, and making it. */
#include "arch/quantized.h"

#include <string.h>

#include "arch/adapter.h"
#include "base/alloc.h"
#include "base/error.h"

/* Numbers that are widened at a time. */
#define WIDE_ROOM ((size_t)1 << 18)

bool dulm_quantizable(const struct dulm_parameter *p)
{
    return p->rank == 2 && (p->layer >= 0 || p->slot == DULM_HEAD_DENSE_W ||
                            p->slot == DULM_WORDS || p->slot == DULM_DECODER_W);
}

void dulm_quantized_destroy(struct dulm_quantized *q)
{
    if (!q)
        return;
    dulm_free(q->layer);
    dulm_free(q->values);
    dulm_free(q->scales);
    dulm_free(q->sums);
    dulm_free(q);
}

diffulm_status dulm_quantized_create(const struct dulm_config *config, size_t rows, size_t elements,
                                     struct dulm_quantized **out)
{
    struct dulm_quantized *q = dulm_alloc_zero(1, sizeof *q);
    if (!q)
        return dulm_fail_memory();
    q->layer = dulm_alloc_zero((size_t)config->layers * DULM_LAYER_SLOTS, sizeof *q->layer);
    q->scales = dulm_alloc_tensor(rows, sizeof *q->scales);
    q->sums = dulm_alloc_tensor(rows, sizeof *q->sums);
    q->values = elements ? dulm_alloc_tensor(elements, 1) : NULL;
    if (!q->layer || !q->scales || !q->sums || (elements && !q->values)) {
        dulm_quantized_destroy(q);
        return dulm_fail_memory();
    }
    *out = q;
    return DIFFULM_OK;
}

static struct dulm_matrix8 from_row(struct dulm_matrix8 m, size_t row, size_t columns)
{
    return (struct dulm_matrix8){m.values + row * columns, m.scales + row, m.sums + row};
}

void dulm_quantized_set(struct dulm_quantized *q, const struct dulm_config *c,
                        const struct dulm_parameter *p, struct dulm_matrix8 matrix)
{
    if (p->layer < 0) {
        q->global[p->slot] = matrix;
        if (p->slot == DULM_WORDS && c->tied)
            q->global[DULM_DECODER_W] = matrix;
        return;
    }
    struct dulm_matrix8 *slot = q->layer + (size_t)p->layer * DULM_LAYER_SLOTS;
    const size_t d = (size_t)c->hidden;
    slot[p->slot] = matrix;
    if (p->slot == DULM_QKV_W)
        for (size_t i = 0; i < 3; i++)
            slot[DULM_QUERY_W + 2 * i] = from_row(matrix, i * d, d);
}

const struct dulm_matrix8 *dulm_quantized_at(const struct dulm_quantized *q, int layer, int slot)
{
    if (!q)
        return NULL;
    const struct dulm_matrix8 *m =
        layer < 0 ? &q->global[slot] : &q->layer[(size_t)layer * DULM_LAYER_SLOTS + (size_t)slot];
    return m->values ? m : NULL;
}

size_t dulm_quantize_room(const struct diffulm_model *model)
{
    size_t most = WIDE_ROOM;
    for (size_t i = 0; i < model->parameter_count; i++)
        if (model->parameters[i].rank == 2 && (size_t)model->parameters[i].shape[1] > most)
            most = (size_t)model->parameters[i].shape[1];
    return model->half ? most : 0;
}

struct dulm_matrix8 dulm_quantize(const struct diffulm_model *model, const struct dulm_parameter *p,
                                  float *wide, size_t room, int8_t *values, float *scales,
                                  int32_t *sums)
{
    const size_t rows = (size_t)p->shape[0], columns = (size_t)p->shape[1];
    const float *w = dulm_weights_get(&model->weights, p);
    const size_t most = w ? DULM_COPIED_AT_ONCE / columns + 1 : room / columns;
    for (size_t r = 0, n; r < rows; r += n) {
        n = rows - r < most ? rows - r : most;
        if (!w)
            dulm_model_rows(model, p, r, n, wide);
        dulm_quantize_matrix(model->runtime, n, columns, w ? w + r * columns : wide,
                             values + r * columns, scales + r);
        dulm_model_let_go_rows(model, p, r, n);
    }
    dulm_sum_rows_int8(model->runtime, rows, columns, values, sums);
    return (struct dulm_matrix8){values, scales, sums};
}

static diffulm_status make(const struct diffulm_model *m, struct dulm_quantized **out)
{
    size_t rows = 0, elements = 0;
    for (size_t i = 0; i < m->parameter_count; i++)
        if (dulm_quantizable(&m->parameters[i])) {
            rows += (size_t)m->parameters[i].shape[0];
            elements += m->parameters[i].elements;
        }
    diffulm_status rc = dulm_quantized_create(&m->config, rows, elements, out);
    if (rc < 0)
        return rc;
    const size_t room = dulm_quantize_room(m);
    float *wide = dulm_alloc_tensor(room, sizeof *wide);
    if (!wide) {
        dulm_quantized_destroy(*out);
        *out = NULL;
        return dulm_fail_memory();
    }
    struct dulm_quantized *q = *out;
    size_t row = 0, at = 0;
    for (size_t i = 0; i < m->parameter_count; i++) {
        const struct dulm_parameter *p = &m->parameters[i];
        if (!dulm_quantizable(p))
            continue;
        dulm_quantized_set(
            q, &m->config, p,
            dulm_quantize(m, p, wide, room, q->values + at, q->scales + row, q->sums + row));
        row += (size_t)p->shape[0];
        at += p->elements;
    }
    dulm_free(wide);
    return DIFFULM_OK;
}

static const struct diffulm_model *below_adapters(const struct diffulm_model *model)
{
    while (model->adapter)
        model = model->adapter->model;
    return model;
}

diffulm_status dulm_quantized_of(const struct diffulm_model *model,
                                 const struct dulm_quantized **out)
{
    model = below_adapters(model);
    /* One of the members of a frozen model that are filled later. */
    _Atomic(struct dulm_quantized *) *const kept =
        &((struct diffulm_model *)(uintptr_t)model)->quantized;
    struct dulm_quantized *known = atomic_load(kept), *made = NULL;
    *out = known;
    if (known || model->runtime->precision != DIFFULM_PRECISION_INT8)
        return DIFFULM_OK;
    diffulm_status rc = make(model, &made);
    if (rc < 0)
        return rc;
    if (atomic_compare_exchange_strong(kept, &known, made))
        known = made;
    else
        dulm_quantized_destroy(made);
    *out = known;
    return DIFFULM_OK;
}

diffulm_status dulm_needs_floats(const struct diffulm_model *model, const char *what)
{
    model = below_adapters(model);
    for (size_t i = 0; i < model->parameter_count; i++) {
        const struct dulm_parameter *p = &model->parameters[i];
        if (!dulm_weights_get(&model->weights, p) &&
            !dulm_half_at(&model->weights, p->layer, p->slot))
            return dulm_fail(DIFFULM_E_UNSUPPORTED,
                             "%s: this model is stored in int8 (tensor %s), expected one in float",
                             what, p->name);
    }
    return DIFFULM_OK;
}

diffulm_status dulm_can_train(const struct diffulm_model *model)
{
    if (model->runtime->precision == DIFFULM_PRECISION_INT8)
        return dulm_fail(DIFFULM_E_UNSUPPORTED,
                         "training: the runtime's precision is int8, expected float32 or bfloat16");
    return dulm_needs_floats(model, "training");
}

void dulm_quantized_rows(const struct diffulm_model *model, const struct dulm_parameter *p,
                         size_t first, size_t count, float *out)
{
    const struct dulm_quantized *q = atomic_load(&below_adapters(model)->quantized);
    const struct dulm_matrix8 *m = dulm_quantized_at(q, p->layer, p->slot);
    const size_t columns = (size_t)p->shape[1];
    for (size_t r = first; r < first + count; r++)
        for (size_t i = 0; i < columns; i++)
            *out++ = m->scales[r] * (float)m->values[r * columns + i];
}

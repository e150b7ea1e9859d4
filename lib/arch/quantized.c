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
    for (size_t i = 0; i < q->parameters; i++) {
        dulm_packed_destroy(q->packed[i]);
        dulm_free(q->values[i]);
    }
    dulm_free(q->packed);
    dulm_free(q->values);
    dulm_free(q->layer);
    dulm_free(q->scales);
    dulm_free(q->sums);
    dulm_free(q);
}

/* Rows of the matrices before a parameter. */
static size_t rows_before(const struct diffulm_model *m, size_t index)
{
    size_t rows = 0;
    for (size_t i = 0; i < index; i++)
        if (dulm_quantizable(&m->parameters[i]))
            rows += (size_t)m->parameters[i].shape[0];
    return rows;
}

diffulm_status dulm_quantized_create(const struct diffulm_model *model, struct dulm_quantized **out)
{
    const size_t rows = rows_before(model, model->parameter_count);
    struct dulm_quantized *q = dulm_alloc_zero(1, sizeof *q);
    if (!q)
        return dulm_fail_memory();
    q->layer = dulm_alloc_zero((size_t)model->config.layers * DULM_LAYER_SLOTS, sizeof *q->layer);
    q->scales = dulm_alloc_tensor(rows, sizeof *q->scales);
    q->sums = dulm_alloc_tensor(rows, sizeof *q->sums);
    q->packed = dulm_alloc_zero(model->parameter_count, sizeof *q->packed);
    q->values = dulm_alloc_zero(model->parameter_count, sizeof *q->values);
    q->parameters = q->packed && q->values ? model->parameter_count : 0;
    if (!q->layer || !q->scales || !q->sums || !q->packed || !q->values) {
        dulm_quantized_destroy(q);
        return dulm_fail_memory();
    }
    *out = q;
    return DIFFULM_OK;
}

/* Points a parameter's slot at its matrix, and stacked and tied ones. */
static void set(struct dulm_quantized *q, const struct dulm_config *c,
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
            slot[DULM_QUERY_W + 2 * i] = dulm_matrix8_from(matrix, i * d, d);
}

/* Words that are only looked up stay as they are. */
static bool is_multiplied_by(const struct dulm_config *c, const struct dulm_parameter *p)
{
    return p->layer >= 0 || p->slot != DULM_WORDS || c->tied;
}

diffulm_status dulm_quantized_enter(struct dulm_quantized *q, const struct diffulm_model *model,
                                    size_t index, const int8_t *stored,
                                    struct dulm_matrix8_parts *out)
{
    const struct dulm_parameter *p = &model->parameters[index];
    const size_t rows = (size_t)p->shape[0], columns = (size_t)p->shape[1];
    const size_t row = rows_before(model, index);
    diffulm_status rc = DIFFULM_OK;
    if (is_multiplied_by(&model->config, p))
        rc = dulm_packed_create(model->runtime, DULM_PACKED_INT8, rows, columns,
                                p->slot == DULM_QKV_W && p->layer >= 0 ? rows / 3 : rows,
                                &q->packed[index]);
    if (rc < 0)
        return rc;
    if (!q->packed[index] && !stored && !(q->values[index] = dulm_alloc_tensor(p->elements, 1)))
        return dulm_fail_memory();
    *out = (struct dulm_matrix8_parts){q->packed[index], q->values[index], q->scales + row,
                                       q->sums + row};
    set(q, &model->config, p,
        (struct dulm_matrix8){.values = out->packed   ? NULL
                                        : out->values ? out->values
                                                      : stored,
                              .scales = out->scales,
                              .sums = out->sums,
                              .packed = out->packed});
    return DIFFULM_OK;
}

const struct dulm_matrix8 *dulm_quantized_at(const struct dulm_quantized *q, int layer, int slot)
{
    if (!q)
        return NULL;
    const struct dulm_matrix8 *m =
        layer < 0 ? &q->global[slot] : &q->layer[(size_t)layer * DULM_LAYER_SLOTS + (size_t)slot];
    return m->scales ? m : NULL;
}

size_t dulm_quantize_room(const struct diffulm_model *model)
{
    size_t most = WIDE_ROOM;
    for (size_t i = 0; i < model->parameter_count; i++)
        if (model->parameters[i].rank == 2 && (size_t)model->parameters[i].shape[1] > most)
            most = (size_t)model->parameters[i].shape[1];
    return model->half ? most : 0;
}

void dulm_quantize_rows(const struct diffulm_model *model, const struct dulm_parameter *p,
                        size_t first, size_t count, float *wide, size_t room, int8_t *values,
                        float *scales)
{
    const size_t columns = (size_t)p->shape[1], end = first + count;
    const float *w = dulm_weights_get(&model->weights, p);
    const size_t most = w ? DULM_COPIED_AT_ONCE / columns + 1 : room / columns;
    for (size_t r = first, n; r < end; r += n) {
        n = end - r < most ? end - r : most;
        if (!w)
            dulm_model_rows(model, p, r, n, wide);
        dulm_quantize_matrix(model->runtime, n, columns, w ? w + r * columns : wide,
                             values + (r - first) * columns, scales + (r - first));
        dulm_model_let_go_rows(model, p, r, n);
    }
}

/* What making the matrices takes on the way. */
struct maker {
    const struct diffulm_model *model;
    struct dulm_quantized *quantized;
    float *wide;    /* [room] */
    int8_t *values; /* [DULM_COPIED_AT_ONCE, or a row] of a matrix that is then packed */
    size_t room;
};

static diffulm_status make_matrix(const struct maker *k, size_t index)
{
    const struct diffulm_model *m = k->model;
    const struct dulm_parameter *p = &m->parameters[index];
    const size_t rows = (size_t)p->shape[0], columns = (size_t)p->shape[1];
    struct dulm_matrix8_parts parts;
    diffulm_status rc = dulm_quantized_enter(k->quantized, m, index, NULL, &parts);
    if (rc < 0)
        return rc;
    const size_t most = columns < DULM_COPIED_AT_ONCE ? DULM_COPIED_AT_ONCE / columns : 1;
    for (size_t r = 0, n; r < rows; r += n) {
        n = rows - r < most ? rows - r : most;
        int8_t *to = parts.packed ? k->values : parts.values + r * columns;
        dulm_quantize_rows(m, p, r, n, k->wide, k->room, to, parts.scales + r);
        dulm_sum_rows_int8(m->runtime, n, columns, to, parts.sums + r);
        if (parts.packed)
            dulm_packed_write(m->runtime, parts.packed, r, n, to);
    }
    return DIFFULM_OK;
}

static diffulm_status make_all(struct maker *k)
{
    const struct diffulm_model *m = k->model;
    size_t most = DULM_COPIED_AT_ONCE;
    diffulm_status rc = DIFFULM_OK;
    for (size_t i = 0; i < m->parameter_count; i++)
        if (dulm_quantizable(&m->parameters[i]) && (size_t)m->parameters[i].shape[1] > most)
            most = (size_t)m->parameters[i].shape[1];
    k->room = dulm_quantize_room(m);
    k->wide = dulm_alloc_tensor(k->room, sizeof *k->wide);
    k->values = dulm_alloc_tensor(most, 1);
    if (!k->wide || !k->values)
        rc = dulm_fail_memory();
    for (size_t i = 0; rc == DIFFULM_OK && i < m->parameter_count; i++)
        if (dulm_quantizable(&m->parameters[i]))
            rc = make_matrix(k, i);
    dulm_free(k->values);
    dulm_free(k->wide);
    return rc;
}

static diffulm_status make(const struct diffulm_model *m, struct dulm_quantized **out)
{
    struct maker maker = {.model = m};
    diffulm_status rc = dulm_quantized_create(m, &maker.quantized);
    if (rc == DIFFULM_OK)
        rc = make_all(&maker);
    if (rc == DIFFULM_OK)
        *out = maker.quantized;
    else
        dulm_quantized_destroy(maker.quantized);
    return rc;
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
    for (size_t r = 0; r < count; r++)
        dulm_matrix8_row(m, columns, first + r, out + r * columns);
}

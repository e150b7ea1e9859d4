/* rounded.c: the matrices that layers and head multiply by, in bfloat16, found by the address of their values. */
#include "arch/rounded.h"

#include "arch/adapter.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"

struct matrix {
    const float *values;
    size_t elements;
    uint16_t *copy;
};

struct dulm_rounded {
    size_t count;
    uint16_t *memory;
    struct matrix matrix[];
};

static bool is_multiplied_by(const struct diffulm_model *m, const struct dulm_parameter *p)
{
    return p->rank == 2 && dulm_weights_get(&m->weights, p) &&
           (p->layer >= 0 || p->slot == DULM_HEAD_DENSE_W ||
            dulm_weights_get(&m->weights, p) == m->weights.global[DULM_DECODER_W]);
}

struct round_job {
    const struct dulm_kernels *kernels;
    const struct matrix *matrix;
};

static void round_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct round_job *j = user;
    j->kernels->to_bf16(end - begin, j->matrix->values + begin, j->matrix->copy + begin);
}

static void round_matrix(const struct diffulm_model *m, const struct matrix *whole)
{
    struct matrix part = *whole;
    for (size_t at = 0; at < whole->elements; at += part.elements) {
        const size_t left = whole->elements - at;
        part = (struct matrix){whole->values + at,
                               left < DULM_COPIED_AT_ONCE ? left : DULM_COPIED_AT_ONCE,
                               whole->copy + at};
        struct round_job job = {m->runtime->kernels, &part};
        dulm_parallel(m->runtime->threads, part.elements, 4096, round_part, &job);
        dulm_model_let_go(m, part.values, part.elements * sizeof *part.values);
    }
}

void dulm_rounded_destroy(struct dulm_rounded *r)
{
    if (!r)
        return;
    dulm_free(r->memory);
    dulm_free(r);
}

static struct dulm_rounded *make(const struct diffulm_model *m)
{
    struct dulm_rounded *r = dulm_alloc_zero(1, sizeof *r + m->parameter_count * sizeof *r->matrix);
    size_t total = 0;
    for (size_t i = 0; r && i < m->parameter_count; i++) {
        const struct dulm_parameter *p = &m->parameters[i];
        if (!is_multiplied_by(m, p))
            continue;
        r->matrix[r->count++] =
            (struct matrix){dulm_weights_get(&m->weights, p), p->elements, NULL};
        total += p->elements;
    }
    if (!r || !(r->memory = dulm_alloc_tensor(total, sizeof *r->memory))) {
        dulm_rounded_destroy(r);
        return NULL;
    }
    uint16_t *next = r->memory;
    for (size_t i = 0; i < r->count; next += r->matrix[i++].elements) {
        r->matrix[i].copy = next;
        round_matrix(m, &r->matrix[i]);
    }
    return r;
}

diffulm_status dulm_rounded_of(const struct diffulm_model *model, const struct dulm_rounded **out)
{
    *out = NULL;
    if (model->runtime->precision != DIFFULM_PRECISION_BF16)
        return DIFFULM_OK;
    while (model->adapter)
        model = model->adapter->model;
    /* The one member of a frozen model that is filled later. */
    _Atomic(struct dulm_rounded *) *const kept =
        &((struct diffulm_model *)(uintptr_t)model)->rounded;
    struct dulm_rounded *known = atomic_load(kept);
    if (!known) {
        struct dulm_rounded *made = make(model);
        if (!made)
            return dulm_fail_memory();
        if (atomic_compare_exchange_strong(kept, &known, made))
            known = made;
        else
            dulm_rounded_destroy(made);
    }
    *out = known;
    return DIFFULM_OK;
}

const uint16_t *dulm_rounded_find(const struct dulm_rounded *r, const float *values)
{
    for (size_t i = 0; r && i < r->count; i++) {
        const struct matrix *m = &r->matrix[i];
        const uintptr_t at = (uintptr_t)values, begin = (uintptr_t)m->values;
        if (at >= begin && at < begin + m->elements * sizeof *values)
            return m->copy + (at - begin) / sizeof *values;
    }
    return NULL;
}

/* rounded.c: the matrices that layers and head multiply by, in bfloat16, found by the address of their values. */
#include "arch/rounded.h"

#include "arch/adapter.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"

struct matrix {
    const float *values;
    size_t rows, columns;
    uint16_t *copy; /* row by row; NULL: it is packed */
    struct dulm_packed *packed;
};

struct dulm_rounded {
    size_t count;
    struct matrix matrix[];
};

/* Values that are rounded at a time. */
#define ROUNDED_AT_ONCE (DULM_COPIED_AT_ONCE / 4)

static bool is_multiplied_by(const struct diffulm_model *m, const struct dulm_parameter *p)
{
    return p->rank == 2 && dulm_weights_get(&m->weights, p) &&
           (p->layer >= 0 || p->slot == DULM_HEAD_DENSE_W ||
            dulm_weights_get(&m->weights, p) == m->weights.global[DULM_DECODER_W]);
}

struct round_job {
    const struct dulm_kernels *kernels;
    const float *from;
    uint16_t *to;
};

static void round_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct round_job *j = user;
    j->kernels->to_bf16(end - begin, j->from + begin, j->to + begin);
}

/* room: [ROUNDED_AT_ONCE + columns], for what is then packed. */
static void round_matrix(const struct diffulm_model *m, const struct matrix *to, uint16_t *room)
{
    const size_t most = ROUNDED_AT_ONCE / to->columns + 1;
    for (size_t r = 0, n; r < to->rows; r += n) {
        n = to->rows - r < most ? to->rows - r : most;
        const size_t count = n * to->columns;
        struct round_job job = {m->runtime->kernels, to->values + r * to->columns,
                                to->packed ? room : to->copy + r * to->columns};
        dulm_parallel(m->runtime->threads, count, 4096, round_part, &job);
        if (to->packed)
            dulm_packed_write(m->runtime, to->packed, r, n, room);
        dulm_model_let_go(m, job.from, count * sizeof *job.from);
    }
}

void dulm_rounded_destroy(struct dulm_rounded *r)
{
    for (size_t i = 0; r && i < r->count; i++) {
        dulm_packed_destroy(r->matrix[i].packed);
        dulm_free(r->matrix[i].copy);
    }
    dulm_free(r);
}

static diffulm_status make_matrix(const struct diffulm_model *m, const struct dulm_parameter *p,
                                  uint16_t *room, struct matrix *out)
{
    const size_t rows = (size_t)p->shape[0], columns = (size_t)p->shape[1];
    const bool stacked = p->layer >= 0 && p->slot == DULM_QKV_W;
    *out = (struct matrix){dulm_weights_get(&m->weights, p), rows, columns, NULL, NULL};
    diffulm_status rc = dulm_packed_create(m->runtime, DULM_PACKED_BF16, rows, columns,
                                           stacked ? rows / 3 : rows, &out->packed);
    if (rc < 0)
        return rc;
    if (!out->packed && !(out->copy = dulm_alloc_tensor(p->elements, sizeof *out->copy)))
        return dulm_fail_memory();
    round_matrix(m, out, room);
    return DIFFULM_OK;
}

static diffulm_status make(const struct diffulm_model *m, struct dulm_rounded **out)
{
    size_t most = 0;
    for (size_t i = 0; i < m->parameter_count; i++)
        if (m->parameters[i].rank == 2 && (size_t)m->parameters[i].shape[1] > most)
            most = (size_t)m->parameters[i].shape[1];
    struct dulm_rounded *r = dulm_alloc_zero(1, sizeof *r + m->parameter_count * sizeof *r->matrix);
    uint16_t *room = dulm_alloc_tensor(ROUNDED_AT_ONCE + most, sizeof *room);
    diffulm_status rc = r && room ? DIFFULM_OK : dulm_fail_memory();
    for (size_t i = 0; rc == DIFFULM_OK && i < m->parameter_count; i++)
        if (is_multiplied_by(m, &m->parameters[i]))
            rc = make_matrix(m, &m->parameters[i], room, &r->matrix[r->count++]);
    dulm_free(room);
    if (rc == DIFFULM_OK)
        *out = r;
    else
        dulm_rounded_destroy(r);
    return rc;
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
        struct dulm_rounded *made = NULL;
        const diffulm_status rc = make(model, &made);
        if (rc < 0)
            return rc;
        if (atomic_compare_exchange_strong(kept, &known, made))
            known = made;
        else
            dulm_rounded_destroy(made);
    }
    *out = known;
    return DIFFULM_OK;
}

bool dulm_rounded_find(const struct dulm_rounded *r, const float *values, struct dulm_matrix16 *out)
{
    for (size_t i = 0; r && i < r->count; i++) {
        const struct matrix *m = &r->matrix[i];
        const uintptr_t at = (uintptr_t)values, begin = (uintptr_t)m->values;
        if (at < begin || at >= begin + m->rows * m->columns * sizeof *values)
            continue;
        *out = (struct dulm_matrix16){m->copy, m->packed,
                                      (at - begin) / (m->columns * sizeof *values)};
        return true;
    }
    return false;
}

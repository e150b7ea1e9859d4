/* copies.c: the table of a frozen model's copies, and making it. */
#include "arch/copies.h"

#include "arch/adapter.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"

/* What is kept of a parameter: one of both, or neither. */
struct kept {
    struct dulm_packed *packed;
    uint16_t *values;
};

struct dulm_copies {
    struct dulm_copy *slot; /* [dulm_slots()] */
    size_t count;
    struct kept kept[]; /* [count], the model's parameters */
};

/* Values that are copied at a time. */
#define AT_ONCE (DULM_COPIED_AT_ONCE / 4)

static bool is_multiplied_by(const struct dulm_config *c, const struct dulm_parameter *p)
{
    return p->rank == 2 && (p->layer >= 0 || p->slot == DULM_HEAD_DENSE_W ||
                            p->slot == DULM_DECODER_W || (p->slot == DULM_WORDS && c->tied));
}

void dulm_copies_destroy(struct dulm_copies *copies)
{
    if (!copies)
        return;
    for (size_t i = 0; i < copies->count; i++) {
        dulm_packed_destroy(copies->kept[i].packed);
        dulm_free(copies->kept[i].values);
    }
    dulm_free(copies->slot);
    dulm_free(copies);
}

/* Stacked and tied slots follow. */
static void enter(struct dulm_copies *copies, const struct dulm_config *c,
                  const struct dulm_parameter *p, struct dulm_copy copy)
{
    copies->slot[dulm_slot(p->layer, p->slot)] = copy;
    if (p->layer < 0 && p->slot == DULM_WORDS)
        copies->slot[DULM_DECODER_W] = copy;
    for (int i = 0; i < 3 && p->layer >= 0 && p->slot == DULM_QKV_W;
         i++, copy.first += (size_t)c->hidden)
        copies->slot[dulm_slot(p->layer, DULM_QUERY_W + 2 * i)] = copy;
}

const struct dulm_copy *dulm_copies_at(const struct dulm_copies *copies, int layer, int slot)
{
    const struct dulm_copy *copy = copies ? &copies->slot[dulm_slot(layer, slot)] : NULL;
    return copy && (copy->packed || copy->values) ? copy : NULL;
}

/* What making the copies takes on the way; each [AT_ONCE + columns]. */
struct maker {
    const struct diffulm_model *model;
    struct dulm_copies *copies;
    float *wide;       /* of a model in 16 bits; else NULL */
    uint16_t *rounded; /* in bfloat16; else NULL */
};

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

static void fill(const struct maker *k, const struct dulm_parameter *p, const struct kept *to)
{
    const struct diffulm_model *m = k->model;
    const size_t rows = (size_t)p->shape[0], columns = (size_t)p->shape[1];
    const size_t most = AT_ONCE / columns + 1;
    const float *const values = dulm_weights_get(&m->weights, p);
    for (size_t r = 0, n; r < rows; r += n) {
        n = rows - r < most ? rows - r : most;
        if (!values)
            dulm_model_rows(m, p, r, n, k->wide);
        const float *from = values ? values + r * columns : k->wide;
        uint16_t *const rounded = to->packed ? k->rounded : to->values + r * columns;
        struct round_job job = {m->runtime->kernels, from, rounded};
        if (rounded)
            dulm_parallel(m->runtime->threads, n * columns, 4096, round_part, &job);
        if (to->packed)
            dulm_packed_write(m->runtime, to->packed, r, n,
                              rounded ? (const void *)rounded : (const void *)from);
        dulm_model_let_go_rows(m, p, r, n);
    }
}

/* Matrices in single precision are copied for bfloat16, packed where products gain from it; others, and in single precision all, only
 * on request and if they can be packed. */
static diffulm_status make_copy(const struct maker *k, size_t index)
{
    const struct diffulm_model *m = k->model;
    const struct dulm_parameter *p = &m->parameters[index];
    struct kept *to = &k->copies->kept[index];
    const size_t rows = (size_t)p->shape[0], columns = (size_t)p->shape[1];
    const bool stacked = p->layer >= 0 && p->slot == DULM_QKV_W, single = !k->rounded;
    const bool needed = !single && dulm_weights_get(&m->weights, p);
    if (!needed && !m->runtime->pack_weights)
        return DIFFULM_OK;
    diffulm_status rc = dulm_packed_create(m->runtime, single ? DULM_PACKED_F32 : DULM_PACKED_BF16,
                                           rows, columns, stacked ? rows / 3 : rows, &to->packed);
    if (rc < 0 || (!to->packed && !needed))
        return rc;
    if (!to->packed && !(to->values = dulm_alloc_tensor(p->elements, sizeof *to->values)))
        return dulm_fail_memory();
    fill(k, p, to);
    enter(k->copies, &m->config, p, (struct dulm_copy){to->values, to->packed, 0});
    return DIFFULM_OK;
}

static diffulm_status make_all(struct maker *k)
{
    const struct diffulm_model *m = k->model;
    size_t most = 0;
    for (size_t i = 0; i < m->parameter_count; i++)
        if (m->parameters[i].rank == 2 && (size_t)m->parameters[i].shape[1] > most)
            most = (size_t)m->parameters[i].shape[1];
    const bool round = m->runtime->precision == DIFFULM_PRECISION_BF16;
    if (round && !(k->rounded = dulm_alloc_tensor(AT_ONCE + most, sizeof *k->rounded)))
        return dulm_fail_memory();
    if (m->half && m->runtime->pack_weights &&
        !(k->wide = dulm_alloc_tensor(AT_ONCE + most, sizeof *k->wide)))
        return dulm_fail_memory();
    diffulm_status rc = DIFFULM_OK;
    for (size_t i = 0; rc == DIFFULM_OK && i < m->parameter_count; i++)
        if (is_multiplied_by(&m->config, &m->parameters[i]))
            rc = make_copy(k, i);
    return rc;
}

static diffulm_status make(const struct diffulm_model *m, struct dulm_copies **out)
{
    struct maker maker = {.model = m};
    struct dulm_copies *c = dulm_alloc_zero(1, sizeof *c + m->parameter_count * sizeof *c->kept);
    if (!c)
        return dulm_fail_memory();
    c->count = m->parameter_count;
    c->slot = dulm_alloc_zero(dulm_slots(&m->config), sizeof *c->slot);
    maker.copies = c;
    const diffulm_status rc = c->slot ? make_all(&maker) : dulm_fail_memory();
    dulm_free(maker.rounded);
    dulm_free(maker.wide);
    if (rc == DIFFULM_OK)
        *out = c;
    else
        dulm_copies_destroy(c);
    return rc;
}

static bool wanted(const struct diffulm_runtime *rt)
{
    return rt->precision == DIFFULM_PRECISION_BF16 ||
           (rt->precision == DIFFULM_PRECISION_F32 && rt->pack_weights);
}

diffulm_status dulm_copies_of(const struct diffulm_model *model, const struct dulm_copies **out)
{
    *out = NULL;
    if (!wanted(model->runtime))
        return DIFFULM_OK;
    while (model->adapter)
        model = model->adapter->model;
    /* One of the members of a frozen model that are filled later. */
    _Atomic(struct dulm_copies *) *const kept = &((struct diffulm_model *)(uintptr_t)model)->copies;
    struct dulm_copies *known = atomic_load(kept);
    if (!known) {
        struct dulm_copies *made = NULL;
        const diffulm_status rc = make(model, &made);
        if (rc < 0)
            return rc;
        if (atomic_compare_exchange_strong(kept, &known, made))
            known = made;
        else
            dulm_copies_destroy(made);
    }
    *out = known;
    return DIFFULM_OK;
}

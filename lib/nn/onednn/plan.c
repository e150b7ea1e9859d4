/* plan.c: plans for packed tiles. oneDNN chooses the order of a tile; what it chose is read from its descriptor, so that single
 * rows can be put in and taken out. */
#include "nn/onednn/plan.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "nn/onednn/api.h"
#include "nn/onednn/scope.h"

const size_t dulm_heights[DULM_HEIGHTS] = {1, 4, 8, 16, 32, 64};

/* The order is chosen for this height, and the same for all. */
enum { TYPICAL = DULM_HEIGHTS - 1 };
enum { ACTIVATIONS, TILE, SUMS, SCRATCH, MEMORIES };

struct dulm_plan_code {
    dnnl_engine_t engine;
    dnnl_memory_desc_t activations[DULM_HEIGHTS], sums[DULM_HEIGHTS], tile;
    dnnl_primitive_desc_t plan[DULM_HEIGHTS];
    _Atomic(dnnl_primitive_t) primitive[DULM_HEIGHTS];
};

/* A blocked order: [k, n] in blocks within blocks, the last innermost. */
struct order {
    dnnl_dim_t strides[2];
    int count;
    const dnnl_dim_t *sizes, *dims;
};

static void destroy(struct dulm_plan *plan)
{
    struct dulm_plan_code *code = plan->code;
    for (size_t h = 0; code && h < DULM_HEIGHTS; h++) {
        const dnnl_primitive_t primitive = atomic_load(&code->primitive[h]);
        if (primitive)
            dnnl_primitive_destroy(primitive);
        if (code->plan[h])
            dnnl_primitive_desc_destroy(code->plan[h]);
        dulm_onednn_forget(&code->activations[h]);
        dulm_onednn_forget(&code->sums[h]);
    }
    if (code)
        dulm_onednn_forget(&code->tile);
    dulm_free(code);
    dulm_free(plan->row_word);
    dulm_free(plan->column_word);
    dulm_free(plan);
}

void dulm_onednn_plans_destroy(struct dulm_plan *plans)
{
    while (plans) {
        struct dulm_plan *next = plans->next;
        destroy(plans);
        plans = next;
    }
}

static dnnl_status_t describe_any(dnnl_memory_desc_t *d, size_t rows, size_t columns,
                                  dnnl_data_type_t type)
{
    const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_tag(d, 2, dims, type, dnnl_format_tag_any);
#else
    return dnnl_memory_desc_init_by_tag(d, 2, dims, type, dnnl_format_tag_any);
#endif
}

/* Takes over as the tile's order what a plan with free choice has chosen. */
static dnnl_status_t fix_order(struct dulm_plan_code *code, dnnl_primitive_desc_t chosen)
{
    const dulm_onednn_described d = dnnl_primitive_desc_query_md(chosen, dnnl_query_weights_md, 0);
#if DNNL_VERSION_MAJOR >= 3
    dulm_onednn_forget(&code->tile);
    return dnnl_memory_desc_clone(&code->tile, d);
#else
    code->tile = *d;
    return dnnl_success;
#endif
}

static bool read_order(const dnnl_memory_desc_t *d, struct order *out)
{
#if DNNL_VERSION_MAJOR >= 3
    dnnl_format_kind_t kind;
    const dnnl_dims_t *strides, *sizes, *dims;
    if (dnnl_memory_desc_query(*d, dnnl_query_format_kind, &kind) != dnnl_success ||
        kind != dnnl_blocked ||
        dnnl_memory_desc_query(*d, dnnl_query_strides, &strides) != dnnl_success ||
        dnnl_memory_desc_query(*d, dnnl_query_inner_nblks_s32, &out->count) != dnnl_success ||
        dnnl_memory_desc_query(*d, dnnl_query_inner_blks, &sizes) != dnnl_success ||
        dnnl_memory_desc_query(*d, dnnl_query_inner_idxs, &dims) != dnnl_success)
        return false;
    out->sizes = *sizes;
    out->dims = *dims;
    memcpy(out->strides, *strides, sizeof out->strides);
#else
    const dnnl_blocking_desc_t *blocks = &d->format_desc.blocking;
    if (d->format_kind != dnnl_blocked || d->offset0 || d->extra.flags)
        return false;
    out->count = blocks->inner_nblks;
    out->sizes = blocks->inner_blks;
    out->dims = blocks->inner_idxs;
    memcpy(out->strides, blocks->strides, sizeof out->strides);
#endif
    return true;
}

/* What index i of a dimension adds to an element's place. */
static size_t place_along(const struct order *o, int dim, size_t i)
{
    size_t place = 0, inner = 1;
    for (int b = o->count - 1; b >= 0; b--) {
        const size_t size = (size_t)o->sizes[b];
        if (o->dims[b] == dim) {
            place += i % size * inner;
            i /= size;
        }
        inner *= size;
    }
    return place + i * (size_t)o->strides[dim];
}

/* Fills in where words are; false where elements of one do not lie side by side, or the tile is larger than they are. */
static bool list_words(struct dulm_plan *p, const struct order *o)
{
    const size_t each = sizeof(uint32_t) / dulm_packed_size(p->type);
    if (p->bytes != p->n * p->k * dulm_packed_size(p->type))
        return false;
    for (size_t i = 0; i < p->n; i++) {
        const size_t at = place_along(o, 1, i);
        p->row_word[i] = (uint32_t)(at / each);
        if (at % each)
            return false;
    }
    for (size_t j = 0; j < p->k; j++) {
        const size_t at = place_along(o, 0, j);
        if (j % each == 0)
            p->column_word[j / each] = (uint32_t)(at / each);
        if (at != p->column_word[j / each] * each + j % each)
            return false;
    }
    return true;
}

/* The generic kernels multiply by packed matrices no faster. */
static bool is_fast(const struct dulm_plan_code *code)
{
    const char *name = NULL;
    return dnnl_primitive_desc_query(code->plan[TYPICAL], dnnl_query_impl_info_str, 0, &name) ==
               dnnl_success &&
           name && strncmp(name, "brg", 3) == 0;
}

static dnnl_status_t plan_height(struct dulm_plan *p, size_t h, dnnl_primitive_attr_t attributes)
{
    struct dulm_plan_code *c = p->code;
    static const struct {
        dnnl_data_type_t activations, tile, sums;
    } types[] = {[DULM_PACKED_INT8] = {dnnl_u8, dnnl_s8, dnnl_s32},
                 [DULM_PACKED_BF16] = {dnnl_bf16, dnnl_bf16, dnnl_f32},
                 [DULM_PACKED_F32] = {dnnl_f32, dnnl_f32, dnnl_f32}};
    dnnl_status_t rc = dulm_onednn_describe(&c->activations[h], dulm_heights[h], p->k,
                                            types[p->type].activations, p->k, 1);
    if (rc == dnnl_success)
        rc = dulm_onednn_describe(&c->sums[h], dulm_heights[h], p->n, types[p->type].sums, p->n, 1);
    if (rc == dnnl_success && h == TYPICAL)
        rc = describe_any(&c->tile, p->k, p->n, types[p->type].tile);
    if (rc == dnnl_success)
        rc = dulm_onednn_matmul_plan(&c->plan[h], &c->activations[h], &c->tile, NULL, &c->sums[h],
                                     attributes);
    if (rc == dnnl_success && h == TYPICAL)
        rc = fix_order(c, c->plan[h]);
    if (rc != dnnl_success)
        return rc;
    const dulm_onednn_described d =
        dnnl_primitive_desc_query_md(c->plan[h], dnnl_query_scratchpad_md, 0);
    const size_t scratch = dnnl_memory_desc_get_size(d);
    p->scratch = scratch > p->scratch ? scratch : p->scratch;
    return rc;
}

static dnnl_status_t plan_heights(struct dulm_plan *p)
{
    dnnl_primitive_attr_t attributes;
    dnnl_status_t rc = dnnl_primitive_attr_create(&attributes);
    if (rc != dnnl_success)
        return rc;
    rc = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    for (size_t h = DULM_HEIGHTS; rc == dnnl_success && h-- > 0;)
        rc = plan_height(p, h, attributes);
    dnnl_primitive_attr_destroy(attributes);
    p->bytes = rc == dnnl_success ? dnnl_memory_desc_get_size(DULM_AS_ARGUMENT(p->code->tile)) : 0;
    return rc;
}

/* Multiplies the greatest values there are, so that a kernel whose sums saturate is not used. */
static diffulm_status try_out(const struct dulm_plan *p, bool *right)
{
    enum { HEIGHT = 1 };
    const size_t m = dulm_heights[HEIGHT], each = sizeof(uint32_t);
    uint8_t *room =
        dulm_alloc_tensor(p->bytes + m * p->k + m * p->n * sizeof(int32_t) + p->scratch, 1);
    if (!room)
        return dulm_fail_memory();
    int32_t *sums = (int32_t *)(void *)(room + p->bytes);
    uint8_t *activations = (uint8_t *)(sums + m * p->n);
    memset(activations, 255, m * p->k);
    for (size_t i = 0; i < p->n; i++)
        for (size_t j = 0; j < p->k / each; j++)
            memset(room + each * (p->row_word[i] + p->column_word[j]), i % 2 ? -127 : 127, each);
    struct dulm_hand hand = {0};
    const diffulm_status rc = dulm_onednn_multiply_tile(p, &hand, HEIGHT, activations, room, sums,
                                                        activations + m * p->k);
    *right = rc == DIFFULM_OK;
    for (size_t i = 0; *right && i < m * p->n; i++)
        *right = sums[i] == (i % p->n % 2 ? -127 : 127) * 255 * (int32_t)p->k;
    dulm_onednn_hand_release(&hand);
    dulm_free(room);
    return rc == DIFFULM_E_OUT_OF_MEMORY ? dulm_fail_memory() : DIFFULM_OK;
}

/* *fits: whether the plan can be used. */
static diffulm_status make(struct dulm_plan *p, bool *fits)
{
    struct order order;
    dnnl_status_t rc;
    *fits = false;
    p->code->engine = dulm_onednn_engine(&rc);
    if (rc == dnnl_success)
        rc = plan_heights(p);
    if (rc == dnnl_out_of_memory)
        return dulm_fail_memory();
    *fits = rc == dnnl_success && is_fast(p->code) && read_order(&p->code->tile, &order) &&
            list_words(p, &order);
    return *fits && p->type == DULM_PACKED_INT8 ? try_out(p, fits) : DIFFULM_OK;
}

static diffulm_status create(enum dulm_packed_type type, size_t n, size_t k, struct dulm_plan **out)
{
    struct dulm_plan *p = dulm_alloc_zero(1, sizeof *p);
    *out = NULL;
    if (!p)
        return dulm_fail_memory();
    p->type = type;
    p->n = n;
    p->k = k;
    p->code = dulm_alloc_zero(1, sizeof *p->code);
    p->row_word = dulm_alloc(n, sizeof *p->row_word);
    p->column_word = dulm_alloc(k, sizeof *p->column_word);
    bool fits = false;
    diffulm_status rc = DIFFULM_OK;
    if (!p->code || !p->row_word || !p->column_word)
        rc = dulm_fail_memory();
    struct dulm_onednn_scope scope;
    dulm_onednn_enter(1, &scope);
    if (rc == DIFFULM_OK)
        rc = make(p, &fits);
    dulm_onednn_leave(&scope);
    if (fits && rc == DIFFULM_OK)
        *out = p;
    else
        destroy(p);
    return rc;
}

diffulm_status dulm_onednn_plan(const struct diffulm_runtime *rt, enum dulm_packed_type type,
                                size_t n, size_t k, const struct dulm_plan **out)
{
    _Atomic(struct dulm_plan *) *const plans = &rt->room->plans;
    struct dulm_plan *made;
    for (const struct dulm_plan *p = atomic_load(plans); p; p = p->next)
        if (p->type == type && p->n == n && p->k == k) {
            *out = p;
            return DIFFULM_OK;
        }
    diffulm_status rc = create(type, n, k, &made);
    *out = made;
    if (rc < 0 || !made)
        return rc;
    /* Another thread may have made the same: both are kept. */
    made->next = atomic_load(plans);
    while (!atomic_compare_exchange_weak(plans, &made->next, made))
        ;
    return DIFFULM_OK;
}

static dnnl_status_t primitive_of(struct dulm_plan_code *code, size_t h, dnnl_primitive_t *out)
{
    dnnl_primitive_t known = atomic_load_explicit(&code->primitive[h], memory_order_acquire), made;
    *out = known;
    if (known)
        return dnnl_success;
    const dnnl_status_t rc = dnnl_primitive_create(&made, code->plan[h]);
    if (rc != dnnl_success)
        return rc;
    if (atomic_compare_exchange_strong(&code->primitive[h], &known, made))
        known = made;
    else
        dnnl_primitive_destroy(made);
    *out = known;
    return dnnl_success;
}

static dnnl_status_t take_up(const struct dulm_plan_code *code, struct dulm_hand *hand, size_t h,
                             void *const places[MEMORIES])
{
    const dulm_onednn_described described[MEMORIES] = {
        DULM_AS_ARGUMENT(code->activations[h]), DULM_AS_ARGUMENT(code->tile),
        DULM_AS_ARGUMENT(code->sums[h]),
        dnnl_primitive_desc_query_md(code->plan[h], dnnl_query_scratchpad_md, 0)};
    dnnl_status_t rc =
        hand->stream ? dnnl_success
                     : dnnl_stream_create(&hand->stream, code->engine, dnnl_stream_default_flags);
    for (size_t i = 0; rc == dnnl_success && i < MEMORIES; i++)
        rc = hand->memory[h][i]
                 ? dnnl_memory_set_data_handle(hand->memory[h][i], places[i])
                 : dnnl_memory_create(&hand->memory[h][i], described[i], code->engine, places[i]);
    return rc;
}

void dulm_onednn_hand_release(struct dulm_hand *hand)
{
    for (size_t h = 0; h < DULM_HEIGHTS; h++)
        for (size_t i = 0; i < MEMORIES; i++)
            if (hand->memory[h][i])
                dnnl_memory_destroy(hand->memory[h][i]);
    if (hand->stream)
        dnnl_stream_destroy(hand->stream);
}

diffulm_status dulm_onednn_multiply_tile(const struct dulm_plan *plan, struct dulm_hand *hand,
                                         size_t height, const void *activations, const void *tile,
                                         void *sums, void *scratch)
{
    /* oneDNN takes inputs without const, and does not write to them. */
    void *const places[MEMORIES] = {(void *)(uintptr_t)activations, (void *)(uintptr_t)tile, sums,
                                    scratch};
    dnnl_primitive_t primitive;
    dnnl_status_t rc = primitive_of(plan->code, height, &primitive);
    if (rc == dnnl_success)
        rc = take_up(plan->code, hand, height, places);
    struct dnnl_memory **memory = hand->memory[height];
    const dnnl_exec_arg_t arguments[MEMORIES] = {{DNNL_ARG_SRC, memory[ACTIVATIONS]},
                                                 {DNNL_ARG_WEIGHTS, memory[TILE]},
                                                 {DNNL_ARG_DST, memory[SUMS]},
                                                 {DNNL_ARG_SCRATCHPAD, memory[SCRATCH]}};
    if (rc == dnnl_success)
        rc = dnnl_primitive_execute(primitive, hand->stream, MEMORIES, arguments);
    return rc == dnnl_success         ? DIFFULM_OK
           : rc == dnnl_out_of_memory ? DIFFULM_E_OUT_OF_MEMORY
                                      : DIFFULM_E_INTERNAL;
}

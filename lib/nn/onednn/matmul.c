/* matmul.c: products by oneDNN's matmul primitive, of matrices in bfloat16 or single precision, summed in single precision.
 * oneDNN keeps the compiled primitives of shapes it has seen; the runtime keeps what is made around them, which takes longer
 * than a small product. */
#include <pthread.h>

#include "base/alloc.h"
#include "base/error.h"
#include "nn/onednn/api.h"
#include "nn/onednn/scope.h"
#include "nn/runtime.h"

struct shape {
    int threads;
    dnnl_data_type_t type;
    bool trans_a, trans_b, accumulate, biased;
    size_t m, n, k, lda, ldb, ldc;
};

/* Of a shape; used by one thread at a time. */
struct dulm_prepared {
    struct shape shape;
    dnnl_memory_desc_t a, b, bias, c;
    dnnl_primitive_attr_t attributes;
    dnnl_primitive_desc_t plan;
    dnnl_primitive_t primitive;
    dnnl_memory_t a_memory, b_memory, bias_memory, c_memory, scratch_memory;
    size_t scratch_bytes;
    dnnl_stream_t stream;
};

static dnnl_engine_t engine;
static dnnl_status_t engine_status;
static pthread_once_t engine_made = PTHREAD_ONCE_INIT;

static void make_engine(void)
{
    engine_status = dnnl_engine_create(&engine, dnnl_cpu, 0);
}

dnnl_engine_t dulm_onednn_engine(dnnl_status_t *status)
{
    pthread_once(&engine_made, make_engine);
    *status = engine_status;
    return engine;
}

dnnl_status_t dulm_onednn_describe(dnnl_memory_desc_t *d, size_t rows, size_t columns,
                                   dnnl_data_type_t type, size_t row_stride, size_t column_stride)
{
    const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    const dnnl_dims_t strides = {(dnnl_dim_t)row_stride, (dnnl_dim_t)column_stride};
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_strides(d, 2, dims, type, strides);
#else
    return dnnl_memory_desc_init_by_strides(d, 2, dims, type, strides);
#endif
}

void dulm_onednn_forget(dnnl_memory_desc_t *d)
{
#if DNNL_VERSION_MAJOR >= 3
    if (*d)
        dnnl_memory_desc_destroy(*d);
    *d = NULL;
#else
    (void)d;
#endif
}

static dnnl_status_t add_to_c(struct dulm_prepared *p)
{
    dnnl_post_ops_t sum;
    dnnl_status_t rc = dnnl_post_ops_create(&sum);
    if (rc != dnnl_success)
        return rc;
#if DNNL_VERSION_MAJOR >= 3
    rc = dnnl_post_ops_append_sum(sum, 1.0f, 0, dnnl_data_type_undef);
#else
    rc = dnnl_post_ops_append_sum(sum, 1.0f);
#endif
    if (rc == dnnl_success)
        rc = dnnl_primitive_attr_set_post_ops(p->attributes, sum);
    dnnl_post_ops_destroy(sum);
    return rc;
}

dnnl_status_t dulm_onednn_matmul_plan(dnnl_primitive_desc_t *plan, const dnnl_memory_desc_t *a,
                                      const dnnl_memory_desc_t *b, const dnnl_memory_desc_t *bias,
                                      const dnnl_memory_desc_t *c, dnnl_primitive_attr_t attributes)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_matmul_primitive_desc_create(plan, engine, *a, *b, bias ? *bias : NULL, *c,
                                             attributes);
#else
    dnnl_matmul_desc_t operation;
    const dnnl_status_t rc = dnnl_matmul_desc_init(&operation, a, b, bias, c);
    return rc != dnnl_success
               ? rc
               : dnnl_primitive_desc_create(plan, &operation, attributes, engine, NULL);
#endif
}

/* Without data as yet. */
static dnnl_status_t make_memories(struct dulm_prepared *p)
{
    const dulm_onednn_described scratch =
        dnnl_primitive_desc_query_md(p->plan, dnnl_query_scratchpad_md, 0);
    dnnl_status_t rc =
        dnnl_memory_create(&p->a_memory, DULM_AS_ARGUMENT(p->a), engine, DNNL_MEMORY_NONE);
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&p->b_memory, DULM_AS_ARGUMENT(p->b), engine, DNNL_MEMORY_NONE);
    if (rc == dnnl_success && p->shape.biased)
        rc = dnnl_memory_create(&p->bias_memory, DULM_AS_ARGUMENT(p->bias), engine,
                                DNNL_MEMORY_NONE);
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&p->c_memory, DULM_AS_ARGUMENT(p->c), engine, DNNL_MEMORY_NONE);
    p->scratch_bytes = dnnl_memory_desc_get_size(scratch);
    if (rc == dnnl_success && p->scratch_bytes)
        rc = dnnl_memory_create(&p->scratch_memory, scratch, engine, DNNL_MEMORY_NONE);
    return rc;
}

struct data {
    const void *a, *b;
    const float *bias; /* [n], or NULL */
    float *c;
};

static dnnl_status_t bind(struct dulm_prepared *p, const struct data *d, void *scratch)
{
    /* oneDNN takes inputs without const, and does not write to them. */
    dnnl_status_t rc = dnnl_memory_set_data_handle(p->a_memory, (void *)d->a);
    if (rc == dnnl_success)
        rc = dnnl_memory_set_data_handle(p->b_memory, (void *)d->b);
    if (rc == dnnl_success && p->bias_memory)
        rc = dnnl_memory_set_data_handle(p->bias_memory, (void *)d->bias);
    if (rc == dnnl_success)
        rc = dnnl_memory_set_data_handle(p->c_memory, d->c);
    if (rc == dnnl_success && p->scratch_memory)
        rc = dnnl_memory_set_data_handle(p->scratch_memory, scratch);
    return rc;
}

/* oneDNN's own scratch memory would be freed with the primitive; the room's serves all. */
static dnnl_status_t execute(struct dulm_prepared *p, const struct data *d, struct dulm_room *room)
{
    struct dulm_block *scratch = NULL;
    if (p->scratch_bytes && !(scratch = dulm_block_take(&room->scratch, p->scratch_bytes)))
        return dnnl_out_of_memory;
    dnnl_exec_arg_t arguments[5] = {
        {DNNL_ARG_SRC, p->a_memory}, {DNNL_ARG_WEIGHTS, p->b_memory}, {DNNL_ARG_DST, p->c_memory}};
    int count = 3;
    if (p->scratch_memory)
        arguments[count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, p->scratch_memory};
    if (p->bias_memory)
        arguments[count++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, p->bias_memory};
    dnnl_status_t rc = bind(p, d, scratch ? scratch->data : NULL);
    if (rc == dnnl_success)
        rc = dnnl_primitive_execute(p->primitive, p->stream, count, arguments);
    if (rc == dnnl_success)
        rc = dnnl_stream_wait(p->stream);
    if (scratch)
        dulm_block_give(&room->scratch, scratch);
    return rc;
}

static void discard(struct dulm_prepared *p)
{
    if (!p)
        return;
    if (p->stream)
        dnnl_stream_destroy(p->stream);
    if (p->scratch_memory)
        dnnl_memory_destroy(p->scratch_memory);
    if (p->c_memory)
        dnnl_memory_destroy(p->c_memory);
    if (p->bias_memory)
        dnnl_memory_destroy(p->bias_memory);
    if (p->b_memory)
        dnnl_memory_destroy(p->b_memory);
    if (p->a_memory)
        dnnl_memory_destroy(p->a_memory);
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
    if (p->plan)
        dnnl_primitive_desc_destroy(p->plan);
    if (p->attributes)
        dnnl_primitive_attr_destroy(p->attributes);
    dulm_onednn_forget(&p->c);
    dulm_onednn_forget(&p->bias);
    dulm_onednn_forget(&p->b);
    dulm_onednn_forget(&p->a);
    dulm_free(p);
}

static dnnl_status_t describe_all(struct dulm_prepared *p)
{
    const struct shape *q = &p->shape;
    dnnl_status_t rc = dulm_onednn_describe(&p->a, q->m, q->k, q->type, q->trans_a ? 1 : q->lda,
                                            q->trans_a ? q->lda : 1);
    if (rc == dnnl_success)
        rc = dulm_onednn_describe(&p->b, q->k, q->n, q->type, q->trans_b ? 1 : q->ldb,
                                  q->trans_b ? q->ldb : 1);
    if (rc == dnnl_success)
        rc = dulm_onednn_describe(&p->c, q->m, q->n, dnnl_f32, q->ldc, 1);
    if (rc == dnnl_success && q->biased)
        rc = dulm_onednn_describe(&p->bias, 1, q->n, dnnl_f32, q->n, 1);
    return rc;
}

static dnnl_status_t prepare(struct dulm_prepared *p)
{
    dnnl_status_t rc = describe_all(p);
    if (rc == dnnl_success)
        rc = dnnl_primitive_attr_create(&p->attributes);
    if (rc == dnnl_success)
        rc = dnnl_primitive_attr_set_scratchpad_mode(p->attributes, dnnl_scratchpad_mode_user);
    if (rc == dnnl_success && p->shape.accumulate)
        rc = add_to_c(p);
    if (rc == dnnl_success)
        rc = dulm_onednn_matmul_plan(&p->plan, &p->a, &p->b, p->shape.biased ? &p->bias : NULL,
                                     &p->c, p->attributes);
    if (rc == dnnl_success)
        rc = dnnl_primitive_create(&p->primitive, p->plan);
    if (rc == dnnl_success)
        rc = make_memories(p);
    if (rc == dnnl_success)
        rc = dnnl_stream_create(&p->stream, engine, dnnl_stream_default_flags);
    return rc;
}

static bool same(const struct shape *a, const struct shape *b)
{
    return a->threads == b->threads && a->type == b->type && a->trans_a == b->trans_a &&
           a->trans_b == b->trans_b && a->accumulate == b->accumulate && a->biased == b->biased &&
           a->m == b->m && a->n == b->n && a->k == b->k && a->lda == b->lda && a->ldb == b->ldb &&
           a->ldc == b->ldc;
}

static _Atomic(struct dulm_prepared *) *place_of(struct dulm_room *room, const struct shape *s)
{
    size_t h = (s->m * 31 + s->n) * 31 + s->k;
    h = h * 31 + s->trans_a * 4u + s->trans_b * 2u + s->accumulate;
    return &room->prepared[h * 0x9E3779B97F4A7C15u >> 32 & (DULM_PREPARED - 1)];
}

/* The one that is kept, or a new one; *rc of a new one may be a failure. */
static struct dulm_prepared *take(struct dulm_room *room, const struct shape *s, dnnl_status_t *rc)
{
    struct dulm_prepared *p = atomic_exchange(place_of(room, s), NULL);
    if (p && same(&p->shape, s))
        return p;
    discard(p);
    p = dulm_alloc_zero(1, sizeof *p);
    if (p) {
        p->shape = *s;
        *rc = prepare(p);
    } else
        *rc = dnnl_out_of_memory;
    return p;
}

void dulm_onednn_prepared_destroy(struct dulm_room *room)
{
    for (size_t i = 0; i < DULM_PREPARED; i++)
        discard(atomic_exchange(&room->prepared[i], NULL));
}

static diffulm_status multiply(const struct diffulm_runtime *rt, struct shape s,
                               const struct data *d)
{
    struct dulm_onednn_scope scope;
    struct dulm_prepared *p = NULL;
    dulm_onednn_enter(rt->threads, &scope);
    s.threads = scope.threads;
    dnnl_status_t rc;
    dulm_onednn_engine(&rc);
    if (rc == dnnl_success)
        p = take(rt->room, &s, &rc);
    if (rc == dnnl_success)
        rc = execute(p, d, rt->room);
    discard(rc == dnnl_success ? atomic_exchange(place_of(rt->room, &s), p) : p);
    dulm_onednn_leave(&scope);
    if (rc == dnnl_out_of_memory)
        return dulm_fail_memory();
    if (rc != dnnl_success)
        return dulm_fail(DIFFULM_E_INTERNAL, "oneDNN refused a product of %zu x %zu x %zu: %d", s.m,
                         s.n, s.k, (int)rc);
    return DIFFULM_OK;
}

diffulm_status dulm_onednn_matmul(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                  const float *a, size_t lda, const float *b, size_t ldb,
                                  const float *bias, bool accumulate, float *c, size_t ldc)
{
    const struct shape s = {.type = dnnl_f32,
                            .trans_b = true,
                            .accumulate = accumulate,
                            .biased = bias != NULL,
                            .m = m,
                            .n = n,
                            .k = k,
                            .lda = lda,
                            .ldb = ldb,
                            .ldc = ldc};
    return multiply(rt, s, &(struct data){a, b, bias, c});
}

diffulm_status dulm_onednn_matmul_bf16(const struct diffulm_runtime *rt, bool trans_a, bool trans_b,
                                       size_t m, size_t n, size_t k, const uint16_t *a, size_t lda,
                                       const uint16_t *b, size_t ldb, bool accumulate, float *c,
                                       size_t ldc)
{
    const struct shape s = {.type = dnnl_bf16,
                            .trans_a = trans_a,
                            .trans_b = trans_b,
                            .accumulate = accumulate,
                            .m = m,
                            .n = n,
                            .k = k,
                            .lda = lda,
                            .ldb = ldb,
                            .ldc = ldc};
    return multiply(rt, s, &(struct data){a, b, NULL, c});
}

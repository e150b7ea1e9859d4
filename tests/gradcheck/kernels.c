/* kernels.c: gradients of the single operations. Sizes straddle the 16 lanes of the kernels. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradcheck.h"

/* C[m, n] = op(A) op(B); every matrix has one column more than it uses. */
struct product {
    const struct diffulm_runtime *rt;
    bool trans_a, trans_b;
    size_t m, n, k, lda, ldb, ldc;
    float *a, *b, *c, *w;
};

static double product_loss(void *user)
{
    const struct product *p = user;
    assert_int_equal(dulm_gemm(p->rt, p->trans_a, p->trans_b, p->m, p->n, p->k, p->a, p->lda, p->b,
                               p->ldb, false, p->c, p->ldc),
                     DIFFULM_OK);
    double sum = 0;
    for (size_t i = 0; i < p->m; i++)
        sum += gradcheck_sum(p->n, p->w + i * p->ldc, p->c + i * p->ldc);
    return sum;
}

/* dA and dB as products of G = dC, in the forms that a linear map's backward pass uses. */
static diffulm_status product_backward(const struct product *p, float *da, float *db)
{
    const size_t m = p->m, n = p->n, k = p->k;
    diffulm_status rc = p->trans_a ? dulm_gemm(p->rt, p->trans_b, true, k, m, n, p->b, p->ldb, p->w,
                                               p->ldc, true, da, p->lda)
                                   : dulm_gemm(p->rt, false, !p->trans_b, m, k, n, p->w, p->ldc,
                                               p->b, p->ldb, true, da, p->lda);
    if (rc < 0)
        return rc;
    return p->trans_b ? dulm_gemm(p->rt, true, p->trans_a, n, k, m, p->w, p->ldc, p->a, p->lda,
                                  true, db, p->ldb)
                      : dulm_gemm(p->rt, !p->trans_a, false, k, n, m, p->a, p->lda, p->w, p->ldc,
                                  true, db, p->ldb);
}

static void check_product(const struct diffulm_runtime *rt, bool trans_a, bool trans_b, size_t m,
                          size_t n, size_t k)
{
    struct product p = {
        rt,    trans_a, trans_b, m,    n,   k, (trans_a ? m : k) + 1, (trans_b ? k : n) + 1,
        n + 1, NULL,    NULL,    NULL, NULL};
    const size_t a = (trans_a ? k : m) * p.lda, b = (trans_b ? n : k) * p.ldb, c = m * p.ldc;
    p.a = gradcheck_array(a);
    p.b = gradcheck_array(b);
    p.c = gradcheck_array(c);
    p.w = gradcheck_array(c);
    float *da = gradcheck_array(a), *db = gradcheck_array(b);
    gradcheck_fill(1, a, p.a);
    gradcheck_fill(2, b, p.b);
    gradcheck_fill(3, c, p.w);
    assert_int_equal(product_backward(&p, da, db), DIFFULM_OK);
    const struct gradcheck_loss loss = {GRADCHECK_LINEAR, product_loss, &p};
    char what[64];
    snprintf(what, sizeof what, "gemm %c%c %zux%zux%zu", trans_a ? 't' : 'n', trans_b ? 't' : 'n',
             m, n, k);
    gradcheck(&loss, what, p.a, a, da);
    gradcheck(&loss, what, p.b, b, db);
    float *const all[] = {p.a, p.b, p.c, p.w, da, db};
    for (size_t i = 0; i < 6; i++)
        free(all[i]);
}

void gradients_of_gemm_in_every_transpose_form(void **state)
{
    static const size_t sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {17, 6, 33}, {4, 33, 17}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int form = 0; form < 4; form++)
            check_product(gradcheck_runtime(state), form & 1, form & 2, sizes[i][0], sizes[i][1],
                          sizes[i][2]);
}

/* y[rows, d] = f(x[rows, in]) of one row-wise operation. */
struct rowwise {
    const struct diffulm_runtime *rt;
    size_t rows, d, in;
    enum dulm_activation kind;
    bool gated;
    float scale;
    float *x, *weight, *bias, *y, *w;
};

static struct rowwise rowwise_create(const struct diffulm_runtime *rt, size_t rows, size_t d,
                                     size_t in)
{
    struct rowwise r = {.rt = rt, .rows = rows, .d = d, .in = in};
    r.x = gradcheck_array(rows * in);
    r.weight = gradcheck_array(d);
    r.bias = gradcheck_array(d);
    r.y = gradcheck_array(rows * d);
    r.w = gradcheck_array(rows * d);
    gradcheck_fill_around(4, rows * in, 0, 2, r.x);
    gradcheck_fill_around(5, d, 1, 0.5f, r.weight);
    gradcheck_fill(6, d, r.bias);
    gradcheck_fill(7, rows * d, r.w);
    return r;
}

static void rowwise_destroy(struct rowwise *r)
{
    free(r->x);
    free(r->weight);
    free(r->bias);
    free(r->y);
    free(r->w);
}

static double norm_loss(void *user)
{
    const struct rowwise *r = user;
    dulm_layer_norm(r->rt, r->rows, r->d, r->x, r->weight, r->bias, 1e-5f, r->y);
    return gradcheck_sum(r->rows * r->d, r->w, r->y);
}

static void check_norm(const struct diffulm_runtime *rt, size_t rows, size_t d, bool with_bias)
{
    struct rowwise r = rowwise_create(rt, rows, d, d);
    float *bias = r.bias, *dx = gradcheck_array(rows * d), *stats = gradcheck_array(2 * rows);
    float *dw = gradcheck_array(d), *db = gradcheck_array(d);
    r.bias = with_bias ? bias : NULL;
    dulm_layer_norm_backward(rt, rows, d, r.x, r.weight, 1e-5f, r.w, dx, stats, dw,
                             with_bias ? db : NULL);
    const struct gradcheck_loss smooth = {GRADCHECK_SMOOTH, norm_loss, &r};
    const struct gradcheck_loss linear = {GRADCHECK_LINEAR, norm_loss, &r};
    gradcheck(&smooth, "layer norm: x", r.x, rows * d, dx);
    gradcheck(&linear, "layer norm: weight", r.weight, d, dw);
    if (with_bias)
        gradcheck(&linear, "layer norm: bias", r.bias, d, db);
    r.bias = bias;
    rowwise_destroy(&r);
    free(dx);
    free(stats);
    free(dw);
    free(db);
}

void gradients_of_layer_norm_with_and_without_bias(void **state)
{
    static const size_t widths[] = {3, 16, 37};
    for (size_t i = 0; i < 3; i++)
        for (int bias = 0; bias < 2; bias++)
            check_norm(gradcheck_runtime(state), 1 + 4 * i, widths[i], bias);
}

static double activation_loss(void *user)
{
    const struct rowwise *r = user;
    dulm_activate(r->rt, r->kind, r->gated, r->rows, r->d, r->x, r->y);
    return gradcheck_sum(r->rows * r->d, r->w, r->y);
}

/* ReLU has no derivative at 0: inputs keep more than two steps away from it. */
static void avoid_zero(size_t n, float *x)
{
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) < 0.125f)
            x[i] = x[i] < 0 ? -0.125f : 0.125f;
}

static void check_activation(const struct diffulm_runtime *rt, enum dulm_activation kind,
                             bool gated, size_t rows, size_t f)
{
    const size_t in = gated ? 2 * f : f;
    struct rowwise r = rowwise_create(rt, rows, f, in);
    r.kind = kind;
    r.gated = gated;
    avoid_zero(rows * in, r.x);
    float *du = gradcheck_array(rows * in);
    dulm_activate_backward(rt, kind, gated, rows, f, r.x, r.w, du);
    const struct gradcheck_loss loss = {GRADCHECK_SMOOTH, activation_loss, &r};
    char what[64];
    snprintf(what, sizeof what, "activation %d%s, %zu x %zu", (int)kind, gated ? ", gated" : "",
             rows, f);
    gradcheck(&loss, what, r.x, rows * in, du);
    rowwise_destroy(&r);
    free(du);
}

void gradients_of_every_activation(void **state)
{
    for (int kind = DULM_GELU; kind <= DULM_TANH; kind++) {
        check_activation(gradcheck_runtime(state), (enum dulm_activation)kind, false, 1, 1);
        check_activation(gradcheck_runtime(state), (enum dulm_activation)kind, false, 5, 19);
    }
}

void gradients_of_every_gated_activation(void **state)
{
    for (int kind = DULM_GELU; kind <= DULM_TANH; kind++) {
        check_activation(gradcheck_runtime(state), (enum dulm_activation)kind, true, 1, 1);
        check_activation(gradcheck_runtime(state), (enum dulm_activation)kind, true, 5, 19);
    }
}

static double softmax_loss(void *user)
{
    const struct rowwise *r = user;
    memcpy(r->y, r->x, r->rows * r->d * sizeof *r->y);
    r->rt->kernels->softmax(r->rows, r->d, r->scale, r->y);
    return gradcheck_sum(r->rows * r->d, r->w, r->y);
}

void gradients_of_softmax_at_every_scale(void **state)
{
    const struct diffulm_runtime *rt = gradcheck_runtime(state);
    static const float scales[] = {1.0f, 0.35355339f, 2.0f};
    static const size_t widths[] = {2, 17, 33};
    for (size_t i = 0; i < 3; i++) {
        struct rowwise r = rowwise_create(rt, 3, widths[i], widths[i]);
        r.scale = scales[i];
        float *ds = gradcheck_array(3 * widths[i]);
        memcpy(ds, r.w, 3 * widths[i] * sizeof *ds);
        const struct gradcheck_loss loss = {GRADCHECK_SMOOTH, softmax_loss, &r};
        softmax_loss(&r);
        rt->kernels->softmax_backward(3, widths[i], r.scale, r.y, ds);
        gradcheck(&loss, "softmax", r.x, 3 * widths[i], ds);
        rowwise_destroy(&r);
        free(ds);
    }
}

void softmax_row_that_sees_nothing_has_no_gradient(void **state)
{
    const struct diffulm_runtime *rt = gradcheck_runtime(state);
    float p[19], dp[19];
    gradcheck_fill(8, 19, dp);
    for (int i = 0; i < 19; i++)
        p[i] = -INFINITY;
    rt->kernels->softmax(1, 19, 0.5f, p);
    rt->kernels->softmax_backward(1, 19, 0.5f, p, dp);
    for (int i = 0; i < 19; i++) {
        assert_true(p[i] == 0);
        assert_true(dp[i] == 0);
    }
}

struct entropy {
    const struct diffulm_runtime *rt;
    size_t n, target;
    float d_ce, d_uniform;
    float *logits;
};

static double entropy_loss(void *user)
{
    const struct entropy *e = user;
    double ce, uniform;
    e->rt->kernels->cross_entropy(e->n, e->logits, e->target, 0, 0, &ce, &uniform);
    return (double)e->d_ce * ce + (double)e->d_uniform * uniform;
}

void gradients_of_cross_entropy_and_uniform_cross_entropy(void **state)
{
    static const size_t sizes[] = {2, 17, 1031};
    static const float weights[][2] = {{1, 0}, {0, 1}, {0.75f, 0.25f}};
    for (size_t i = 0; i < 9; i++) {
        const size_t n = sizes[i / 3];
        struct entropy e = {
            gradcheck_runtime(state), n, n - 1, weights[i % 3][0], weights[i % 3][1],
            gradcheck_array(n)};
        float *gradient = gradcheck_array(n);
        double ce, uniform;
        gradcheck_fill_around(9, n, 0, 4, e.logits);
        memcpy(gradient, e.logits, n * sizeof *gradient);
        e.rt->kernels->cross_entropy(n, gradient, e.target, e.d_ce, e.d_uniform, &ce, &uniform);
        const struct gradcheck_loss loss = {GRADCHECK_SMOOTH, entropy_loss, &e};
        gradcheck(&loss, "cross entropy", e.logits, n, gradient);
        free(e.logits);
        free(gradient);
    }
}

static double bias_loss(void *user)
{
    const struct rowwise *r = user;
    dulm_fill_rows(r->rt, r->rows, r->d, r->d, r->bias, r->y);
    return gradcheck_sum(r->rows * r->d, r->w, r->y);
}

void column_sums_are_the_gradient_of_a_bias(void **state)
{
    struct rowwise r = rowwise_create(gradcheck_runtime(state), 5, 67, 67);
    float *db = gradcheck_array(67);
    dulm_column_sums(r.rt, 5, 67, 67, r.w, db);
    const struct gradcheck_loss loss = {GRADCHECK_LINEAR, bias_loss, &r};
    gradcheck(&loss, "bias", r.bias, 67, db);
    rowwise_destroy(&r);
    free(db);
}

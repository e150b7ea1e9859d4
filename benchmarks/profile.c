/* profile.c: where a denoising step, a generation and a training step spend their time, by operation. The linker puts the
 * functions here in front of the library's (--wrap), so the library itself carries no clock.
 *   profile [--threads N] [--rounds N] [--geometry small|base] [--bfloat16 0|1] */
#include <stdatomic.h>
#include <time.h>

#include "arch/block.h"
#include "diffusion/policy.h"
#include "geometry.h"
#include "nn/int8.h"
#include "nn/copy.h"

enum op {
    PRODUCTS_FORWARD,
    PRODUCTS_BACKWARD,
    ATTENTION,
    ATTENTION_BACKWARD,
    NORMS,
    ACTIVATIONS,
    SUMS,
    EMBEDDINGS,
    CANDIDATES,
    OPTIMIZER,
    OPS
};

static const char *const names[OPS] = {"products, x W^T",
                                       "products, gradients",
                                       "attention",
                                       "attention, gradients",
                                       "norms",
                                       "activations, GELU",
                                       "biases and sums",
                                       "embeddings",
                                       "candidates, softmax",
                                       "AdamW and clip"};

static struct {
    double seconds, flops, bytes;
    long long calls;
} total[OPS];
static int threads = 1, rounds = 3;
static atomic_llong candidate_nanoseconds, candidate_calls;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void add(enum op op, double start, double flops, double bytes)
{
    total[op].seconds += now() - start;
    total[op].flops += flops;
    total[op].bytes += bytes;
    total[op].calls++;
}

static double product_of(size_t a, size_t b)
{
    return (double)a * (double)b;
}

diffulm_status __real_dulm_gemm(const struct diffulm_runtime *, bool, bool, size_t, size_t, size_t,
                                const float *, size_t, const float *, size_t, bool, float *,
                                size_t);
diffulm_status __wrap_dulm_gemm(const struct diffulm_runtime *rt, bool trans_a, bool trans_b,
                                size_t m, size_t n, size_t k, const float *a, size_t lda,
                                const float *b, size_t ldb, bool accumulate, float *c, size_t ldc)
{
    const double start = now();
    const diffulm_status rc =
        __real_dulm_gemm(rt, trans_a, trans_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
    add(!trans_a && trans_b ? PRODUCTS_FORWARD : PRODUCTS_BACKWARD, start,
        2 * product_of(m, n) * (double)k,
        4 * (product_of(m, k) + product_of(n, k) + product_of(m, n) * (accumulate ? 2 : 1)));
    return rc;
}

/* Where it comes to dulm_gemm after all, the linker has that call inside ops.c, out of reach. */
diffulm_status __real_dulm_gemm_linear(const struct diffulm_runtime *, size_t, size_t, size_t,
                                       const float *, const float *, const float *, float *,
                                       size_t);
diffulm_status __wrap_dulm_gemm_linear(const struct diffulm_runtime *rt, size_t rows, size_t in,
                                       size_t out, const float *x, const float *w,
                                       const float *bias, float *y, size_t ldy)
{
    const double start = now();
    const diffulm_status rc = __real_dulm_gemm_linear(rt, rows, in, out, x, w, bias, y, ldy);
    add(PRODUCTS_FORWARD, start, 2 * product_of(rows, out) * (double)in,
        4 * (product_of(rows, in) + product_of(out, in) + product_of(rows, out)));
    return rc;
}

static void add_copies(const struct diffulm_runtime *rt, double start, size_t m, size_t n, size_t k)
{
    const double size = rt->precision == DIFFULM_PRECISION_F32 ? 4 : 2;
    add(PRODUCTS_FORWARD, start, 2 * product_of(m, n) * (double)k,
        4 * product_of(m, k) + size * product_of(n, k) + 4 * product_of(m, n));
}

diffulm_status __real_dulm_gemm_copy(const struct diffulm_runtime *, size_t, size_t, size_t,
                                     const float *, size_t, const struct dulm_copy *, size_t,
                                     const float *, enum dulm_activation, float *, size_t);
diffulm_status __wrap_dulm_gemm_copy(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                     const float *a, size_t lda, const struct dulm_copy *w,
                                     size_t first, const float *bias, enum dulm_activation then,
                                     float *c, size_t ldc)
{
    const double start = now();
    const diffulm_status rc =
        __real_dulm_gemm_copy(rt, m, n, k, a, lda, w, first, bias, then, c, ldc);
    add_copies(rt, start, m, n, k);
    return rc;
}

diffulm_status __real_dulm_gemm_copies(const struct diffulm_runtime *, size_t, size_t, size_t,
                                       const float *, size_t, size_t, const struct dulm_copy *,
                                       const float *const *, float *const *, size_t);
diffulm_status __wrap_dulm_gemm_copies(const struct diffulm_runtime *rt, size_t m, size_t n,
                                       size_t k, const float *a, size_t lda, size_t count,
                                       const struct dulm_copy *w, const float *const *bias,
                                       float *const *c, size_t ldc)
{
    const double start = now();
    const diffulm_status rc = __real_dulm_gemm_copies(rt, m, n, k, a, lda, count, w, bias, c, ldc);
    add_copies(rt, start, m, n * count, k);
    return rc;
}

diffulm_status __real_dulm_gemm_int8_each(const struct diffulm_runtime *, size_t, size_t, size_t,
                                          const float *, size_t, const struct dulm_matrix8 *,
                                          const float *const *, float *const *, size_t);
diffulm_status __wrap_dulm_gemm_int8_each(const struct diffulm_runtime *rt, size_t m, size_t n,
                                          size_t k, const float *x, size_t count,
                                          const struct dulm_matrix8 *w, const float *const *bias,
                                          float *const *y, size_t ldy)
{
    const double start = now();
    const diffulm_status rc = __real_dulm_gemm_int8_each(rt, m, n, k, x, count, w, bias, y, ldy);
    add(PRODUCTS_FORWARD, start, 2 * product_of(m, n * count) * (double)k,
        4 * product_of(m, k) + product_of(n * count, k) + 4 * product_of(m, n * count));
    return rc;
}

diffulm_status __real_dulm_gemm_int8(const struct diffulm_runtime *, size_t, size_t, size_t,
                                     const float *, const struct dulm_matrix8 *, size_t,
                                     const float *, enum dulm_activation, float *, size_t);
diffulm_status __wrap_dulm_gemm_int8(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                     const float *x, const struct dulm_matrix8 *w, size_t first,
                                     const float *bias, enum dulm_activation then, float *y,
                                     size_t ldy)
{
    const double start = now();
    const diffulm_status rc = __real_dulm_gemm_int8(rt, m, n, k, x, w, first, bias, then, y, ldy);
    add(PRODUCTS_FORWARD, start, 2 * product_of(m, n) * (double)k,
        4 * product_of(m, k) + product_of(n, k) + 4 * product_of(m, n));
    return rc;
}

/* Multiplications of queries by keys and of probabilities by values, without cached keys. */
static double attention_flops(const struct dulm_attention_shape *shape)
{
    double pairs = 0;
    for (size_t r = 0; r < shape->rows; r++) {
        const size_t n = shape->offsets[r + 1] - shape->offsets[r];
        pairs += product_of(n, n + (shape->cache ? shape->cache[r].count : 0));
    }
    return 4 * pairs * (double)(shape->heads * shape->head_size);
}

static double attention_bytes(const struct dulm_attention_shape *shape)
{
    return 16 * product_of(shape->offsets[shape->rows], shape->heads * shape->head_size);
}

diffulm_status __real_dulm_attention_forward(const struct diffulm_runtime *,
                                             const struct dulm_attention_shape *,
                                             const struct dulm_visibility *,
                                             const struct dulm_attention_dropout *, const float *,
                                             float *, float *);
diffulm_status __wrap_dulm_attention_forward(const struct diffulm_runtime *rt,
                                             const struct dulm_attention_shape *shape,
                                             const struct dulm_visibility *visible,
                                             const struct dulm_attention_dropout *dropout,
                                             const float *qkv, float *context, float *scratch)
{
    const double start = now();
    const diffulm_status rc =
        __real_dulm_attention_forward(rt, shape, visible, dropout, qkv, context, scratch);
    add(ATTENTION, start, attention_flops(shape), attention_bytes(shape));
    return rc;
}

diffulm_status __real_dulm_attention_backward(const struct diffulm_runtime *,
                                              const struct dulm_attention_shape *,
                                              const struct dulm_visibility *,
                                              const struct dulm_attention_dropout *, const float *,
                                              const float *, float *, float *);
diffulm_status __wrap_dulm_attention_backward(const struct diffulm_runtime *rt,
                                              const struct dulm_attention_shape *shape,
                                              const struct dulm_visibility *visible,
                                              const struct dulm_attention_dropout *dropout,
                                              const float *qkv, const float *dcontext, float *dqkv,
                                              float *scratch)
{
    const double start = now();
    const diffulm_status rc =
        __real_dulm_attention_backward(rt, shape, visible, dropout, qkv, dcontext, dqkv, scratch);
    add(ATTENTION_BACKWARD, start, 2.5 * attention_flops(shape), 2 * attention_bytes(shape));
    return rc;
}

void __real_dulm_layer_norm(const struct diffulm_runtime *, size_t, size_t, const float *,
                            const float *, const float *, float, float *);
void __wrap_dulm_layer_norm(const struct diffulm_runtime *rt, size_t rows, size_t d, const float *x,
                            const float *weight, const float *bias, float eps, float *y)
{
    const double start = now();
    __real_dulm_layer_norm(rt, rows, d, x, weight, bias, eps, y);
    add(NORMS, start, 0, 8 * product_of(rows, d));
}

void __real_dulm_layer_norm_backward(const struct diffulm_runtime *, size_t, size_t, const float *,
                                     const float *, float, const float *, float *, float *, float *,
                                     float *);
void __wrap_dulm_layer_norm_backward(const struct diffulm_runtime *rt, size_t rows, size_t d,
                                     const float *x, const float *weight, float eps,
                                     const float *dy, float *dx, float *stats, float *dweight,
                                     float *dbias)
{
    const double start = now();
    __real_dulm_layer_norm_backward(rt, rows, d, x, weight, eps, dy, dx, stats, dweight, dbias);
    add(NORMS, start, 0, 16 * product_of(rows, d));
}

void __real_dulm_activate(const struct diffulm_runtime *, enum dulm_activation, bool, size_t,
                          size_t, const float *, float *);
void __wrap_dulm_activate(const struct diffulm_runtime *rt, enum dulm_activation kind, bool gated,
                          size_t rows, size_t f, const float *u, float *y)
{
    const double start = now();
    __real_dulm_activate(rt, kind, gated, rows, f, u, y);
    add(ACTIVATIONS, start, 0, (gated ? 12 : 8) * product_of(rows, f));
}

void __real_dulm_activate_rows(const struct diffulm_runtime *, enum dulm_activation, size_t, size_t,
                               size_t, float *);
void __wrap_dulm_activate_rows(const struct diffulm_runtime *rt, enum dulm_activation kind,
                               size_t rows, size_t columns, size_t stride, float *y)
{
    const double start = now();
    __real_dulm_activate_rows(rt, kind, rows, columns, stride, y);
    if (kind != DULM_IDENTITY)
        add(ACTIVATIONS, start, 0, 8 * product_of(rows, columns));
}

void __real_dulm_activate_backward(const struct diffulm_runtime *, enum dulm_activation, bool,
                                   size_t, size_t, const float *, const float *, float *);
void __wrap_dulm_activate_backward(const struct diffulm_runtime *rt, enum dulm_activation kind,
                                   bool gated, size_t rows, size_t f, const float *u,
                                   const float *dy, float *du)
{
    const double start = now();
    __real_dulm_activate_backward(rt, kind, gated, rows, f, u, dy, du);
    add(ACTIVATIONS, start, 0, (gated ? 20 : 12) * product_of(rows, f));
}

void __real_dulm_fill_rows(const struct diffulm_runtime *, size_t, size_t, size_t, const float *,
                           float *);
void __wrap_dulm_fill_rows(const struct diffulm_runtime *rt, size_t rows, size_t columns,
                           size_t stride, const float *bias, float *y)
{
    const double start = now();
    __real_dulm_fill_rows(rt, rows, columns, stride, bias, y);
    add(SUMS, start, 0, 4 * product_of(rows, columns));
}

void __real_dulm_residual(const struct diffulm_runtime *, size_t, const float *, const float *,
                          float *);
void __wrap_dulm_residual(const struct diffulm_runtime *rt, size_t count, const float *a,
                          const float *b, float *y)
{
    const double start = now();
    __real_dulm_residual(rt, count, a, b, y);
    add(SUMS, start, 0, 12 * (double)count);
}

void __real_dulm_column_sums(const struct diffulm_runtime *, size_t, size_t, size_t, const float *,
                             float *);
void __wrap_dulm_column_sums(const struct diffulm_runtime *rt, size_t rows, size_t columns,
                             size_t stride, const float *x, float *out)
{
    const double start = now();
    __real_dulm_column_sums(rt, rows, columns, stride, x, out);
    add(SUMS, start, 0, 4 * product_of(rows, columns));
}

void __real_dulm_embed(const struct dulm_pass *, float *, float *);
void __wrap_dulm_embed(const struct dulm_pass *pass, float *sum, float *x)
{
    const double start = now(), norms = total[NORMS].seconds;
    __real_dulm_embed(pass, sum, x);
    add(EMBEDDINGS, start + total[NORMS].seconds - norms, 0,
        12 * product_of(pass->tokens, (size_t)pass->config->hidden));
}

struct dulm_candidate __real_dulm_candidate_of(const struct dulm_kernels *,
                                               const struct diffulm_sampler *, const float *,
                                               size_t, int32_t, const int32_t *, size_t,
                                               const struct dulm_draws *, size_t, float *);
struct dulm_candidate
__wrap_dulm_candidate_of(const struct dulm_kernels *kernels, const struct diffulm_sampler *sampler,
                         const float *logits, size_t vocabulary, int32_t mask_id,
                         const int32_t *forbidden, size_t forbidden_count,
                         const struct dulm_draws *draws, size_t position, float *scratch)
{
    const double start = now();
    const struct dulm_candidate c =
        __real_dulm_candidate_of(kernels, sampler, logits, vocabulary, mask_id, forbidden,
                                 forbidden_count, draws, position, scratch);
    atomic_fetch_add(&candidate_nanoseconds, (long long)(1e9 * (now() - start)));
    atomic_fetch_add(&candidate_calls, 1);
    return c;
}

/* Highest rate of products here and now, in the precision that the runtime has. */
static double peak_of(diffulm_runtime *runtime)
{
    enum { N = 1024 };
    float *x = calloc(3 * (size_t)N * N, sizeof *x);
    int8_t *bytes = calloc(N, N);
    double best = 1e9;
    if (!x || !bytes)
        exit(1);
    struct dulm_matrix8 w = {
        .values = bytes, .scales = x, .sums = (const int32_t *)(const void *)x};
    struct dulm_packed *packed = NULL; /* of zeros */
    if (runtime->precision == DIFFULM_PRECISION_INT8 &&
        dulm_packed_create(runtime, DULM_PACKED_INT8, N, N, N, &packed) < 0)
        exit(1);
    if (packed)
        dulm_packed_write(runtime, packed, 0, N, bytes);
    w.packed = packed;
    for (int i = 0; i < 5; i++) {
        const double start = now();
        const diffulm_status rc = runtime->precision == DIFFULM_PRECISION_INT8
                                      ? __real_dulm_gemm_int8(runtime, N, N, N, x + N * N, &w, 0,
                                                              NULL, DULM_IDENTITY, x + 2 * N * N, N)
                                      : __real_dulm_gemm(runtime, false, false, N, N, N, x, N,
                                                         x + N * N, N, false, x + 2 * N * N, N);
        if (rc < 0)
            exit(1);
        best = now() - start < best ? now() - start : best;
    }
    dulm_packed_destroy(packed);
    free(bytes);
    free(x);
    return 2e-9 * N * (double)N * N / best;
}

/* Runs `work` once unseen, then `rounds` times, and prints a table of means. */
static void profile(const char *what, diffulm_runtime *runtime, double peak,
                    diffulm_status (*work)(void *), void *user)
{
    if (work(user) < 0) {
        fprintf(stderr, "profile: %s\n", diffulm_error_message());
        exit(1);
    }
    memset(total, 0, sizeof total);
    candidate_nanoseconds = candidate_calls = 0;
    const double start = now();
    for (int i = 0; i < rounds; i++)
        if (work(user) < 0)
            exit(1);
    const double all = now() - start;
    char described[96];
    diffulm_runtime_describe(runtime, described, sizeof described);
    total[CANDIDATES].seconds = 1e-9 * (double)candidate_nanoseconds / threads;
    total[CANDIDATES].calls = candidate_calls;
    printf("%s: %.2f ms (%s; products reach %.0f GFLOP/s)\n", what, 1e3 * all / rounds, described,
           peak);
    printf("  %-22s %8s %10s %7s %9s %8s %7s\n", "", "calls", "ms", "share", "GFLOP/s", "of peak",
           "GB/s");
    double known = 0;
    for (int i = 0; i < OPS; i++) {
        if (!total[i].calls)
            continue;
        const double s = total[i].seconds, rate = 1e-9 * total[i].flops / s;
        known += s;
        printf("  %-22s %8lld %10.3f %6.1f%%", names[i], total[i].calls / rounds, 1e3 * s / rounds,
               100 * s / all);
        if (total[i].flops > 0)
            printf(" %9.1f %7.0f%%", rate, 100 * rate / peak);
        else
            printf(" %9s %8s", "", "");
        if (total[i].bytes > 0)
            printf(" %7.1f", 1e-9 * total[i].bytes / s);
        printf("\n");
    }
    printf("  %-22s %8s %10.3f %6.1f%%\n", "all else", "", 1e3 * (all - known) / rounds,
           100 * (all - known) / all);
}

enum { ROWS = 8, LONG = 64, TRAINED = 16 };

struct work {
    diffulm_model *model;
    diffulm_sampler *sampler;
    diffulm_trainer *trainer;
    struct diffulm_batch batch;
    size_t offsets[TRAINED + 1], sources[TRAINED], wanted[ROWS * LONG / 2];
    int32_t tokens[TRAINED * LONG];
    float *logits;
};

static diffulm_status one_step(void *user)
{
    struct work *w = user;
    return diffulm_model_logits(w->model, &w->batch, w->wanted, ROWS * LONG / 2, w->logits);
}

static diffulm_status one_generation(void *user)
{
    struct work *w = user;
    struct diffulm_session_options options = DIFFULM_SESSION_OPTIONS_INIT;
    diffulm_session *session = NULL;
    uint8_t roles[LONG];
    int32_t tokens[LONG];
    size_t row;
    options.mask_id = 4;
    diffulm_status rc = diffulm_session_create(w->model, w->sampler, &options, &session);
    for (int i = 0; i < LONG; i++) {
        roles[i] = i < LONG / 2 ? DIFFULM_ROLE_GIVEN : DIFFULM_ROLE_MASKED;
        tokens[i] = i < LONG / 2 ? w->tokens[i] : 4;
    }
    for (int r = 0; rc == DIFFULM_OK && r < ROWS; r++) {
        tokens[1] = w->tokens[r * LONG + 1];
        rc = diffulm_session_add(session, tokens, LONG, roles, NULL, &row);
    }
    if (rc == DIFFULM_OK)
        rc = diffulm_session_run(session);
    diffulm_session_destroy(session);
    return rc;
}

static diffulm_status one_update(void *user)
{
    struct work *w = user;
    const struct diffulm_rows rows = {sizeof rows, TRAINED, w->offsets, w->tokens, w->sources};
    const diffulm_status rc = diffulm_trainer_accumulate(w->trainer, &rows, NULL);
    if (rc < 0)
        return rc;
    const double start = now();
    if (diffulm_trainer_apply(w->trainer, NULL) < 0)
        return DIFFULM_E_STATE;
    add(OPTIMIZER, start, 0, 32 * (double)diffulm_trainer_parameters(w->trainer));
    return DIFFULM_OK;
}

static void run(diffulm_runtime *runtime, const struct geometry *geometry)
{
    struct work *w = calloc(1, sizeof *w);
    struct diffulm_model_info info = {.struct_size = sizeof info};
    struct diffulm_trainer_options options = DIFFULM_TRAINER_OPTIONS_INIT;
    const double peak = peak_of(runtime);
    if (!w)
        exit(1);
    w->model = make_geometry(runtime, geometry);
    options.mask_id = 4;
    options.corruption = DIFFULM_CORRUPTION_SINGLE;
    if (diffulm_model_get_info(w->model, &info) < 0 ||
        diffulm_sampler_create(NULL, NULL, &w->sampler) < 0)
        exit(1);
    for (size_t i = 0; i < TRAINED * LONG; i++)
        w->tokens[i] = (int32_t)(5 + i * 7919 % (size_t)(info.vocabulary - 5));
    for (size_t r = 0; r < TRAINED; r++) {
        w->offsets[r + 1] = (r + 1) * LONG;
        w->sources[r] = LONG / 2;
    }
    for (size_t i = 0; i < ROWS * LONG / 2; i++)
        w->wanted[i] = i / (LONG / 2) * LONG + LONG / 2 + i % (LONG / 2);
    w->batch = (struct diffulm_batch){
        .struct_size = sizeof w->batch, .rows = ROWS, .offsets = w->offsets, .tokens = w->tokens};
    w->logits = malloc(ROWS * LONG / 2 * (size_t)info.vocabulary * sizeof *w->logits);
    printf("%s\n", geometry->name);
    profile("a step: 8 rows of 64 tokens, logits of half of them", runtime, peak, one_step, w);
    profile("a generation: 8 rows, 32 given, 32 denoised in 10 steps", runtime, peak,
            one_generation, w);
    if (runtime->precision != DIFFULM_PRECISION_INT8) {
        if (diffulm_trainer_create(w->model, &options, &w->trainer) < 0)
            exit(1);
        profile("an update: 16 rows of 64 tokens, half of each a target", runtime, peak, one_update,
                w);
    }
    diffulm_trainer_destroy(w->trainer);
    diffulm_sampler_unref(w->sampler);
    diffulm_model_unref(w->model);
    free(w->logits);
    free(w);
}

int main(int argc, char **argv)
{
    struct diffulm_runtime_options ro = DIFFULM_RUNTIME_OPTIONS_INIT;
    diffulm_runtime *runtime = NULL;
    const char *geometry = "small";
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0)
            threads = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--rounds") == 0)
            rounds = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--bfloat16") == 0)
            ro.precision = atoi(argv[i + 1]) ? DIFFULM_PRECISION_BF16 : DIFFULM_PRECISION_F32;
        else if (strcmp(argv[i], "--int8") == 0)
            ro.precision = atoi(argv[i + 1]) ? DIFFULM_PRECISION_INT8 : DIFFULM_PRECISION_F32;
        else if (strcmp(argv[i], "--pack-weights") == 0)
            ro.pack_weights = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--geometry") == 0)
            geometry = argv[i + 1];
        else
            argc = 0;
    }
    struct geometry g;
    if (argc % 2 != 1 || rounds < 1 || threads < 1 || !read_geometry(geometry, &g)) {
        fprintf(stderr, "usage: profile [--threads N] [--rounds N] [--bfloat16 0|1] [--int8 0|1]\n"
                        "  [--geometry " GEOMETRY_USAGE "] [--pack-weights 0|1]\n");
        return 2;
    }
    ro.threads = threads;
    if (diffulm_runtime_create(&ro, &runtime) < 0) {
        fprintf(stderr, "profile: %s\n", diffulm_error_message());
        return 1;
    }
    run(runtime, &g);
    diffulm_runtime_unref(runtime);
    return 0;
}

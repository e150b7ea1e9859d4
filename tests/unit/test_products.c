/* test_products.c: matrix products of every path, in single precision and in bfloat16, and models computed in bfloat16. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "arch/copies.h"
#include "nn/attention.h"
#include "nn/runtime.h"
#include "tiny.h"

static diffulm_status make_runtime(int32_t backend, int32_t threads, diffulm_runtime **out)
{
    struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
    o.backend = backend;
    o.threads = threads;
    o.precision = DIFFULM_PRECISION_BF16;
    return diffulm_runtime_create(&o, out);
}

static diffulm_runtime *plain_runtime(void)
{
    diffulm_runtime *rt;
    assert_int_equal(make_runtime(DIFFULM_BACKEND_REFERENCE, 1, &rt), DIFFULM_OK);
    return rt;
}

/* From and to anywhere, and nothing beside it is touched. */
static void copies_past_the_caches_are_copies_on_every_instruction_set(void **state)
{
    (void)state;
    enum { MOST = 140, LINE = 16 };
    static float x[LINE + MOST], y[2 * LINE + MOST];
    for (size_t i = 0; i < LINE + MOST; i++)
        x[i] = (float)i + 0.25f;
    for (int32_t isa = DIFFULM_ISA_BASELINE; isa <= DIFFULM_ISA_AVX512; isa++)
        for (size_t count = 0; count <= MOST; count++)
            for (size_t to = 1; to <= LINE; to++) {
                const float *from = x + (to * 7 + count) % LINE;
                const struct dulm_kernels *k = dulm_kernels_choose(isa);
                memset(y, 0, sizeof y);
                k->copy_past(count, from, y + to);
                k->copied_past();
                assert_memory_equal(y + to, from, count * sizeof *y);
                assert_true(y[to - 1] == 0 && y[to + count] == 0);
            }
}

/* oneDNN's, or the test is skipped: not built in, or a CPU without bfloat16. */
static diffulm_runtime *fast_runtime(int32_t threads)
{
    diffulm_runtime *rt = NULL;
    const diffulm_status rc = make_runtime(DIFFULM_BACKEND_ONEDNN, threads, &rt);
    if (rc == DIFFULM_E_UNSUPPORTED)
        skip();
    assert_int_equal(rc, DIFFULM_OK);
    return rt;
}

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void rounds_to_the_nearest_ties_to_even_on_every_instruction_set(void **state)
{
    (void)state;
    static const struct {
        uint32_t from;
        uint16_t to;
    } cases[] = {{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f808001, 0x3f81},
                 {0x3f818000, 0x3f82}, {0x3f817fff, 0x3f81}, {0xbf808001, 0xbf81},
                 {0x00000001, 0x0000}, {0x80000000, 0x8000}, {0x7f7fffff, 0x7f80},
                 {0x7f800000, 0x7f80}, {0xff800000, 0xff80}, {0x7f800001, 0x7fc0},
                 {0xffffffff, 0xffff}, {0x7fc00000, 0x7fc0}, {0x00008000, 0x0000},
                 {0x00018000, 0x0002}, {0x3f7fffff, 0x3f80}};
    enum { CASES = sizeof cases / sizeof *cases };
    for (int32_t isa = DIFFULM_ISA_BASELINE; isa <= DIFFULM_ISA_AVX512; isa++) {
        struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
        diffulm_runtime *rt;
        o.isa = isa;
        assert_int_equal(diffulm_runtime_create(&o, &rt), DIFFULM_OK);
        for (size_t shift = 0; shift < CASES; shift++) { /* each case in each lane */
            float x[CASES];
            uint16_t y[CASES];
            for (size_t i = 0; i < CASES; i++)
                x[i] = of_bits(cases[(i + shift) % CASES].from);
            rt->kernels->to_bf16(CASES, x, y);
            for (size_t i = 0; i < CASES; i++)
                assert_int_equal(y[i], cases[(i + shift) % CASES].to);
        }
        diffulm_runtime_unref(rt);
    }
}

static void sums_of_exponentials_agree_on_every_instruction_set(void **state)
{
    (void)state;
    float x[5000];
    for (size_t i = 0; i < 5000; i++)
        x[i] = (float)((i * 7919) % 1000) * -0.01f;
    for (size_t n = 1; n < 5000; n += n < 40 ? 1 : 1001) {
        double expected = 0;
        for (size_t i = 0; i < n; i++)
            expected += exp((double)x[i] + 1);
        for (int32_t isa = DIFFULM_ISA_BASELINE; isa <= DIFFULM_ISA_AVX512; isa++) {
            const struct dulm_kernels *k = dulm_kernels_choose(isa);
            assert_true(fabs(k->exp_sum(n, x, -1, 1) - expected) < 1e-6 * expected);
            x[n - 1] += 100;
            assert_float_equal(k->max(n, x), x[n - 1], 0);
            x[n - 1] -= 100;
        }
    }
}

static float rounded_value(float x)
{
    uint16_t y;
    dulm_kernels_baseline.to_bf16(1, &x, &y);
    return of_bits((uint32_t)y << 16);
}

struct shape {
    size_t m, n, k;
};

static float *numbers(size_t count, uint32_t seed)
{
    float *x = malloc(count * sizeof *x + 1);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525 + 1013904223;
        x[i] = (float)(int32_t)seed * 0x1p-31f;
    }
    return x;
}

static float at(const float *x, size_t stride, bool turned, size_t row, size_t column)
{
    return turned ? x[column * stride + row] : x[row * stride + column];
}

static float rounded(const diffulm_runtime *rt, float x)
{
    return rt->precision == DIFFULM_PRECISION_F32 ? x : rounded_value(x);
}

typedef diffulm_status product(const diffulm_runtime *rt, bool trans_a, bool trans_b, size_t m,
                               size_t n, size_t k, const float *a, size_t lda, const float *b,
                               size_t ldb, bool accumulate, float *c, size_t ldc);

/* One product against sums in double precision of what it multiplies, at `probes` places of the result. */
static void check_product(const diffulm_runtime *rt, product *multiply, struct shape s, int variant,
                          size_t probes)
{
    const bool trans_a = variant & 1, trans_b = variant & 2, accumulate = variant & 4;
    const size_t gap = variant & 8 ? 3 : 0;
    const size_t lda = (trans_a ? s.m : s.k) + gap, ldb = (trans_b ? s.k : s.n) + gap;
    const size_t ldc = s.n + gap;
    float *a = numbers((trans_a ? s.k : s.m) * lda, 1);
    float *b = numbers((trans_b ? s.n : s.k) * ldb, 2);
    float *c = numbers(s.m * ldc, 3), *before = numbers(s.m * ldc, 3);
    assert_int_equal(
        multiply(rt, trans_a, trans_b, s.m, s.n, s.k, a, lda, b, ldb, accumulate, c, ldc),
        DIFFULM_OK);
    const size_t all = s.m * s.n, step = all > probes ? all / probes : 1;
    for (size_t i = 0; i < all; i += step) {
        const size_t row = i / s.n, column = i % s.n;
        double sum = accumulate ? (double)before[row * ldc + column] : 0, size = fabs(sum);
        for (size_t j = 0; j < s.k; j++) {
            const double part = (double)rounded(rt, at(a, lda, trans_a, row, j)) *
                                (double)rounded(rt, at(b, ldb, trans_b, j, column));
            sum += part;
            size += fabs(part);
        }
        if (fabs((double)c[row * ldc + column] - sum) > 1e-6 * size + 1e-30)
            fail_msg("%zu x %zu x %zu, variant %d, [%zu, %zu]: %.9g, not %.9g", s.m, s.n, s.k,
                     variant, row, column, (double)c[row * ldc + column], sum);
    }
    for (size_t row = 0; gap && row + 1 < s.m; row++)
        assert_memory_equal(c + row * ldc + s.n, before + row * ldc + s.n, gap * sizeof *c);
    free(a);
    free(b);
    free(c);
    free(before);
}

static void check_products(const diffulm_runtime *rt, product *multiply)
{
    static const struct shape shapes[] = {{1, 1, 1},   {3, 5, 7},    {16, 17, 1},   {1, 33, 64},
                                          {31, 64, 9}, {40, 24, 12}, {65, 70, 129}, {6, 200, 96}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int variant = 0; variant < 16; variant++)
            check_product(rt, multiply, shapes[i], variant, 4000);
    for (int variant = 0; variant < 16 && multiply == dulm_gemm; variant++)
        check_product(rt, multiply, (struct shape){4, 3, 0}, variant, 50);
    /* More than one block of the inner dimension, of rows and of columns. */
    for (int variant = 0; variant < 16; variant += 5)
        check_product(rt, multiply, (struct shape){2, 600, 16400}, variant, 50);
    check_product(rt, multiply, (struct shape){520, 3, 16390}, 3, 50);
}

#ifdef DULM_ONEDNN
/* Of matrices stored as weights are; others by dulm_gemm. */
static diffulm_status by_matmul(const diffulm_runtime *rt, bool trans_a, bool trans_b, size_t m,
                                size_t n, size_t k, const float *a, size_t lda, const float *b,
                                size_t ldb, bool accumulate, float *c, size_t ldc)
{
    if (trans_a || !trans_b)
        return dulm_gemm(rt, trans_a, trans_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
    return dulm_onednn_matmul(rt, m, n, k, a, lda, b, ldb, NULL, accumulate, c, ldc);
}
#endif

/* A linear map against its product and a sum; each shape takes another way on AVX-512. */
static void check_linear(const diffulm_runtime *rt, struct shape s, size_t gap)
{
    const size_t ldy = s.n + gap;
    float *x = numbers(s.m * s.k, 1), *w = numbers(s.n * s.k, 2), *bias = numbers(s.n, 3);
    float *y = numbers(s.m * ldy, 4), *plain = numbers(s.m * s.n, 5);
    assert_int_equal(dulm_gemm_linear(rt, s.m, s.k, s.n, x, w, bias, y, ldy), DIFFULM_OK);
    assert_int_equal(dulm_gemm_linear(rt, s.m, s.k, s.n, x, w, NULL, plain, s.n), DIFFULM_OK);
    for (size_t i = 0; i < s.m * s.n; i++) {
        const float expected = plain[i] + bias[i % s.n];
        assert_float_equal(y[i / s.n * ldy + i % s.n], expected, 1e-4);
    }
    free(x);
    free(w);
    free(bias);
    free(y);
    free(plain);
}

static void a_linear_map_adds_its_bias_to_every_row(void **state)
{
    (void)state;
    static const struct shape shapes[] = {{1, 7, 33}, {9, 50, 20}, {70, 64, 96}, {300, 40, 600}};
    for (int32_t threads = 1; threads <= 2; threads++)
        for (int32_t backend = DIFFULM_BACKEND_AUTO; backend <= DIFFULM_BACKEND_REFERENCE;
             backend++) {
            diffulm_runtime *rt = tiny_runtime(backend, threads);
            for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
                for (size_t gap = 0; gap < 4; gap += 3)
                    check_linear(rt, shapes[i], gap);
            diffulm_runtime_unref(rt);
        }
}

static void single_precision_products_are_sums_on_every_path(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 2; threads++) {
        diffulm_runtime *rt = tiny_runtime(DIFFULM_BACKEND_REFERENCE, threads);
        check_products(rt, dulm_gemm);
        diffulm_runtime_unref(rt);
#ifdef DULM_ONEDNN
        rt = tiny_runtime(DIFFULM_BACKEND_ONEDNN, threads);
        check_products(rt, dulm_gemm);
        check_products(rt, by_matmul);
        diffulm_runtime_unref(rt);
#endif
    }
}

static void reference_products_are_sums_of_rounded_numbers(void **state)
{
    (void)state;
    diffulm_runtime *rt = plain_runtime();
    check_products(rt, dulm_gemm);
    diffulm_runtime_unref(rt);
}

static void onednn_products_are_the_same_sums(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 2; threads++) {
        diffulm_runtime *rt = fast_runtime(threads);
        check_products(rt, dulm_gemm);
        diffulm_runtime_unref(rt);
    }
}

static void products_by_rounded_matrices_are_the_same_bits(void **state)
{
    (void)state;
    static const struct shape shapes[] = {{1, 1, 1}, {3, 5, 7}, {40, 24, 12}, {5, 9000, 1000}};
    diffulm_runtime *rt = plain_runtime();
    for (int i = 0; i < 8; i++) {
        const struct shape s = shapes[i % 4];
        const bool with_bias = i > 3;
        const size_t lda = s.k + 2, ldc = s.n + 3, first = (size_t)i % 3;
        float *a = numbers(s.m * lda, 1), *b = numbers((first + s.n) * s.k, 2);
        float *bias = numbers(s.n, 4);
        float *one = numbers(s.m * ldc, 3), *other = numbers(s.m * ldc, 3);
        uint16_t *half = malloc((first + s.n) * s.k * sizeof *half);
        const struct dulm_copy w = {.values = half};
        rt->kernels->to_bf16((first + s.n) * s.k, b, half);
        dulm_fill_rows(rt, s.m, s.n, ldc, bias, one);
        assert_int_equal(dulm_gemm(rt, false, true, s.m, s.n, s.k, a, lda, b + first * s.k, s.k,
                                   with_bias, one, ldc),
                         DIFFULM_OK);
        assert_int_equal(dulm_gemm_copy(rt, s.m, s.n, s.k, a, lda, &w, first,
                                        with_bias ? bias : NULL, DULM_IDENTITY, other, ldc),
                         DIFFULM_OK);
        assert_memory_equal(one, other, s.m * ldc * sizeof *one);
        free(a);
        free(b);
        free(bias);
        free(one);
        free(other);
        free(half);
    }
    diffulm_runtime_unref(rt);
}

static void models_keep_rounded_copies_of_what_they_multiply_by(void **state)
{
    (void)state;
    static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};
    for (size_t f = 0; f < 3; f++) {
        diffulm_runtime *rt = plain_runtime();
        diffulm_model *model = tiny_model(families[f], rt, 5);
        const struct dulm_copies *rounded, *again;
        const struct dulm_weights *w = &model->weights;
        assert_int_equal(dulm_copies_of(model, &rounded), DIFFULM_OK);
        assert_int_equal(dulm_copies_of(model, &again), DIFFULM_OK);
        assert_ptr_equal(rounded, again);
        const int layers[] = {1, 0, -1, -1};
        const int slots[] = {DULM_VALUE_W, DULM_UP_W, DULM_DECODER_W, DULM_HEAD_DENSE_W};
        const float *matrices[] = {w->layer[1].slot[DULM_VALUE_W], w->layer[0].slot[DULM_UP_W],
                                   w->global[DULM_DECODER_W], w->global[DULM_HEAD_DENSE_W]};
        for (size_t i = 0; i < 4; i++) {
            const struct dulm_copy *found = dulm_copies_at(rounded, layers[i], slots[i]);
            assert_non_null(found);
            const uint16_t *copy = found->values + found->first * 12;
            for (size_t j = 0; j < 12 * 12; j++)
                assert_float_equal(rounded_value(matrices[i][j]), of_bits((uint32_t)copy[j] << 16),
                                   0);
        }
        assert_null(dulm_copies_at(rounded, -1, DULM_HEAD_NORM_W));
        diffulm_model_unref(model);
        diffulm_runtime_unref(rt);
        model = tiny_model_on(families[f], DIFFULM_BACKEND_REFERENCE, 1, 5);
        assert_int_equal(dulm_copies_of(model, &rounded), DIFFULM_OK);
        assert_null(rounded);
        diffulm_model_unref(model);
    }
}

static const size_t offsets[] = {0, 9, 17};
static const int32_t tokens[] = {0, 4, 5, 6, 7, 8, 9, 10, 2, 0, 11, 12, 13, 14, 15, 16, 2};
enum { TOKENS = 17 };

static void logits_of(diffulm_runtime *rt, const char *family, float *logits)
{
    diffulm_model *model = tiny_model(family, rt, 5);
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 2, .offsets = offsets, .tokens = tokens};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, TOKENS, logits), DIFFULM_OK);
    diffulm_model_unref(model);
}

static double largest_difference(const float *a, const float *b, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = larger(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

static void logits_differ_from_single_precision_by_little_but_do(void **state)
{
    (void)state;
    static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};
    for (size_t i = 0; i < 3; i++) {
        float single[TOKENS * TINY_VOCABULARY], half[TOKENS * TINY_VOCABULARY];
        diffulm_runtime *plain = tiny_runtime(DIFFULM_BACKEND_REFERENCE, 1);
        diffulm_runtime *rt = plain_runtime();
        logits_of(plain, families[i], single);
        logits_of(rt, families[i], half);
        const double most = largest_difference(single, half, TOKENS * TINY_VOCABULARY);
        float zero[TOKENS * TINY_VOCABULARY] = {0};
        const double size = largest_difference(single, zero, TOKENS * TINY_VOCABULARY);
        if (!(most > 1e-5 * size && most < 0.02 * size))
            fail_msg("%s: differs by %g of %g", families[i], most, size);
        diffulm_runtime_unref(plain);
        diffulm_runtime_unref(rt);
    }
}

static void train(diffulm_runtime *rt, double losses[30])
{
    diffulm_model *model = tiny_model("xlm-roberta", rt, 5);
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    diffulm_trainer *trainer;
    const size_t sources[] = {4, 4};
    const struct diffulm_rows rows = {sizeof rows, 2, offsets, tokens, sources};
    o.mask_id = TINY_MASK;
    o.lr = 5e-3;
    o.seed = 3;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    for (int step = 0; step < 30; step++) {
        struct diffulm_trainer_report report = {.struct_size = sizeof report};
        assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, &report), DIFFULM_OK);
        losses[step] = report.cross_entropy;
        assert_int_equal(diffulm_trainer_apply(trainer, &report), DIFFULM_OK);
    }
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

static void training_follows_single_precision(void **state)
{
    (void)state;
    double single[30], half[30], fast[30];
    diffulm_runtime *plain = tiny_runtime(DIFFULM_BACKEND_REFERENCE, 1);
    diffulm_runtime *rt = plain_runtime();
    train(plain, single);
    train(rt, half);
    for (int step = 0; step < 30; step++)
        assert_true(fabs(single[step] - half[step]) < 0.02 * single[step]);
    diffulm_runtime_unref(plain);
    diffulm_runtime_unref(rt);
    rt = fast_runtime(1);
    train(rt, fast);
    for (int step = 0; step < 30; step++)
        assert_true(fabs(half[step] - fast[step]) < 2e-3 * half[step]);
    diffulm_runtime_unref(rt);
}

static void precisions_that_do_not_exist_are_refused(void **state)
{
    (void)state;
    struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
    diffulm_runtime *rt = NULL;
    o.precision = 3;
    assert_int_equal(diffulm_runtime_create(&o, &rt), DIFFULM_E_ARGUMENT);
    assert_message_names("precision 3");
    o.precision = DIFFULM_PRECISION_BF16;
    o.backend = DIFFULM_BACKEND_ONEDNN;
    o.isa = DIFFULM_ISA_AVX2;
    assert_int_equal(diffulm_runtime_create(&o, &rt), DIFFULM_E_UNSUPPORTED);
#ifdef DULM_ONEDNN
    assert_message_names("AVX512_BF16");
#else
    assert_message_names("without oneDNN");
#endif
    assert_null(rt);
}

/* The last row has keys that were there before. */
enum { ROWS = 4, HEADS = 2, SIZE = 32, D = HEADS * SIZE, POSITIONS = 503, BEFORE = 7 };
static const size_t attention_offsets[ROWS + 1] = {0, 130, 200, 203, POSITIONS};

static double by_definition(const float *qkv, const float *before, size_t row, size_t head,
                            size_t i, size_t feature, bool causal)
{
    const size_t first = attention_offsets[row], length = attention_offsets[row + 1] - first;
    const size_t held = row == ROWS - 1 ? BEFORE : 0, keys = held + length;
    const size_t seen = causal ? held + i + 1 : keys, at = head * SIZE;
    const float *q = qkv + (first + i) * D + at;
    double scores[POSITIONS + BEFORE], top = -1e30, sum = 0, value = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t j = 0; j < seen; j++) {
            const float *k =
                j < held ? before + j * 2 * D + at : qkv + (POSITIONS + first + j - held) * D + at;
            const float *v = k + (j < held ? D : POSITIONS * D);
            if (pass == 0) {
                scores[j] = 0;
                for (size_t c = 0; c < SIZE; c++)
                    scores[j] += (double)rounded_value(q[c]) * rounded_value(k[c]);
                scores[j] /= sqrt(SIZE);
                top = scores[j] > top ? scores[j] : top;
            } else {
                const float e = (float)exp(scores[j] - top);
                sum += (double)e;
                value += (double)rounded_value(e) * rounded_value(v[feature]);
            }
        }
    return value / sum;
}

/* A weight may be rounded to the neighbour, which moves a value by 2^-8 of its share. */
static void check_attention(const diffulm_runtime *rt, bool causal)
{
    float *qkv = numbers(3 * POSITIONS * D, 5), *held = numbers((BEFORE + POSITIONS) * 2 * D, 6);
    float *context = numbers(POSITIONS * D, 7);
    const struct dulm_key_cache cache[ROWS] = {{0}, {0}, {0}, {held, 0, BEFORE, 0}};
    const struct dulm_attention_shape shape = {
        ROWS, attention_offsets, HEADS, SIZE, 300 + BEFORE, cache, 0, true};
    const struct dulm_visibility visible = {.kind = causal ? DULM_ATTENTION_CAUSAL
                                                           : DULM_ATTENTION_FULL};
    const struct dulm_attention_dropout dropout = {0};
    float *scratch = numbers(dulm_attention_scratch(rt, &shape), 8);
    for (size_t i = 0; i < 3 * POSITIONS * D; i++)
        qkv[i] *= i < 2 * POSITIONS * D ? 2.0f : 1.0f;
    assert_int_equal(dulm_attention_forward(rt, &shape, &visible, &dropout, qkv, context, scratch),
                     DIFFULM_OK);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t i = 0; i < attention_offsets[row + 1] - attention_offsets[row]; i += 3)
            for (size_t c = 0; c < D; c += 5) {
                const double want = by_definition(qkv, held, row, c / SIZE, i, c % SIZE, causal);
                const double have = context[(attention_offsets[row] + i) * D + c];
                if (fabs(have - want) > 5e-4)
                    fail_msg("row %zu, query %zu, feature %zu: %.8f, not %.8f", row, i, c, have,
                             want);
            }
    free(qkv);
    free(held);
    free(context);
    free(scratch);
}

static void attention_is_that_of_rounded_factors(void **state)
{
    (void)state;
    diffulm_runtime *plain = plain_runtime();
    check_attention(plain, false);
    check_attention(plain, true);
    diffulm_runtime_unref(plain);
    for (int32_t threads = 1; threads <= 3; threads++) {
        diffulm_runtime *rt = fast_runtime(threads);
        assert_non_null(rt->head);
        check_attention(rt, false);
        check_attention(rt, true);
        diffulm_runtime_unref(rt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_to_the_nearest_ties_to_even_on_every_instruction_set),
        cmocka_unit_test(sums_of_exponentials_agree_on_every_instruction_set),
        cmocka_unit_test(copies_past_the_caches_are_copies_on_every_instruction_set),
        cmocka_unit_test(single_precision_products_are_sums_on_every_path),
        cmocka_unit_test(attention_is_that_of_rounded_factors),
        cmocka_unit_test(a_linear_map_adds_its_bias_to_every_row),
        cmocka_unit_test(reference_products_are_sums_of_rounded_numbers),
        cmocka_unit_test(onednn_products_are_the_same_sums),
        cmocka_unit_test(products_by_rounded_matrices_are_the_same_bits),
        cmocka_unit_test(models_keep_rounded_copies_of_what_they_multiply_by),
        cmocka_unit_test(logits_differ_from_single_precision_by_little_but_do),
        cmocka_unit_test(training_follows_single_precision),
        cmocka_unit_test(precisions_that_do_not_exist_are_refused),
    };
    return cmocka_run_group_tests_name("products", tests, NULL, NULL);
}

/* test_packed.c: matrices packed for oneDNN: every row comes out as it went in, products are those of the rows, also by a part of
 * them, and models look up, score and save what they would without. Without such kernels on this CPU all goes by rows. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/copies.h"
#include "nn/int8.h"
#include "tiny.h"

static uint32_t mixed(size_t i)
{
    const uint32_t x = (uint32_t)i * 2654435761u;
    return (x ^ x >> 15) * 2246822519u >> 7;
}

/* Rows, columns and rows of a part: fewer than a tile, one and more than one, with rests of every kind. */
struct shape {
    size_t rows, columns, part;
};
static const struct shape shapes[] = {{1, 1, 1},       {7, 3, 7},       {64, 64, 64},
                                      {129, 65, 129},  {300, 33, 100},  {384, 128, 128},
                                      {447, 190, 149}, {1000, 24, 1000}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void every_row_comes_out_as_it_went_in(void **state)
{
    (void)state;
    diffulm_runtime *rt = tiny_runtime_in(DIFFULM_BACKEND_AUTO, 2, DIFFULM_PRECISION_F32);
    for (int i = 0; i < 3 * SHAPES; i++) {
        static const enum dulm_packed_type types[] = {DULM_PACKED_INT8, DULM_PACKED_BF16,
                                                      DULM_PACKED_F32};
        const struct shape s = shapes[i / 3];
        const size_t row = s.columns * dulm_packed_size(types[i % 3]);
        struct dulm_packed *packed;
        assert_int_equal(dulm_packed_create(rt, types[i % 3], s.rows, s.columns, s.part, &packed),
                         DIFFULM_OK);
        if (!packed)
            continue;
        unsigned char *in = malloc(s.rows * row), *out = calloc(s.rows, row);
        for (size_t j = 0; j < s.rows * row; j++)
            in[j] = (unsigned char)mixed(j);
        const size_t half = s.rows / 2; /* in two pieces, the later first */
        dulm_packed_write(rt, packed, half, s.rows - half, in + half * row);
        dulm_packed_write(rt, packed, 0, half, in);
        dulm_packed_read(packed, 0, s.rows, out);
        assert_memory_equal(in, out, s.rows * row);
        memset(out, 0, row);
        dulm_packed_read(packed, half, 1, out);
        assert_memory_equal(in + half * row, out, row);
        free(in);
        free(out);
        dulm_packed_destroy(packed);
    }
    diffulm_runtime_unref(rt);
}

/* Activations that are rounded to themselves, each row by a scale and a zero of its own, and weights of scale 1: results are the
 * sums. */
struct whole_product {
    float *x, *bias, *scales;
    int8_t *q;
    int32_t *sums;
    size_t m;
    struct shape s;
    struct dulm_packed *packed;
    struct dulm_matrix8 w;
};

static struct whole_product whole_product(diffulm_runtime *rt, struct shape s, size_t m)
{
    struct whole_product p = {.m = m, .s = s};
    const uint32_t top = (uint32_t)dulm_int8_top(rt);
    p.x = malloc(m * s.columns * sizeof *p.x);
    p.bias = malloc(s.rows * sizeof *p.bias);
    p.scales = malloc(s.rows * sizeof *p.scales);
    p.sums = malloc(s.rows * sizeof *p.sums);
    p.q = malloc(s.rows * s.columns);
    for (size_t i = 0; i < m * s.columns; i++) {
        const size_t row = i / s.columns;
        const uint32_t u = i % s.columns == 0 ? top : mixed(i) % (top + 1);
        p.x[i] = (float)(1u << row % 3) * (row % 2 ? -(float)u : (float)u);
    }
    for (size_t i = 0; i < s.rows * s.columns; i++)
        p.q[i] = (int8_t)(mixed(i + 1) % 255) - 127;
    for (size_t i = 0; i < s.rows; i++)
        p.scales[i] = 1, p.bias[i] = (float)(i % 7);
    dulm_sum_rows_int8(rt, s.rows, s.columns, p.q, p.sums);
    assert_int_equal(dulm_packed_create(rt, DULM_PACKED_INT8, s.rows, s.columns, s.part, &p.packed),
                     DIFFULM_OK);
    if (p.packed)
        dulm_packed_write(rt, p.packed, 0, s.rows, p.q);
    p.w = (struct dulm_matrix8){p.packed ? NULL : p.q, p.scales, p.sums, p.packed, 0};
    return p;
}

static void discard(struct whole_product *p)
{
    free(p->x);
    free(p->bias);
    free(p->scales);
    free(p->sums);
    free(p->q);
    dulm_packed_destroy(p->packed);
}

static void check_range(diffulm_runtime *rt, const struct whole_product *p, size_t first, size_t n)
{
    const size_t ldy = n + 2, k = p->s.columns;
    float *y = malloc(p->m * ldy * sizeof *y);
    const float *bias = first % 2 ? p->bias + first : NULL;
    for (size_t i = 0; i < p->m * ldy; i++)
        y[i] = 0.5f;
    assert_int_equal(
        dulm_gemm_int8(rt, p->m, n, k, p->x, &p->w, first, bias, DULM_IDENTITY, y, ldy),
        DIFFULM_OK);
    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = 0; j < n; j++) {
            int32_t sum = bias ? (int32_t)bias[j] : 0;
            for (size_t c = 0; c < k; c++)
                sum += (int32_t)p->x[i * k + c] * p->q[(first + j) * k + c];
            if (y[i * ldy + j] != (float)sum)
                fail_msg("%zu x %zu of %zu from %zu on: [%zu][%zu] is %.1f, not %d", p->m, n, k,
                         first, i, j, (double)y[i * ldy + j], sum);
        }
        assert_true(y[i * ldy + n] == 0.5f && y[i * ldy + n + 1] == 0.5f);
    }
    free(y);
}

static void products_in_8_bits_are_exact(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 3; threads++) {
        diffulm_runtime *rt =
            tiny_runtime_in(DIFFULM_BACKEND_AUTO, threads, DIFFULM_PRECISION_INT8);
        for (size_t s = 0; s < SHAPES; s++)
            for (size_t m = 1; m <= 70; m += m < 20 ? 1 : 7) {
                struct whole_product p = whole_product(rt, shapes[s], m);
                check_range(rt, &p, 0, p.s.rows);
                check_range(rt, &p, p.s.rows / 2, 1);
                check_range(rt, &p, p.s.rows / 3, p.s.rows / 2 + 1);
                for (size_t part = 0; part < p.s.rows; part += p.s.part)
                    check_range(rt, &p, part, p.s.part);
                discard(&p);
            }
        diffulm_runtime_unref(rt);
    }
}

static void many_rows_go_in_blocks(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 3; threads++) {
        diffulm_runtime *rt =
            tiny_runtime_in(DIFFULM_BACKEND_AUTO, threads, DIFFULM_PRECISION_INT8);
        struct whole_product p = whole_product(rt, (struct shape){140, 20, 140}, 1100);
        check_range(rt, &p, 0, 140);
        check_range(rt, &p, 9, 120);
        discard(&p);
        /* Too large for each thread to read all of it. */
        p = whole_product(rt, (struct shape){4200, 140, 4200}, 67);
        check_range(rt, &p, 0, 4200);
        check_range(rt, &p, 513, 1024);
        discard(&p);
        diffulm_runtime_unref(rt);
    }
}

static void skip_without_bfloat16(void)
{
    const char *isa =
        getenv("ONEDNN_MAX_CPU_ISA"); /* oneDNN has none there, whatever the CPU has */
    if (isa && strcmp(isa, "AVX2") == 0)
        skip();
}

/* Both by the plain kernel and by tiles; single sums in different orders. */
static void products_in_bfloat16_are_the_rounded_rows(void **state)
{
    (void)state;
    skip_without_bfloat16();
    for (int32_t threads = 1; threads <= 2; threads++) {
        diffulm_runtime *rt =
            tiny_runtime_in(DIFFULM_BACKEND_ONEDNN, threads, DIFFULM_PRECISION_BF16);
        diffulm_runtime *plain =
            tiny_runtime_in(DIFFULM_BACKEND_REFERENCE, 1, DIFFULM_PRECISION_BF16);
        for (size_t i = 0; i < SHAPES; i++)
            for (size_t m = 1; m <= 70; m += m < 20 ? 1 : 13) {
                const struct shape s = shapes[i];
                const size_t first = s.rows / 3, n = s.rows - first, k = s.columns, lda = k + 1;
                float *a = malloc(m * lda * sizeof *a), *bias = malloc(s.rows * sizeof *bias);
                float *have = calloc(m * n, sizeof *have), *want = calloc(m * n, sizeof *want);
                uint16_t *w = malloc(s.rows * k * sizeof *w);
                for (size_t j = 0; j < m * lda; j++)
                    a[j] = (float)mixed(j) / 1e7f - 1;
                for (size_t j = 0; j < s.rows * k; j++)
                    w[j] = (uint16_t)(0x3f00u + mixed(j) % 0x80u + (mixed(j) & 0x8000u));
                for (size_t j = 0; j < s.rows; j++)
                    bias[j] = (float)j;
                struct dulm_copy rows = {.values = w}, tiles = rows;
                struct dulm_packed *packed;
                assert_int_equal(
                    dulm_packed_create(rt, DULM_PACKED_BF16, s.rows, k, s.part, &packed),
                    DIFFULM_OK);
                if (packed)
                    dulm_packed_write(rt, packed, 0, s.rows, w);
                tiles.packed = packed;
                const float *b = m % 2 ? bias + first : NULL;
                assert_int_equal(
                    dulm_gemm_copy(rt, m, n, k, a, lda, &tiles, first, b, DULM_IDENTITY, have, n),
                    DIFFULM_OK);
                assert_int_equal(
                    dulm_gemm_copy(plain, m, n, k, a, lda, &rows, first, b, DULM_IDENTITY, want, n),
                    DIFFULM_OK);
                for (size_t j = 0; j < m * n; j++)
                    assert_true(fabsf(have[j] - want[j]) <= 1e-5f * (float)(k + 100));
                dulm_packed_destroy(packed);
                free(a);
                free(bias);
                free(have);
                free(want);
                free(w);
            }
        diffulm_runtime_unref(plain);
        diffulm_runtime_unref(rt);
    }
}

/* By tiles, and by the plain kernel with what follows done afterwards. */
static void check_single(const diffulm_runtime *rt, const diffulm_runtime *plain, struct shape s,
                         size_t m)
{
    const size_t first = s.rows / 3, n = s.rows - first, k = s.columns, ldc = n + 2;
    const size_t lda = k + m % 2; /* without gaps rows are used where they are */
    float *a = malloc(m * lda * sizeof *a), *w = malloc(s.rows * k * sizeof *w);
    float *bias = malloc(s.rows * sizeof *bias);
    float *have = calloc(m * ldc, sizeof *have), *want = calloc(m * ldc, sizeof *want);
    struct dulm_copy copy = {0};
    struct dulm_packed *packed;
    const enum dulm_activation then = m % 3 ? DULM_GELU : DULM_IDENTITY;
    const float *b = m % 2 ? bias + first : NULL;
    for (size_t i = 0; i < m * lda; i++)
        a[i] = (float)mixed(i) / 2e7f - 0.5f;
    for (size_t i = 0; i < s.rows * k; i++)
        w[i] = (float)mixed(i + 7) / 2e7f - 0.7f;
    for (size_t i = 0; i < s.rows; i++)
        bias[i] = (float)(i % 5);
    assert_int_equal(dulm_packed_create(rt, DULM_PACKED_F32, s.rows, k, s.part, &packed),
                     DIFFULM_OK);
    if (packed) {
        dulm_packed_write(rt, packed, 0, s.rows, w);
        copy.packed = packed;
        assert_int_equal(dulm_gemm_copy(rt, m, n, k, a, lda, &copy, first, b, then, have, ldc),
                         DIFFULM_OK);
        dulm_fill_rows(plain, m, n, ldc, b, want);
        assert_int_equal(
            dulm_gemm(plain, false, true, m, n, k, a, lda, w + first * k, k, true, want, ldc),
            DIFFULM_OK);
        dulm_activate_rows(plain, then, m, n, ldc, want);
        for (size_t i = 0; i < m * ldc; i++)
            assert_true(fabsf(have[i] - want[i]) <= 1e-5f * (float)(k + 100));
    }
    dulm_packed_destroy(packed);
    free(a);
    free(w);
    free(bias);
    free(have);
    free(want);
}

/* Results that the caches would not hold, their rows at any place within a line. */
static void large_results_are_written_past_the_caches(void **state)
{
    (void)state;
    enum { M = 1001, N = 8400 };
    diffulm_runtime *plain = tiny_runtime_in(DIFFULM_BACKEND_REFERENCE, 1, DIFFULM_PRECISION_F32);
    diffulm_runtime *rt = tiny_runtime_in(DIFFULM_BACKEND_AUTO, 2, DIFFULM_PRECISION_F32);
    assert_true(dulm_packed_past(M, N) && !dulm_packed_past(M - 4, N));
    check_single(rt, plain, (struct shape){N / 2 * 3, 6, N / 2 * 3}, M);
    diffulm_runtime_unref(rt);
    diffulm_runtime_unref(plain);
    rt = tiny_runtime_in(DIFFULM_BACKEND_AUTO, 2, DIFFULM_PRECISION_INT8);
    struct whole_product p = whole_product(rt, (struct shape){N, 6, N}, M);
    check_range(rt, &p, 0, N);
    discard(&p);
    diffulm_runtime_unref(rt);
}

/* Rows that end where memory does: kernels whose height is more than there are rows would read behind them. */
static void rows_are_not_read_beyond_their_end(void **state)
{
    (void)state;
    enum { N = 64, ROWS = 71 };
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), most = ROWS * N * sizeof(float);
    const size_t held = (most + page - 1) / page * page;
    diffulm_runtime *rt = tiny_runtime_in(DIFFULM_BACKEND_AUTO, 2, DIFFULM_PRECISION_F32);
    unsigned char *memory =
        mmap(NULL, held + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static float w[N * N], c[ROWS * N];
    struct dulm_packed *packed;
    assert_true(memory != MAP_FAILED);
    assert_int_equal(mprotect(memory + held, page, PROT_NONE), 0);
    assert_int_equal(dulm_packed_create(rt, DULM_PACKED_F32, N, N, N, &packed), DIFFULM_OK);
    if (packed)
        dulm_packed_write(rt, packed, 0, N, w);
    const struct dulm_copy copy = {.packed = packed};
    for (size_t m = 1; packed && m <= ROWS; m++) {
        const float *rows = (const float *)(void *)(memory + held) - m * N;
        assert_int_equal(dulm_gemm_copy(rt, m, N, N, rows, N, &copy, 0, NULL, DULM_IDENTITY, c, N),
                         DIFFULM_OK);
    }
    dulm_packed_destroy(packed);
    munmap(memory, held + page);
    diffulm_runtime_unref(rt);
}

static void products_in_single_precision_are_those_of_the_plain_kernel(void **state)
{
    (void)state;
    diffulm_runtime *plain = tiny_runtime_in(DIFFULM_BACKEND_REFERENCE, 1, DIFFULM_PRECISION_F32);
    for (int32_t threads = 1; threads <= 2; threads++) {
        diffulm_runtime *rt = tiny_runtime_in(DIFFULM_BACKEND_AUTO, threads, DIFFULM_PRECISION_F32);
        for (size_t i = 0; i < SHAPES; i++)
            for (size_t m = 1; m <= 70; m += m < 20 ? 1 : 13)
                check_single(rt, plain, shapes[i], m);
        diffulm_runtime_unref(rt);
    }
    diffulm_runtime_unref(plain);
}

/* Two stacked in one packed matrix and one of the same shape of its own. */
static void check_factors(diffulm_runtime *rt, size_t n, size_t m)
{
    const struct shape both = {2 * n, 70, n}, own = {n, 70, n};
    struct whole_product p = whole_product(rt, both, m), q = whole_product(rt, own, m);
    float *want = calloc(3 * m * n, sizeof *want), *have = calloc(3 * m * n, sizeof *have);
    float *const y[] = {have, have + m * n, have + 2 * m * n};
    const float *const bias[] = {p.bias, NULL, q.bias};
    const struct dulm_matrix8 w[] = {p.w, dulm_matrix8_from(p.w, n, both.columns), q.w};
    const size_t k = both.columns;
    if (p.packed) {
        struct dulm_packed *wider;
        assert_true(dulm_packed_alike(w[0].packed, w[2].packed));
        assert_int_equal(dulm_packed_create(rt, DULM_PACKED_INT8, n, k + 64, n, &wider),
                         DIFFULM_OK);
        assert_false(dulm_packed_alike(w[0].packed, wider));
        dulm_packed_destroy(wider);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(dulm_gemm_int8(rt, m, n, k, p.x, &w[i], 0, bias[i], DULM_IDENTITY,
                                            want + i * m * n, n),
                             DIFFULM_OK);
        assert_int_equal(dulm_gemm_int8_each(rt, m, n, k, p.x, 3, w, bias, y, n), DIFFULM_OK);
        assert_memory_equal(have, want, 3 * m * n * sizeof *have);
    }
    discard(&p);
    discard(&q);
    free(want);
    free(have);
}

static void factors_of_one_product_are_multiplied_by_each(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 3; threads++) {
        diffulm_runtime *rt =
            tiny_runtime_in(DIFFULM_BACKEND_AUTO, threads, DIFFULM_PRECISION_INT8);
        for (size_t m = 1; m <= 600; m = 3 * m + 2) {
            check_factors(rt, 64, m);
            check_factors(rt, 149, m);
            check_factors(rt, 3000, m); /* too large for each thread to read all of it */
        }
        diffulm_runtime_unref(rt);
    }
}

static void activations_follow_products_in_8_bits_tile_by_tile(void **state)
{
    (void)state;
    diffulm_runtime *rt = tiny_runtime_in(DIFFULM_BACKEND_AUTO, 2, DIFFULM_PRECISION_INT8);
    const struct shape s = {300, 70, 300};
    struct whole_product p = whole_product(rt, s, 67);
    struct dulm_matrix8 by_rows = {.values = p.q, .scales = p.scales, .sums = p.sums};
    const struct dulm_matrix8 *const ways[] = {&p.w, &by_rows};
    for (size_t j = 0; j < s.rows; j++) /* so that gelu is neither 0 nor the identity */
        p.scales[j] = 1e-4f;
    float *want = malloc(p.m * s.rows * sizeof *want), *have = malloc(p.m * s.rows * sizeof *have);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(dulm_gemm_int8(rt, p.m, s.rows, s.columns, p.x, ways[i], 0, p.bias,
                                        DULM_IDENTITY, want, s.rows),
                         DIFFULM_OK);
        dulm_activate_rows(rt, DULM_GELU, p.m, s.rows, s.rows, want);
        assert_int_equal(dulm_gemm_int8(rt, p.m, s.rows, s.columns, p.x, ways[i], 0, p.bias,
                                        DULM_GELU, have, s.rows),
                         DIFFULM_OK);
        assert_memory_equal(have, want, p.m * s.rows * sizeof *have);
    }
    free(want);
    free(have);
    discard(&p);
    diffulm_runtime_unref(rt);
}

enum { LENGTH = 6, LOGITS = LENGTH * TINY_VOCABULARY };

static void logits_of(const diffulm_model *model, float out[LOGITS])
{
    static const int32_t tokens[LENGTH] = {TINY_BOS, 7, 9, 4, 11, TINY_EOS};
    static const size_t offsets[2] = {0, LENGTH};
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, out), DIFFULM_OK);
}

static void assert_same_file(const struct tiny_folder *a, const struct tiny_folder *b)
{
    struct stat status;
    assert_int_equal(stat(a->file, &status), 0);
    const size_t size = (size_t)status.st_size;
    unsigned char *one = calloc(size + 1, 1), *other = calloc(size + 1, 1);
    FILE *first = fopen(a->file, "rb"), *second = fopen(b->file, "rb");
    assert_int_equal(fread(one, 1, size + 1, first), size);
    assert_int_equal(fread(other, 1, size + 1, second), size);
    assert_memory_equal(one, other, size);
    fclose(first);
    fclose(second);
    free(one);
    free(other);
}

static void models_in_8_bits_save_and_score_as_without_packing(void **state)
{
    (void)state;
    static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};
    float computed[LOGITS], loaded[LOGITS];
    for (size_t f = 0; f < 3; f++) {
        struct diffulm_model_options o = DIFFULM_MODEL_OPTIONS_INIT;
        diffulm_runtime *rt = tiny_runtime_in(DIFFULM_BACKEND_AUTO, 2, DIFFULM_PRECISION_INT8);
        diffulm_model *plain = tiny_model_on(families[f], DIFFULM_BACKEND_REFERENCE, 1, 5);
        diffulm_model *model = tiny_model(families[f], rt, 5), *stored = NULL;
        logits_of(model, computed);
        const struct tiny_folder by_rows = tiny_saved(plain, DIFFULM_DTYPE_I8);
        const struct tiny_folder once = tiny_saved(model, DIFFULM_DTYPE_I8);
        assert_same_file(&by_rows, &once);
        o.runtime = rt;
        assert_int_equal(diffulm_model_open(once.path, &o, &stored), DIFFULM_OK);
        logits_of(stored, loaded);
        assert_memory_equal(computed, loaded, sizeof computed);
        const struct tiny_folder again = tiny_saved(stored, DIFFULM_DTYPE_I8);
        assert_same_file(&once, &again);
        /* Widened, by rows and by packed tiles. */
        diffulm_model *open_plainly = NULL;
        assert_int_equal(tiny_open(once.path, DIFFULM_PRECISION_F32, &open_plainly), DIFFULM_OK);
        const struct tiny_folder wide = tiny_saved(stored, DIFFULM_DTYPE_F32);
        const struct tiny_folder wide_by_rows = tiny_saved(open_plainly, DIFFULM_DTYPE_F32);
        assert_same_file(&wide, &wide_by_rows);
        diffulm_model_unref(open_plainly);
        tiny_discard(&wide);
        tiny_discard(&wide_by_rows);
        tiny_discard(&again);
        tiny_discard(&once);
        tiny_discard(&by_rows);
        diffulm_model_unref(stored);
        diffulm_model_unref(model);
        diffulm_model_unref(plain);
        diffulm_runtime_unref(rt);
    }
}

static diffulm_runtime *packing_runtime(int32_t precision)
{
    struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
    diffulm_runtime *rt;
    o.precision = precision;
    o.pack_weights = 1;
    o.threads = 2;
    assert_int_equal(diffulm_runtime_create(&o, &rt), DIFFULM_OK);
    return rt;
}

/* The logits of a stored model, and whether its layers and head multiply by packed matrices. */
static bool opened_logits(const struct tiny_folder *folder, diffulm_runtime *rt, float *out)
{
    struct diffulm_model_options o = DIFFULM_MODEL_OPTIONS_INIT;
    const struct dulm_copies *copies;
    diffulm_model *model;
    o.runtime = rt;
    assert_int_equal(diffulm_model_open(folder->path, &o, &model), DIFFULM_OK);
    logits_of(model, out);
    assert_int_equal(dulm_copies_of(model, &copies), DIFFULM_OK);
    const struct dulm_copy *key = dulm_copies_at(copies, 1, DULM_KEY_W);
    const struct dulm_copy *head = dulm_copies_at(copies, -1, DULM_DECODER_W);
    const bool packed = key && key->packed && head && head->packed;
    diffulm_model_unref(model);
    return packed;
}

static void check_request(const char *family, int32_t dtype, int32_t precision)
{
    float without[LOGITS], with[LOGITS];
    diffulm_model *model = tiny_model_on(family, DIFFULM_BACKEND_REFERENCE, 1, 5);
    const struct tiny_folder folder = tiny_saved(model, dtype);
    diffulm_runtime *plain = tiny_runtime_in(DIFFULM_BACKEND_AUTO, 2, precision);
    diffulm_runtime *packing = packing_runtime(precision);
    const bool always = precision == DIFFULM_PRECISION_BF16 && dtype == DIFFULM_DTYPE_F32;
    const bool gains = opened_logits(&folder, packing, with);
    assert_int_equal(opened_logits(&folder, plain, without), gains && always);
#if defined(DULM_ONEDNN) && defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vnni") && !getenv("ONEDNN_MAX_CPU_ISA"))
        assert_true(gains);
#endif
    const float most = precision == DIFFULM_PRECISION_BF16 ? 1e-2f : 1e-5f;
    for (size_t i = 0; i < LOGITS; i++)
        assert_true(fabsf(with[i] - without[i]) <= most);
    diffulm_runtime_unref(packing);
    diffulm_runtime_unref(plain);
    diffulm_model_unref(model);
    tiny_discard(&folder);
}

static void models_of_any_file_are_packed_on_request(void **state)
{
    (void)state;
    static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};
    for (size_t f = 0; f < 3; f++)
        for (int32_t dtype = DIFFULM_DTYPE_F32; dtype <= DIFFULM_DTYPE_BF16; dtype++)
            check_request(families[f], dtype, DIFFULM_PRECISION_F32);
}

static void models_of_any_file_are_packed_on_request_in_bfloat16(void **state)
{
    (void)state;
    skip_without_bfloat16();
    diffulm_runtime_unref(tiny_runtime_in(DIFFULM_BACKEND_AUTO, 1, DIFFULM_PRECISION_BF16));
    for (int32_t dtype = DIFFULM_DTYPE_F32; dtype <= DIFFULM_DTYPE_BF16; dtype++)
        check_request("xlm-roberta", dtype, DIFFULM_PRECISION_BF16);
}

static void the_request_is_checked_and_named(void **state)
{
    (void)state;
    char text[128];
    struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
    diffulm_runtime *rt = packing_runtime(DIFFULM_PRECISION_F32);
    diffulm_runtime_describe(rt, text, sizeof text);
    assert_non_null(strstr(text, ", packed weights, 2 threads"));
    diffulm_runtime_unref(rt);
    o.pack_weights = 2;
    assert_int_equal(diffulm_runtime_create(&o, &rt), DIFFULM_E_ARGUMENT);
    assert_message_names("pack_weights 2 (0..1)");
    o.pack_weights = o.deterministic = 1;
    o.backend = DIFFULM_BACKEND_ONEDNN; /* or not built in */
    assert_int_equal(diffulm_runtime_create(&o, &rt), DIFFULM_E_UNSUPPORTED);
}

/* The kernels that these tests are about are in use where the CPU has VNNI, unless oneDNN is told to leave them alone. */
static void packing_is_used_where_it_gains(void **state)
{
    (void)state;
    diffulm_runtime *rt = tiny_runtime_in(DIFFULM_BACKEND_AUTO, 1, DIFFULM_PRECISION_F32);
    diffulm_runtime *plain = tiny_runtime_in(DIFFULM_BACKEND_REFERENCE, 1, DIFFULM_PRECISION_F32);
    struct dulm_packed *packed;
    assert_int_equal(dulm_packed_create(plain, DULM_PACKED_INT8, 64, 64, 64, &packed), DIFFULM_OK);
    assert_null(packed);
#if defined(DULM_ONEDNN) && defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vnni") && !getenv("ONEDNN_MAX_CPU_ISA")) {
        assert_int_equal(dulm_packed_create(rt, DULM_PACKED_INT8, 64, 64, 64, &packed), DIFFULM_OK);
        assert_non_null(packed);
        dulm_packed_destroy(packed);
    }
#endif
    diffulm_runtime_unref(plain);
    diffulm_runtime_unref(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_comes_out_as_it_went_in),
        cmocka_unit_test(products_in_8_bits_are_exact),
        cmocka_unit_test(many_rows_go_in_blocks),
        cmocka_unit_test(products_in_bfloat16_are_the_rounded_rows),
        cmocka_unit_test(products_in_single_precision_are_those_of_the_plain_kernel),
        cmocka_unit_test(rows_are_not_read_beyond_their_end),
        cmocka_unit_test(large_results_are_written_past_the_caches),
        cmocka_unit_test(factors_of_one_product_are_multiplied_by_each),
        cmocka_unit_test(activations_follow_products_in_8_bits_tile_by_tile),
        cmocka_unit_test(models_of_any_file_are_packed_on_request),
        cmocka_unit_test(models_of_any_file_are_packed_on_request_in_bfloat16),
        cmocka_unit_test(the_request_is_checked_and_named),
        cmocka_unit_test(models_in_8_bits_save_and_score_as_without_packing),
        cmocka_unit_test(packing_is_used_where_it_gains),
    };
    return cmocka_run_group_tests_name("packed", tests, NULL, NULL);
}

/* test_deterministic.c: the runtime's deterministic mode: rows are the same bits in any batch, and everything with any number of
 * threads, with oneDNN as on the reference backend. The build runs it as AVX2 and AVX-512, whose kernels differ. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/runtime.h"
#include "tiny.h"

/* Wide enough that products have several tiles, and of odd sizes. */
enum { VOCABULARY = 531, ROWS = 9, LONGEST = 80 };
/* The reference backend is so by its nature: a look is enough, and emulated builds are slow. */
#ifdef DULM_ONEDNN
enum { FAMILIES = 3, THREADS = 4 };
#else
enum { FAMILIES = 1, THREADS = 2 };
#endif
static const size_t lengths[ROWS] = {1, 2, 7, 16, 33, 64, 65, 79, 80};
static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};

static diffulm_runtime *runtime_of(int32_t threads, int32_t precision)
{
    struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
    diffulm_runtime *rt = NULL;
    o.threads = threads;
    o.precision = precision;
    o.deterministic = 1;
    assert_int_equal(diffulm_runtime_create(&o, &rt), DIFFULM_OK);
    return rt;
}

static diffulm_model *model_of(const char *family, int hidden, int32_t threads, int32_t precision)
{
    char config[512];
    struct diffulm_model_options o = DIFFULM_MODEL_OPTIONS_INIT;
    diffulm_model *model = NULL;
    const int length = snprintf(
        config, sizeof config,
        "{\"model_type\": \"%s\", \"vocab_size\": %d, \"hidden_size\": %d, \"num_hidden_layers\": "
        "2, \"num_attention_heads\": 3, \"intermediate_size\": 138, \"max_position_embeddings\": "
        "90, \"type_vocab_size\": 1, \"pad_token_id\": 1, \"bos_token_id\": 0, \"eos_token_id\": 2,"
        " \"mask_token_id\": %d, \"local_attention\": 6, \"global_attn_every_n_layers\": 2}",
        family, VOCABULARY, hidden, VOCABULARY - 1);
    o.runtime = runtime_of(threads, precision);
    o.seed = 11;
    assert_int_equal(diffulm_model_create(config, (size_t)length, &o, &model), DIFFULM_OK);
    diffulm_runtime_unref(o.runtime);
    return model;
}

static int32_t token(size_t row, size_t i)
{
    return i == 0 ? 0 : (int32_t)(3 + (row * 131 + i * 17) % (VOCABULARY - 4));
}

/* Logits of rows [first, first + count). */
static void logits_of(const diffulm_model *model, size_t first, size_t count, float *out)
{
    int32_t tokens[ROWS * LONGEST];
    size_t offsets[ROWS + 1] = {0};
    for (size_t r = 0; r < count; r++) {
        for (size_t i = 0; i < lengths[first + r]; i++)
            tokens[offsets[r] + i] = token(first + r, i);
        offsets[r + 1] = offsets[r] + lengths[first + r];
    }
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = count, .offsets = offsets, .tokens = tokens};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, out), DIFFULM_OK);
}

static size_t before(size_t row)
{
    size_t sum = 0;
    while (row--)
        sum += lengths[row];
    return sum;
}

static void check_rows(const char *family, int hidden, int32_t precision)
{
    const size_t all = before(ROWS) * VOCABULARY;
    float *want = malloc(all * sizeof *want), *have = malloc(all * sizeof *have);
    diffulm_model *one = model_of(family, hidden, 1, precision);
    logits_of(one, 0, ROWS, want);
    for (int32_t threads = 1; threads < THREADS; threads++) {
        diffulm_model *model = model_of(family, hidden, threads, precision);
        logits_of(model, 0, ROWS, have);
        assert_memory_equal(want, have, all * sizeof *want);
        for (size_t r = 0; r < ROWS; r++) { /* alone, then in front of another */
            const size_t count = r + 1 < ROWS ? 2 : 1;
            const size_t numbers = lengths[r] * VOCABULARY;
            for (size_t rows = 1; rows <= count; rows++) {
                logits_of(model, r, rows, have);
                assert_memory_equal(want + before(r) * VOCABULARY, have, numbers * sizeof *want);
            }
        }
        diffulm_model_unref(model);
    }
    diffulm_model_unref(one);
    free(want);
    free(have);
}

static void rows_are_the_same_bits_in_any_batch_and_with_any_threads(void **state)
{
    (void)state;
    for (size_t f = 0; f < FAMILIES; f++) {
        check_rows(families[f], 66, DIFFULM_PRECISION_F32);
        check_rows(families[f], 66, DIFFULM_PRECISION_INT8);
        check_rows(families[f], 96, DIFFULM_PRECISION_INT8); /* heads of 32, which are rounded */
    }
}

/* Logits of a row after three updates. */
static void trained(const char *family, int32_t threads, int32_t lora_rank, float *out)
{
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    int32_t tokens[3 * LONGEST];
    size_t offsets[4] = {0}, sources[3] = {5, 20, 30};
    for (size_t r = 0; r < 3; r++) {
        for (size_t i = 0; i < lengths[4 + r]; i++)
            tokens[offsets[r] + i] = token(4 + r, i);
        offsets[r + 1] = offsets[r] + lengths[4 + r];
    }
    const struct diffulm_rows rows = {sizeof rows, 3, offsets, tokens, sources};
    diffulm_model *model = model_of(family, 66, threads, DIFFULM_PRECISION_F32), *exported = NULL;
    diffulm_trainer *trainer = NULL;
    o.lr = 1e-2;
    o.mask_id = VOCABULARY - 1;
    o.dropout = 1;
    o.lora_rank = lora_rank;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, NULL), DIFFULM_OK);
        assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_OK);
    }
    assert_int_equal(diffulm_trainer_export(trainer, &exported), DIFFULM_OK);
    logits_of(exported, 3, 1, out);
    diffulm_model_unref(exported);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

static void training_gives_the_same_bits_with_any_threads(void **state)
{
    (void)state;
    const size_t numbers = lengths[3] * VOCABULARY;
    float *want = malloc(numbers * sizeof *want), *have = malloc(numbers * sizeof *have);
    for (size_t f = 0; f < FAMILIES; f++)
        for (int32_t lora_rank = 0; lora_rank <= 3; lora_rank += 3) {
            trained(families[f], 1, lora_rank, want);
            for (int32_t threads = 2; threads <= THREADS; threads++) {
                trained(families[f], threads, lora_rank, have);
                assert_memory_equal(want, have, numbers * sizeof *want);
            }
        }
    free(want);
    free(have);
}

struct size {
    size_t m, n, k;
};

static void check_product(const diffulm_runtime *rt, struct size s, int flags)
{
    const bool trans_a = flags & 1, trans_b = flags & 2, accumulate = flags & 4;
    const size_t lda = (trans_a ? s.m : s.k) + 3, ldb = (trans_b ? s.k : s.n) + 1, ldc = s.n + 2;
    const size_t a_size = (trans_a ? s.k : s.m) * lda, b_size = (trans_b ? s.n : s.k) * ldb;
    float *a = malloc(a_size * sizeof *a), *b = malloc(b_size * sizeof *b);
    float *c = malloc(s.m * ldc * sizeof *c), *before_it = malloc(s.m * ldc * sizeof *c);
    for (size_t i = 0; i < a_size; i++)
        a[i] = (float)(i * 7919 % 2003) / 1001.5f - 0.9f;
    for (size_t i = 0; i < b_size; i++)
        b[i] = (float)(i * 6101 % 1999) / 999.5f - 1.1f;
    for (size_t i = 0; i < s.m * ldc; i++)
        c[i] = before_it[i] = (float)(i % 17);
    assert_int_equal(
        dulm_gemm(rt, trans_a, trans_b, s.m, s.n, s.k, a, lda, b, ldb, accumulate, c, ldc),
        DIFFULM_OK);
    for (size_t i = 0; i < s.m; i++)
        for (size_t j = 0; j < ldc; j++) {
            double sum = j >= s.n || accumulate ? (double)before_it[i * ldc + j] : 0;
            for (size_t l = 0; j < s.n && l < s.k; l++)
                sum += (double)a[trans_a ? l * lda + i : i * lda + l] *
                       (double)b[trans_b ? j * ldb + l : l * ldb + j];
            const double difference = sum - (double)c[i * ldc + j];
            assert_true(difference * difference <= 1e-9 * (double)(s.k * s.k));
            if (j >= s.n) /* outside the matrix */
                assert_true(difference == 0);
        }
    free(a);
    free(b);
    free(c);
    free(before_it);
}

static void products_in_tiles_are_sums_over_odd_sizes(void **state)
{
    (void)state;
    static const struct size sizes[] = {{1, 1, 1},    {64, 512, 5}, {65, 513, 31},
                                        {63, 511, 8}, {3, 1100, 2}, {200, 70, 90}};
    for (int32_t threads = 1; threads < THREADS; threads++) {
        diffulm_runtime *rt = runtime_of(threads, DIFFULM_PRECISION_F32);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int flags = 0; flags < 8; flags++)
                check_product(rt, sizes[i], flags);
        diffulm_runtime_unref(rt);
    }
}

static void it_is_refused_in_bfloat16_with_onednn_and_named_where_it_is_on(void **state)
{
    (void)state;
    char text[128];
    struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
    diffulm_runtime *rt = runtime_of(1, DIFFULM_PRECISION_F32);
    diffulm_runtime_describe(rt, text, sizeof text);
    assert_non_null(strstr(text, ", deterministic, 1 thread"));
    diffulm_runtime_unref(rt);
    o.deterministic = 2;
    assert_int_equal(diffulm_runtime_create(&o, &rt), DIFFULM_E_ARGUMENT);
    assert_message_names("deterministic 2 (0..1)");
    o.deterministic = 1;
    o.precision = DIFFULM_PRECISION_BF16;
    o.backend = DIFFULM_BACKEND_REFERENCE;
    assert_int_equal(diffulm_runtime_create(&o, &rt), DIFFULM_OK);
    diffulm_runtime_unref(rt);
    o.backend = DIFFULM_BACKEND_ONEDNN; /* or not built in, or a CPU without bfloat16 */
    assert_int_equal(diffulm_runtime_create(&o, &rt), DIFFULM_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_same_bits_in_any_batch_and_with_any_threads),
        cmocka_unit_test(training_gives_the_same_bits_with_any_threads),
        cmocka_unit_test(products_in_tiles_are_sums_over_odd_sizes),
        cmocka_unit_test(it_is_refused_in_bfloat16_with_onednn_and_named_where_it_is_on),
    };
    return cmocka_run_group_tests_name("deterministic", tests, NULL, NULL);
}

/* test_head.c: heads of rounded factors, in plain C against their definition in double precision, and with AVX512_BF16 against plain C. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/runtime.h"
#include "tiny.h"

enum { MOST_KEYS = 150, MOST_FEATURES = 96, GAP = 5, STRIDE = MOST_FEATURES + GAP };
#define SCALE 0.3f

struct inputs {
    float q[DULM_HEAD_QUERIES * STRIDE], k[MOST_KEYS * STRIDE], v[MOST_KEYS * STRIDE];
};

static float number(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return (float)(int32_t)*seed * 0x1p-31f;
}

static struct inputs *inputs(void)
{
    struct inputs *in = malloc(sizeof *in);
    uint32_t seed = 7;
    assert_non_null(in);
    for (size_t i = 0; i < DULM_HEAD_QUERIES * STRIDE; i++)
        in->q[i] = 3 * number(&seed);
    for (size_t i = 0; i < MOST_KEYS * STRIDE; i++)
        in->k[i] = number(&seed), in->v[i] = number(&seed);
    return in;
}

/* Which keys a query sees: all but every third, in turn. */
static bool hidden(size_t query, size_t key, bool masked)
{
    return masked && (query + key) % 3 == 0;
}

/* context: [queries, STRIDE], what lies behind its features 5. Queries go `at_once` together; one sees nothing. */
static void compute(const struct dulm_head_kernels *kernels, const struct inputs *in, size_t keys,
                    size_t features, size_t queries, size_t at_once, bool masked, float *context)
{
    const size_t floats = dulm_head_floats(keys, features);
    float *block = malloc((floats + 1) * sizeof *block);
    assert_non_null(block);
    for (size_t i = 0; i <= floats; i++)
        block[i] = NAN; /* of an earlier head */
    const struct dulm_head head = dulm_head_in(block, keys, features);
    assert_true(head.scores + DULM_HEAD_QUERIES * head.padded <= block + floats);
    for (size_t i = 0; i < DULM_HEAD_QUERIES * STRIDE; i++)
        context[i] = 5;
    /* No key lies behind the last, and behind the last value none that may count. */
    float *k = malloc(keys * STRIDE * sizeof *k), *v = malloc((keys + 1) * STRIDE * sizeof *v);
    assert_true(k && v);
    memcpy(k, in->k, keys * STRIDE * sizeof *k);
    memcpy(v, in->v, keys * STRIDE * sizeof *v);
    for (size_t i = keys * STRIDE; i < (keys + 1) * STRIDE; i++)
        v[i] = NAN;
    kernels->pack(&head, k, v, STRIDE);
    free(k);
    free(v);
    for (size_t i = 0; i < queries; i += at_once) {
        const size_t n = queries - i < at_once ? queries - i : at_once;
        kernels->scores(&head, n, in->q + i * STRIDE, STRIDE);
        for (size_t r = 0; r < n; r++)
            for (size_t j = 0; j < keys; j++)
                if (hidden(i + r, j, masked) || (masked && i + r == 1))
                    head.scores[r * head.padded + j] = -INFINITY;
        kernels->context(&head, n, SCALE, context + i * STRIDE, STRIDE);
    }
    assert_true(isnan(block[floats]));
    free(block);
}

static double rounded(float x)
{
    uint16_t y;
    dulm_kernels_baseline.to_bf16(1, &x, &y);
    const uint32_t bits = (uint32_t)y << 16;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

static double by_definition(const struct inputs *in, size_t keys, size_t features, size_t query,
                            size_t feature, bool masked)
{
    double scores[MOST_KEYS], top = -INFINITY, sum = 0, value = 0;
    for (size_t j = 0; j < keys; j++) {
        scores[j] = 0;
        for (size_t f = 0; f < features; f++)
            scores[j] += rounded(in->q[query * STRIDE + f]) * rounded(in->k[j * STRIDE + f]);
        if (hidden(query, j, masked) || (masked && query == 1))
            scores[j] = -INFINITY;
        top = scores[j] > top ? scores[j] : top;
    }
    for (size_t j = 0; j < keys && top > -INFINITY; j++) {
        const float e = (float)exp((scores[j] - top) * (double)SCALE);
        sum += (double)e;
        value += rounded(e) * rounded(in->v[j * STRIDE + feature]);
    }
    return sum > 0 ? value / sum : 0;
}

/* A weight at the middle of two rounded numbers may go to either. */
static void check(const struct dulm_head_kernels *kernels, const struct inputs *in, size_t keys,
                  size_t features, size_t queries, bool masked)
{
    float context[DULM_HEAD_QUERIES * STRIDE];
    compute(kernels, in, keys, features, queries, DULM_HEAD_QUERIES, masked, context);
    for (size_t i = 0; i < DULM_HEAD_QUERIES; i++)
        for (size_t f = 0; f < STRIDE; f++) {
            const bool written = i < queries && f < features;
            const double want = written ? by_definition(in, keys, features, i, f, masked) : 5;
            if (!(fabs((double)context[i * STRIDE + f] - want) <= (written ? 1e-3 : 0)))
                fail_msg("%zu keys, %zu queries, %zu features, [%zu, %zu]: %.7f, not %.7f", keys,
                         queries, features, i, f, (double)context[i * STRIDE + f], want);
        }
}

static void check_sizes(const struct dulm_head_kernels *kernels)
{
    struct inputs *in = inputs();
    for (size_t keys = 1; keys <= MOST_KEYS; keys += keys < 20 ? 1 : 13)
        for (size_t features = 32; features <= MOST_FEATURES; features += 32)
            for (size_t queries = 1; queries <= DULM_HEAD_QUERIES; queries += 1 + keys % 3)
                check(kernels, in, keys, features, queries, keys % 2);
    free(in);
}

static void plain_heads_are_their_definition(void **state)
{
    (void)state;
    check_sizes(&dulm_head_plain);
}

/* NULL: not built in, or not this CPU's. */
static const struct dulm_head_kernels *fast_kernels(void)
{
#ifdef DULM_HEAD_AVX512
    if (__builtin_cpu_supports("avx512bf16"))
        return &dulm_head_avx512;
#endif
    return NULL;
}

static void fast_heads_are_their_definition(void **state)
{
    (void)state;
    if (!fast_kernels())
        skip();
    check_sizes(fast_kernels());
}

static void a_query_has_the_same_bits_beside_any_others(void **state)
{
    (void)state;
    struct inputs *in = inputs();
    const struct dulm_head_kernels *both[] = {&dulm_head_plain, fast_kernels()};
    for (size_t b = 0; b < 2 && both[b]; b++)
        for (size_t keys = 3; keys < MOST_KEYS; keys += 30) {
            float all[DULM_HEAD_QUERIES * STRIDE], some[DULM_HEAD_QUERIES * STRIDE];
            compute(both[b], in, keys, 64, DULM_HEAD_QUERIES, DULM_HEAD_QUERIES, true, all);
            for (size_t at_once = 1; at_once < DULM_HEAD_QUERIES; at_once++) {
                compute(both[b], in, keys, 64, DULM_HEAD_QUERIES, at_once, true, some);
                assert_memory_equal(all, some, sizeof all);
            }
        }
    free(in);
}

/* A broken model must not look like a sound one. */
static void what_is_not_a_number_reaches_its_query_alone(void **state)
{
    (void)state;
    struct inputs *in = inputs();
    const struct dulm_head_kernels *both[] = {&dulm_head_plain, fast_kernels()};
    static const float bad[] = {NAN, INFINITY};
    for (size_t b = 0; b < 2 && both[b]; b++)
        for (size_t i = 0; i < 2; i++) {
            float context[DULM_HEAD_QUERIES * STRIDE];
            const float before = in->q[3 * STRIDE + 2];
            in->q[3 * STRIDE + 2] = bad[i];
            compute(both[b], in, 40, 32, 6, 6, false, context);
            in->q[3 * STRIDE + 2] = before;
            for (size_t r = 0; r < 6; r++)
                for (size_t f = 0; f < 32; f++)
                    assert_int_equal(!!isnan(context[r * STRIDE + f]), r == 3);
        }
    free(in);
}

/* Logits of a model with heads of 32 features. single: with the runtime's rounded attention taken away. */
static void logits_of(int32_t backend, int32_t precision, bool single, float *out)
{
    static const char config[] =
        "{\"model_type\": \"xlm-roberta\", \"vocab_size\": 24, \"hidden_size\": 64, "
        "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 70, "
        "\"max_position_embeddings\": 30, \"type_vocab_size\": 1, \"pad_token_id\": 1, "
        "\"bos_token_id\": 0, \"eos_token_id\": 2, \"mask_token_id\": 23}";
    static const int32_t tokens[] = {0, 7, 9, 4, 11, 2};
    static const size_t offsets[] = {0, 6};
    struct diffulm_model_options o = DIFFULM_MODEL_OPTIONS_INIT;
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    diffulm_model *model = NULL;
    o.runtime = tiny_runtime_in(backend, 1, precision);
    o.seed = 3;
    if (single)
        o.runtime->head = NULL;
    assert_int_equal(diffulm_model_create(config, sizeof config - 1, &o, &model), DIFFULM_OK);
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, out), DIFFULM_OK);
    diffulm_model_unref(model);
    diffulm_runtime_unref(o.runtime);
}

static void models_round_attention_where_their_products_are(void **state)
{
    (void)state;
    enum { LOGITS = 6 * 24 };
    float rounds[LOGITS], single[LOGITS];
    for (int32_t backend = DIFFULM_BACKEND_AUTO; backend <= DIFFULM_BACKEND_REFERENCE; backend++)
        for (int32_t precision = 0; precision <= DIFFULM_PRECISION_INT8; precision++) {
            diffulm_runtime *rt = tiny_runtime(backend, 1);
            const bool plain = rt->backend == DIFFULM_BACKEND_REFERENCE;
            diffulm_runtime_unref(rt);
            if (!plain && precision == DIFFULM_PRECISION_BF16 && !fast_kernels())
                continue; /* refused */
            logits_of(backend, precision, false, rounds);
            logits_of(backend, precision, true, single);
            const bool differ = memcmp(rounds, single, sizeof single) != 0;
            assert_int_equal(differ,
                             precision != DIFFULM_PRECISION_F32 && (plain || fast_kernels()));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_heads_are_their_definition),
        cmocka_unit_test(fast_heads_are_their_definition),
        cmocka_unit_test(a_query_has_the_same_bits_beside_any_others),
        cmocka_unit_test(what_is_not_a_number_reaches_its_query_alone),
        cmocka_unit_test(models_round_attention_where_their_products_are),
    };
    return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}

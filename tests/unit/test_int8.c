/* test_int8.c: products in 8 bits on every path, models computed so, and models stored so. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/quantized.h"
#include "nn/int8.h"
#include "tiny.h"

enum { LENGTH = 6, LOGITS = LENGTH * TINY_VOCABULARY };
static const int32_t tokens[LENGTH] = {TINY_BOS, 7, 9, 4, 11, TINY_EOS};
static const size_t offsets[2] = {0, LENGTH}, sources[1] = {2};
static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};

static float number(size_t i)
{
    return (float)((i * 7919 + i / 13) % 2003) / 1001.5f - 0.9f;
}

static void a_row_of_8_bits_is_within_half_a_step_on_every_instruction_set(void **state)
{
    (void)state;
    float x[200], scale;
    uint8_t u[200];
    int32_t zero;
    for (int32_t isa = DIFFULM_ISA_BASELINE; isa <= DIFFULM_ISA_AVX512; isa++) {
        const struct dulm_kernels *k = dulm_kernels_choose(isa);
        for (size_t n = 1; n < 200; n += n < 40 ? 1 : 37)
            for (int32_t top = 127; top <= 255; top += 128)
                for (int shift = -2; shift <= 2; shift++) { /* of one sign, or of both */
                    for (size_t i = 0; i < n; i++)
                        x[i] = number(i) + (float)shift;
                    k->quantize_row(n, x, top, u, &scale, &zero);
                    assert_in_range(zero, 0, top);
                    for (size_t i = 0; i < n; i++) {
                        assert_in_range(u[i], 0, top);
                        assert_true(fabsf(scale * (float)(u[i] - zero) - x[i]) <= 0.5001f * scale);
                    }
                }
    }
}

static void rows_that_have_no_step_are_zero_or_nan(void **state)
{
    (void)state;
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (int32_t isa = DIFFULM_ISA_BASELINE; isa <= DIFFULM_ISA_AVX512; isa++) {
        const struct dulm_kernels *k = dulm_kernels_choose(isa);
        float x[40] = {0}, scale;
        uint8_t u[40];
        int8_t q[40];
        int32_t zero;
        k->quantize_row(40, x, 255, u, &scale, &zero);
        assert_true(scale == 0 && zero == 0 && u[39] == 0);
        assert_true(k->quantize_weights(40, x, q) == 0.0f);
        for (size_t place = 0; place < 40; place++)
            for (size_t b = 0; b < 4; b++) {
                x[place] = bad[b];
                k->quantize_row(40, x, 255, u, &scale, &zero);
                assert_true(isnan(scale));
                assert_true(isnan(k->quantize_weights(40, x, q)));
                x[place] = 0;
            }
        x[3] = 3e38f; /* the range is not a float */
        x[4] = -3e38f;
        k->quantize_row(40, x, 255, u, &scale, &zero);
        assert_true(u[3] == 255 && u[4] == 0 && isfinite(scale));
    }
}

struct shape {
    size_t m, n, k;
};

/* Against whole numbers: what was rounded, multiplied out in double precision. */
static void check_product(const diffulm_runtime *rt, struct shape s, bool with_bias)
{
    const size_t ldy = s.n + 3;
    float *x = malloc(s.m * s.k * sizeof *x), *y = malloc(s.m * ldy * sizeof *y);
    int8_t *q = malloc(s.n * s.k);
    float *scales = malloc(s.n * sizeof *scales), *bias = malloc(s.n * sizeof *bias);
    int32_t *sums = malloc(s.n * sizeof *sums), zero;
    uint8_t *u = malloc(s.k);
    float scale;
    for (size_t i = 0; i < s.m * s.k; i++)
        x[i] = number(i);
    for (size_t i = 0; i < s.n * s.k; i++)
        q[i] = (int8_t)((i * 7907) % 255) - 127;
    for (size_t j = 0; j < s.n; j++)
        scales[j] = 0.01f * (1 + number(j)), bias[j] = 7 * number(j + 1);
    for (size_t i = 0; i < s.m * ldy; i++)
        y[i] = 5;
    dulm_sum_rows_int8(rt, s.n, s.k, q, sums);
    const struct dulm_matrix8 w = {.values = q, .scales = scales, .sums = sums};
    assert_int_equal(
        dulm_gemm_int8(rt, s.m, s.n, s.k, x, &w, 0, with_bias ? bias : NULL, DULM_IDENTITY, y, ldy),
        DIFFULM_OK);
    for (size_t i = 0; i < s.m; i++) {
        rt->kernels->quantize_row(s.k, x + i * s.k, dulm_int8_top(rt), u, &scale, &zero);
        for (size_t j = 0; j < s.n; j++) {
            int64_t sum = 0;
            for (size_t p = 0; p < s.k; p++)
                sum += (int64_t)(u[p] - zero) * q[j * s.k + p];
            const double want =
                (double)scale * (double)scales[j] * (double)sum + (with_bias ? (double)bias[j] : 0);
            assert_true(fabs((double)y[i * ldy + j] - want) <= 1e-5 * (1 + fabs(want)));
        }
        for (size_t j = s.n; j < ldy; j++)
            assert_true(y[i * ldy + j] == 5.0f); /* not the product's */
    }
    free(x);
    free(y);
    free(q);
    free(scales);
    free(bias);
    free(sums);
    free(u);
}

static void products_are_exact_in_whole_numbers_on_every_path(void **state)
{
    (void)state;
    /* Odd sizes; more rows than a block; more columns than a block of 256 rows. */
    static const struct shape shapes[] = {{1, 1, 1},     {1, 7, 33},    {3, 5, 2},     {6, 31, 64},
                                          {17, 65, 127}, {300, 33, 40}, {260, 1100, 8}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int32_t threads = 1; threads <= 2; threads++)
            for (int32_t backend = DIFFULM_BACKEND_AUTO; backend <= DIFFULM_BACKEND_REFERENCE;
                 backend++) {
                diffulm_runtime *rt = tiny_runtime_in(backend, threads, DIFFULM_PRECISION_INT8);
                check_product(rt, shapes[i], i % 2);
                diffulm_runtime_unref(rt);
            }
}

#ifdef DULM_ONEDNN
/* Sums as large as they can be, of shapes that the start did not try. */
static void the_greatest_values_do_not_saturate(void **state)
{
    (void)state;
    enum { M = 33, N = 47, K = 1024 };
    uint8_t *a = malloc(M * K);
    int8_t *b = malloc(N * K);
    int32_t *c = malloc(M * N * sizeof *c);
    const int32_t top = dulm_onednn_int8_top();
    assert_true(top == 255 || top == 127 || top == 0);
    memset(a, top, M * K);
    for (size_t m = 1; top && m <= M; m += 8)
        for (size_t k = 2; k <= K; k *= 2) {
            for (size_t j = 0; j < N; j++)
                memset(b + j * k, j % 3 ? 127 : -127, k);
            assert_int_equal(dulm_onednn_gemm_u8s8(1, m, N, k, a, b, c, N), DIFFULM_OK);
            for (size_t i = 0; i < m * N; i++)
                assert_int_equal(c[i], (i % N % 3 ? 127 : -127) * top * (int32_t)k);
        }
    free(a);
    free(b);
    free(c);
}
#endif

static void logits_of(const diffulm_model *model, float out[LOGITS])
{
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, out), DIFFULM_OK);
}

static diffulm_model *model_on(const char *family, int32_t backend, int32_t precision)
{
    diffulm_runtime *rt = tiny_runtime_in(backend, 1, precision);
    diffulm_model *model = tiny_model(family, rt, 5);
    diffulm_runtime_unref(rt);
    return model;
}

static float largest_difference(const float *a, const float *b, size_t n, float *most)
{
    float difference = 0;
    *most = 0;
    for (size_t i = 0; i < n; i++) {
        difference = (float)larger((double)difference, (double)fabsf(a[i] - b[i]));
        *most = (float)larger((double)*most, (double)fabsf(b[i]));
    }
    return difference;
}

static void logits_differ_from_single_precision_by_little_but_do(void **state)
{
    (void)state;
    float exact[LOGITS], plain[LOGITS], fast[LOGITS], most;
    for (size_t f = 0; f < 3; f++) {
        diffulm_model *a = model_on(families[f], DIFFULM_BACKEND_REFERENCE, 0);
        diffulm_model *b = model_on(families[f], DIFFULM_BACKEND_REFERENCE, DIFFULM_PRECISION_INT8);
        diffulm_model *c = model_on(families[f], DIFFULM_BACKEND_AUTO, DIFFULM_PRECISION_INT8);
        logits_of(a, exact);
        logits_of(b, plain);
        logits_of(c, fast);
        const float difference = largest_difference(plain, exact, LOGITS, &most);
        assert_true(difference > 0 && difference < 0.06f * most);
        assert_true(largest_difference(fast, exact, LOGITS, &most) < 0.06f * most);
        diffulm_model_unref(a);
        diffulm_model_unref(b);
        diffulm_model_unref(c);
    }
}

static void a_row_scores_the_same_bits_alone_and_among_others(void **state)
{
    (void)state;
    static const int32_t many[4 * LENGTH] = {0, 7, 9, 4, 11, 2,  0,  3, 3, 3, 3, 2,
                                             0, 8, 8, 2, 0,  12, 13, 2, 0, 7, 9, 4};
    static const size_t ends[6] = {0, 6, 12, 16, 20, 24};
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 5, .offsets = ends, .tokens = many};
    float alone[LOGITS], among[4 * LOGITS];
    diffulm_model *model = model_on("bert", DIFFULM_BACKEND_REFERENCE, DIFFULM_PRECISION_INT8);
    logits_of(model, alone);
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, among), DIFFULM_OK);
    assert_memory_equal(alone, among, sizeof alone);
    diffulm_model_unref(model);
}

static unsigned char *contents(const char *path, size_t *size)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    unsigned char *bytes = malloc((size_t)status.st_size);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *size = fread(bytes, 1, (size_t)status.st_size, file);
    fclose(file);
    return bytes;
}

static void a_model_stored_in_int8_scores_as_one_computed_so(void **state)
{
    (void)state;
    float want[LOGITS], have[LOGITS], most;
    for (size_t f = 0; f < 3; f++) {
        diffulm_model *exact = model_on(families[f], DIFFULM_BACKEND_REFERENCE, 0), *stored = NULL;
        diffulm_model *computed =
            model_on(families[f], DIFFULM_BACKEND_REFERENCE, DIFFULM_PRECISION_INT8);
        struct diffulm_model_info info = {.struct_size = sizeof info};
        const struct tiny_folder folder = tiny_saved(exact, DIFFULM_DTYPE_I8);
        assert_int_equal(tiny_open(folder.path, DIFFULM_PRECISION_F32, &stored), DIFFULM_OK);
        assert_int_equal(diffulm_model_get_info(stored, &info), DIFFULM_OK);
        assert_int_equal(info.dtype, DIFFULM_DTYPE_I8);
        assert_int_equal(info.tensors_skipped, 0);
        logits_of(computed, want);
        logits_of(stored, have);
        assert_memory_equal(want, have, sizeof want);

        size_t first, second;
        const struct tiny_folder again = tiny_saved(stored, DIFFULM_DTYPE_I8);
        unsigned char *a = contents(folder.file, &first), *b = contents(again.file, &second);
        assert_int_equal(first, second);
        assert_memory_equal(a, b, first);
        free(a);
        free(b);
        tiny_discard(&again);
        diffulm_model_unref(stored);

        stored = NULL; /* widened again: only activations are still exact */
        assert_int_equal(tiny_open(folder.path, DIFFULM_PRECISION_F32, &stored), DIFFULM_OK);
        const struct tiny_folder wide = tiny_saved(stored, DIFFULM_DTYPE_F32);
        diffulm_model_unref(stored);
        assert_int_equal(tiny_open(wide.path, DIFFULM_PRECISION_F32, &stored), DIFFULM_OK);
        logits_of(exact, want);
        logits_of(stored, have);
        const float difference = largest_difference(have, want, LOGITS, &most);
        assert_true(difference > 0 && difference < 0.04f * most);
        tiny_discard(&wide);
        tiny_discard(&folder);
        diffulm_model_unref(stored);
        diffulm_model_unref(exact);
        diffulm_model_unref(computed);
    }
}

static void adapters_are_attached_to_a_model_in_int8(void **state)
{
    (void)state;
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    const struct diffulm_rows rows = {sizeof rows, 1, offsets, tokens, sources};
    char adapter_folder[] = "/tmp/diffulm-int8-XXXXXX", path[96];
    float with[LOGITS], without[LOGITS], exact[LOGITS], most;
    diffulm_model *model = model_on("modernbert", DIFFULM_BACKEND_REFERENCE, 0);
    diffulm_model *stored = NULL, *attached = NULL, *merged = NULL;
    diffulm_trainer *trainer = NULL;
    diffulm_adapter *adapter = NULL;
    o.lr = 0.5;
    o.lora_rank = 3;
    o.mask_id = TINY_MASK;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, NULL), DIFFULM_OK);
        assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_OK);
    }
    assert_int_equal(diffulm_trainer_export_adapter(trainer, &adapter), DIFFULM_OK);
    assert_non_null(mkdtemp(adapter_folder));
    assert_int_equal(diffulm_adapter_save(adapter, adapter_folder), DIFFULM_OK);
    assert_int_equal(diffulm_adapter_attach(adapter, &attached), DIFFULM_OK);
    logits_of(attached, exact);
    diffulm_model_unref(attached);
    diffulm_adapter_unref(adapter);

    const struct tiny_folder folder = tiny_saved(model, DIFFULM_DTYPE_I8);
    assert_int_equal(tiny_open(folder.path, DIFFULM_PRECISION_F32, &stored), DIFFULM_OK);
    assert_int_equal(diffulm_adapter_open(stored, adapter_folder, &adapter), DIFFULM_OK);
    assert_int_equal(diffulm_adapter_attach(adapter, &attached), DIFFULM_OK);
    logits_of(stored, without);
    logits_of(attached, with);
    assert_true(largest_difference(with, exact, LOGITS, &most) < 0.06f * most);
    assert_true(largest_difference(without, exact, LOGITS, &most) > 0.06f * most);
    assert_int_equal(diffulm_adapter_merge(adapter, &merged), DIFFULM_E_UNSUPPORTED);
    assert_message_names("merging an adapter: this model is stored in int8");
    snprintf(path, sizeof path, "%s/adapter_config.json", adapter_folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", adapter_folder);
    unlink(path);
    rmdir(adapter_folder);
    tiny_discard(&folder);
    diffulm_model_unref(attached);
    diffulm_adapter_unref(adapter);
    diffulm_model_unref(stored);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

static void training_and_pruning_in_int8_are_refused(void **state)
{
    (void)state;
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    static const int32_t kept[] = {0, 1, 2, 3, 4, 23};
    diffulm_trainer *trainer = NULL;
    diffulm_length_trainer *length_trainer = NULL;
    diffulm_length_head *head = NULL;
    diffulm_model *exact = model_on("bert", DIFFULM_BACKEND_REFERENCE, 0), *stored = NULL;
    diffulm_model *computed = model_on("bert", DIFFULM_BACKEND_REFERENCE, DIFFULM_PRECISION_INT8);
    diffulm_model *pruned = NULL;
    const struct tiny_folder folder = tiny_saved(exact, DIFFULM_DTYPE_I8);
    o.mask_id = TINY_MASK;
    assert_int_equal(tiny_open(folder.path, DIFFULM_PRECISION_F32, &stored), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_create(stored, &o, &trainer), DIFFULM_E_UNSUPPORTED);
    assert_message_names("training: this model is stored in int8 (tensor ");
    assert_int_equal(diffulm_trainer_create(computed, &o, &trainer), DIFFULM_E_UNSUPPORTED);
    assert_message_names("the runtime's precision is int8");
    assert_int_equal(diffulm_length_head_create(stored, 1, &head), DIFFULM_OK);
    assert_int_equal(diffulm_length_trainer_create(head, &o, &length_trainer),
                     DIFFULM_E_UNSUPPORTED);
    assert_int_equal(diffulm_model_prune(stored, kept, 6, &pruned), DIFFULM_E_UNSUPPORTED);
    assert_message_names("pruning: this model is stored in int8");
    diffulm_length_head_unref(head);
    tiny_discard(&folder);
    diffulm_model_unref(stored);
    diffulm_model_unref(exact);
    diffulm_model_unref(computed);
}

static void rewrite(const char *path, const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void damaged_scales_are_named(void **state)
{
    (void)state;
    static const char name[] = "encoder.layer.1.output.dense.weight_scale";
    size_t size;
    diffulm_model *exact = model_on("bert", DIFFULM_BACKEND_REFERENCE, 0), *stored = NULL;
    const struct tiny_folder folder = tiny_saved(exact, DIFFULM_DTYPE_I8);
    unsigned char *bytes = contents(folder.file, &size);
    char *place = memmem(bytes, size, name, strlen(name));
    assert_non_null(place);
    place[strlen(name) - 1] = 'x';
    rewrite(folder.file, bytes, size);
    assert_int_equal(tiny_open(folder.path, DIFFULM_PRECISION_F32, &stored), DIFFULM_E_FORMAT);
    assert_message_names("encoder.layer.1.output.dense.weight is stored as I8 without");
    place[strlen(name) - 1] = 'e';
    rewrite(folder.file, bytes, size);

    struct dulm_safetensors *file = NULL;
    assert_int_equal(dulm_safetensors_open_path(folder.file, &file), DIFFULM_OK);
    const struct dulm_tensor *first = dulm_safetensors_at(file, 0), *scale = NULL;
    const unsigned char *start = first->data;
    for (size_t i = 0; i < dulm_safetensors_count(file); i++) {
        const struct dulm_tensor *t = dulm_safetensors_at(file, i);
        start = (const unsigned char *)t->data < start ? t->data : start;
        if (strstr(t->name, name))
            scale = t;
    }
    assert_non_null(scale);
    uint64_t header = 0;
    for (int i = 7; i >= 0; i--)
        header = header << 8 | bytes[i];
    unsigned char *number_at =
        bytes + 8 + header + ((const unsigned char *)scale->data - start) + 2 * sizeof(float);
    memset(number_at, 0xff, sizeof(float)); /* a NaN */
    dulm_safetensors_close(file);
    rewrite(folder.file, bytes, size);
    assert_int_equal(tiny_open(folder.path, DIFFULM_PRECISION_F32, &stored), DIFFULM_E_FORMAT);
    assert_message_names("weight_scale: row 2 is not finite");
    assert_null(stored);
    free(bytes);
    tiny_discard(&folder);
    diffulm_model_unref(exact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_of_8_bits_is_within_half_a_step_on_every_instruction_set),
        cmocka_unit_test(rows_that_have_no_step_are_zero_or_nan),
        cmocka_unit_test(products_are_exact_in_whole_numbers_on_every_path),
#ifdef DULM_ONEDNN
        cmocka_unit_test(the_greatest_values_do_not_saturate),
#endif
        cmocka_unit_test(logits_differ_from_single_precision_by_little_but_do),
        cmocka_unit_test(a_row_scores_the_same_bits_alone_and_among_others),
        cmocka_unit_test(a_model_stored_in_int8_scores_as_one_computed_so),
        cmocka_unit_test(adapters_are_attached_to_a_model_in_int8),
        cmocka_unit_test(training_and_pruning_in_int8_are_refused),
        cmocka_unit_test(damaged_scales_are_named),
    };
    return cmocka_run_group_tests_name("int8", tests, NULL, NULL);
}

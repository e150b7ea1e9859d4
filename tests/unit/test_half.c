/* test_half.c: matrices that are kept in 16 bits: their widening, products by them, and models stored so. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/model.h"
#include "io/safetensors.h"
#include "tiny.h"

enum { LENGTH = 6, LOGITS = LENGTH * TINY_VOCABULARY };
static const int32_t tokens[LENGTH] = {TINY_BOS, 7, 9, 4, 11, TINY_EOS};
static const size_t offsets[2] = {0, LENGTH}, sources[1] = {2};
static const struct diffulm_rows rows = {sizeof rows, 1, offsets, tokens, sources};
static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};
static const int32_t widths[] = {DIFFULM_DTYPE_F16, DIFFULM_DTYPE_BF16};

static void every_number_is_widened_to_the_same_bits_on_every_instruction_set(void **state)
{
    (void)state;
    enum { ALL = 1 << 16 };
    uint16_t *numbers = malloc(ALL * sizeof *numbers);
    float *want = malloc(ALL * sizeof *want), *have = malloc(ALL * sizeof *have);
    for (size_t i = 0; i < ALL; i++)
        numbers[i] = (uint16_t)i;
    for (int32_t isa = DIFFULM_ISA_BASELINE; isa <= DIFFULM_ISA_AVX512; isa++) {
        const struct dulm_kernels *k = dulm_kernels_choose(isa);
        dulm_widen(DULM_F16, numbers, ALL, want);
        k->from_f16(ALL, numbers, have);
        assert_memory_equal(want, have, ALL * sizeof *want);
        dulm_widen(DULM_BF16, numbers, ALL, want);
        k->from_bf16(ALL, numbers, have);
        assert_memory_equal(want, have, ALL * sizeof *want);
    }
    free(numbers);
    free(want);
    free(have);
}

struct size {
    size_t m, n, k;
};

static void check_product(const diffulm_runtime *rt, struct size s, bool trans_b, bool bfloat,
                          bool accumulate)
{
    const size_t lda = s.k + 3, ldc = s.n + 2;
    float *a = malloc(s.m * lda * sizeof *a), *wide = malloc(s.n * s.k * sizeof *wide);
    float *want = calloc(s.m * ldc, sizeof *want), *have = calloc(s.m * ldc, sizeof *have);
    uint16_t *b = malloc(s.n * s.k * sizeof *b);
    for (size_t i = 0; i < s.m * lda; i++)
        a[i] = (float)(i * 7919 % 2003) / 1001.5f - 0.9f;
    for (size_t i = 0; i < s.n * s.k; i++)
        wide[i] = (float)(i * 6101 % 1999) / 999.5f - 1.1f;
    dulm_narrow(bfloat ? DULM_BF16 : DULM_F16, wide, s.n * s.k, b);
    dulm_widen(bfloat ? DULM_BF16 : DULM_F16, b, s.n * s.k, wide);
    for (size_t i = 0; i < s.m * ldc; i++)
        want[i] = have[i] = (float)(i % 17);
    assert_int_equal(dulm_gemm(rt, false, trans_b, s.m, s.n, s.k, a, lda, wide, trans_b ? s.k : s.n,
                               accumulate, want, ldc),
                     DIFFULM_OK);
    assert_int_equal(dulm_gemm_half(rt, trans_b, s.m, s.n, s.k, a, lda,
                                    (struct dulm_half){b, bfloat}, accumulate, have, ldc),
                     DIFFULM_OK);
    for (size_t i = 0; i < s.m; i++)
        for (size_t j = 0; j < ldc; j++) {
            const float difference = have[i * ldc + j] - want[i * ldc + j];
            assert_true(difference * difference <= 1e-9f * (float)(s.k * s.k));
            if (j >= s.n) /* outside the matrix */
                assert_true(difference == 0);
        }
    free(a);
    free(wide);
    free(want);
    free(have);
    free(b);
}

static void products_are_those_of_the_widened_matrix_over_odd_sizes(void **state)
{
    (void)state;
    /* of one number, of one tile, of several, and of rows that are longer than a tile */
    static const struct size sizes[] = {{1, 1, 1},      {5, 7, 3},       {33, 130, 65},
                                        {9, 3000, 770}, {3, 3, 1048577}, {2, 1048577, 2}};
    static const int32_t backends[] = {DIFFULM_BACKEND_REFERENCE, DIFFULM_BACKEND_AUTO};
    for (size_t backend = 0; backend < 2; backend++) {
        diffulm_runtime *rt = tiny_runtime(backends[backend], 2);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int kind = 0; kind < 8; kind++)
                check_product(rt, sizes[i], kind & 1, kind & 2, kind & 4);
        diffulm_runtime_unref(rt);
    }
}

static void logits_of(const diffulm_model *model, float *out)
{
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, out), DIFFULM_OK);
}

/* The model stored in a width, and the same numbers stored in single precision. */
struct pair {
    struct tiny_folder narrow, wide;
    diffulm_model *stored, *widened;
};

static struct pair pair_of(const char *family, int32_t dtype, int32_t precision)
{
    struct pair p = {0};
    diffulm_model *exact = tiny_model_on(family, DIFFULM_BACKEND_REFERENCE, 1, 4), *model = NULL;
    p.narrow = tiny_saved(exact, dtype);
    assert_int_equal(tiny_open(p.narrow.path, DIFFULM_PRECISION_F32, &model), DIFFULM_OK);
    p.wide = tiny_saved(model, DIFFULM_DTYPE_F32);
    diffulm_model_unref(model);
    diffulm_model_unref(exact);
    assert_int_equal(tiny_open(p.narrow.path, precision, &p.stored), DIFFULM_OK);
    assert_int_equal(tiny_open(p.wide.path, precision, &p.widened), DIFFULM_OK);
    assert_null(p.stored->weights.global[DULM_WORDS]);
    assert_non_null(p.stored->half);
    return p;
}

static void discard(struct pair *p)
{
    tiny_discard(&p->narrow);
    tiny_discard(&p->wide);
    diffulm_model_unref(p->stored);
    diffulm_model_unref(p->widened);
}

static void a_model_stored_in_16_bits_scores_as_the_widened_one_in_every_precision(void **state)
{
    (void)state;
    float want[LOGITS], have[LOGITS];
    for (int32_t precision = DIFFULM_PRECISION_F32; precision <= DIFFULM_PRECISION_INT8;
         precision++)
        for (size_t i = 0; i < 6; i++) {
            struct pair p = pair_of(families[i / 2], widths[i % 2], precision);
            logits_of(p.widened, want);
            logits_of(p.stored, have);
            assert_memory_equal(want, have, sizeof want);
            discard(&p);
        }
}

static void check_same_file(const struct tiny_folder *a, const struct tiny_folder *b)
{
    char command[256];
    snprintf(command, sizeof command, "cmp -s %s %s", a->file, b->file);
    assert_int_equal(system(command), 0);
}

static void it_is_saved_in_every_width_as_the_widened_one(void **state)
{
    (void)state;
    static const int32_t all[] = {DIFFULM_DTYPE_F32, DIFFULM_DTYPE_F16, DIFFULM_DTYPE_BF16,
                                  DIFFULM_DTYPE_I8};
    for (size_t i = 0; i < 8; i++) {
        struct pair p = pair_of(families[i % 3], widths[i % 2], DIFFULM_PRECISION_F32);
        const struct tiny_folder a = tiny_saved(p.stored, all[i / 2]);
        const struct tiny_folder b = tiny_saved(p.widened, all[i / 2]);
        check_same_file(&a, &b);
        tiny_discard(&a);
        tiny_discard(&b);
        discard(&p);
    }
}

static void it_is_pruned_as_the_widened_one(void **state)
{
    (void)state;
    static const int32_t kept[] = {0, 1, 2, 5, 9, 23};
    for (size_t i = 0; i < 6; i++) {
        struct pair p = pair_of(families[i / 2], widths[i % 2], DIFFULM_PRECISION_F32);
        diffulm_model *a = NULL, *b = NULL;
        assert_int_equal(diffulm_model_prune(p.stored, kept, 6, &a), DIFFULM_OK);
        assert_int_equal(diffulm_model_prune(p.widened, kept, 6, &b), DIFFULM_OK);
        const struct tiny_folder first = tiny_saved(a, DIFFULM_DTYPE_F32);
        const struct tiny_folder second = tiny_saved(b, DIFFULM_DTYPE_F32);
        check_same_file(&first, &second);
        tiny_discard(&first);
        tiny_discard(&second);
        diffulm_model_unref(a);
        diffulm_model_unref(b);
        discard(&p);
    }
}

/* What three updates make of a model. */
static diffulm_model *trained(diffulm_model *model, int32_t lora_rank, float *logits)
{
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    diffulm_trainer *trainer = NULL;
    diffulm_model *out = NULL;
    o.lr = 0.05;
    o.mask_id = TINY_MASK;
    o.lora_rank = lora_rank;
    o.ema_decay = 0.5;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, NULL), DIFFULM_OK);
        assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_OK);
    }
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    assert_int_equal(diffulm_trainer_evaluate(trainer, &rows, 1, &report), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_export(trainer, &out), DIFFULM_OK);
    logits_of(out, logits);
    logits[LOGITS] = (float)report.loss;
    diffulm_trainer_destroy(trainer);
    return out;
}

static void it_trains_to_the_same_bits_as_the_widened_one(void **state)
{
    (void)state;
    float want[LOGITS + 1], have[LOGITS + 1], before[LOGITS];
    for (size_t i = 0; i < 24; i++) {
        struct pair p = pair_of(families[i / 8], widths[i % 2],
                                i & 2 ? DIFFULM_PRECISION_BF16 : DIFFULM_PRECISION_F32);
        const int32_t lora_rank = i & 4 ? 2 : 0;
        logits_of(p.stored, before);
        diffulm_model_unref(trained(p.widened, lora_rank, want));
        diffulm_model_unref(trained(p.stored, lora_rank, have));
        assert_memory_equal(want, have, sizeof want);
        assert_memory_not_equal(before, have, sizeof before);
        discard(&p);
    }
}

/* Changes one number of the stored model's words, in its file, which is mapped. */
static void change_words(const struct pair *p)
{
    char bytes[65536];
    const uint16_t *words = p->stored->half[DULM_WORDS].values;
    FILE *file = fopen(p->narrow.file, "r+b");
    assert_non_null(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    const char *at = memmem(bytes, size, words, 64);
    assert_non_null(at);
    assert_int_equal(fseek(file, at - bytes, SEEK_SET), 0);
    assert_int_equal(fputc(*at ^ 1, file), (unsigned char)(*at ^ 1));
    fclose(file);
}

static void an_adapter_s_checkpoint_is_not_taken_over_other_16_bit_weights(void **state)
{
    (void)state;
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    diffulm_trainer *trainer = NULL;
    char path[128];
    size_t note;
    o.mask_id = TINY_MASK;
    o.lora_rank = 2;
    struct pair p = pair_of("bert", DIFFULM_DTYPE_BF16, DIFFULM_PRECISION_F32);
    snprintf(path, sizeof path, "%s/checkpoint", p.narrow.path);
    assert_int_equal(diffulm_trainer_create(p.stored, &o, &trainer), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_save(trainer, path, NULL, 0), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_restore(trainer, path, NULL, 0, &note), DIFFULM_OK);
    change_words(&p);
    assert_true(diffulm_trainer_restore(trainer, path, NULL, 0, &note) < 0);
    unlink(path);
    diffulm_trainer_destroy(trainer);
    discard(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_widened_to_the_same_bits_on_every_instruction_set),
        cmocka_unit_test(products_are_those_of_the_widened_matrix_over_odd_sizes),
        cmocka_unit_test(a_model_stored_in_16_bits_scores_as_the_widened_one_in_every_precision),
        cmocka_unit_test(it_is_saved_in_every_width_as_the_widened_one),
        cmocka_unit_test(it_is_pruned_as_the_widened_one),
        cmocka_unit_test(it_trains_to_the_same_bits_as_the_widened_one),
        cmocka_unit_test(an_adapter_s_checkpoint_is_not_taken_over_other_16_bit_weights),
    };
    return cmocka_run_group_tests_name("half", tests, NULL, NULL);
}

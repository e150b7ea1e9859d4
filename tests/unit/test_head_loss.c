/* test_head_loss.c: the head's losses and gradients by tiles of the vocabulary and blocks of rows against those in one piece. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arch/head_loss.h"
#include "arch/model.h"
#include "arch/pass.h"
#include "base/alloc.h"
#include "tiny.h"

enum { TOKENS = 11, TARGETS = 7, HIDDEN = 12 };
static const int32_t tokens[TOKENS] = {TINY_BOS, 7, 9, 4, 11,      TINY_EOS,
                                       TINY_BOS, 5, 6, 8, TINY_EOS};
static const size_t offsets[3] = {0, 6, TOKENS};
static const size_t position[TARGETS] = {9, 1, 2, 3, 4, 7, 8};
/* First and last of the vocabulary, and of tiles of 5. */
static const int32_t target[TARGETS] = {0, TINY_VOCABULARY - 1, 4, 5, 9, 10, 13};
static const float d_ce[TARGETS] = {0.5f, 1, 0.25f, 0, 0, 0.75f, 1.5f};
static const float d_uniform[TARGETS] = {0.125f, 0, 0.25f, 0.5f, 0, 0.125f, 0};

static const struct dulm_head_limits whole = {(size_t)1 << 20, 1000, 100};
static const struct dulm_head_limits parts[] = {
    {(size_t)1 << 20, 5, 100},     /* tiles of all rows, the last one short */
    {3 * TINY_VOCABULARY, 7, 100}, /* and blocks of three rows: 7 are 3, 3 and 1 */
    {1, 1, 100},                   /* not even a row fits */
    {(size_t)1 << 20, 1000, 2},    /* blocks alone */
    {(size_t)1 << 20, TINY_VOCABULARY, 100}};

struct result {
    double ce[TARGETS], uniform_ce[TARGETS];
    float d_encoded[TOKENS * HIDDEN];
    float *gradients;
};

struct head {
    const diffulm_model *model;
    struct dulm_weights weights, grads;
    struct dulm_pass_buffers buffers;
    struct dulm_batch batch;
    struct dulm_pass pass;
    size_t total;
    float bias[TINY_VOCABULARY], encoded[TOKENS * HIDDEN];
};

/* Biases so far apart that the largest logit of a tile is often not that of the row. */
static void prepare(struct head *h, const diffulm_model *model)
{
    *h = (struct head){.model = model, .weights = model->weights};
    h->total = dulm_parameters_total(model->parameters, model->parameter_count);
    for (size_t i = 0; i < TINY_VOCABULARY; i++)
        h->bias[i] = (float)(i * 7 % 11) - 5;
    for (size_t i = 0; i < TOKENS * HIDDEN; i++)
        h->encoded[i] = (float)(i * 7919 % 2003) / 1001.5f - 0.9f;
    h->weights.global[DULM_DECODER_B] = h->bias;
    h->batch = (struct dulm_batch){.rows = 2, .offsets = offsets, .tokens = tokens};
    assert_int_equal(dulm_pass_prepare(model->runtime, &model->config, &h->weights, &h->batch,
                                       false, &h->buffers, &h->pass),
                     DIFFULM_OK);
    assert_int_equal(dulm_weights_create(&model->config, &h->grads), DIFFULM_OK);
}

static void release(struct head *h)
{
    dulm_pass_buffers_release(&h->buffers);
    dulm_weights_release(&h->grads);
}

/* Every result starts as something else than 0: gradients are added to what is there. */
static void compute(struct head *h, const struct dulm_head_limits *limits, bool gradients,
                    bool frozen, struct result *out)
{
    struct dulm_head_room room = {0};
    const struct dulm_targets targets = {TARGETS,   position, target,         d_ce,
                                         d_uniform, out->ce,  out->uniform_ce};
    float *next = out->gradients = malloc(h->total * sizeof *next);
    for (size_t i = 0; i < h->total; i++)
        next[i] = (float)(i % 5) / 5;
    for (size_t i = 0; i < TOKENS * HIDDEN; i++)
        out->d_encoded[i] = -3;
    for (size_t i = 0; i < h->model->parameter_count; i++) {
        dulm_weights_set(&h->grads, &h->model->config, &h->model->parameters[i], next);
        next += h->model->parameters[i].elements;
    }
    if (frozen)
        h->grads.global[DULM_DECODER_W] = h->grads.global[DULM_DECODER_B] = NULL;
    assert_int_equal(dulm_head_loss(&h->pass, limits, &room, &targets, gradients ? &h->grads : NULL,
                                    h->encoded, out->d_encoded),
                     DIFFULM_OK);
    dulm_free(room.memory);
}

/* In bfloat16 a gradient that differs by its last bit may be rounded to the next number. */
static void assert_close(const float *want, const float *have, size_t n, bool rounds)
{
    double largest = 1, worst = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(want[i]) && isfinite(have[i]));
        largest = larger(largest, fabs((double)want[i]));
        worst = larger(worst, fabs((double)want[i] - (double)have[i]));
    }
    assert_true(worst <= (rounds ? 1e-2 : 2e-6) * largest);
}

static void check(const diffulm_model *model)
{
    const bool rounds = model->runtime->precision == DIFFULM_PRECISION_BF16;
    struct head h;
    prepare(&h, model);
    for (int mode = 0; mode < 3; mode++) { /* forward alone, a frozen head, everything */
        struct result want, have;
        compute(&h, &whole, mode > 0, mode == 1, &want);
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
            compute(&h, &parts[p], mode > 0, mode == 1, &have);
            for (size_t i = 0; i < TARGETS; i++) {
                assert_float_equal(want.ce[i], have.ce[i], 2e-6);
                assert_float_equal(want.uniform_ce[i], have.uniform_ce[i], 2e-6);
            }
            assert_close(want.d_encoded, have.d_encoded, TOKENS * HIDDEN, rounds);
            assert_close(want.gradients, have.gradients, h.total, rounds);
            free(have.gradients);
        }
        free(want.gradients);
    }
    release(&h);
}

static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};

static void tiles_and_blocks_change_neither_losses_nor_gradients(void **state)
{
    (void)state;
    static const struct {
        int32_t backend, precision, deterministic;
    } kinds[] = {{DIFFULM_BACKEND_REFERENCE, DIFFULM_PRECISION_F32, 0},
                 {DIFFULM_BACKEND_AUTO, DIFFULM_PRECISION_F32, 0},
                 {DIFFULM_BACKEND_AUTO, DIFFULM_PRECISION_F32, 1},
                 {DIFFULM_BACKEND_REFERENCE, DIFFULM_PRECISION_BF16, 0}};
    for (size_t f = 0; f < 3; f++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
            diffulm_runtime *rt = NULL;
            o.threads = 2;
            o.backend = kinds[k].backend;
            o.precision = kinds[k].precision;
            o.deterministic = kinds[k].deterministic;
            assert_int_equal(diffulm_runtime_create(&o, &rt), DIFFULM_OK);
            diffulm_model *model = tiny_model(families[f], rt, 3);
            check(model);
            diffulm_model_unref(model);
            diffulm_runtime_unref(rt);
        }
}

static void tiles_of_matrices_in_16_bits_too(void **state)
{
    (void)state;
    static const int32_t widths[] = {DIFFULM_DTYPE_F16, DIFFULM_DTYPE_BF16};
    for (size_t f = 0; f < 3; f++)
        for (size_t w = 0; w < 2; w++) {
            diffulm_model *model = tiny_model_on(families[f], DIFFULM_BACKEND_REFERENCE, 1, 3);
            const struct tiny_folder folder = tiny_saved(model, widths[w]);
            diffulm_model_unref(model);
            for (int32_t bf16 = 0; bf16 < 2; bf16++) {
                assert_int_equal(tiny_open(folder.path,
                                           bf16 ? DIFFULM_PRECISION_BF16 : DIFFULM_PRECISION_F32,
                                           &model),
                                 DIFFULM_OK);
                assert_null(model->weights.global[DULM_DECODER_W]);
                check(model);
                diffulm_model_unref(model);
            }
            tiny_discard(&folder);
        }
}

static void a_loss_that_is_not_finite_stays_with_its_row(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 3);
    struct head h;
    struct result r;
    prepare(&h, model);
    h.encoded[position[2] * HIDDEN + 3] = NAN;
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        compute(&h, &parts[p], true, false, &r);
        for (size_t i = 0; i < TARGETS; i++) {
            assert_true(isfinite(r.ce[i]) == (i != 2));
            assert_true(isfinite(r.uniform_ce[i]) == (i != 2));
        }
        free(r.gradients);
    }
    release(&h);
    diffulm_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_and_blocks_change_neither_losses_nor_gradients),
        cmocka_unit_test(tiles_of_matrices_in_16_bits_too),
        cmocka_unit_test(a_loss_that_is_not_finite_stays_with_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

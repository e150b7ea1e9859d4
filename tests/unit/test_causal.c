/* test_causal.c: the causal objective, decoding left to right, and the keys and values that a session keeps. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tiny.h"

enum { ROWS = 3, TOKENS = 20 };

/* Rows of different lengths: bos, source, target, eos. Each target is its source in reverse. */
static const size_t offsets[ROWS + 1] = {0, 6, 12, 20};
static const int32_t tokens[TOKENS] = {0, 4, 5, 5, 4, 2,  0,  6, 7, 7,
                                       6, 2, 0, 8, 9, 10, 10, 9, 8, 2};
static const size_t sources[ROWS] = {3, 3, 4};

static struct diffulm_rows all_rows(void)
{
    return (struct diffulm_rows){sizeof(struct diffulm_rows), ROWS, offsets, tokens, sources};
}

static struct diffulm_trainer_options causal_options(void)
{
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    o.objective = DIFFULM_OBJECTIVE_CAUSAL;
    o.attention = DIFFULM_ATTENTION_CAUSAL;
    o.mask_id = TINY_MASK;
    o.lr = 5e-3;
    o.seed = 3;
    return o;
}

/* The definition of the loss, from the logits of the public forward pass. */
static double loss_by_hand(const diffulm_model *model, double smoothing, bool whole, double *mean)
{
    float logits[TOKENS * TINY_VOCABULARY];
    const struct diffulm_batch batch = {.struct_size = sizeof batch,
                                        .rows = ROWS,
                                        .offsets = offsets,
                                        .tokens = tokens,
                                        .attention = DIFFULM_ATTENTION_CAUSAL};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, TOKENS, logits), DIFFULM_OK);
    double loss = 0, sum = 0;
    size_t count = 0;
    for (size_t r = 0; r < ROWS; r++) {
        const size_t first = whole ? 1 : sources[r], n = offsets[r + 1] - offsets[r] - first;
        for (size_t i = offsets[r] + first; i < offsets[r + 1]; i++) {
            const float *x = logits + (i - 1) * TINY_VOCABULARY;
            double total = 0, uniform = 0;
            for (size_t v = 0; v < TINY_VOCABULARY; v++)
                total += exp((double)x[v]);
            for (size_t v = 0; v < TINY_VOCABULARY; v++)
                uniform += (log(total) - (double)x[v]) / TINY_VOCABULARY;
            const double ce = log(total) - (double)x[tokens[i]];
            loss += ((1 - smoothing) * ce + smoothing * uniform) / (double)(n * ROWS);
            sum += ce;
            count++;
        }
    }
    *mean = sum / (double)count;
    return loss;
}

static void check_loss(double smoothing, int32_t whole)
{
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 5);
    struct diffulm_trainer_options o = causal_options();
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    const struct diffulm_rows rows = all_rows();
    diffulm_trainer *trainer = NULL;
    o.label_smoothing = smoothing;
    o.mask_on_source = whole;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    double mean;
    const double loss = loss_by_hand(model, smoothing, whole, &mean);
    assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, &report), DIFFULM_OK);
    assert_float_equal(report.loss, loss, 1e-5);
    assert_float_equal(report.cross_entropy, mean, 1e-5);
    assert_int_equal(report.tokens, TOKENS);
    assert_int_equal(report.masked, whole ? TOKENS - ROWS : TOKENS - 10);
    assert_int_equal(diffulm_trainer_evaluate(trainer, &rows, 9, &report), DIFFULM_OK);
    assert_float_equal(report.loss, loss, 1e-5);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

static void causal_loss_is_the_cross_entropy_of_the_next_target_token(void **state)
{
    (void)state;
    check_loss(0, 0);
    check_loss(0.1, 0);
    check_loss(0, 1);
}

static void causal_objective_names_what_it_cannot_take(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 5);
    struct diffulm_trainer_options o = causal_options();
    diffulm_trainer *trainer = NULL;
    o.attention = DIFFULM_ATTENTION_FULL;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_E_ARGUMENT);
    assert_non_null(strstr(diffulm_error_message(), "causal attention"));
    o = causal_options();
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    const uint8_t flags[6] = {0, 0, 0, 1, 1, 1};
    const int32_t t = 1;
    const struct diffulm_corrupted_rows rows = {sizeof rows, 1,     offsets, tokens, tokens,
                                                flags,       flags, &t,      sources};
    assert_int_equal(diffulm_trainer_accumulate_corrupted(trainer, &rows, NULL),
                     DIFFULM_E_ARGUMENT);
    assert_non_null(strstr(diffulm_error_message(), "clean rows"));
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(causal_loss_is_the_cross_entropy_of_the_next_target_token),
        cmocka_unit_test(causal_objective_names_what_it_cannot_take)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_averages.c: the moving average of the weights, and which row a failed loss is blamed on. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/adapter.h"
#include "tiny.h"
#include "train/trainer.h"

enum { ROWS = 4 };

/* The last row is longer than the others. */
static const size_t offsets[ROWS + 1] = {0, 6, 12, 18, 28};
static const int32_t tokens[] = {0, 4, 5, 4, 5, 2, 0, 6, 7,  6,  7,  2,  0,  8,
                                 9, 8, 9, 2, 0, 4, 6, 8, 10, 11, 12, 13, 14, 2};
static const size_t source_lengths[ROWS] = {1, 2, 1, 1};
static const struct diffulm_rows all_rows = {sizeof all_rows, ROWS, offsets, tokens,
                                             source_lengths};

static struct diffulm_trainer_options options_for(int32_t lora_rank, double ema_decay)
{
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    o.mask_id = TINY_MASK;
    o.lr = 1e-2;
    o.timesteps = 10;
    o.seed = 3;
    o.lora_rank = lora_rank;
    o.ema_decay = ema_decay;
    return o;
}

static diffulm_trainer *trainer_of(diffulm_model *model, int32_t lora_rank, double ema_decay)
{
    const struct diffulm_trainer_options o = options_for(lora_rank, ema_decay);
    diffulm_trainer *trainer = NULL;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    return trainer;
}

static void train(diffulm_trainer *trainer, int updates)
{
    for (int i = 0; i < updates; i++) {
        assert_int_equal(diffulm_trainer_accumulate(trainer, &all_rows, NULL), DIFFULM_OK);
        assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_OK);
    }
}

static double loss_of(diffulm_trainer *trainer)
{
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    assert_int_equal(diffulm_trainer_evaluate(trainer, &all_rows, 1, &report), DIFFULM_OK);
    return report.loss;
}

static void check_recomputed(const char *family, int32_t lora_rank)
{
    const double d = 0.8;
    diffulm_model *model = tiny_model_on(family, DIFFULM_BACKEND_REFERENCE, 2, 5);
    diffulm_trainer *trainer = trainer_of(model, lora_rank, d);
    float *e = malloc(trainer->total * sizeof *e);
    assert_non_null(e);
    memcpy(e, trainer->values, trainer->total * sizeof *e);
    for (int k = 0; k < 4; k++) {
        assert_memory_equal(trainer->averages, e, trainer->total * sizeof *e);
        train(trainer, 1);
        for (size_t i = 0; i < trainer->total; i++)
            e[i] = (float)(d * (double)e[i] + (1 - d) * (double)trainer->values[i]);
    }
    assert_memory_equal(trainer->averages, e, trainer->total * sizeof *e);
    assert_memory_not_equal(trainer->averages, trainer->values, trainer->total * sizeof *e);
    free(e);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

static void averages_are_those_of_a_plain_recomputation(void **state)
{
    (void)state;
    check_recomputed("xlm-roberta", 0);
    check_recomputed("modernbert", 0);
    check_recomputed("bert", 2);
}

static void averages_change_no_weight(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    diffulm_trainer *plain = trainer_of(model, 0, 0), *averaged = trainer_of(model, 0, 0.9);
    train(plain, 3);
    train(averaged, 3);
    assert_memory_equal(plain->values, averaged->values, plain->total * sizeof(float));
    diffulm_trainer_destroy(plain);
    diffulm_trainer_destroy(averaged);
    diffulm_model_unref(model);
}

static void evaluation_and_export_are_of_the_averages(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 5);
    diffulm_model *average = NULL, *last = NULL;
    diffulm_trainer *trainer = trainer_of(model, 0, 0.9);
    train(trainer, 5);
    assert_int_equal(diffulm_trainer_export_ema(trainer, &average), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_export(trainer, &last), DIFFULM_OK);
    diffulm_trainer *on_average = trainer_of(average, 0, 0), *on_last = trainer_of(last, 0, 0);
    const double loss = loss_of(trainer);
    assert_true(loss == loss_of(on_average));
    assert_true(loss != loss_of(on_last));
    diffulm_trainer_destroy(on_average);
    diffulm_trainer_destroy(on_last);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(average);
    diffulm_model_unref(last);
    diffulm_model_unref(model);
}

/* Merged W + s B A against s (B (A x)): rounding of a few products of 12 numbers. */
#define MERGED_TOLERANCE 1e-5

static void averaged_adapter_holds_the_averages_of_its_factors(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 5);
    diffulm_model *merged = NULL, *again = NULL;
    diffulm_adapter *adapter = NULL;
    diffulm_trainer *trainer = trainer_of(model, 2, 0.7);
    train(trainer, 5);
    assert_int_equal(diffulm_trainer_export_adapter_ema(trainer, &adapter), DIFFULM_OK);
    assert_memory_equal(adapter->values, trainer->averages, trainer->total * sizeof(float));
    assert_int_equal(diffulm_trainer_export_ema(trainer, &merged), DIFFULM_OK);
    assert_int_equal(diffulm_adapter_merge(adapter, &again), DIFFULM_OK);
    for (size_t i = 0; i < merged->parameter_count; i++)
        assert_memory_equal(dulm_weights_get(&merged->weights, &merged->parameters[i]),
                            dulm_weights_get(&again->weights, &again->parameters[i]),
                            merged->parameters[i].elements * sizeof(float));
    diffulm_trainer *on_merged = trainer_of(merged, 0, 0);
    assert_true(fabs(loss_of(trainer) - loss_of(on_merged)) < MERGED_TOLERANCE);
    diffulm_trainer_destroy(on_merged);
    diffulm_trainer_destroy(trainer);
    diffulm_adapter_unref(adapter);
    diffulm_model_unref(merged);
    diffulm_model_unref(again);
    diffulm_model_unref(model);
}

static void check_resumed(const char *family, int32_t lora_rank)
{
    char path[] = "/tmp/diffulm-averages-XXXXXX";
    close(mkstemp(path));
    diffulm_model *model = tiny_model_on(family, DIFFULM_BACKEND_REFERENCE, 1, 5);
    diffulm_trainer *straight = trainer_of(model, lora_rank, 0.9);
    diffulm_trainer *first = trainer_of(model, lora_rank, 0.9);
    diffulm_trainer *second = trainer_of(model, lora_rank, 0.9);
    train(straight, 5);
    train(first, 2);
    assert_int_equal(diffulm_trainer_save(first, path, NULL, 0), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_restore(second, path, NULL, 0, NULL), DIFFULM_OK);
    assert_memory_equal(second->averages, first->averages, first->total * sizeof(float));
    train(second, 3);
    assert_memory_equal(second->averages, straight->averages, straight->total * sizeof(float));
    assert_memory_equal(second->values, straight->values, straight->total * sizeof(float));
    unlink(path);
    diffulm_trainer_destroy(straight);
    diffulm_trainer_destroy(first);
    diffulm_trainer_destroy(second);
    diffulm_model_unref(model);
}

static void averages_of_a_resumed_run_are_those_of_the_uninterrupted_one(void **state)
{
    (void)state;
    check_resumed("modernbert", 0);
    check_resumed("xlm-roberta", 2);
}

static void checkpoint_with_another_decay_is_refused_by_name(void **state)
{
    (void)state;
    char path[] = "/tmp/diffulm-averages-XXXXXX";
    close(mkstemp(path));
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    diffulm_trainer *plain = trainer_of(model, 0, 0), *averaged = trainer_of(model, 0, 0.5);
    assert_int_equal(diffulm_trainer_save(plain, path, NULL, 0), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_restore(averaged, path, NULL, 0, NULL), DIFFULM_E_ARGUMENT);
    assert_message_names("ema_decay was 0.0 in this checkpoint, now it is 0.5");
    assert_int_equal(diffulm_trainer_save(averaged, path, NULL, 0), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_restore(plain, path, NULL, 0, NULL), DIFFULM_E_ARGUMENT);
    assert_message_names("ema_decay was 0.5 in this checkpoint, now it is 0.0");
    unlink(path);
    diffulm_trainer_destroy(plain);
    diffulm_trainer_destroy(averaged);
    diffulm_model_unref(model);
}

static void averages_that_are_not_kept_are_an_error_of_state(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5), *none = NULL;
    diffulm_adapter *adapter = NULL;
    diffulm_length_head *head = NULL;
    diffulm_length_trainer *length = NULL;
    const struct diffulm_trainer_options kept = options_for(0, 0.9), too_slow = options_for(0, 1);
    diffulm_trainer *trainer = trainer_of(model, 2, 0), *refused = NULL;
    assert_int_equal(diffulm_trainer_export_ema(trainer, &none), DIFFULM_E_STATE);
    assert_message_names("ema_decay is 0");
    assert_int_equal(diffulm_trainer_export_adapter_ema(trainer, &adapter), DIFFULM_E_STATE);
    assert_message_names("ema_decay is 0");
    assert_int_equal(diffulm_length_head_create(model, 1, &head), DIFFULM_OK);
    assert_int_equal(diffulm_length_trainer_create(head, &kept, &length), DIFFULM_E_UNSUPPORTED);
    assert_message_names("ema_decay");
    assert_int_equal(diffulm_trainer_create(model, &too_slow, &refused), DIFFULM_E_ARGUMENT);
    assert_message_names("ema_decay is 1");
    assert_true(!none && !adapter && !length && !refused);
    diffulm_length_head_unref(head);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

/* NaN where only the last row is: at its ninth position. */
static void loss_that_is_not_finite_names_the_row_of_the_update(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    const struct diffulm_rows first = {sizeof first, 2, offsets, tokens, source_lengths};
    const size_t later[] = {0, 6, 16};
    const struct diffulm_rows rest = {sizeof rest, 2, later, tokens + 12, source_lengths + 2};
    diffulm_trainer *trainer = trainer_of(model, 0, 0);
    train(trainer, 2);
    size_t i = 0;
    while (!strstr(trainer->trainables[i].name, "position_embeddings"))
        i++;
    trainer->trainables[i].values[8 * 12] = NAN;
    assert_int_equal(diffulm_trainer_accumulate(trainer, &first, NULL), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_accumulate(trainer, &rest, NULL), DIFFULM_E_NUMERIC);
    assert_message_names("update 2: the loss of row 3, position ");
    diffulm_trainer_discard(trainer);
    assert_int_equal(diffulm_trainer_evaluate(trainer, &rest, 1, &report), DIFFULM_E_NUMERIC);
    assert_message_names("row 1, position ");
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(averages_are_those_of_a_plain_recomputation),
        cmocka_unit_test(averages_change_no_weight),
        cmocka_unit_test(evaluation_and_export_are_of_the_averages),
        cmocka_unit_test(averaged_adapter_holds_the_averages_of_its_factors),
        cmocka_unit_test(averages_of_a_resumed_run_are_those_of_the_uninterrupted_one),
        cmocka_unit_test(checkpoint_with_another_decay_is_refused_by_name),
        cmocka_unit_test(averages_that_are_not_kept_are_an_error_of_state),
        cmocka_unit_test(loss_that_is_not_finite_names_the_row_of_the_update)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

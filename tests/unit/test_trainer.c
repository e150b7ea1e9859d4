/* test_trainer.c: training runs over tiny models. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/model.h"
#include "tiny.h"
#include "train/trainer.h"

enum { ROWS = 4, LENGTH = 8 };

/* Row r: bos, then two tokens three times in turn, eos: a masked token follows from the others. */
static const size_t offsets[ROWS + 1] = {0, 8, 16, 24, 32};
static const int32_t tokens[ROWS * LENGTH] = {0, 4, 5, 4, 5, 4, 5, 2, 0, 6,  7,  6,  7,  6,  7,  2,
                                              0, 8, 9, 8, 9, 8, 9, 2, 0, 10, 11, 10, 11, 10, 11, 2};
static const size_t source_lengths[ROWS] = {1, 2, 1, 2};

static struct diffulm_rows rows_of(size_t first, size_t count)
{
    return (struct diffulm_rows){sizeof(struct diffulm_rows), count, offsets,
                                 tokens + first * LENGTH, source_lengths + first};
}

static struct diffulm_trainer_options options_for(double lr)
{
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    o.mask_id = TINY_MASK;
    o.lr = lr;
    o.timesteps = 10;
    o.seed = 3;
    return o;
}

static diffulm_trainer *trainer_of(diffulm_model *model, const struct diffulm_trainer_options *o)
{
    diffulm_trainer *trainer = NULL;
    assert_int_equal(diffulm_trainer_create(model, o, &trainer), DIFFULM_OK);
    return trainer;
}

static void train(diffulm_trainer *trainer, int updates)
{
    const struct diffulm_rows rows = rows_of(0, ROWS);
    for (int i = 0; i < updates; i++) {
        assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, NULL), DIFFULM_OK);
        assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_OK);
    }
}

static double evaluate(diffulm_trainer *trainer)
{
    const struct diffulm_rows rows = rows_of(0, ROWS);
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    double sum = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        assert_int_equal(diffulm_trainer_evaluate(trainer, &rows, seed, &report), DIFFULM_OK);
        sum += report.loss / 8;
    }
    return sum;
}

/* Logits of the rows by an exported model. */
static void logits_of(const diffulm_model *model, float *out)
{
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = ROWS, .offsets = offsets, .tokens = tokens};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, (size_t)ROWS * LENGTH, out),
                     DIFFULM_OK);
}

static diffulm_model *export_of(const diffulm_trainer *trainer)
{
    diffulm_model *model = NULL;
    assert_int_equal(diffulm_trainer_export(trainer, &model), DIFFULM_OK);
    return model;
}

/* The largest difference between the parameters of two models; NaNs at one place are equal. */
static double distance(const diffulm_model *a, const diffulm_model *b)
{
    double most = 0;
    for (size_t i = 0; i < a->parameter_count; i++) {
        const struct dulm_parameter *p = &a->parameters[i];
        const float *x = dulm_weights_get(&a->weights, p), *y = dulm_weights_get(&b->weights, p);
        for (size_t k = 0; memcmp(x, y, p->elements * sizeof *x) != 0 && k < p->elements; k++)
            if (!(isnan(x[k]) && isnan(y[k])))
                most = larger(most, fabs((double)x[k] - (double)y[k]));
    }
    return most;
}

static void check_loss_falls(const char *family, int32_t backend, int32_t lora_rank)
{
    diffulm_model *model = tiny_model_on(family, backend, 1, 5);
    struct diffulm_trainer_options o = options_for(lora_rank ? 3e-2 : 1e-2);
    o.lora_rank = lora_rank;
    diffulm_trainer *trainer = trainer_of(model, &o);
    const double before = evaluate(trainer);
    train(trainer, 60);
    const double after = evaluate(trainer);
    if (!(after < before * (lora_rank ? 0.95 : 0.6)))
        fail_msg("%s: the loss went from %g to %g", family, before, after);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

static void loss_falls_for_every_family_and_backend(void **state)
{
    (void)state;
    static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};
    for (size_t f = 0; f < 3; f++) {
        check_loss_falls(families[f], DIFFULM_BACKEND_REFERENCE, 0);
#ifdef DULM_ONEDNN
        check_loss_falls(families[f], DIFFULM_BACKEND_ONEDNN, 0);
#endif
    }
}

static void loss_falls_with_adapters_alone(void **state)
{
    (void)state;
    check_loss_falls("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 4);
    check_loss_falls("bert", DIFFULM_BACKEND_REFERENCE, 4);
}

static void update_without_gradients_is_an_error_of_state(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    const struct diffulm_trainer_options o = options_for(1e-2);
    const struct diffulm_rows rows = rows_of(0, ROWS);
    diffulm_trainer *trainer = trainer_of(model, &o);
    assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_E_STATE);
    assert_message_names("nothing was accumulated");
    train(trainer, 1);
    assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_E_STATE);
    assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, NULL), DIFFULM_OK);
    diffulm_trainer_discard(trainer);
    assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_E_STATE);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

/* Gradients are sums in another order: equal to the rounding of some hundred additions. */
#define HALVES_TOLERANCE 1e-5

static void two_halves_make_the_update_of_their_mean(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 5);
    struct diffulm_trainer_options o = options_for(1e-3);
    for (int dropout = 0; dropout < 2; dropout++) {
        struct diffulm_trainer_report whole = {.struct_size = sizeof whole}, halves = whole;
        o.dropout = dropout;
        diffulm_trainer *one = trainer_of(model, &o), *two = trainer_of(model, &o);
        const struct diffulm_rows all = rows_of(0, ROWS), half[2] = {rows_of(0, 2), rows_of(2, 2)};
        assert_int_equal(diffulm_trainer_accumulate(one, &all, NULL), DIFFULM_OK);
        for (int i = 0; i < 2; i++)
            assert_int_equal(diffulm_trainer_accumulate(two, &half[i], NULL), DIFFULM_OK);
        for (size_t i = 0; i < one->total; i++)
            assert_true(fabs((double)one->memory[i] - 0.5 * (double)two->memory[i]) <
                        HALVES_TOLERANCE);
        assert_int_equal(diffulm_trainer_apply(one, &whole), DIFFULM_OK);
        assert_int_equal(diffulm_trainer_apply(two, &halves), DIFFULM_OK);
        assert_true(fabs(whole.loss - halves.loss) < HALVES_TOLERANCE * whole.loss);
        assert_true(fabs(whole.grad_norm - halves.grad_norm) < HALVES_TOLERANCE * whole.grad_norm);
        assert_int_equal(whole.tokens, halves.tokens);
        assert_int_equal(whole.masked, halves.masked);
        assert_int_equal(halves.step, 1);
        diffulm_trainer_destroy(one);
        diffulm_trainer_destroy(two);
    }
    diffulm_model_unref(model);
}

static void remove_folder(const char *folder)
{
    static const char *const files[] = {"config.json", "model.safetensors"};
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void check_round_trip(const char *family, int32_t lora_rank)
{
    static float exported[ROWS * LENGTH * TINY_VOCABULARY], opened[ROWS * LENGTH * TINY_VOCABULARY];
    char folder[] = "/tmp/diffulm-test-XXXXXX";
    diffulm_model *model = tiny_model_on(family, DIFFULM_BACKEND_REFERENCE, 1, 5), *again = NULL;
    struct diffulm_trainer_options o = options_for(1e-2);
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    o.lora_rank = lora_rank;
    diffulm_trainer *trainer = trainer_of(model, &o);
    train(trainer, 5);
    diffulm_model *trained = export_of(trainer);
    assert_true(distance(model, trained) > 1e-3);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(diffulm_model_save(trained, folder, DIFFULM_DTYPE_F32), DIFFULM_OK);
    mo.runtime = tiny_runtime(DIFFULM_BACKEND_REFERENCE, 1);
    assert_int_equal(diffulm_model_open(folder, &mo, &again), DIFFULM_OK);
    diffulm_runtime_unref(mo.runtime);
    logits_of(trained, exported);
    logits_of(again, opened);
    assert_memory_equal(exported, opened, sizeof exported);
    diffulm_model_unref(again);
    diffulm_model_unref(trained);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
    remove_folder(folder);
}

static void exported_model_opens_to_the_same_logits(void **state)
{
    (void)state;
    check_round_trip("xlm-roberta", 0);
    check_round_trip("xlm-roberta", 3);
    check_round_trip("bert", 0);
    check_round_trip("modernbert", 0);
}

static void encoder_without_a_head_is_saved_as_one(void **state)
{
    (void)state;
    static const char config[] =
        "{\"model_type\": \"bert\", \"architectures\": [\"BertModel\"], \"vocab_size\": 9,"
        " \"hidden_size\": 4, \"num_hidden_layers\": 1, \"num_attention_heads\": 2,"
        " \"intermediate_size\": 4, \"max_position_embeddings\": 8}";
    char folder[] = "/tmp/diffulm-test-XXXXXX";
    struct diffulm_model_info info = {.struct_size = sizeof info};
    diffulm_model *model = NULL, *again = NULL;
    assert_int_equal(diffulm_model_create(config, sizeof config - 1, NULL, &model), DIFFULM_OK);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(diffulm_model_save(model, folder, DIFFULM_DTYPE_F32), DIFFULM_OK);
    assert_int_equal(diffulm_model_open(folder, NULL, &again), DIFFULM_OK);
    assert_int_equal(diffulm_model_get_info(again, &info), DIFFULM_OK);
    assert_int_equal(info.has_head, 0);
    diffulm_model_unref(again);
    diffulm_model_unref(model);
    remove_folder(folder);
}

static diffulm_model *trained_on(int32_t backend, int32_t threads, uint64_t seed)
{
    diffulm_model *model = tiny_model_on("xlm-roberta", backend, threads, 5);
    struct diffulm_trainer_options o = options_for(1e-2);
    o.dropout = 1;
    o.seed = seed;
    diffulm_trainer *trainer = trainer_of(model, &o);
    train(trainer, 6);
    diffulm_model *trained = export_of(trainer);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
    return trained;
}

static void same_seed_gives_the_same_weights_on_one_thread_and_two(void **state)
{
    (void)state;
    diffulm_model *const one = trained_on(DIFFULM_BACKEND_REFERENCE, 1, 3);
    diffulm_model *const two = trained_on(DIFFULM_BACKEND_REFERENCE, 2, 3);
    diffulm_model *const again = trained_on(DIFFULM_BACKEND_REFERENCE, 2, 3);
    diffulm_model *const other = trained_on(DIFFULM_BACKEND_REFERENCE, 1, 4);
    assert_true(distance(one, two) == 0);
    assert_true(distance(two, again) == 0);
    assert_true(distance(one, other) > 1e-4);
    diffulm_model_unref(one);
    diffulm_model_unref(two);
    diffulm_model_unref(again);
    diffulm_model_unref(other);
}

/* Trained four times on the same rows; *bytes of activations. */
static diffulm_model *trained_with(diffulm_model *model, int32_t checkpoint, const char *targets,
                                   size_t *bytes)
{
    struct diffulm_trainer_options o = options_for(1e-2);
    o.dropout = 1;
    o.checkpoint_activations = checkpoint;
    o.lora_rank = targets ? 2 : 0;
    o.lora_targets = targets;
    diffulm_trainer *trainer = trainer_of(model, &o);
    train(trainer, 4);
    diffulm_model *trained = export_of(trainer);
    *bytes = dulm_tape_bytes(trainer->tape);
    diffulm_trainer_destroy(trainer);
    return trained;
}

/* Checkpointing keeps what a block's backward pass could read: beside it nothing else may be missing. Returns the bytes without it. */
static size_t check_checkpointing(const char *family, const char *targets)
{
    diffulm_model *model = tiny_model_on(family, DIFFULM_BACKEND_REFERENCE, 1, 5);
    size_t bytes[2];
    diffulm_model *kept = trained_with(model, 0, targets, &bytes[0]);
    diffulm_model *again = trained_with(model, 1, targets, &bytes[1]);
    if (distance(kept, again) != 0 || !(distance(model, kept) > (targets ? 1e-4 : 1e-3)))
        fail_msg("%s, %s: %g apart", family, targets ? targets : "all", distance(kept, again));
    assert_true(bytes[1] < bytes[0]);
    diffulm_model_unref(kept);
    diffulm_model_unref(again);
    diffulm_model_unref(model);
    return bytes[0];
}

static void activation_checkpointing_changes_no_bit_and_needs_less_memory(void **state)
{
    (void)state;
    check_checkpointing("xlm-roberta", NULL);
    check_checkpointing("bert", NULL);
    check_checkpointing("modernbert", NULL);
}

static void lora_keeps_the_activations_that_its_targets_need_and_no_others(void **state)
{
    (void)state;
    static const struct {
        const char *family, *targets;
    } cases[] = {{"xlm-roberta", "value"},
                 {"xlm-roberta", "attention.output.dense"},
                 {"xlm-roberta", "intermediate.dense"},
                 {"xlm-roberta", "layer.0.output.dense"},
                 {"xlm-roberta-xl", "query"},
                 {"xlm-roberta-xl", "intermediate.dense"},
                 {"xlm-roberta-xl", "layer.1.output.dense"},
                 {"modernbert", "Wqkv"},
                 {"modernbert", "attn.Wo"},
                 {"modernbert", "Wi"},
                 {"modernbert", "layers.0.mlp.Wo"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(check_checkpointing(cases[i].family, cases[i].targets) <
                    check_checkpointing(cases[i].family, "all-linear"));
}

/* Entry of a parameter that the rows certainly use: token 4 of the words, position 3. */
static size_t used_entry(const struct dulm_parameter *p)
{
    if (p->layer >= 0 || (p->slot != DULM_WORDS && p->slot != DULM_POSITIONS))
        return 0;
    return (p->slot == DULM_WORDS ? 4 : 3) * (size_t)p->shape[1];
}

static void check_broken_parameter(diffulm_model *model, const struct dulm_parameter *p)
{
    const struct diffulm_trainer_options o = options_for(1e-2);
    const struct diffulm_rows rows = rows_of(0, ROWS);
    float *value = dulm_weights_get(&model->weights, p) + used_entry(p);
    const float kept = *value;
    *value = NAN;
    diffulm_trainer *trainer = trainer_of(model, &o);
    const diffulm_status rc = diffulm_trainer_accumulate(trainer, &rows, NULL);
    if (rc != DIFFULM_E_NUMERIC)
        fail_msg("a NaN in %s gave %d", p->name, rc);
    assert_message_names("not finite");
    assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_E_STATE);
    diffulm_model *present = export_of(trainer);
    assert_true(distance(present, model) == 0);
    diffulm_model_unref(present);
    diffulm_trainer_destroy(trainer);
    *value = kept;
}

static void nan_in_any_parameter_is_found_and_weights_stay(void **state)
{
    (void)state;
    static const char *const families[] = {"xlm-roberta", "modernbert"};
    for (size_t f = 0; f < 2; f++) {
        diffulm_model *model = tiny_model_on(families[f], DIFFULM_BACKEND_REFERENCE, 1, 5);
        for (size_t i = 0; i < model->parameter_count; i++)
            check_broken_parameter(model, &model->parameters[i]);
        diffulm_model_unref(model);
    }
}

static void gradient_that_is_not_finite_names_its_tensor_and_weights_stay(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    const struct diffulm_trainer_options o = options_for(1e-2);
    const struct diffulm_rows rows = rows_of(0, ROWS);
    diffulm_trainer *trainer = trainer_of(model, &o);
    for (int i = 0; i < 2; i++) {
        struct dulm_trainable *last = &trainer->trainables[trainer->count - 1];
        assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, NULL), DIFFULM_OK);
        last->gradient[last->elements - 1] = i ? NAN : INFINITY;
        assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_E_NUMERIC);
        assert_message_names(last->name);
        diffulm_model *present = export_of(trainer);
        assert_true(distance(present, model) == 0);
        diffulm_model_unref(present);
        diffulm_trainer_discard(trainer);
    }
    train(trainer, 1);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

static void masked_positions_of_rows_without_maskable_ones_do_not_count(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    const struct diffulm_trainer_options o = options_for(1e-2);
    const int32_t x_t[LENGTH] = {0, 4, TINY_MASK, 4, 5, TINY_MASK, 5, 2}, t[1] = {5};
    const uint8_t maskable[LENGTH] = {0}, masked[LENGTH] = {0, 0, 1, 0, 0, 1, 0, 0};
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    const struct diffulm_corrupted_rows rows = {sizeof rows, 1,      offsets, x_t, tokens,
                                                maskable,    masked, t,       NULL};
    diffulm_trainer *trainer = trainer_of(model, &o);
    assert_int_equal(diffulm_trainer_accumulate_corrupted(trainer, &rows, NULL), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_apply(trainer, &report), DIFFULM_OK);
    assert_true(report.loss == 0);
    assert_true(report.grad_norm == 0);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

static void malformed_rows_are_refused_by_name(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    const struct diffulm_trainer_options o = options_for(1e-2);
    diffulm_trainer *trainer = trainer_of(model, &o);
    static const size_t falling[] = {0, 8, 4, 12, 16}, late[] = {2, 8, 16, 24, 32};
    static const size_t long_source[ROWS] = {1, 2, 9, 2};
    static const uint8_t ones[ROWS * LENGTH] = {1, 1, 1, 1, 1, 1, 1, 1};
    static const int32_t t[ROWS] = {1, 1, 1, 1}, wrong_t[ROWS] = {1, 11, 1, 1};
    struct diffulm_rows rows = rows_of(0, ROWS);
    struct diffulm_corrupted_rows c = {sizeof c, ROWS, falling, tokens, tokens,
                                       ones,     ones, t,       NULL};
    rows.offsets = falling;
    assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, NULL), DIFFULM_E_ARGUMENT);
    assert_message_names("row 1");
    rows.offsets = late;
    assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, NULL), DIFFULM_E_ARGUMENT);
    assert_message_names("offsets");
    rows.offsets = offsets;
    rows.source_lengths = long_source;
    assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, NULL), DIFFULM_E_ARGUMENT);
    assert_message_names("row 2");
    assert_int_equal(diffulm_trainer_accumulate_corrupted(trainer, &c, NULL), DIFFULM_E_ARGUMENT);
    assert_message_names("row 1");
    c.offsets = offsets;
    c.source_lengths = long_source;
    assert_int_equal(diffulm_trainer_accumulate_corrupted(trainer, &c, NULL), DIFFULM_E_ARGUMENT);
    assert_message_names("row 2");
    c.source_lengths = NULL;
    c.t = wrong_t;
    assert_int_equal(diffulm_trainer_accumulate_corrupted(trainer, &c, NULL), DIFFULM_E_ARGUMENT);
    assert_message_names("row 1 has timestep 11");
    assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_E_STATE);
    train(trainer, 1);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

/* Five updates at once against two, a checkpoint, a new trainer and three more. */
static void check_resumed(const char *family, int32_t lora_rank)
{
    char path[] = "/tmp/diffulm-checkpoint-XXXXXX";
    close(mkstemp(path));
    diffulm_model *model = tiny_model_on(family, DIFFULM_BACKEND_REFERENCE, 1, 5);
    struct diffulm_trainer_options o = options_for(1e-2);
    o.lora_rank = lora_rank;
    o.dropout = 1;
    diffulm_trainer *straight = trainer_of(model, &o), *first = trainer_of(model, &o);
    train(straight, 5);
    train(first, 2);
    assert_int_equal(diffulm_trainer_save(first, path, "here", 4), DIFFULM_OK);
    diffulm_trainer *second = trainer_of(model, &o);
    char note[8];
    size_t length = 0;
    assert_int_equal(diffulm_trainer_restore(second, path, note, 3, &length),
                     DIFFULM_BUFFER_TOO_SMALL);
    assert_int_equal(second->step, 0);
    assert_int_equal(diffulm_trainer_restore(second, path, note, sizeof note, &length), DIFFULM_OK);
    assert_int_equal(length, 4);
    assert_memory_equal(note, "here", 4);
    train(second, 3);
    assert_int_equal(second->step, 5);
    assert_memory_equal(second->values, straight->values, straight->total * sizeof(float));
    assert_memory_equal(second->memory + second->total, straight->memory + straight->total,
                        2 * straight->total * sizeof(float));
    unlink(path);
    diffulm_trainer_destroy(straight);
    diffulm_trainer_destroy(first);
    diffulm_trainer_destroy(second);
    diffulm_model_unref(model);
}

static void a_resumed_run_is_the_uninterrupted_one_bit_for_bit(void **state)
{
    (void)state;
    check_resumed("xlm-roberta", 0);
    check_resumed("modernbert", 0);
    check_resumed("bert", 0);
    check_resumed("xlm-roberta", 2);
}

static void a_checkpoint_of_other_options_or_weights_is_refused_by_name(void **state)
{
    (void)state;
    char path[] = "/tmp/diffulm-checkpoint-XXXXXX";
    close(mkstemp(path));
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    diffulm_model *other = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 6);
    struct diffulm_trainer_options o = options_for(1e-2);
    o.lora_rank = 2;
    diffulm_trainer *saved = trainer_of(model, &o), *moved = trainer_of(other, &o);
    const struct diffulm_rows rows = rows_of(0, ROWS);
    assert_int_equal(diffulm_trainer_accumulate(saved, &rows, NULL), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_save(saved, path, NULL, 0), DIFFULM_E_STATE);
    diffulm_trainer_discard(saved);
    assert_int_equal(diffulm_trainer_save(saved, path, NULL, 0), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_restore(moved, path, NULL, 0, NULL), DIFFULM_E_ARGUMENT);
    assert_non_null(strstr(diffulm_error_message(), "frozen weights"));
    o.lr = 2e-2;
    diffulm_trainer *faster = trainer_of(model, &o);
    assert_int_equal(diffulm_trainer_restore(faster, path, NULL, 0, NULL), DIFFULM_E_ARGUMENT);
    assert_non_null(
        strstr(diffulm_error_message(), "lr was 0.01 in this checkpoint, now it is 0.02"));
    unlink(path);
    diffulm_trainer_destroy(saved);
    diffulm_trainer_destroy(moved);
    diffulm_trainer_destroy(faster);
    diffulm_model_unref(model);
    diffulm_model_unref(other);
}

static void a_checkpoint_with_any_byte_flipped_or_cut_off_leaves_the_trainer_alone(void **state)
{
    (void)state;
    char path[] = "/tmp/diffulm-checkpoint-XXXXXX";
    close(mkstemp(path));
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    struct diffulm_trainer_options o = options_for(1e-2);
    o.lora_rank = 1;
    diffulm_trainer *trainer = trainer_of(model, &o);
    assert_int_equal(diffulm_trainer_save(trainer, path, "note", 4), DIFFULM_OK);
    train(trainer, 1);
    static char bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    const char *metadata = strstr(bytes + 8, "pt"); /* the one place where nothing depends on it */
    for (size_t i = 0; i < size; i += i < 2048 ? 1 : 13) {
        if (metadata && (bytes + i >= metadata - 16 && bytes + i < metadata + 4))
            continue;
        for (int cut = 0; cut < 2; cut++) {
            file = fopen(path, "wb");
            bytes[i] ^= 1;
            fwrite(bytes, 1, cut ? i : size, file);
            bytes[i] ^= 1;
            fclose(file);
            /* Never blamed on the options or the model, whatever was hit. */
            if (diffulm_trainer_restore(trainer, path, NULL, 0, NULL) != DIFFULM_E_FORMAT)
                fail_msg("byte %zu of %zu: %s", i, size, diffulm_error_message());
            assert_int_equal(trainer->step, 1);
        }
    }
    unlink(path);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_falls_for_every_family_and_backend),
        cmocka_unit_test(loss_falls_with_adapters_alone),
        cmocka_unit_test(update_without_gradients_is_an_error_of_state),
        cmocka_unit_test(two_halves_make_the_update_of_their_mean),
        cmocka_unit_test(exported_model_opens_to_the_same_logits),
        cmocka_unit_test(encoder_without_a_head_is_saved_as_one),
        cmocka_unit_test(activation_checkpointing_changes_no_bit_and_needs_less_memory),
        cmocka_unit_test(lora_keeps_the_activations_that_its_targets_need_and_no_others),
        cmocka_unit_test(same_seed_gives_the_same_weights_on_one_thread_and_two),
        cmocka_unit_test(nan_in_any_parameter_is_found_and_weights_stay),
        cmocka_unit_test(gradient_that_is_not_finite_names_its_tensor_and_weights_stay),
        cmocka_unit_test(masked_positions_of_rows_without_maskable_ones_do_not_count),
        cmocka_unit_test(malformed_rows_are_refused_by_name),
        cmocka_unit_test(a_resumed_run_is_the_uninterrupted_one_bit_for_bit),
        cmocka_unit_test(a_checkpoint_of_other_options_or_weights_is_refused_by_name),
        cmocka_unit_test(a_checkpoint_with_any_byte_flipped_or_cut_off_leaves_the_trainer_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Adapters: trained, saved, opened, attached and merged; what a folder may not say. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tiny.h"

enum { LENGTH = 6, LOGITS = LENGTH * TINY_VOCABULARY };
static const size_t offsets[2] = {0, LENGTH}, sources[1] = {2};
static const int32_t tokens[LENGTH] = {TINY_BOS, 7, 9, 4, 11, TINY_EOS};

static void logits_of(const diffulm_model *model, float *out)
{
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, out), DIFFULM_OK);
}

static double distance(const diffulm_model *a, const diffulm_model *b)
{
    float x[LOGITS], y[LOGITS];
    double most = 0;
    logits_of(a, x);
    logits_of(b, y);
    for (int i = 0; i < LOGITS; i++)
        most = larger(most, fabs((double)x[i] - (double)y[i]));
    return most;
}

static diffulm_trainer *trained(diffulm_model *model, const char *targets)
{
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    const struct diffulm_rows rows = {sizeof rows, 1, offsets, tokens, sources};
    diffulm_trainer *trainer = NULL;
    o.lr = 0.05;
    o.mask_id = TINY_MASK;
    o.lora_rank = 3;
    o.lora_alpha = 5;
    o.lora_targets = targets;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    for (int k = 0; k < 4; k++) {
        assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, NULL), DIFFULM_OK);
        assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_OK);
    }
    return trainer;
}

static char *in_folder(const char *folder, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void remove_folder(const char *folder)
{
    unlink(in_folder(folder, "adapter_config.json"));
    unlink(in_folder(folder, "adapter_model.safetensors"));
    assert_int_equal(rmdir(folder), 0);
}

static void saved_adapter_gives_the_trained_model_attached_and_merged(void **state)
{
    (void)state;
    static const struct {
        const char *family, *targets;
    } cases[] = {{"xlm-roberta", NULL},
                 {"bert", "key,intermediate.dense,output.dense"},
                 {"modernbert", NULL},
                 {"modernbert", "all-linear"}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        char folder[] = "/tmp/diffulm-test-XXXXXX";
        diffulm_model *model = tiny_model_on(cases[c].family, DIFFULM_BACKEND_REFERENCE, 1, 5);
        diffulm_model *exported = NULL, *attached = NULL, *merged = NULL;
        diffulm_adapter *adapter = NULL, *opened = NULL;
        diffulm_trainer *trainer = trained(model, cases[c].targets);
        assert_non_null(mkdtemp(folder));
        assert_int_equal(diffulm_trainer_export(trainer, &exported), DIFFULM_OK);
        assert_int_equal(diffulm_trainer_export_adapter(trainer, &adapter), DIFFULM_OK);
        assert_int_equal(diffulm_adapter_save(adapter, folder), DIFFULM_OK);
        assert_int_equal(diffulm_adapter_open(model, folder, &opened), DIFFULM_OK);
        assert_int_equal(diffulm_adapter_attach(opened, &attached), DIFFULM_OK);
        assert_int_equal(diffulm_adapter_merge(opened, &merged), DIFFULM_OK);
        diffulm_adapter_unref(opened); /* the attached model keeps it */
        diffulm_adapter_unref(adapter);
        diffulm_trainer_destroy(trainer);
        assert_true(distance(exported, model) > 1e-3);
        assert_true(distance(exported, merged) == 0);
        assert_true(distance(exported, attached) < 1e-5);
        diffulm_model_unref(model);
        diffulm_model_unref(exported);
        diffulm_model_unref(attached);
        diffulm_model_unref(merged);
        remove_folder(folder);
    }
}

static void attached_model_is_saved_merged_and_neither_trained_nor_adapted_again(void **state)
{
    (void)state;
    char folder[] = "/tmp/diffulm-test-XXXXXX", saved[] = "/tmp/diffulm-test-XXXXXX";
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    diffulm_model *attached = NULL, *opened = NULL, *none = NULL;
    diffulm_adapter *adapter = NULL, *second = NULL;
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    diffulm_trainer *trainer = trained(model, NULL), *no_trainer = NULL;
    const int32_t kept[] = {0, 1, 2, TINY_MASK};
    assert_non_null(mkdtemp(folder));
    assert_non_null(mkdtemp(saved));
    assert_int_equal(diffulm_trainer_export_adapter(trainer, &adapter), DIFFULM_OK);
    assert_int_equal(diffulm_adapter_attach(adapter, &attached), DIFFULM_OK);
    assert_int_equal(diffulm_model_save(attached, saved, DIFFULM_DTYPE_F32), DIFFULM_OK);
    assert_int_equal(diffulm_model_open(saved, NULL, &opened), DIFFULM_OK);
    assert_true(distance(attached, opened) < 1e-4);
    o.mask_id = TINY_MASK;
    assert_int_equal(diffulm_trainer_create(attached, &o, &no_trainer), DIFFULM_E_STATE);
    assert_int_equal(diffulm_model_prune(attached, kept, 4, &none), DIFFULM_E_STATE);
    assert_int_equal(diffulm_adapter_save(adapter, folder), DIFFULM_OK);
    assert_int_equal(diffulm_adapter_open(attached, folder, &second), DIFFULM_E_STATE);
    unlink(in_folder(saved, "config.json"));
    unlink(in_folder(saved, "model.safetensors"));
    rmdir(saved);
    remove_folder(folder);
    diffulm_trainer_destroy(trainer);
    diffulm_adapter_unref(adapter);
    diffulm_model_unref(opened);
    diffulm_model_unref(attached);
    diffulm_model_unref(model);
}

static void write_config(const char *folder, const char *text)
{
    FILE *file = fopen(in_folder(folder, "adapter_config.json"), "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void folders_that_say_what_is_not_computed_are_refused_by_key(void **state)
{
    (void)state;
    static const struct {
        const char *config, *names;
        diffulm_status expected;
    } cases[] = {
        {"{\"peft_type\": \"IA3\", \"r\": 3, \"lora_alpha\": 5}", "peft_type",
         DIFFULM_E_UNSUPPORTED},
        {"{\"peft_type\": \"LORA\", \"r\": 0, \"lora_alpha\": 5}", "r:", DIFFULM_E_FORMAT},
        {"{\"peft_type\": \"LORA\", \"r\": 3}", "lora_alpha", DIFFULM_E_FORMAT},
        {"{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 5, \"use_dora\": true}", "use_dora",
         DIFFULM_E_UNSUPPORTED},
        {"{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 5, \"bias\": \"all\"}", "bias",
         DIFFULM_E_UNSUPPORTED},
        {"{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 5, \"rank_pattern\": {\"q\": 8}}",
         "rank_pattern", DIFFULM_E_UNSUPPORTED},
        {"{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 5}", "expected [4, 12]",
         DIFFULM_E_FORMAT}};
    char folder[] = "/tmp/diffulm-test-XXXXXX";
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    diffulm_model *other = tiny_model_on("modernbert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    diffulm_adapter *adapter = NULL, *opened = NULL;
    diffulm_trainer *trainer = trained(model, NULL);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(diffulm_trainer_export_adapter(trainer, &adapter), DIFFULM_OK);
    assert_int_equal(diffulm_adapter_save(adapter, folder), DIFFULM_OK);
    assert_int_equal(diffulm_adapter_open(other, folder, &opened), DIFFULM_E_FORMAT);
    assert_message_names("belongs to no linear map");
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        write_config(folder, cases[c].config);
        assert_int_equal(diffulm_adapter_open(model, folder, &opened), cases[c].expected);
        assert_message_names(cases[c].names);
    }
    unlink(in_folder(folder, "adapter_model.safetensors"));
    write_config(folder, "{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 5}");
    assert_int_equal(diffulm_adapter_open(model, folder, &opened), DIFFULM_E_IO);
    assert_null(opened);
    remove_folder(folder);
    diffulm_adapter_unref(adapter);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(other);
    diffulm_model_unref(model);
}

static void targets_that_fit_nothing_are_named(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    diffulm_trainer *trainer = NULL;
    o.mask_id = TINY_MASK;
    o.lora_rank = 2;
    o.lora_targets = "query,Wqkv";
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_E_ARGUMENT);
    assert_message_names("Wqkv");
    o.lora_rank = 0;
    o.lora_targets = NULL;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    diffulm_adapter *adapter = NULL;
    assert_int_equal(diffulm_trainer_export_adapter(trainer, &adapter), DIFFULM_E_STATE);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_adapter_gives_the_trained_model_attached_and_merged),
        cmocka_unit_test(attached_model_is_saved_merged_and_neither_trained_nor_adapted_again),
        cmocka_unit_test(folders_that_say_what_is_not_computed_are_refused_by_key),
        cmocka_unit_test(targets_that_fit_nothing_are_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

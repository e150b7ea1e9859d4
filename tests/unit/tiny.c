/* tiny.c: models small enough to be made anew in every test. */
#include "tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

diffulm_runtime *tiny_runtime(int32_t backend, int32_t threads)
{
    struct diffulm_runtime_options options = DIFFULM_RUNTIME_OPTIONS_INIT;
    diffulm_runtime *runtime = NULL;
    options.threads = threads;
    options.backend = backend;
    assert_int_equal(diffulm_runtime_create(&options, &runtime), DIFFULM_OK);
    return runtime;
}

diffulm_runtime *tiny_runtime_in(int32_t backend, int32_t threads, int32_t precision)
{
    struct diffulm_runtime_options options = DIFFULM_RUNTIME_OPTIONS_INIT;
    diffulm_runtime *runtime = NULL;
    options.backend = backend;
    options.threads = threads;
    options.precision = precision;
    const diffulm_status rc = diffulm_runtime_create(&options, &runtime);
    if (rc == DIFFULM_E_UNSUPPORTED)
        skip();
    assert_int_equal(rc, DIFFULM_OK);
    return runtime;
}

diffulm_model *tiny_model(const char *family, diffulm_runtime *runtime, uint64_t seed)
{
    char config[1024];
    struct diffulm_model_options options = DIFFULM_MODEL_OPTIONS_INIT;
    diffulm_model *model = NULL;
    /* XLM-R counts positions from pad + 1: rows of TINY_LONGEST fit in every family. */
    const int length = snprintf(
        config, sizeof config,
        "{\"model_type\": \"%s\", \"vocab_size\": %d, \"hidden_size\": 12,"
        " \"num_hidden_layers\": 2,"
        " \"num_attention_heads\": 3, \"intermediate_size\": 20, \"max_position_embeddings\": %d,"
        " \"type_vocab_size\": 1, \"pad_token_id\": %d, \"bos_token_id\": %d, \"eos_token_id\": %d,"
        " \"mask_token_id\": %d, \"local_attention\": 6, \"global_attn_every_n_layers\": 2}",
        family, TINY_VOCABULARY, TINY_LONGEST + (strcmp(family, "xlm-roberta") == 0 ? 2 : 0),
        TINY_PAD, TINY_BOS, TINY_EOS, TINY_MASK);
    assert_in_range(length, 1, sizeof config - 1);
    options.runtime = runtime;
    options.seed = seed;
    assert_int_equal(diffulm_model_create(config, (size_t)length, &options, &model), DIFFULM_OK);
    return model;
}

diffulm_model *tiny_model_on(const char *family, int32_t backend, int32_t threads, uint64_t seed)
{
    diffulm_runtime *runtime = tiny_runtime(backend, threads);
    diffulm_model *model = tiny_model(family, runtime, seed);
    diffulm_runtime_unref(runtime);
    return model;
}

void assert_message_names(const char *text)
{
    const char *message = diffulm_error_message();
    if (!strstr(message, text))
        fail_msg("the message \"%s\" does not name \"%s\"", message, text);
}

struct tiny_folder tiny_saved(const diffulm_model *model, int32_t dtype)
{
    struct tiny_folder f = {"/tmp/diffulm-tiny-XXXXXX", ""};
    assert_non_null(mkdtemp(f.path));
    assert_int_equal(diffulm_model_save(model, f.path, dtype), DIFFULM_OK);
    snprintf(f.file, sizeof f.file, "%s/model.safetensors", f.path);
    return f;
}

void tiny_discard(const struct tiny_folder *f)
{
    char config[96];
    snprintf(config, sizeof config, "%s/config.json", f->path);
    unlink(config);
    unlink(f->file);
    rmdir(f->path);
}

diffulm_status tiny_open(const char *folder, int32_t precision, diffulm_model **out)
{
    struct diffulm_model_options o = DIFFULM_MODEL_OPTIONS_INIT;
    struct diffulm_runtime_options r = DIFFULM_RUNTIME_OPTIONS_INIT;
    r.backend = DIFFULM_BACKEND_REFERENCE;
    r.threads = 1;
    r.precision = precision;
    assert_int_equal(diffulm_runtime_create(&r, &o.runtime), DIFFULM_OK);
    const diffulm_status rc = diffulm_model_open(folder, &o, out);
    diffulm_runtime_unref(o.runtime);
    return rc;
}

/* parts.c: opens what a recipe names: tokenizer, model and data; and tells a changed tokenizer from an earlier run's. */
#include "parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

static diffulm_status open_fresh(const struct recipe *recipe, struct cli_bundle *b)
{
    size_t length;
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    char *config = cli_read_path(recipe->architecture, &length);
    if (!config) {
        fprintf(stderr, "%s: %s: %s\n", recipe->model_where, recipe->architecture, strerror(errno));
        return DIFFULM_E_CANCELLED;
    }
    mo.runtime = b->runtime;
    mo.seed = (uint64_t)recipe->seed;
    const diffulm_status rc = diffulm_model_create(config, length, &mo, &b->model);
    free(config);
    return rc;
}

static diffulm_status open_model(const struct recipe *recipe, struct cli_bundle *b)
{
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    mo.runtime = b->runtime;
    mo.head = DIFFULM_HEAD_FRESH;
    diffulm_status rc = recipe->architecture ? open_fresh(recipe, b)
                                             : diffulm_model_open(recipe->model, &mo, &b->model);
    if (rc == DIFFULM_OK)
        rc = diffulm_model_get_info(b->model, &b->info);
    return rc;
}

static diffulm_status open_tokenizer(const struct recipe *recipe, struct cli_bundle *b)
{
    diffulm_status rc = diffulm_tokenizer_open(parts_tokenizer(recipe), NULL, &b->tokenizer);
    if (rc == DIFFULM_OK)
        rc = diffulm_tokenizer_special_ids(b->tokenizer, &b->ids);
    if (rc == DIFFULM_OK)
        b->newline = diffulm_tokenizer_id(b->tokenizer, "\n", 1);
    return rc;
}

static int fail_at(const char *command, const char *where, diffulm_status rc)
{
    if (rc == DIFFULM_E_CANCELLED)
        return CLI_FAILED;
    return cli_error(command, CLI_FAILED, "%s: %s", where, diffulm_error_message());
}

const char *parts_tokenizer(const struct recipe *recipe)
{
    return recipe->tokenizer ? recipe->tokenizer : recipe->model;
}

int parts_open_model(const char *command, const struct recipe *recipe, struct cli_bundle *b)
{
    struct diffulm_runtime_options ro = DIFFULM_RUNTIME_OPTIONS_INIT;
    b->info.struct_size = sizeof b->info;
    b->ids.struct_size = sizeof b->ids;
    ro.threads = (int32_t)recipe->threads;
    ro.precision = (int32_t)recipe->precision;
    ro.deterministic = (int32_t)recipe->deterministic;
    diffulm_status rc = diffulm_runtime_create(&ro, &b->runtime);
    if (rc < 0)
        return recipe->precision ? fail_at(command, recipe->precision_where, rc)
                                 : cli_fail(command);
    rc = open_tokenizer(recipe, b);
    if (rc < 0)
        return fail_at(command, recipe->tokenizer ? recipe->tokenizer_where : recipe->model_where,
                       rc);
    rc = open_model(recipe, b);
    return rc < 0 ? fail_at(command, recipe->model_where, rc) : 0;
}

static struct row_limit limit_of(const struct recipe *recipe, const struct cli_bundle *bundle)
{
    const size_t longest = (size_t)bundle->info.longest_row, asked = (size_t)recipe->max_length;
    return (struct row_limit){asked && asked < longest ? asked : longest, recipe->too_long != 0};
}

int parts_open_data(const char *command, const struct recipe *recipe,
                    const struct cli_bundle *bundle, struct walk *walk, struct rows *validation)
{
    struct diffulm_reader_options options = DIFFULM_READER_OPTIONS_INIT;
    const struct row_limit limit = limit_of(recipe, bundle);
    options.order = (int32_t)recipe->order;
    options.seed = (uint64_t)recipe->seed;
    int code = walk_open(command, &recipe->data, &options, bundle, &limit, walk);
    validation->keep_texts = true;
    if (code == 0 && recipe->validation.count)
        code = rows_read(command, &recipe->validation, bundle, &limit, validation);
    return code;
}

int parts_each_tokenizer_file(const char *source,
                              int (*use)(void *user, const char *path, const char *name),
                              void *user)
{
    static const char *const names[] = {"tokenizer.json", "sentencepiece.bpe.model", "vocab.txt",
                                        "vocab.json", "merges.txt"};
    char path[4096];
    struct stat status;
    const bool folder = stat(source, &status) == 0 && S_ISDIR(status.st_mode);
    int code = 0;
    for (size_t i = 0; code == 0 && i < sizeof names / sizeof *names; i++) {
        const size_t n = strlen(source), m = strlen(names[i]);
        snprintf(path, sizeof path, "%s%s%s", source, folder ? "/" : "", folder ? names[i] : "");
        if (folder ? stat(path, &status) == 0 : n >= m && strcmp(source + n - m, names[i]) == 0)
            code = use(user, path, names[i]);
    }
    return code;
}

static int add_checksum(void *user, const char *path, const char *name)
{
    (void)name;
    return data_checksum_file(path, user) ? 0 : CLI_FAILED;
}

int parts_checksums(const char *command, const struct recipe *recipe, struct data_identity *out)
{
    out->settings_crc32 = data_settings_checksum(&recipe->data);
    out->tokenizer_crc32 = 0;
    if (parts_each_tokenizer_file(parts_tokenizer(recipe), add_checksum, &out->tokenizer_crc32) !=
        0)
        return cli_error(command, CLI_FAILED, "%s: %s", parts_tokenizer(recipe), strerror(errno));
    return data_checksum(command, &recipe->data, &out->data_crc32);
}

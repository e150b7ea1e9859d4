/* finetune.c: `diffulm finetune RECIPE.yaml`: opens what the recipe names and runs its stages one after another. */
#include "finetune.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

volatile sig_atomic_t finetune_interrupted;

static void on_signal(int number)
{
    (void)number;
    finetune_interrupted = 1;
}

static diffulm_status open_fresh(struct run *run)
{
    size_t length;
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    char *config = cli_read_path(run->recipe.architecture, &length);
    if (!config) {
        cli_error(FINETUNE, 0, "%s: %s", run->recipe.architecture, strerror(errno));
        return DIFFULM_E_IO;
    }
    mo.runtime = run->bundle.runtime;
    mo.seed = (uint64_t)run->recipe.seed;
    diffulm_status rc = diffulm_model_create(config, length, &mo, &run->bundle.model);
    free(config);
    return rc;
}

static diffulm_status open_parts(struct run *run)
{
    struct cli_bundle *b = &run->bundle;
    struct diffulm_runtime_options ro = DIFFULM_RUNTIME_OPTIONS_INIT;
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    b->info.struct_size = sizeof b->info;
    b->ids.struct_size = sizeof b->ids;
    ro.threads = (int32_t)run->recipe.threads;
    diffulm_status rc = diffulm_runtime_create(&ro, &b->runtime);
    mo.runtime = b->runtime;
    mo.head = DIFFULM_HEAD_FRESH;
    if (rc == DIFFULM_OK)
        rc = diffulm_tokenizer_open(
            run->recipe.tokenizer ? run->recipe.tokenizer : run->recipe.model, NULL, &b->tokenizer);
    if (rc == DIFFULM_OK)
        rc = diffulm_tokenizer_special_ids(b->tokenizer, &b->ids);
    if (rc == DIFFULM_OK)
        rc = run->recipe.architecture ? open_fresh(run)
                                      : diffulm_model_open(run->recipe.model, &mo, &b->model);
    if (rc == DIFFULM_OK)
        rc = diffulm_model_get_info(b->model, &b->info);
    b->newline = b->tokenizer ? diffulm_tokenizer_id(b->tokenizer, "\n", 1) : -1;
    return rc;
}

static uint32_t checksum(const struct rows *rows)
{
    uLong crc = crc32_z(0, (const void *)rows->tokens.ids, rows->tokens.count * sizeof(int32_t));
    crc = crc32_z(crc, (const void *)rows->offsets, (rows->count + 1) * sizeof(size_t));
    return (uint32_t)crc32_z(crc, (const void *)rows->source_lengths, rows->count * sizeof(size_t));
}

static int read_data(struct run *run)
{
    const size_t longest = (size_t)run->bundle.info.longest_row;
    const size_t asked = (size_t)run->recipe.max_length;
    const size_t most = asked && asked < longest ? asked : longest;
    int code = rows_read(FINETUNE, run->recipe.data, &run->bundle, most, &run->rows);
    if (code == 0)
        run->data_crc32 = checksum(&run->rows);
    run->walk = (struct walk){.rows = &run->rows, .seed = (uint64_t)run->recipe.seed};
    run->validation.keep_texts = true;
    if (code == 0 && run->recipe.validation)
        code = rows_read(FINETUNE, run->recipe.validation, &run->bundle, most, &run->validation);
    if (code == 0 && run->recipe.validation)
        run->validation_crc32 = checksum(&run->validation);
    if (code == 0)
        printf("%zu rows, %.1f tokens on average; %zu longer than %zu tokens left out\n",
               run->rows.count, (double)run->rows.tokens.count / (double)run->rows.count,
               run->rows.too_long, most);
    return code;
}

static int run_recipe(struct run *run)
{
    int code = 0;
    if (open_parts(run) < 0)
        return cli_fail(FINETUNE);
    printf("%s, %lld parameters\n", run->bundle.info.family,
           (long long)run->bundle.info.parameters);
    code = read_data(run);
    if (code == 0)
        code = output_open(run);
    if (code == 0 && checkpoints_newest(run->recipe.output, -1) < 0)
        code = output_copy_tokenizer(
            run, run->recipe.output); /* before the first checkpoint, so only once */
    run->started = cli_seconds();
    for (size_t i = 0; code == 0 && i < run->recipe.stage_count && !finetune_interrupted; i++) {
        const diffulm_status rc = stage_run(run, i);
        if (rc != DIFFULM_OK)
            code = rc == FINETUNE_TOLD ? CLI_FAILED : cli_fail(FINETUNE);
    }
    if (code == 0 && finetune_interrupted)
        code =
            cli_error(FINETUNE, CLI_CANCELLED, "stopped; the weights so far are in %s%s",
                      run->recipe.output, run->recipe.checkpoint_every ? "; --resume goes on" : "");
    return code;
}

int cli_finetune(int argc, char **argv)
{
    static const struct cli_command command = {FINETUNE, "RECIPE.yaml",
                                               "Trains a model by a recipe.", NULL};
    bool keys = false, resuming = false;
    const struct cli_option options[] = {
        {"resume", NULL, "go on from the newest whole checkpoints in the recipe's output", CLI_FLAG,
         &resuming},
        {"keys", NULL, "list the keys of a recipe", CLI_FLAG, &keys},
        {0}};
    int rest;
    int code = cli_parse(&command, options, argc, argv, &rest);
    if (code >= 0)
        return code;
    if (keys) {
        recipe_describe();
        return CLI_OK;
    }
    if (rest != 1)
        return cli_error(FINETUNE, CLI_USAGE, "expected one recipe; see diffulm finetune --help");
    struct run run = {.resume = resuming};
    code = recipe_read(argv[0], &run.recipe);
    if (code != 0)
        return code;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    code = run_recipe(&run);
    if (run.metrics)
        fclose(run.metrics);
    rows_release(&run.rows);
    rows_release(&run.validation);
    walk_release(&run.walk);
    cli_bundle_close(&run.bundle);
    recipe_release(&run.recipe);
    return code;
}

/* finetune.c: `diffulm finetune RECIPE.yaml`: opens what the recipe names and runs its stages one after another. */
#include "finetune.h"

volatile sig_atomic_t finetune_interrupted;

static void on_signal(int number)
{
    (void)number;
    finetune_interrupted = 1;
}

static int open_data(struct run *run)
{
    int code = parts_open_data(FINETUNE, &run->recipe, &run->bundle, &run->walk, &run->validation);
    /* Files of many gigabytes are read once more only where a checkpoint is to tell them apart. */
    if (code == 0 && (run->recipe.checkpoint_every || run->resume))
        code = parts_checksums(FINETUNE, &run->recipe, &run->identity);
    if (code == 0)
        run->validation_crc32 = rows_checksum(&run->validation);
    if (code == 0)
        printf("%zu records in %zu data set%s, rows of at most %zu tokens\n",
               run->walk.source.records, run->recipe.data.count,
               run->recipe.data.count == 1 ? "" : "s", run->walk.limit.max_length);
    return code;
}

static void tell_too_long(const struct run *run)
{
    if (run->walk.too_long)
        printf("%llu rows drawn were longer than %zu tokens and %s\n",
               (unsigned long long)run->walk.too_long, run->walk.limit.max_length,
               run->walk.limit.cut ? "cut" : "left out");
}

static int run_recipe(struct run *run)
{
    int code = parts_open_model(FINETUNE, &run->recipe, &run->bundle);
    if (code != 0)
        return code;
    printf("%s, %lld parameters\n", run->bundle.info.family,
           (long long)run->bundle.info.parameters);
    code = open_data(run);
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
    tell_too_long(run);
    if (code == 0 && finetune_interrupted)
        code =
            cli_error(FINETUNE, CLI_CANCELLED, "stopped; the weights so far are in %s%s",
                      run->recipe.output, run->recipe.checkpoint_every ? "; --resume goes on" : "");
    return code;
}

/* The page of `diffulm report`, of this run alone. */
static int write_report(const char *output)
{
    char page[4096];
    snprintf(page, sizeof page, "%s/report.html", output);
    const int code = report_write(&output, 1, page);
    if (code == 0)
        printf("%s\n", page);
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
    if (code == 0)
        code = write_report(run.recipe.output);
    rows_release(&run.validation);
    walk_close(&run.walk);
    cli_bundle_close(&run.bundle);
    recipe_release(&run.recipe);
    return code;
}

/* finetune.c: `diffulm finetune RECIPE.yaml`: opens what the recipe names and runs its stages one after another. */
#include "finetune.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
        printf("%zu records in %zu data set%s, rows of at most %zu tokens\n",
               run->walk.source.records, run->recipe.data.count,
               run->recipe.data.count == 1 ? "" : "s", run->walk.limit.max_length);
    return code;
}

static int open_output(struct run *run)
{
    char path[4096];
    if (mkdir(run->recipe.output, 0777) != 0 && errno != EEXIST)
        return cli_error(FINETUNE, CLI_FAILED, "%s: %s", run->recipe.output, strerror(errno));
    const bool there = checkpoints_newest(run->recipe.output, -1) >= 0;
    if (there && !run->resume)
        return cli_error(FINETUNE, CLI_FAILED,
                         "%s: holds checkpoints of an earlier run: go on with --resume, or remove "
                         "%s/checkpoints to start again",
                         run->recipe.output, run->recipe.output);
    snprintf(path, sizeof path, "%s/metrics.jsonl", run->recipe.output);
    run->metrics = fopen(path, there ? "a" : "w");
    return run->metrics ? 0 : cli_error(FINETUNE, CLI_FAILED, "%s: %s", path, strerror(errno));
}

static int copy_file(const char *from, const char *to)
{
    size_t length;
    char *text = cli_read_path(from, &length);
    FILE *file = text ? fopen(to, "wb") : NULL;
    bool good = file && fwrite(text, 1, length, file) == length;
    if (file)
        good = fclose(file) == 0 && good;
    free(text);
    return good ? 0 : cli_error(FINETUNE, CLI_FAILED, "%s: cannot be copied to %s", from, to);
}

static int copy_to_output(void *user, const char *path, const char *name)
{
    const struct run *run = user;
    char to[4096];
    snprintf(to, sizeof to, "%s/%s", run->recipe.output, name);
    return copy_file(path, to);
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
        code = open_output(run);
    if (code == 0 && checkpoints_newest(run->recipe.output, -1) < 0)
        /* So that it can be used as a model; before the first checkpoint, so only once. */
        code = parts_each_tokenizer_file(parts_tokenizer(&run->recipe), copy_to_output, run);
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

int cli_finetune(int argc, char **argv)
{
    static const struct cli_command command = {FINETUNE, "RECIPE.yaml",
                                               "Trains a model by a recipe.", NULL};
    bool keys = false, resuming = false;
    const struct cli_option options[] = {
        {"resume", NULL, "go on from the newest checkpoints in the recipe's output", CLI_FLAG,
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
    rows_release(&run.validation);
    walk_close(&run.walk);
    cli_bundle_close(&run.bundle);
    recipe_release(&run.recipe);
    return code;
}

/* finetune.c: `diffulm finetune RECIPE.yaml`: stages one after another, each a trainer over the rows. */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "batches.h"
#include "checkpoints.h"
#include "cli.h"
#include "recipe.h"
#include "rows.h"
#include "samples.h"

#define ME "finetune"

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

struct run {
    struct recipe recipe;
    struct cli_bundle bundle;
    struct rows rows, validation;
    struct walk walk; /* through rows */
    FILE *metrics;
    double started;
    bool sampled; /* samples.jsonl is this run's */
    bool resume;
    uint32_t data_crc32; /* of the encoded rows */
};

static int64_t bytes_of(const struct run *run, const char *name)
{
    char path[4096];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", run->recipe.output, name);
    return stat(path, &status) == 0 ? (int64_t)status.st_size : 0;
}

/* What is written after the checkpoint is written again. */
static int cut(const struct run *run, const char *name, int64_t bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", run->recipe.output, name);
    if (bytes_of(run, name) > bytes && truncate(path, (off_t)bytes) != 0)
        return cli_error(ME, CLI_FAILED, "%s: %s", path, strerror(errno));
    return 0;
}

struct progress {
    double ce, tokens, shown, since;
    int64_t updates, first; /* first: updates done before this run of the program */
    bool unvalidated;       /* stopped before the validation of the last update */
};

static diffulm_status checkpoint(struct run *run, size_t stage, int64_t step,
                                 const struct progress *p, const struct checkpointed *what)
{
    const struct run_state state = {.epoch = run->walk.epoch,
                                    .position = (int64_t)run->walk.position,
                                    .rows = (int64_t)run->rows.count,
                                    .data_crc32 = run->data_crc32,
                                    .tokens = run->recipe.stages[stage].tokens,
                                    .metrics_bytes = bytes_of(run, "metrics.jsonl"),
                                    .samples_bytes = bytes_of(run, "samples.jsonl"),
                                    .ce = p->ce,
                                    .seen_tokens = p->tokens,
                                    .unvalidated = p->unvalidated,
                                    .updates = (double)p->updates};
    return checkpoints_save(run->recipe.output, (int)stage, step, run->recipe.keep, what, &state);
}

/* Goes back to the newest checkpoint of the stage. Returns its step, 0: there is none, < 0: a message was
 * printed. */
static int64_t resume(struct run *run, size_t stage, struct progress *p,
                      const struct checkpointed *what)
{
    const int64_t step = run->resume ? checkpoints_newest(run->recipe.output, (int)stage) : -1;
    struct run_state state = {.rows = (int64_t)run->rows.count,
                              .data_crc32 = run->data_crc32,
                              .tokens = run->recipe.stages[stage].tokens};
    if (step < 0)
        return 0;
    if (step > run->recipe.stages[stage].steps) {
        cli_error(ME, 0, "stage %zu: its checkpoint is of step %lld, the recipe ends at %lld",
                  stage + 1, (long long)step, (long long)run->recipe.stages[stage].steps);
        return -1;
    }
    if (checkpoints_restore(ME, run->recipe.output, (int)stage, step, what, &state) != 0)
        return -1;
    const bool last = stage + 1 == run->recipe.stage_count ||
                      checkpoints_newest(run->recipe.output, (int)stage + 1) < 0;
    if (last && (cut(run, "metrics.jsonl", state.metrics_bytes) != 0 ||
                 cut(run, "samples.jsonl", state.samples_bytes) != 0))
        return -1;
    run->sampled = state.samples_bytes > 0;
    if (walk_go_to(&run->walk, (uint32_t)state.epoch, (size_t)state.position) < 0) {
        cli_fail(ME);
        return -1;
    }
    p->ce = state.ce;
    p->tokens = state.seen_tokens;
    p->updates = (int64_t)state.updates;
    p->first = step;
    p->unvalidated = state.unvalidated != 0;
    printf("%s: going on after update %lld\n",
           run->recipe.stages[stage].name ? run->recipe.stages[stage].name : "stage",
           (long long)step);
    return step;
}

static bool checkpoint_due(const struct run *run, const struct recipe_stage *s, int64_t step)
{
    const int64_t every = run->recipe.checkpoint_every;
    return every && (step % every == 0 || step == s->steps || interrupted);
}

static struct diffulm_trainer_options options_of(const struct run *run,
                                                 const struct recipe_stage *s, size_t index)
{
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    const int32_t mask = run->bundle.ids.mask;
    o.lr = s->lr;
    o.weight_decay = s->weight_decay;
    o.clip = s->clip;
    o.lr_schedule = (int32_t)s->lr_schedule;
    o.warmup = s->warmup;
    o.steps = s->steps;
    o.objective =
        s->objective == RECIPE_CAUSAL ? DIFFULM_OBJECTIVE_CAUSAL : DIFFULM_OBJECTIVE_DIFFUSION;
    o.timesteps = (int32_t)s->timesteps;
    o.weight = (int32_t)s->weight;
    o.corruption = s->objective == RECIPE_MLM ? DIFFULM_CORRUPTION_FIXED : (int32_t)s->corruption;
    o.mask_ratio = s->mask_ratio;
    o.label_smoothing = s->label_smoothing;
    o.attention = (int32_t)run->recipe.attention;
    o.newline_id = run->bundle.newline;
    o.mask_id = mask >= 0 ? mask : run->bundle.info.mask_id;
    o.mask_on_source = (int32_t)s->mask_on_source;
    o.dropout = (int32_t)s->dropout;
    o.seed = (uint64_t)run->recipe.seed + index;
    o.lora_rank = (int32_t)s->lora_rank;
    o.lora_alpha = s->lora_alpha;
    o.lora_targets = s->lora_targets;
    o.checkpoint_activations = (int32_t)s->checkpoint_activations;
    return o;
}

static diffulm_status save(struct run *run, const diffulm_trainer *trainer)
{
    diffulm_model *model = NULL;
    diffulm_status rc = diffulm_trainer_export(trainer, &model);
    if (rc == DIFFULM_OK)
        rc = diffulm_model_save(model, run->recipe.output, (int32_t)run->recipe.dtype);
    if (rc == DIFFULM_OK) {
        diffulm_model_unref(run->bundle.model);
        run->bundle.model = model;
    }
    return rc;
}

/* Mean cross entropy over the validation rows, in slices that fit the update size. */
static diffulm_status validate(struct run *run, diffulm_trainer *trainer,
                               const struct recipe_stage *s, double *cross_entropy)
{
    struct batch u = {0};
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    double sum = 0;
    size_t slices = 0;
    diffulm_status rc = DIFFULM_OK;
    for (size_t r = 0; rc == DIFFULM_OK && r < run->validation.count; slices++) {
        u.rows = 0;
        do {
            batch_take(&u, &run->validation, r++);
        } while (r < run->validation.count && u.offsets[u.rows] < (size_t)s->tokens);
        const struct diffulm_rows rows = {sizeof rows, u.rows, u.offsets, u.tokens, u.sources};
        rc = diffulm_trainer_evaluate(trainer, &rows, slices + 1, &report);
        sum += report.cross_entropy;
    }
    *cross_entropy = slices ? sum / (double)slices : 0;
    batch_release(&u);
    return rc;
}

static diffulm_status save_adapter(const struct run *run, const diffulm_trainer *trainer)
{
    char folder[4096];
    diffulm_adapter *adapter = NULL;
    snprintf(folder, sizeof folder, "%s/adapter", run->recipe.output);
    diffulm_status rc = diffulm_trainer_export_adapter(trainer, &adapter);
    if (rc == DIFFULM_OK)
        rc = diffulm_adapter_save(adapter, folder);
    diffulm_adapter_unref(adapter);
    return rc;
}

static diffulm_status sample(struct run *run, const struct recipe_stage *s,
                             const diffulm_trainer *trainer, int64_t step)
{
    char path[4096];
    diffulm_model *model = NULL;
    const struct sample_place at = {s->name ? s->name : "", step, (int32_t)run->recipe.attention,
                                    !run->sampled};
    snprintf(path, sizeof path, "%s/samples.jsonl", run->recipe.output);
    diffulm_status rc = diffulm_trainer_export(trainer, &model);
    if (rc == DIFFULM_OK)
        rc = samples_write(path, &run->bundle, model, &run->validation, (size_t)run->recipe.samples,
                           &at);
    run->sampled = true;
    diffulm_model_unref(model);
    return rc;
}

/* Opens a line of metrics.jsonl. */
static void begin_metrics(struct run *run, const struct recipe_stage *s, int64_t step)
{
    json_t *name = json_string(s->name ? s->name : "");
    fputs("{\"stage\": ", run->metrics);
    json_dumpf(name, run->metrics, JSON_ENCODE_ANY);
    fprintf(run->metrics, ", \"step\": %lld, ", (long long)step);
    json_decref(name);
}

static diffulm_status report_validation(struct run *run, const struct recipe_stage *s,
                                        diffulm_trainer *trainer, int64_t step)
{
    double cross_entropy = 0;
    diffulm_status rc = validate(run, trainer, s, &cross_entropy);
    if (rc < 0)
        return rc;
    printf("%s: validation cross entropy %.4f after %lld updates\n", s->name ? s->name : "stage",
           cross_entropy, (long long)step);
    begin_metrics(run, s, step);
    fprintf(run->metrics, "\"validation_cross_entropy\": %.5f, \"seconds\": %.1f}\n", cross_entropy,
            cli_seconds() - run->started);
    fflush(run->metrics);
    return run->recipe.samples ? sample(run, s, trainer, step) : DIFFULM_OK;
}

static void report_progress(struct run *run, const struct recipe_stage *s, struct progress *p,
                            const struct diffulm_trainer_report *r, int64_t tokens)
{
    const double now = cli_seconds();
    const bool last = r->step == s->steps;
    p->ce += r->cross_entropy;
    p->tokens += (double)tokens;
    p->updates++;
    if (r->step % run->recipe.log_every != 0 && !last)
        return;
    const double rate = p->tokens / (now - p->since);
    const double left =
        (now - p->shown) / (double)(r->step - p->first) * (double)(s->steps - r->step);
    begin_metrics(run, s, r->step);
    fprintf(run->metrics,
            "\"cross_entropy\": %.5f, \"grad_norm\": %.4f, "
            "\"lr\": %.4g, \"tokens_per_second\": %.0f, \"seconds\": %.1f}\n",
            p->ce / (double)p->updates, r->grad_norm, r->lr, rate, now - run->started);
    fflush(run->metrics);
    printf("%s%s %lld/%lld  cross entropy %.4f  lr %.2g  %.0f tokens/s  %.0f s left%s",
           isatty(1) ? "\r" : "", s->name ? s->name : "stage", (long long)r->step,
           (long long)s->steps, p->ce / (double)p->updates, r->lr, rate, left,
           isatty(1) && !last ? "   " : "\n");
    fflush(stdout);
    p->ce = p->tokens = 0;
    p->updates = 0;
    p->since = now;
}

/* A failure whose message was printed already. */
#define TOLD DIFFULM_E_CANCELLED

static diffulm_status train(struct run *run, size_t stage, diffulm_trainer *trainer)
{
    const struct recipe_stage *s = &run->recipe.stages[stage];
    const struct checkpointed what = checkpointed_trainer(trainer);
    struct batch u = {0};
    struct progress progress = {.shown = cli_seconds(), .since = cli_seconds()};
    const int64_t done = resume(run, stage, &progress, &what);
    diffulm_status rc = done < 0 ? TOLD : DIFFULM_OK;
    if (progress.unvalidated && run->validation.count)
        rc = report_validation(run, s, trainer, done);
    progress.unvalidated = false;
    for (int64_t k = done + 1; rc == DIFFULM_OK && k <= s->steps && !interrupted; k++) {
        struct diffulm_trainer_report report = {.struct_size = sizeof report};
        rc = walk_next(&run->walk, (size_t)s->tokens, &u);
        const struct diffulm_rows rows = {sizeof rows, u.rows, u.offsets, u.tokens, u.sources};
        if (rc == DIFFULM_OK)
            rc = diffulm_trainer_accumulate(trainer, &rows, &report);
        const int64_t tokens = report.tokens;
        if (rc == DIFFULM_OK)
            rc = diffulm_trainer_apply(trainer, &report);
        if (rc == DIFFULM_OK)
            report_progress(run, s, &progress, &report, tokens);
        if (rc == DIFFULM_OK && run->recipe.save_every && k % run->recipe.save_every == 0)
            rc = save(run, trainer);
        const bool due = k == s->steps || (s->validate_every && k % s->validate_every == 0);
        progress.unvalidated = due && interrupted;
        if (rc == DIFFULM_OK && due && run->validation.count && !progress.unvalidated)
            rc = report_validation(run, s, trainer, k);
        if (rc == DIFFULM_OK && checkpoint_due(run, s, k))
            rc = checkpoint(run, stage, k, &progress, &what);
    }
    batch_release(&u);
    return rc;
}

/* Trains the length head on the frozen encoder and writes it beside the model. */
static diffulm_status run_length_stage(struct run *run, const struct recipe_stage *s, size_t index)
{
    const struct diffulm_trainer_options options = options_of(run, s, index);
    diffulm_length_head *head = NULL, *trained = NULL;
    diffulm_length_trainer *trainer = NULL;
    struct batch u = {0};
    struct progress progress = {.shown = cli_seconds(), .since = cli_seconds()};
    diffulm_status rc = diffulm_length_head_create(run->bundle.model, options.seed, &head);
    if (rc == DIFFULM_OK)
        rc = diffulm_length_trainer_create(head, &options, &trainer);
    const struct checkpointed what = checkpointed_length_trainer(trainer);
    const int64_t done = rc == DIFFULM_OK ? resume(run, index, &progress, &what) : 0;
    if (done < 0)
        rc = TOLD;
    for (int64_t k = done + 1; rc == DIFFULM_OK && k <= s->steps && !interrupted; k++) {
        struct diffulm_trainer_report report = {.struct_size = sizeof report};
        rc = walk_next(&run->walk, (size_t)s->tokens, &u);
        const struct diffulm_rows rows = {sizeof rows, u.rows, u.offsets, u.tokens, u.sources};
        if (rc == DIFFULM_OK)
            rc = diffulm_length_trainer_step(trainer, &rows, &report);
        if (rc == DIFFULM_OK)
            report_progress(run, s, &progress, &report, report.tokens);
        if (rc == DIFFULM_OK && checkpoint_due(run, s, k))
            rc = checkpoint(run, index, k, &progress, &what);
    }
    if (rc == DIFFULM_OK)
        rc = diffulm_length_trainer_export(trainer, &trained);
    if (rc == DIFFULM_OK) /* the head is of use only beside its model */
        rc = diffulm_model_save(run->bundle.model, run->recipe.output, (int32_t)run->recipe.dtype);
    if (rc == DIFFULM_OK)
        rc = diffulm_length_head_save(trained, run->recipe.output, (int32_t)run->recipe.dtype);
    diffulm_length_trainer_destroy(trainer);
    diffulm_length_head_unref(trained);
    diffulm_length_head_unref(head);
    batch_release(&u);
    return rc;
}

static diffulm_status run_stage(struct run *run, size_t index)
{
    const struct recipe_stage *s = &run->recipe.stages[index];
    if (s->objective == RECIPE_LENGTH)
        return run_length_stage(run, s, index);
    const struct diffulm_trainer_options options = options_of(run, s, index);
    diffulm_trainer *trainer = NULL;
    diffulm_status rc = diffulm_trainer_create(run->bundle.model, &options, &trainer);
    if (rc == DIFFULM_OK)
        rc = train(run, index, trainer);
    if (rc == DIFFULM_OK && s->save_adapter)
        rc = save_adapter(run, trainer);
    if (rc == DIFFULM_OK)
        rc = save(run, trainer);
    diffulm_trainer_destroy(trainer);
    return rc;
}

static diffulm_status open_fresh(struct run *run)
{
    size_t length;
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    char *config = cli_read_path(run->recipe.architecture, &length);
    if (!config) {
        cli_error(ME, 0, "%s: %s", run->recipe.architecture, strerror(errno));
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
    int code = rows_read(ME, run->recipe.data, &run->bundle, most, &run->rows);
    if (code == 0)
        run->data_crc32 = checksum(&run->rows);
    run->walk = (struct walk){.rows = &run->rows, .seed = (uint64_t)run->recipe.seed};
    run->validation.keep_texts = true;
    if (code == 0 && run->recipe.validation)
        code = rows_read(ME, run->recipe.validation, &run->bundle, most, &run->validation);
    if (code == 0)
        printf("%zu rows, %.1f tokens on average; %zu longer than %zu tokens left out\n",
               run->rows.count, (double)run->rows.tokens.count / (double)run->rows.count,
               run->rows.too_long, most);
    return code;
}

static int open_output(struct run *run)
{
    char path[4096];
    if (mkdir(run->recipe.output, 0777) != 0 && errno != EEXIST)
        return cli_error(ME, CLI_FAILED, "%s: %s", run->recipe.output, strerror(errno));
    const bool there = checkpoints_newest(run->recipe.output, -1) >= 0;
    if (there && !run->resume)
        return cli_error(ME, CLI_FAILED,
                         "%s: holds checkpoints of an earlier run: go on with --resume, or remove "
                         "%s/checkpoints to start again",
                         run->recipe.output, run->recipe.output);
    snprintf(path, sizeof path, "%s/metrics.jsonl", run->recipe.output);
    run->metrics = fopen(path, there ? "a" : "w");
    return run->metrics ? 0 : cli_error(ME, CLI_FAILED, "%s: %s", path, strerror(errno));
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
    return good ? 0 : cli_error(ME, CLI_FAILED, "%s: cannot be copied to %s", from, to);
}

/* The output folder gets the tokenizer's files, so that it can be used as a model. */
static int copy_tokenizer(const struct run *run)
{
    static const char *const names[] = {"tokenizer.json", "sentencepiece.bpe.model", "vocab.txt",
                                        "vocab.json", "merges.txt"};
    const char *source = run->recipe.tokenizer ? run->recipe.tokenizer : run->recipe.model;
    char from[4096], to[4096];
    struct stat status;
    const bool folder = stat(source, &status) == 0 && S_ISDIR(status.st_mode);
    int code = 0;
    for (size_t i = 0; code == 0 && i < sizeof names / sizeof *names; i++) {
        const size_t n = strlen(source), m = strlen(names[i]);
        snprintf(from, sizeof from, "%s%s%s", source, folder ? "/" : "", folder ? names[i] : "");
        snprintf(to, sizeof to, "%s/%s", run->recipe.output, names[i]);
        if (folder ? stat(from, &status) == 0 : n >= m && strcmp(source + n - m, names[i]) == 0)
            code = copy_file(from, to);
    }
    return code;
}

static int run_recipe(struct run *run)
{
    int code = 0;
    if (open_parts(run) < 0)
        return cli_fail(ME);
    printf("%s, %lld parameters\n", run->bundle.info.family,
           (long long)run->bundle.info.parameters);
    code = read_data(run);
    if (code == 0)
        code = open_output(run);
    if (code == 0 && checkpoints_newest(run->recipe.output, -1) < 0)
        code = copy_tokenizer(run); /* before the first checkpoint, so only once */
    run->started = cli_seconds();
    for (size_t i = 0; code == 0 && i < run->recipe.stage_count && !interrupted; i++) {
        const diffulm_status rc = run_stage(run, i);
        if (rc != DIFFULM_OK)
            code = rc == TOLD ? CLI_FAILED : cli_fail(ME);
    }
    if (code == 0 && interrupted)
        code =
            cli_error(ME, CLI_CANCELLED, "stopped; the weights so far are in %s%s",
                      run->recipe.output, run->recipe.checkpoint_every ? "; --resume goes on" : "");
    return code;
}

int cli_finetune(int argc, char **argv)
{
    static const struct cli_command command = {ME, "RECIPE.yaml", "Trains a model by a recipe.",
                                               NULL};
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
        return cli_error(ME, CLI_USAGE, "expected one recipe; see diffulm finetune --help");
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

/* check.c: `diffulm recipe`: what a recipe will take, before it is run; and the list of its keys. Shapes: a stage's
 * update has T tokens in R rows; coupled corruption makes 2 T of them. */
#include <stdlib.h>
#include <string.h>

#include "finetune.h"
#include "recipe_keys.h"

#define ME "recipe"

enum { SAMPLED = 2000, SIMULATED = 64, WARM = 1, TIMED = 2 };

struct check {
    struct run run;
    size_t lengths[SAMPLED]; /* tokens of the first rows drawn */
    double seconds;          /* of all stages */
    bool timed;
};

/* What an update is made of, on average. */
struct update {
    double tokens, rows;
};

static struct update update_of(const struct check *c, const struct recipe_stage *s)
{
    const int64_t updates = s->steps < SIMULATED ? s->steps : SIMULATED;
    size_t row = 0;
    struct update all = {0};
    for (int64_t k = 0; k < updates; k++)
        for (int64_t tokens = 0; tokens < s->tokens; row++) {
            tokens += (int64_t)c->lengths[row % SAMPLED];
            all.tokens += (double)c->lengths[row % SAMPLED];
            all.rows++;
        }
    return (struct update){all.tokens / (double)updates, all.rows / (double)updates};
}

/* Values that the stage trains; -1: its trainer cannot be made. */
static double trained(const struct check *c, const struct recipe_stage *s, size_t index)
{
    const struct diffulm_model_info *m = &c->run.bundle.info;
    const double d = (double)m->hidden, f = (double)m->ffn;
    if (s->objective == RECIPE_LENGTH) /* one block, and the two maps of its classifier */
        return 4 * d * d + 2 * d * f + d * f + f * (double)m->positions;
    if (!s->lora_rank)
        return (double)m->parameters;
    const struct diffulm_trainer_options options = stage_options(&c->run, s, index);
    diffulm_trainer *trainer = NULL;
    if (diffulm_trainer_create(c->run.bundle.model, &options, &trainer) < 0)
        return -1;
    const double count = (double)diffulm_trainer_parameters(trainer);
    diffulm_trainer_destroy(trainer);
    return count;
}

/* Floats of the logits that an update keeps at a time: of at most 512 positions, and 2^25. */
static double logits_of(const struct diffulm_model_info *m, double tokens)
{
    const double v = (double)m->vocabulary, rows = tokens < 512 ? tokens : 512;
    const double most = v > 0x1p25 ? v : 0x1p25;
    return rows * v < most ? rows * v : most;
}

/* Floats of the activations of an update, as docs/memory.md tells them. Corruption makes two rows of each unless it
 * is single; the length head trains one layer on the rows as they are. */
static double activations_of(const struct check *c, const struct recipe_stage *s, double tokens)
{
    const struct diffulm_model_info *m = &c->run.bundle.info;
    const double d = (double)m->hidden, f = (double)m->ffn,
                 u = strcmp(m->family, "modernbert") == 0 ? 2 * f : f;
    const double state = 8 * d + u + f, layers = (double)m->layers;
    const double wide = u > 3 * d ? u : 3 * d, wide2 = f > d ? f : d;
    const double scratch = 7 * d + wide + wide2;
    const bool single =
        s->objective == RECIPE_CAUSAL ||
        (s->objective == RECIPE_DIFFUSION && s->corruption == DIFFULM_CORRUPTION_SINGLE);
    if (s->objective == RECIPE_LENGTH)
        return tokens * (scratch + state);
    const double all = (single ? 1 : 2) * tokens;
    /* Inputs of frozen linear maps are not kept, where LoRA has its default targets; others are counted as if all were. */
    const double once = s->lora_rank && !s->lora_targets ? 2 * d + f : 0;
    const double kept =
        s->checkpoint_activations ? layers * d + state : layers * (state - once) + once;
    return all * (scratch + kept) + logits_of(m, all);
}

static void print_memory(const struct check *c, size_t index, double n, const struct update *update)
{
    const struct recipe_stage *s = &c->run.recipe.stages[index];
    const double mib = 4.0 / (1 << 20);
    const double parameters = (double)c->run.bundle.info.parameters;
    /* A mapped file in single precision, which later stages no longer start from, is let go of once all of it was copied to be
     * trained. */
    const bool mapped =
        index == 0 && c->run.recipe.model && c->run.bundle.info.dtype == DIFFULM_DTYPE_F32;
    const bool copied = s->objective != RECIPE_LENGTH && !s->lora_rank;
    const double weights = mapped && copied ? 0 : parameters;
    const double activations = activations_of(c, s, update->tokens);
    const double averages = s->ema_decay > 0 ? n : 0;
    /* At the end of a stage: the trained weights as a model of their own, and once more as they are written, if narrower. */
    const double saved = parameters * ((s->objective == RECIPE_LENGTH ? 0 : 1) +
                                       (c->run.recipe.dtype == DIFFULM_DTYPE_F32 ? 0 : 0.5));
    printf("  memory: %.0f MiB: weights %.0f, trained values %.0f, gradients %.0f, moments %.0f, "
           "averages %.0f, activations %.0f, copies that are saved %.0f\n",
           mib * (weights + 4 * n + averages + activations + saved), mib * weights, mib * n,
           mib * n, 2 * mib * n, mib * averages, mib * activations, mib * saved);
}

static void print_time(const char *what, double seconds)
{
    const long long whole = (long long)(seconds + 0.5);
    printf("%s%lld:%02lld:%02lld", what, whole / 3600, whole / 60 % 60, whole % 60);
}

/* One update; the trainer that is not NULL makes it. */
static diffulm_status update_once(struct check *c, const struct recipe_stage *s, struct batch *u,
                                  diffulm_trainer *trainer, diffulm_length_trainer *length)
{
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    diffulm_status rc = walk_next(&c->run.walk, (size_t)s->tokens, u);
    const struct diffulm_rows rows = {sizeof rows, u->rows, u->offsets, u->tokens, u->sources};
    if (rc == DIFFULM_OK && length)
        rc = diffulm_length_trainer_step(length, &rows, &report);
    else if (rc == DIFFULM_OK)
        rc = diffulm_trainer_accumulate(trainer, &rows, &report);
    if (rc == DIFFULM_OK && trainer)
        rc = diffulm_trainer_apply(trainer, &report);
    return walk_blame(&c->run.walk, u, rc);
}

/* Seconds of an update of the stage, measured on a trainer that is thrown away. */
static diffulm_status measure(struct check *c, size_t index, double *seconds)
{
    const struct recipe_stage *s = &c->run.recipe.stages[index];
    const struct diffulm_trainer_options options = stage_options(&c->run, s, index);
    diffulm_trainer *trainer = NULL;
    diffulm_length_trainer *length = NULL;
    diffulm_length_head *head = NULL;
    struct batch u = {0};
    diffulm_status rc;
    if (s->objective != RECIPE_LENGTH)
        rc = diffulm_trainer_create(c->run.bundle.model, &options, &trainer);
    else
        rc = diffulm_length_head_create(c->run.bundle.model, options.seed, &head);
    if (rc == DIFFULM_OK && head)
        rc = diffulm_length_trainer_create(head, &options, &length);
    double started = 0;
    for (int k = 0; rc == DIFFULM_OK && k < WARM + TIMED; k++) {
        started = k == WARM ? cli_seconds() : started;
        rc = update_once(c, s, &u, trainer, length);
    }
    *seconds = (cli_seconds() - started) / TIMED;
    batch_release(&u);
    diffulm_trainer_destroy(trainer);
    diffulm_length_trainer_destroy(length);
    diffulm_length_head_unref(head);
    return rc;
}

/* How often the stage sees each data set, rows left out counted. */
static void print_epochs(const struct check *c, double rows)
{
    const struct data_source *source = &c->run.walk.source;
    double sum = 0;
    for (size_t i = 0; i < source->list->count; i++)
        sum += data_weight(source, i);
    printf("  epochs:");
    for (size_t i = 0; i < source->list->count; i++)
        printf("%s %.2f of %s", i ? "," : "",
               rows * data_weight(source, i) / sum / (double)diffulm_dataset_count(source->sets[i]),
               source->list->sets[i].path);
    printf("\n");
}

static int check_stage(struct check *c, size_t index, double drawn)
{
    const struct recipe_stage *s = &c->run.recipe.stages[index];
    const struct update update = update_of(c, s);
    const double steps = (double)s->steps, values = trained(c, s, index);
    double seconds = 0;
    if (values < 0)
        return cli_error(ME, CLI_USAGE, "%s: %s", s->where, diffulm_error_message());
    printf(
        "stage %zu, %s: %lld updates of %.0f tokens in %.1f rows; %.0f rows, %.0f tokens in all\n",
        index + 1, s->name, (long long)s->steps, update.tokens, update.rows, steps * update.rows,
        steps * update.tokens);
    print_epochs(c, steps * update.rows * drawn);
    print_memory(c, index, values, &update);
    if (!c->timed)
        return 0;
    fflush(stdout);
    const diffulm_status rc = measure(c, index, &seconds);
    if (rc == DIFFULM_E_CANCELLED)
        return CLI_USAGE;
    if (rc < 0)
        return cli_error(ME, CLI_USAGE, "%s: %s", s->where, diffulm_error_message());
    c->seconds += steps * seconds;
    print_time("  time: ", steps * seconds);
    printf(" (%.3f s an update, of %d measured), without validation\n", seconds, TIMED);
    return 0;
}

/* Draws the first rows. *drawn: rows drawn for each that is trained on. */
static int sample(struct check *c, double *drawn)
{
    size_t sum = 0, longest = 0, source;
    struct batch_record from;
    for (size_t i = 0; i < SAMPLED; i++) {
        const diffulm_status rc = walk_row(&c->run.walk, &source, &from);
        if (rc < 0)
            return rc == DIFFULM_E_CANCELLED ? CLI_USAGE : cli_fail(ME);
        c->lengths[i] = c->run.walk.row.count;
        sum += c->lengths[i];
        longest = longest < c->lengths[i] ? c->lengths[i] : longest;
    }
    const struct walk *walk = &c->run.walk;
    *drawn = walk->limit.cut ? 1 : 1 + (double)walk->too_long / SAMPLED;
    printf("rows: %.1f tokens on average, at most %zu (of the first %d); %llu longer than %zu %s\n",
           (double)sum / SAMPLED, longest, SAMPLED, (unsigned long long)walk->too_long,
           walk->limit.max_length, walk->limit.cut ? "cut" : "left out");
    return 0;
}

static int check_recipe(const char *path, struct check *c)
{
    struct run *run = &c->run;
    double drawn = 1;
    int code = recipe_read(path, &run->recipe);
    if (code == 0)
        code = parts_open_model(ME, &run->recipe, &run->bundle);
    if (code == 0)
        code = parts_open_data(ME, &run->recipe, &run->bundle, &run->walk, &run->validation);
    if (code != 0)
        return code;
    printf("model: %s, %lld parameters\n", run->bundle.info.family,
           (long long)run->bundle.info.parameters);
    printf("data: %zu records in %zu data set%s, %zu rows of validation\n",
           run->walk.source.records, run->recipe.data.count, run->recipe.data.count == 1 ? "" : "s",
           run->validation.count);
    code = sample(c, &drawn);
    for (size_t i = 0; code == 0 && i < run->recipe.stage_count; i++)
        code = check_stage(c, i, drawn);
    if (code == 0 && c->timed) {
        print_time("time of all stages: ", c->seconds);
        printf("\n");
    }
    return code;
}

int cli_recipe(int argc, char **argv)
{
    static const struct cli_command command = {ME, "check RECIPE.yaml | keys",
                                               "Checks a recipe, its files and what it will take, "
                                               "without training; or lists the keys of a recipe.",
                                               NULL};
    bool no_time = false, markdown = false;
    const struct cli_option options[] = {
        {"no-time", NULL, "check: run no updates to measure the time", CLI_FLAG, &no_time},
        {"markdown", NULL, "keys: as docs/recipes.md", CLI_FLAG, &markdown},
        {0}};
    int rest;
    int code = cli_parse(&command, options, argc, argv, &rest);
    if (code >= 0)
        return code;
    if (rest == 1 && strcmp(argv[0], "keys") == 0) {
        if (markdown)
            recipe_describe_markdown();
        else
            recipe_describe();
        return CLI_OK;
    }
    if (rest != 2 || strcmp(argv[0], "check") != 0)
        return cli_error(ME, CLI_USAGE,
                         "expected check RECIPE.yaml, or keys; see diffulm recipe --help");
    struct check check = {.timed = !no_time};
    code = check_recipe(argv[1], &check);
    rows_release(&check.run.validation);
    walk_close(&check.run.walk);
    cli_bundle_close(&check.run.bundle);
    recipe_release(&check.run.recipe);
    return code == 0 ? CLI_OK : CLI_USAGE;
}

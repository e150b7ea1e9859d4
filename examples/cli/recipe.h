/* recipe.h: a training recipe read from YAML. */
#ifndef DIFFULM_CLI_RECIPE_H
#define DIFFULM_CLI_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datasets.h"

#define RECIPE_STAGES 8

enum recipe_objective { RECIPE_MLM, RECIPE_DIFFUSION, RECIPE_LENGTH, RECIPE_CAUSAL };

struct recipe_stage {
    char *name;
    char *where; /* file:line:column of the recipe */
    int64_t objective, steps, corruption, weight, lr_schedule, warmup, timesteps, tokens;
    int64_t mask_on_source, lora_rank, dropout;
    int64_t save_adapter, checkpoint_activations, validate_every;
    int64_t stop_metric; /* 0: validation cross entropy, else 1 + enum metric (scores.h) */
    int64_t patience, keep_best, save_last;
    char *lora_targets;
    double lr, mask_ratio, label_smoothing, weight_decay, clip, lora_alpha, ema_decay;
};

struct recipe {
    char *model, *architecture; /* a folder, or a config.json for fresh weights */
    char *tokenizer;            /* a folder or file; default: the model's folder */
    char *model_where, *tokenizer_where, *precision_where; /* file:line:column; NULL: not named */
    struct data_list data, validation;
    char *output;
    int64_t seed, threads, precision, max_length, dtype, attention, save_every, log_every, samples;
    int64_t checkpoint_every, keep, order, too_long, deterministic;
    struct recipe_stage stages[RECIPE_STAGES];
    size_t stage_count;
    bool watches; /* a stage has stop_metric, patience or keep_best */
};

/* Reads and checks a recipe; relative paths in it count from its own folder. Returns 0, or prints
 * file:line:column and what was expected, and returns 2. Release with recipe_release. */
int recipe_read(const char *path, struct recipe *out);
void recipe_release(struct recipe *recipe);
/* Prints every key with its meaning. */
void recipe_describe(void);
/* The same as docs/recipes.md. */
void recipe_describe_markdown(void);

#endif

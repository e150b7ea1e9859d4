/* finetune.h: one run of `diffulm finetune`, and what its parts do for each other. */
#ifndef DIFFULM_CLI_FINETUNE_H
#define DIFFULM_CLI_FINETUNE_H

#include <signal.h>

#include "batches.h"
#include "checkpoints.h"
#include "cli.h"
#include "parts.h"
#include "recipe.h"

#define FINETUNE "finetune"
/* A failure whose message was printed already. */
#define FINETUNE_TOLD DIFFULM_E_CANCELLED

/* Set by SIGINT and SIGTERM: the update is finished, then the run stops. */
extern volatile sig_atomic_t finetune_interrupted;

struct run {
    struct recipe recipe;
    struct cli_bundle bundle;
    struct rows validation;
    struct walk walk; /* through the data */
    FILE *metrics;
    double started;
    bool sampled; /* samples.jsonl is this run's */
    bool resume;
    struct data_identity identity;
    uint32_t validation_crc32; /* of the encoded rows */
    /* metrics.jsonl and samples.jsonl at the newest checkpoint of this run; 0 before the first. */
    int64_t metrics_bytes, samples_bytes;
};

/* The best validation of a stage. */
struct best {
    double value;
    int64_t step;  /* 0: none yet */
    int64_t since; /* validations after it */
};

/* Of a stage, since its last line of progress. */
struct progress {
    double ce, tokens, shown, since;
    int64_t updates, first; /* first: updates done before this run of the program */
    bool unvalidated;       /* stopped before the validation of the last update */
    struct best best;
};

/* output.c: makes or takes over the output folder and opens metrics.jsonl; what a killed run left half written is
 * removed. Both return 0, or print and return an exit code. */
int output_open(struct run *run);
/* Copies the tokenizer's files into `folder`, so that it can be used as a model. */
int output_copy_tokenizer(const struct run *run, const char *folder);

/* stages.c: runs the stage and writes its result to the output folder. */
diffulm_status stage_run(struct run *run, size_t stage);
/* The options of the stage's trainer; texts are the recipe's. */
struct diffulm_trainer_options stage_options(const struct run *run,
                                             const struct recipe_stage *stage, size_t index);
/* A model of what the stage has learned: the averages where it keeps them. */
diffulm_status stage_export(const struct recipe_stage *stage, const diffulm_trainer *trainer,
                            diffulm_model **out);
/* Whether the best validation matters to the stage. */
bool stage_watches(const struct recipe_stage *stage);

/* validation.c: scores the validation rows, answers some of them, tells both; notes and keeps the best. */
diffulm_status stage_validate(struct run *run, size_t stage, diffulm_trainer *trainer, int64_t step,
                              struct best *best);

/* progress.c: metrics.jsonl and the line on the terminal. */
struct validated {
    double cross_entropy, score; /* score: of stop_metric, if it is one of texts */
    bool best;                   /* the best so far, where that matters */
};
diffulm_status progress_update(struct run *run, const struct recipe_stage *stage,
                               struct progress *progress,
                               const struct diffulm_trainer_report *report, int64_t tokens);
diffulm_status progress_validation(struct run *run, const struct recipe_stage *stage, int64_t step,
                                   const struct validated *validated);

/* resume.c: a checkpoint of trainer, data and progress after update `step` of the stage. */
diffulm_status stage_checkpoint(struct run *run, size_t stage, int64_t step,
                                const struct progress *progress, const struct checkpointed *what);
/* Goes back to the newest whole checkpoint of the stage when the run resumes; damaged ones are named. Returns its
 * step, 0: there is none, < 0: a message was printed. */
int64_t stage_resume(struct run *run, size_t stage, struct progress *progress,
                     const struct checkpointed *what);

#endif

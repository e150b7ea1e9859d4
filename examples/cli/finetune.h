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
};

/* Of a stage, since its last line of progress. */
struct progress {
    double ce, tokens, shown, since;
    int64_t updates, first; /* first: updates done before this run of the program */
    bool unvalidated;       /* stopped before the validation of the last update */
};

/* stages.c: runs the stage and writes its result to the output folder. */
diffulm_status stage_run(struct run *run, size_t stage);
/* The options of the stage's trainer; texts are the recipe's. */
struct diffulm_trainer_options stage_options(const struct run *run,
                                             const struct recipe_stage *stage, size_t index);

/* validation.c: scores the validation rows, answers some of them, tells both. */
diffulm_status stage_validate(struct run *run, const struct recipe_stage *stage,
                              diffulm_trainer *trainer, int64_t step);

/* progress.c: metrics.jsonl and the line on the terminal. */
void progress_update(struct run *run, const struct recipe_stage *stage, struct progress *progress,
                     const struct diffulm_trainer_report *report, int64_t tokens);
void progress_validation(struct run *run, const struct recipe_stage *stage, int64_t step,
                         double cross_entropy);

/* resume.c: a checkpoint of trainer, data and progress after update `step` of the stage. */
diffulm_status stage_checkpoint(struct run *run, size_t stage, int64_t step,
                                const struct progress *progress, const struct checkpointed *what);
/* Goes back to the newest checkpoint of the stage when the run resumes. Returns its step, 0: there is none,
 * < 0: a message was printed. */
int64_t stage_resume(struct run *run, size_t stage, struct progress *progress,
                     const struct checkpointed *what);

#endif

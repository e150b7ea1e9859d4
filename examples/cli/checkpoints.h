/* checkpoints.h: the checkpoints of a finetuning run: OUTPUT/checkpoints/STAGE-STEP.safetensors. */
#ifndef DIFFULM_CLI_CHECKPOINTS_H
#define DIFFULM_CLI_CHECKPOINTS_H

#include "cli.h"

/* What must be the same again when a run goes on: together, these make the rows of every update. */
struct run_same {
    int64_t records, data_crc32, settings_crc32, tokenizer_crc32;
    int64_t order, max_length, too_long;
    int64_t tokens; /* of an update */
    /* What tells the best validation, 0: nothing; the last two only matter where something does. */
    int64_t watched, validation_crc32, validate_every;
};

/* Where a run stands beside its trainer: kept as JSON in the checkpoint's note. */
struct run_state {
    struct run_same same;
    char *position;                       /* of the reader, in hexadecimal digits */
    int64_t too_long;                     /* rows cut or left out */
    int64_t metrics_bytes, samples_bytes; /* what of the files was written by then */
    int64_t unvalidated;                  /* 1: stopped before the validation of this step */
    int64_t best_step, since;             /* of the best validation (0: none); others since then */
    double best;
    double ce, seen_tokens, updates; /* since the last line of progress */
};

/* The functions of a trainer or a length trainer. */
struct checkpointed {
    void *trainer;
    diffulm_status (*save)(const void *, const char *, const void *, size_t);
    diffulm_status (*restore)(void *, const char *, void *, size_t, size_t *);
};
struct checkpointed checkpointed_trainer(diffulm_trainer *trainer);
struct checkpointed checkpointed_length_trainer(diffulm_length_trainer *trainer);

/* Step of the newest checkpoint of a stage (counted from 0) in OUTPUT, -1: none; stage -1: of any. */
int64_t checkpoints_newest(const char *output, int stage);
/* The same among those older than `step`. */
int64_t checkpoints_before(const char *output, int stage, int64_t step);
/* Writes one, then removes all but the newest `keep` of the stage, and newer ones, which were damaged: a run goes on
 * from the newest whole one. */
diffulm_status checkpoints_save(const char *output, int stage, int64_t step, int64_t keep,
                                const struct checkpointed *what, const struct run_state *state);
#define CHECKPOINT_DAMAGED (-1)
/* Gives trainer and state what the checkpoint holds. state: `same` is set, and compared; position is the caller's to
 * free. Returns 0, or prints and returns an exit code, CHECKPOINT_DAMAGED when an older one may serve; position is
 * NULL then. */
int checkpoints_restore(const char *command, const char *output, int stage, int64_t step,
                        const struct checkpointed *what, struct run_state *state);

/* The best of a stage: a checkpoint as well, in OUTPUT/checkpoints/STAGE-best.safetensors. */
diffulm_status checkpoints_save_best(const char *output, int stage, int64_t step,
                                     const struct checkpointed *what);
/* Gives the trainer the best, which must be of `step`. Returns 0, or prints and returns an exit code. */
int checkpoints_restore_best(const char *command, const char *output, int stage, int64_t step,
                             const struct checkpointed *what);

#endif

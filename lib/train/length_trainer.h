/* length_trainer.h: state of the length head's training. */
#ifndef DULM_TRAIN_LENGTH_TRAINER_H
#define DULM_TRAIN_LENGTH_TRAINER_H

#include "arch/length_head.h"
#include "train/trainer.h"

struct diffulm_length_trainer {
    struct diffulm_model *model;
    struct diffulm_trainer_options options;
    struct dulm_workspace *workspace;
    struct dulm_length_pass *pass;
    struct dulm_trainable trainables[DULM_LENGTH_SLOTS];
    float *values, *memory; /* memory: gradients, m, v */
    size_t total;
    int64_t step;
    float *logits; /* [R, P] */
    size_t logits_capacity;
    int32_t *tokens; /* the sources, packed */
    size_t *offsets;
    size_t token_capacity, row_capacity;
};

/* Loss and its gradient (left in memory) of one batch of rows. */
diffulm_status dulm_length_trainer_gradient(struct diffulm_length_trainer *trainer,
                                            const struct diffulm_rows *rows,
                                            double *loss) DIFFULM_MUST_USE;

#endif

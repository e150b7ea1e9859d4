/* length.h: how many tokens to generate. A head on the frozen encoder predicts the length of the answer
 * from the source (Ye et al. 2023); candidates of several lengths are denoised and the best is kept. */
#ifndef DIFFULM_LENGTH_H
#define DIFFULM_LENGTH_H

#include <diffulm/common.h>
#include <diffulm/model.h>
#include <diffulm/trainer.h>

DIFFULM_BEGIN_DECLS

/* One post-norm Transformer layer over the encoder's last states, their mean, and a classifier over
 * max_position_embeddings classes; class c means c + 1 tokens, eos not counted. Frozen and
 * reference-counted, any number of threads; keeps a reference to its model. Since 0.1. */
typedef struct diffulm_length_head diffulm_length_head;

/* Opens length_head.safetensors in `folder` for a model of the same sizes. On success *out is the
 * caller's (unref). Errors name the file and tensor. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_length_head_open(diffulm_model *model, const char *folder,
                                                    diffulm_length_head **out) DIFFULM_MUST_USE;
/* One with fresh weights drawn by `seed` (stream init). Since 0.1. */
DIFFULM_API diffulm_status diffulm_length_head_create(diffulm_model *model, uint64_t seed,
                                                      diffulm_length_head **out) DIFFULM_MUST_USE;
DIFFULM_API diffulm_length_head *diffulm_length_head_ref(diffulm_length_head *head);
DIFFULM_API void diffulm_length_head_unref(diffulm_length_head *head); /* NULL is allowed */
/* Writes length_head.safetensors into an existing folder, replaced atomically. dtype: DIFFULM_DTYPE_….
 * Since 0.1. */
DIFFULM_API diffulm_status diffulm_length_head_save(const diffulm_length_head *head,
                                                    const char *folder,
                                                    int32_t dtype) DIFFULM_MUST_USE;
/* Number of classes. Since 0.1. */
DIFFULM_API size_t diffulm_length_head_classes(const diffulm_length_head *head);

/* Class logits [rows, classes] of sources ([bos] source, without eos), packed as in struct
 * diffulm_batch. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_length_head_logits(const diffulm_length_head *head, size_t rows,
                                                      const size_t *offsets, const int32_t *tokens,
                                                      float *out) DIFFULM_MUST_USE;

/* The best `length_beam` lengths by class logits, best first, the smaller first among equals, each at
 * most positions - 3 - source_length (source_length with bos). unique: later repetitions are dropped.
 * out: [length_beam]; *count is set. E_LIMIT when no token fits. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_length_candidates(const float *logits, size_t classes,
                                                     size_t length_beam, size_t positions,
                                                     size_t source_length, int32_t unique,
                                                     size_t *out, size_t *count) DIFFULM_MUST_USE;

#define DIFFULM_SELECT_SCORE 0 /* highest score */
#define DIFFULM_SELECT_MBR 1   /* highest mean ROUGE-L against each of the others */

struct diffulm_hypothesis {
    const int32_t *tokens; /* without bos, eos, pad and mask */
    size_t length;
    float score; /* mean log-probability; -inf when empty */
};
/* *best: the index chosen, the first among equals. mean_rouge_l: [count] or NULL. Since 0.1. */
DIFFULM_API diffulm_status diffulm_select_hypothesis(const struct diffulm_hypothesis *hypotheses,
                                                     size_t count, int32_t method, size_t *best,
                                                     double *mean_rouge_l) DIFFULM_MUST_USE;

/* Trains a head alone; the encoder stays frozen. One thread at a time. Since 0.1. */
typedef struct diffulm_length_trainer diffulm_length_trainer;

/* Starts from a copy of `head`. Of the options lr, betas, epsilon, weight_decay, clip, lr_schedule,
 * warmup and steps are used. On success *out is the caller's (destroy). Since 0.1. */
DIFFULM_API diffulm_status diffulm_length_trainer_create(
    const diffulm_length_head *head, const struct diffulm_trainer_options *options,
    diffulm_length_trainer **out) DIFFULM_MUST_USE;
DIFFULM_API void diffulm_length_trainer_destroy(diffulm_length_trainer *trainer);
/* One update on clean rows: the target class of a row is max(2, tokens after its source, eos included)
 * - 2; the loss is the mean cross entropy. report may be NULL. Since 0.1. */
DIFFULM_API diffulm_status
diffulm_length_trainer_step(diffulm_length_trainer *trainer, const struct diffulm_rows *rows,
                            struct diffulm_trainer_report *report) DIFFULM_MUST_USE;
/* A frozen head of the present weights; *out is the caller's. Since 0.1. */
DIFFULM_API diffulm_status diffulm_length_trainer_export(
    const diffulm_length_trainer *trainer, diffulm_length_head **out) DIFFULM_MUST_USE;
/* Checkpoints, as diffulm_trainer_save and diffulm_trainer_restore; the encoder must have the same weights.
 * Since 0.1. */
DIFFULM_API diffulm_status diffulm_length_trainer_save(const diffulm_length_trainer *trainer,
                                                       const char *path, const void *note,
                                                       size_t note_length) DIFFULM_MUST_USE;
DIFFULM_API diffulm_status diffulm_length_trainer_restore(diffulm_length_trainer *trainer,
                                                          const char *path, void *note,
                                                          size_t capacity,
                                                          size_t *note_length) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif

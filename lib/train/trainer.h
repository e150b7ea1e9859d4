/* trainer.h: state of a training run. */
#ifndef DULM_TRAIN_TRAINER_H
#define DULM_TRAIN_TRAINER_H

#include <diffulm/adapter.h>
#include <diffulm/trainer.h>

#include "arch/tape.h"
#include "diffusion/schedule.h"

/* One tensor that is trained: a parameter, or half of an adapter. */
struct dulm_trainable {
    char name[160];
    float *values, *gradient, *m, *v;
    float *average; /* NULL: none is kept */
    size_t elements, rows, columns;
    bool decays;
};

struct diffulm_trainer {
    struct diffulm_model *base;
    struct diffulm_trainer_options options; /* defaults filled in */
    struct diffulm_schedule *schedule;      /* of the options' timesteps, weight and corruption */
    struct dulm_config config;
    struct dulm_trainable *trainables;
    size_t count;
    float *values, *memory; /* values: trained tensors end to end; memory: gradients, m, v */
    float *averages;        /* as values; NULL: none are kept */
    size_t total;           /* elements of all trained tensors */
    struct dulm_weights weights, grads, averaged;
    struct dulm_adapter *adapters, *adapter_grads, *averaged_adapters;
    uint8_t *adapted; /* LoRA: [the base's parameters] 1: has an adapter */
    struct dulm_tape *tape;
    int64_t step;
    int64_t micro_batches; /* accumulated since the last update */
    int64_t tokens, masked;
    uint32_t next_row; /* number of the next row in this update */
    double loss_sum;
    struct dulm_row_buffers *buffers;
};

/* Fills in the defaults and checks the ranges. */
diffulm_status dulm_trainer_options_check(const struct dulm_config *config,
                                          struct diffulm_trainer_options *options) DIFFULM_MUST_USE;

/* Gives each trainable its place in values, gradients, moments and averages. */
diffulm_status dulm_trainer_place(struct diffulm_trainer *trainer) DIFFULM_MUST_USE;

/* E_STATE when the trainer keeps no averages. */
diffulm_status dulm_trainer_check_averages(const struct diffulm_trainer *trainer) DIFFULM_MUST_USE;

/* adapters.c: sets the trainer up for LoRA, and copies its values or averages. */
diffulm_status dulm_trainer_adapt(struct diffulm_trainer *trainer) DIFFULM_MUST_USE;
diffulm_status dulm_trainer_copy_adapter(const struct diffulm_trainer *trainer, const float *values,
                                         struct diffulm_adapter **out) DIFFULM_MUST_USE;

/* Update number `step` (from 0): gradients times `share`, clipped together, into AdamW, then the averages.
 * *norm is before clipping. When a gradient is not finite nothing changes and its tensor is named. */
diffulm_status dulm_optimizer_step(const struct diffulm_runtime *rt,
                                   const struct diffulm_trainer_options *options,
                                   const struct dulm_trainable *trainables, size_t count,
                                   int64_t step, double share, double *norm,
                                   double *lr) DIFFULM_MUST_USE;

/* Learning rate of update k, counting from 0. */
double dulm_learning_rate(const struct diffulm_trainer_options *options, int64_t k);

/* Growing per-batch arrays. */
struct dulm_row_buffers {
    int32_t *x_t, *x_0, *t, *target;
    uint8_t *maskable, *masked, *source;
    size_t *offsets, *source_lengths, *position;
    float *d_ce, *d_uniform;
    double *ce, *uniform_ce;
    uint32_t *row_number;
    size_t tokens, rows; /* capacities */
};
diffulm_status dulm_row_buffers_reserve(struct dulm_row_buffers *buffers, size_t tokens,
                                        size_t rows) DIFFULM_MUST_USE;
void dulm_row_buffers_release(struct dulm_row_buffers *buffers);

/* Offsets start at 0 and never fall, sources fit in their rows. Errors name the row. */
diffulm_status dulm_rows_check(size_t rows, const size_t *offsets,
                               const size_t *source_lengths) DIFFULM_MUST_USE;

/* Fills the trainer's buffers (x_t, x_0, t, maskable, masked, offsets, source_lengths, row_number)
 * from clean rows: for coupled and fixed corruption all x_hi, then all x_lo. *rows is the number
 * made. */
diffulm_status dulm_corrupt_batch(const struct diffulm_trainer *trainer, uint64_t seed,
                                  uint32_t step, uint32_t first_row,
                                  const struct diffulm_rows *clean, size_t *rows) DIFFULM_MUST_USE;

/* Forward, loss and (with gradients) backward of corrupted rows; buffers->row_number is set. */
diffulm_status dulm_trainer_pass(struct diffulm_trainer *trainer,
                                 const struct diffulm_corrupted_rows *rows, bool gradients,
                                 double *loss, double *cross_entropy,
                                 size_t *masked) DIFFULM_MUST_USE;

#endif

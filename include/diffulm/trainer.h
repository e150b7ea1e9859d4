/* trainer.h: finetuning. The host hands over batches; the trainer corrupts, runs forward and backward
 * and updates its own weights. */
#ifndef DIFFULM_TRAINER_H
#define DIFFULM_TRAINER_H

#include <diffulm/common.h>
#include <diffulm/model.h>
#include <diffulm/schedule.h>

DIFFULM_BEGIN_DECLS

/* All mutable state of one training run. One thread at a time. Since 0.1. */
typedef struct diffulm_trainer diffulm_trainer;

#define DIFFULM_OBJECTIVE_DIFFUSION 0
/* Next-token prediction, the autoregressive baseline: nothing is masked, position i is predicted from the state at i - 1
 * under causal attention. loss = 1/rows sum_rows 1/n sum_i CE_i over the n target tokens of a row (with
 * mask_on_source over every token but the first), label smoothing as in diffusion with T = 1. Decode with
 * the policy ar, shift_logits and causal attention. */
#define DIFFULM_OBJECTIVE_CAUSAL 1

#define DIFFULM_LR_CONSTANT 0
#define DIFFULM_LR_INVERSE_SQRT 1
#define DIFFULM_LR_LINEAR 2
#define DIFFULM_LR_COSINE 3

struct diffulm_trainer_options {
    size_t struct_size;
    /* Optimizer: AdamW. Zeros stand for the values in brackets. */
    double lr;           /* peak [5e-5] */
    double beta1, beta2; /* [0.9, 0.98] */
    double epsilon;      /* [1e-8] */
    double weight_decay; /* on matrices only; [0.01], negative: none */
    double clip;         /* largest gradient norm [1.0], negative: none */
    int32_t lr_schedule; /* DIFFULM_LR_… after the warm-up */
    int64_t warmup;      /* updates from 0 to lr */
    int64_t steps;       /* where linear and cosine reach 0; needed by those two */
    /* Objective; causal looks at label_smoothing, attention (must be causal) and mask_on_source alone */
    int32_t objective;      /* DIFFULM_OBJECTIVE_… */
    int32_t timesteps;      /* T [50] */
    int32_t weight;         /* DIFFULM_WEIGHT_… */
    int32_t corruption;     /* DIFFULM_CORRUPTION_… */
    double mask_ratio;      /* of fixed corruption */
    double label_smoothing; /* [0] */
    int32_t attention;      /* DIFFULM_ATTENTION_… */
    int32_t newline_id;     /* for blockwise attention */
    int32_t mask_id;        /* the absorbing token; needed unless rows come corrupted */
    int32_t mask_on_source; /* 1: source positions are maskable too */
    /* The rest */
    int32_t dropout;   /* 1: at the rates of config.json */
    uint64_t seed;     /* of every draw */
    int32_t lora_rank; /* > 0: train adapters over frozen weights (adapter.h) */
    double lora_alpha; /* [lora_rank] */
    /* Which linear maps get adapters: names or their ends between commas, such as "query,value" or
     * "attention.output.dense", or "all-linear". NULL: query and value (ModernBERT: Wqkv). */
    const char *lora_targets;
    /* 1: activation checkpointing (Chen et al. 2016): each block's forward is run again in the backward pass, the
     * memory of activations falls to a few layers' worth, gradients stay the same bit for bit. */
    int32_t checkpoint_activations;
    /* d: an exponential moving average of all trained weights is kept beside them, e = d e + (1 - d) w after each
     * update, from e = w before the first; w are the weights that update made. Computed in double, kept as float.
     * 0: none; at most 0.999999. */
    double ema_decay;
};
#define DIFFULM_TRAINER_OPTIONS_INIT                                                               \
    {                                                                                              \
        sizeof(struct diffulm_trainer_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
            0, 0, 0, 0, 0, 0, 0, 0, 0                                                              \
    }
DIFFULM_API void diffulm_trainer_options_init(struct diffulm_trainer_options *options,
                                              size_t struct_size);

/* A trainer on a copy of the model's weights (LoRA: on the model's own, which it keeps). On success
 * *out is the caller's (destroy). Errors: E_ARGUMENT names the option; E_OUT_OF_MEMORY. Since 0.1. */
DIFFULM_API diffulm_status diffulm_trainer_create(diffulm_model *model,
                                                  const struct diffulm_trainer_options *options,
                                                  diffulm_trainer **out) DIFFULM_MUST_USE;
DIFFULM_API void diffulm_trainer_destroy(diffulm_trainer *trainer); /* NULL is allowed */

/* Clean rows, packed: [bos] source target [eos]. The first source_lengths[r] tokens of a row are given,
 * the rest may be masked (definition: rows). */
struct diffulm_rows {
    size_t struct_size;
    size_t rows;
    const size_t *offsets;        /* [rows + 1] */
    const int32_t *tokens;        /* [offsets[rows]] */
    const size_t *source_lengths; /* [rows], or NULL: 0 */
};

/* Rows already corrupted by the host; for the diffusion objective only. */
struct diffulm_corrupted_rows {
    size_t struct_size;
    size_t rows;
    const size_t *offsets;        /* [rows + 1] */
    const int32_t *x_t, *x_0;     /* [total] corrupted and clean tokens */
    const uint8_t *maskable;      /* [total] */
    const uint8_t *masked;        /* [total] the positions whose cross entropy counts */
    const int32_t *t;             /* [rows] timesteps, 1..T */
    const size_t *source_lengths; /* [rows], or NULL: 0 */
};

struct diffulm_trainer_report {
    size_t struct_size;
    int64_t step;           /* updates done */
    double loss;            /* of the last call */
    double cross_entropy;   /* mean over masked positions, nats */
    double grad_norm;       /* before clipping */
    double lr;              /* used in the last update */
    int64_t tokens, masked; /* since the last update */
};

/* Corrupts the rows, adds the gradient of their loss to what was accumulated. Several calls make one
 * update of their mean. report may be NULL (struct_size set otherwise). On failure nothing is
 * accumulated that counts: call diffulm_trainer_discard. E_NUMERIC names update, row of the update (from 0, over
 * all calls) and position when the loss is not finite. Since 0.1. */
DIFFULM_API diffulm_status
diffulm_trainer_accumulate(diffulm_trainer *trainer, const struct diffulm_rows *rows,
                           struct diffulm_trainer_report *report) DIFFULM_MUST_USE;
DIFFULM_API diffulm_status diffulm_trainer_accumulate_corrupted(
    diffulm_trainer *trainer, const struct diffulm_corrupted_rows *rows,
    struct diffulm_trainer_report *report) DIFFULM_MUST_USE;
/* One AdamW update with the mean of what was accumulated. E_STATE if nothing was; E_NUMERIC names the
 * tensor when the gradient is not finite, and the weights stay. Since 0.1. */
DIFFULM_API diffulm_status diffulm_trainer_apply(
    diffulm_trainer *trainer, struct diffulm_trainer_report *report) DIFFULM_MUST_USE;
/* Drops what was accumulated. Since 0.1. */
DIFFULM_API void diffulm_trainer_discard(diffulm_trainer *trainer);
/* Loss without gradients or dropout, corrupted by `seed` (step 0); of the averages where the trainer keeps
 * them. Since 0.1. */
DIFFULM_API diffulm_status
diffulm_trainer_evaluate(diffulm_trainer *trainer, const struct diffulm_rows *rows, uint64_t seed,
                         struct diffulm_trainer_report *report) DIFFULM_MUST_USE;

/* How many values it trains: all parameters, or those of the adapters; -1 when `trainer` is NULL. Since 0.1. */
DIFFULM_API int64_t diffulm_trainer_parameters(const diffulm_trainer *trainer);

/* A frozen model of the present weights (LoRA: merged). *out is the caller's. Since 0.1. */
DIFFULM_API diffulm_status diffulm_trainer_export(const diffulm_trainer *trainer,
                                                  diffulm_model **out) DIFFULM_MUST_USE;
/* The same of the averages (LoRA: the averages of A and of B, merged). E_STATE when ema_decay is 0. Since 0.1. */
DIFFULM_API diffulm_status diffulm_trainer_export_ema(const diffulm_trainer *trainer,
                                                      diffulm_model **out) DIFFULM_MUST_USE;

/* Checkpoints: one file (docs/formats.md) with all that the continuation needs: weights or adapters, both
 * moments, the averages if they are kept, the number of updates, the options that matter, and `note_length` bytes of
 * the host's own (note may be NULL when there are none). It is complete or absent: an older file of the name stays on
 * any failure, also a full disk. Errors: E_STATE between accumulate and apply; E_IO names the path. Thread: the trainer's.
 * Since 0.1. */
DIFFULM_API diffulm_status diffulm_trainer_save(const diffulm_trainer *trainer, const char *path,
                                                const void *note,
                                                size_t note_length) DIFFULM_MUST_USE;
/* Gives a trainer the state of a checkpoint; from there its losses, gradients and weights are those of the run that
 * saved it, bit for bit on the same backend. The trainer: created with the same options, on a model of
 * the same configuration (LoRA: the same weights too). note: `capacity` bytes; *note_length is set;
 * BUFFER_TOO_SMALL: nothing else was done; both may be NULL. On any failure the trainer stays as it was.
 * Errors: E_FORMAT names the file and what is damaged; E_ARGUMENT names the option or tensor that
 * differs. Thread: the trainer's. Since 0.1. */
DIFFULM_API diffulm_status diffulm_trainer_restore(diffulm_trainer *trainer, const char *path,
                                                   void *note, size_t capacity,
                                                   size_t *note_length) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif

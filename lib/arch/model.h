/* model.h: the frozen model: configuration, mapped files, pointers to the weights. */
#ifndef DULM_ARCH_MODEL_H
#define DULM_ARCH_MODEL_H

#include <diffulm/model.h>

#include "arch/weights.h"
#include "base/refcount.h"
#include "io/place.h"
#include "io/safetensors.h"
#include "nn/runtime.h"

struct diffulm_model {
    dulm_refcount refs;
    struct diffulm_runtime *runtime;
    struct dulm_config config;
    struct dulm_parameter *parameters;
    size_t parameter_count;
    struct dulm_weights weights;
    struct dulm_safetensors **shards; /* the mapped files: the memory of F32 weights */
    size_t shard_count;
    float *widened; /* vectors in F16 and BF16, positions, and a fresh head */
    struct dulm_half *
        half; /* matrices in F16 and BF16, where the files have them; weights.half of this and of models over it */
    char **skipped; /* names of tensors that the model does not use */
    size_t skipped_count;
    enum dulm_dtype dtype;                      /* of the first matrix on disk */
    struct diffulm_adapter *adapter;            /* NULL, or: the weights are those of its model */
    _Atomic(struct dulm_copies *) copies;       /* copies.h */
    _Atomic(struct dulm_quantized *) quantized; /* quantized.h */
    _Atomic(struct dulm_workspace *) spare;     /* score.h: of calls that have none of their own */
};

/* Weights that are copied at a time before their pages are let go of: the table of words alone may be most of a model. */
#define DULM_COPIED_AT_ONCE ((size_t)4 << 20)
/* `bytes` of weights at `data` were copied and are not read again soon: what of them is mapped need not stay in memory. */
void dulm_model_let_go(const struct diffulm_model *model, const void *data, size_t bytes);

/* Opens the model of a place; `options` are checked. */
diffulm_status dulm_model_open(const struct dulm_place *place,
                               const struct diffulm_model_options *options,
                               diffulm_model **out) DIFFULM_MUST_USE;

/* The tensors of a model: model.safetensors, or the shards its index names. */
diffulm_status dulm_shards_open(const struct dulm_place *place, struct dulm_safetensors ***out,
                                size_t *count) DIFFULM_MUST_USE;
void dulm_shards_close(struct dulm_safetensors **shards, size_t count);

/* Rows [first, first + count) of a parameter in single precision, whatever it is kept in; a vector is of rows of 1. */
void dulm_model_rows(const struct diffulm_model *model, const struct dulm_parameter *p,
                     size_t first, size_t count, float *out);
/* dulm_model_let_go of them. */
void dulm_model_let_go_rows(const struct diffulm_model *model, const struct dulm_parameter *p,
                            size_t first, size_t count);
/* All rows, which are let go of. */
void dulm_model_values(const struct diffulm_model *model, const struct dulm_parameter *p,
                       float *out);

/* A frozen model over `values`, one block of dulm_alloc_tensor's with all parameters in their order. It takes the block over, on
 * failure too. */
diffulm_status dulm_model_take(struct diffulm_runtime *runtime, const struct dulm_config *config,
                               float *values, struct diffulm_model **out) DIFFULM_MUST_USE;
/* The same over a copy. */
diffulm_status dulm_model_from_memory(struct diffulm_runtime *runtime,
                                      const struct dulm_config *config, const float *values,
                                      struct diffulm_model **out) DIFFULM_MUST_USE;

/* Standard normal number `position` of parameter `row` (stream init). */
double dulm_init_normal(uint64_t seed, uint32_t row, uint32_t position);

/* config.json and model.safetensors in `folder` (made when absent), F32, F16, BF16 or I8. Without adapters. */
diffulm_status dulm_model_write(const struct diffulm_model *model, const char *folder,
                                enum dulm_dtype dtype) DIFFULM_MUST_USE;

#endif

/* adapter.h: low-rank adapters (Hu et al. 2021): y = x W^T + b + (alpha / r) (x A^T) B^T, trained beside frozen weights and
 * kept as PEFT keeps them. Several adapters can share one model. */
#ifndef DIFFULM_ADAPTER_H
#define DIFFULM_ADAPTER_H

#include <diffulm/common.h>
#include <diffulm/model.h>
#include <diffulm/trainer.h>

DIFFULM_BEGIN_DECLS

/* Frozen and reference-counted; used from any number of threads; keeps a reference to its model. Since 0.1. */
typedef struct diffulm_adapter diffulm_adapter;

/* Opens a PEFT folder (adapter_config.json, adapter_model.safetensors; F32, F16 or BF16) for a model. On success
 * *out is the caller's (unref). Errors: E_IO, E_FORMAT name the file and the tensor or key; E_UNSUPPORTED what PEFT
 * can do and this library does not (biases, DoRA, patterns of ranks, other kinds of adapters); E_STATE for a model
 * that has an adapter already. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_adapter_open(diffulm_model *model, const char *folder,
                                                diffulm_adapter **out) DIFFULM_MUST_USE;
/* The adapter a trainer has now. E_STATE when it trains no adapter. The trainer's thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_trainer_export_adapter(const diffulm_trainer *trainer,
                                                          diffulm_adapter **out) DIFFULM_MUST_USE;
/* The same with the averages of A and of B. E_STATE also when ema_decay is 0. Since 0.1. */
DIFFULM_API diffulm_status diffulm_trainer_export_adapter_ema(
    const diffulm_trainer *trainer, diffulm_adapter **out) DIFFULM_MUST_USE;
DIFFULM_API diffulm_adapter *diffulm_adapter_ref(diffulm_adapter *adapter);
DIFFULM_API void diffulm_adapter_unref(diffulm_adapter *adapter); /* NULL is allowed */

/* Writes the two files into `folder` (made when absent), each replaced atomically; PEFT opens it. Any thread. Since
 * 0.1. */
DIFFULM_API diffulm_status diffulm_adapter_save(const diffulm_adapter *adapter,
                                                const char *folder) DIFFULM_MUST_USE;

/* A model that scores with the adapter and shares the memory of its weights. It can't be trained or pruned; saved, it
 * is merged. *out is the caller's (unref). Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_adapter_attach(diffulm_adapter *adapter,
                                                  diffulm_model **out) DIFFULM_MUST_USE;
/* A model with weights of its own, W + (alpha / r) B A. Otherwise as attach. Since 0.1. */
DIFFULM_API diffulm_status diffulm_adapter_merge(const diffulm_adapter *adapter,
                                                 diffulm_model **out) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif

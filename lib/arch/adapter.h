/* adapter.h: low-rank additions to the linear maps of a model's layers. */
#ifndef DULM_ARCH_ADAPTER_H
#define DULM_ARCH_ADAPTER_H

#include <diffulm/adapter.h>

#include "arch/model.h"

/* The addition to one parameter of the model. */
struct dulm_adapter_part {
    const struct dulm_parameter *parameter; /* the model's */
    float *a, *b;                           /* [rank, in], [out, rank] */
};

struct diffulm_adapter {
    dulm_refcount refs;
    struct diffulm_model *model;
    size_t rank;
    double alpha;
    float scale;
    struct dulm_adapter_part *part;
    size_t count;
    float *values;              /* all A and B, part after part */
    struct dulm_adapter *table; /* [layers * DULM_LAYER_SLOTS] */
};

/* Whether a parameter is a linear map that an adapter may be added to. */
bool dulm_adaptable(const struct dulm_parameter *parameter);
/* Its module's name as PEFT has it: the parameter's without ".weight". */
void dulm_module_name(const struct dulm_parameter *parameter, char *out, size_t capacity);
/* Marks in chosen [parameter_count] the parameters of `targets`, names or their ends between commas, "all-linear" for
 * all, NULL for query and value (stacked: Wqkv). E_ARGUMENT names a target that fits nothing. */
diffulm_status dulm_adapter_choose(const struct diffulm_model *model, const char *targets,
                                   uint8_t *chosen) DIFFULM_MUST_USE;
/* Enters a pair of matrices into a table, for stacked query, key and value into each of theirs. */
void dulm_adapter_enter(struct dulm_adapter *table, const struct dulm_parameter *parameter,
                        float *a, float *b, size_t rank, float scale);

/* An adapter with room for the chosen parameters; its values are the caller's to fill. */
diffulm_status dulm_adapter_create(struct diffulm_model *model, const uint8_t *chosen, size_t rank,
                                   double alpha, struct diffulm_adapter **out) DIFFULM_MUST_USE;

/* adapter_file.c */
diffulm_status dulm_adapter_read(struct diffulm_model *model, const struct dulm_place *place,
                                 struct diffulm_adapter **out) DIFFULM_MUST_USE;
diffulm_status dulm_adapter_write(const struct diffulm_adapter *adapter,
                                  const char *folder) DIFFULM_MUST_USE;

/* A new model with the table's additions in its weights. */
diffulm_status dulm_merge_adapters(const struct diffulm_model *model,
                                   const struct dulm_adapter *table,
                                   struct diffulm_model **out) DIFFULM_MUST_USE;
/* A model that shares the base's weights and adds the adapter while scoring. */
diffulm_status dulm_adapter_attach(struct diffulm_adapter *adapter,
                                   struct diffulm_model **out) DIFFULM_MUST_USE;

#endif

/* quantized.h: a model's matrices in 8 bits: those of its file, or made once for a runtime that multiplies so. */
#ifndef DULM_ARCH_QUANTIZED_H
#define DULM_ARCH_QUANTIZED_H

#include "arch/model.h"
#include "nn/int8.h"

struct dulm_quantized {
    struct dulm_matrix8 global[DULM_GLOBALS];
    struct dulm_matrix8 *layer; /* [layers * DULM_LAYER_SLOTS] */
    float *scales;              /* of all rows */
    int32_t *sums;
    /* [parameters] what the table keeps of each: packed, or values where they are not used where they lie */
    struct dulm_packed **packed;
    int8_t **values;
    size_t parameters;
};

/* Whether a parameter can be kept in 8 bits: what is multiplied by, and the words. */
bool dulm_quantizable(const struct dulm_parameter *p);

diffulm_status dulm_quantized_create(const struct diffulm_model *model,
                                     struct dulm_quantized **out) DIFFULM_MUST_USE;
void dulm_quantized_destroy(struct dulm_quantized *quantized);
/* Where the parts of a matrix are to be filled in: its values packed or, where products gain nothing from that, row by row. Both
 * NULL: they are used where they are stored. */
struct dulm_matrix8_parts {
    struct dulm_packed *packed;
    int8_t *values;
    float *scales;
    int32_t *sums;
};
/* Enters parameter `index`, whose values are at `stored` or, where that is NULL, need memory. Stacked and tied slots follow. */
diffulm_status dulm_quantized_enter(struct dulm_quantized *quantized,
                                    const struct diffulm_model *model, size_t index,
                                    const int8_t *stored,
                                    struct dulm_matrix8_parts *out) DIFFULM_MUST_USE;
/* NULL: there is none. `quantized` may be NULL. */
const struct dulm_matrix8 *dulm_quantized_at(const struct dulm_quantized *quantized, int layer,
                                             int slot);

/* Rounds rows [first, first + count) of a parameter: values [count, columns], scales [count]. wide: [room] floats, a row or more,
 * for values that are kept in 16 bits. */
void dulm_quantize_rows(const struct diffulm_model *model, const struct dulm_parameter *p,
                        size_t first, size_t count, float *wide, size_t room, int8_t *values,
                        float *scales);
/* Room for dulm_quantize_rows of any matrix of the model. */
size_t dulm_quantize_room(const struct diffulm_model *model);

/* The matrices of a model: its file's, or made by the first call and kept as long as the model; models with an adapter share
 * those of the model below. *out is NULL where it computes otherwise. Any thread. */
diffulm_status dulm_quantized_of(const struct diffulm_model *model,
                                 const struct dulm_quantized **out) DIFFULM_MUST_USE;

/* E_UNSUPPORTED where the model's file holds matrices in 8 bits, which `what` cannot use. */
diffulm_status dulm_needs_floats(const struct diffulm_model *model,
                                 const char *what) DIFFULM_MUST_USE;
/* The same for training, which also refuses a runtime that multiplies in 8 bits. */
diffulm_status dulm_can_train(const struct diffulm_model *model) DIFFULM_MUST_USE;
/* dulm_model_rows of a matrix that is kept in 8 bits. */
void dulm_quantized_rows(const struct diffulm_model *model, const struct dulm_parameter *p,
                         size_t first, size_t count, float *out);

#endif

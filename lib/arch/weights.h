/* weights.h: the parameters of a model: which there are, what they are called in a file, and a table of
 * pointers to their values (or gradients, or moments: the same table over other memory). */
#ifndef DULM_ARCH_WEIGHTS_H
#define DULM_ARCH_WEIGHTS_H

#include "arch/config.h"
#include "nn/half.h"

struct dulm_parameter {
    char name[128]; /* as transformers saves it, with the family's prefix */
    int layer;      /* -1: outside the layers */
    int slot;       /* enum dulm_global_slot or dulm_layer_slot */
    int rank;
    int64_t shape[2];
    size_t elements;
    bool decays; /* a matrix: weight decay applies */
};

/* Every parameter the configuration asks for, in the order of the forward pass. A tied decoder is not
 * listed. The array is the caller's (dulm_free). */
diffulm_status dulm_parameters_list(const struct dulm_config *config, struct dulm_parameter **out,
                                    size_t *count) DIFFULM_MUST_USE;

/* Low-rank addition to a linear map (Hu et al. 2021): y += scale * (x A^T) B^T. */
struct dulm_adapter {
    float *a; /* [rank, in] */
    float *b; /* [out, rank] */
    size_t rank;
    float scale;
};

struct dulm_layer_weights {
    float *slot[DULM_LAYER_SLOTS]; /* NULL: absent */
};

struct dulm_weights {
    float *global[DULM_GLOBALS];
    struct dulm_layer_weights *layer; /* [layers] */
    /* [dulm_slots()]: matrices that are kept in 16 bits, whose pointers above are NULL; NULL: there are none. Not owned. */
    const struct dulm_half *half;
    /* [layers * DULM_LAYER_SLOTS], entries of rank 0 are absent; NULL: no adapter. Not owned. */
    const struct dulm_adapter *adapter;
};

diffulm_status dulm_weights_create(const struct dulm_config *config,
                                   struct dulm_weights *out) DIFFULM_MUST_USE;
void dulm_weights_release(struct dulm_weights *weights);

/* Points a parameter at its values; stacked and tied slots follow. NULL (they are kept in 8 or 16 bits) changes nothing. */
void dulm_weights_set(struct dulm_weights *weights, const struct dulm_config *config,
                      const struct dulm_parameter *parameter, float *values);
float *dulm_weights_get(const struct dulm_weights *weights, const struct dulm_parameter *parameter);

/* Tables with an entry for each slot: how many these are, and a slot's place; layer -1: outside the layers. */
size_t dulm_slots(const struct dulm_config *config);
size_t dulm_slot(int layer, int slot);

/* The table of matrices in 16 bits: entering one, where stacked and tied slots follow; and looking one up, NULL: there is none. */
void dulm_half_set(struct dulm_half *table, const struct dulm_config *config,
                   const struct dulm_parameter *parameter, struct dulm_half matrix);
const struct dulm_half *dulm_half_at(const struct dulm_weights *weights, int layer, int slot);

/* Total elements of all parameters. */
size_t dulm_parameters_total(const struct dulm_parameter *parameters, size_t count);

#endif

/* model.h: a pretrained masked language model, frozen. */
#ifndef DIFFULM_MODEL_H
#define DIFFULM_MODEL_H

#include <diffulm/common.h>
#include <diffulm/runtime.h>

DIFFULM_BEGIN_DECLS

/* Frozen and reference-counted; used from any number of threads. Since 0.1. */
typedef struct diffulm_model diffulm_model;

#define DIFFULM_ATTENTION_FULL 0
#define DIFFULM_ATTENTION_PREFIX_LM 1
#define DIFFULM_ATTENTION_CAUSAL 2
#define DIFFULM_ATTENTION_BLOCKWISE 3

#define DIFFULM_HEAD_AS_CONFIGURED 0 /* config.json's class says whether there is one */
#define DIFFULM_HEAD_FRESH 1         /* a missing head is made anew, tied to the embeddings */

#define DIFFULM_DTYPE_F32 0
#define DIFFULM_DTYPE_F16 1
#define DIFFULM_DTYPE_BF16 2
#define DIFFULM_DTYPE_I8 3 /* matrices in 8 bits with a scale for each row, the rest in F32 */

struct diffulm_model_options {
    size_t struct_size;
    diffulm_runtime *runtime; /* NULL: the defaults; the model keeps a reference */
    int32_t head;             /* DIFFULM_HEAD_… */
    uint64_t seed;            /* of a fresh head, or of all weights (create) */
    double init_std;          /* create: deviation of matrices; 0: 1/sqrt(inputs) */
};
#define DIFFULM_MODEL_OPTIONS_INIT                                                                 \
    {                                                                                              \
        sizeof(struct diffulm_model_options), 0, 0, 0, 0                                           \
    }
DIFFULM_API void diffulm_model_options_init(struct diffulm_model_options *options,
                                            size_t struct_size);

/* Opens a Hugging Face folder: config.json and model.safetensors (or its index and shards). F32 and
 * I8 weights stay in the mapped file; so do matrices in F16 and BF16, which are widened on the way
 * into products. A model in I8 multiplies in 8 bits on any runtime; it can be saved and adapters
 * attached, but not trained, pruned or merged. On success *out is the caller's (unref). Errors: E_IO,
 * E_FORMAT and E_UNSUPPORTED name the file and the key or tensor. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_model_open(const char *folder,
                                              const struct diffulm_model_options *options,
                                              diffulm_model **out) DIFFULM_MUST_USE;
/* A model with fresh weights from the text of a config.json (`length` bytes): matrices normal, what
 * writes to the residual stream divided by sqrt(2 layers), norms 1, biases 0; drawn by `seed` (stream
 * init). On success *out is the caller's (unref). Errors name the key. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_model_create(const char *config, size_t length,
                                                const struct diffulm_model_options *options,
                                                diffulm_model **out) DIFFULM_MUST_USE;
DIFFULM_API diffulm_model *diffulm_model_ref(diffulm_model *model);
DIFFULM_API void diffulm_model_unref(diffulm_model *model); /* NULL is allowed */

struct diffulm_model_info {
    size_t struct_size;
    const char *family; /* config.json's model_type; constant text */
    int64_t vocabulary, hidden, layers, heads, ffn, positions, parameters;
    int64_t longest_row;                     /* tokens */
    int32_t dtype;                           /* DIFFULM_DTYPE_… of the file */
    int32_t tied, has_head;                  /* 0 or 1 */
    int32_t pad_id, bos_id, eos_id, mask_id; /* from config.json, -1 if it does not say */
    int32_t first_position;                  /* position id of a row's first token */
    int64_t tensors_skipped;
};
/* info->struct_size must be set. Since 0.1. */
DIFFULM_API diffulm_status diffulm_model_get_info(const diffulm_model *model,
                                                  struct diffulm_model_info *info) DIFFULM_MUST_USE;
/* Name of a tensor in the file that the model does not use, index < tensors_skipped; else NULL. Lives
 * as long as the model. Since 0.1. */
DIFFULM_API const char *diffulm_model_skipped_tensor(const diffulm_model *model, size_t index);
/* Name and shape of a parameter, index from 0; NULL past the last. shape: 2 entries, rank 1 has 1 in
 * the second. Since 0.1. */
DIFFULM_API const char *diffulm_model_parameter(const diffulm_model *model, size_t index,
                                                int64_t shape[2]);

/* A ragged batch, rows packed end to end. Arrays are borrowed for the call. */
struct diffulm_batch {
    size_t struct_size;
    size_t rows;
    const size_t *offsets;    /* [rows + 1], offsets[0] = 0; row r is offsets[r] … offsets[r+1] */
    const int32_t *tokens;    /* [offsets[rows]] */
    const int32_t *positions; /* position ids, or NULL for the family's rule */
    const uint8_t *source;    /* 1: source token (prefix_lm, blockwise), or NULL */
    const uint8_t *attended;  /* 0: nobody attends to it, or NULL: all are attended to */
    int32_t attention;        /* DIFFULM_ATTENTION_… */
    int32_t newline_id;       /* ends a block (blockwise) */
};

/* Scores chosen positions: out[i] = logits of packed position wanted[i], [wanted_count, vocabulary].
 * wanted NULL: all positions in order. Errors: E_ARGUMENT names the row and token at fault; E_LIMIT for
 * too long a row; E_UNSUPPORTED without a head. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_model_logits(const diffulm_model *model,
                                                const struct diffulm_batch *batch,
                                                const size_t *wanted, size_t wanted_count,
                                                float *out) DIFFULM_MUST_USE;
/* The encoder's last states instead, [total tokens, hidden]. Since 0.1. */
DIFFULM_API diffulm_status diffulm_model_hidden(const diffulm_model *model,
                                                const struct diffulm_batch *batch,
                                                float *out) DIFFULM_MUST_USE;

/* Writes config.json and model.safetensors into `folder` (made when absent), each replaced
 * atomically; transformers loads it to the same logits, unless dtype is I8: NAME in I8 and NAME_scale [rows, 1] in F32. Tokenizer files are the caller's. Since
 * 0.1. */
DIFFULM_API diffulm_status diffulm_model_save(const diffulm_model *model, const char *folder,
                                              int32_t dtype) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif

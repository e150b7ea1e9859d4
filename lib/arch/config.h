/* config.h: a model family as facts, and one model's sizes read from config.json. */
#ifndef DULM_ARCH_CONFIG_H
#define DULM_ARCH_CONFIG_H

#include <diffulm/common.h>
#include <jansson.h>
#include <stdbool.h>

#include "nn/kernels.h"

enum dulm_family_id {
    DULM_FAMILY_XLM_ROBERTA,
    DULM_FAMILY_ROBERTA,
    DULM_FAMILY_CAMEMBERT,
    DULM_FAMILY_XLM_ROBERTA_XL,
    DULM_FAMILY_BERT,
    DULM_FAMILY_MODERNBERT,
    DULM_FAMILIES
};

/* Parameters outside the layers. */
enum dulm_global_slot {
    DULM_WORDS,     /* [vocabulary, d] */
    DULM_POSITIONS, /* [positions, d] */
    DULM_TYPES,     /* [type_rows, d]; row 0 is added to every token */
    DULM_EMBED_NORM_W,
    DULM_EMBED_NORM_B,
    DULM_FINAL_NORM_W,
    DULM_FINAL_NORM_B,
    DULM_HEAD_DENSE_W, /* [d, d] */
    DULM_HEAD_DENSE_B,
    DULM_HEAD_NORM_W,
    DULM_HEAD_NORM_B,
    DULM_DECODER_W, /* [vocabulary, d]; the words' matrix when tied */
    DULM_DECODER_B,
    DULM_GLOBALS
};

/* Parameters of one layer. Matrices are [out, in]. */
enum dulm_layer_slot {
    DULM_QUERY_W,
    DULM_QUERY_B,
    DULM_KEY_W,
    DULM_KEY_B,
    DULM_VALUE_W,
    DULM_VALUE_B,
    DULM_QKV_W, /* [3 d, d] stacked; query, key and value then point into it */
    DULM_QKV_B,
    DULM_OUT_W,
    DULM_OUT_B,
    DULM_ATTENTION_NORM_W,
    DULM_ATTENTION_NORM_B,
    DULM_UP_W, /* [f, d], gated: [2 f, d] */
    DULM_UP_B,
    DULM_DOWN_W, /* [d, f] */
    DULM_DOWN_B,
    DULM_FFN_NORM_W,
    DULM_FFN_NORM_B,
    DULM_LAYER_SLOTS
};

struct dulm_family {
    const char *model_type;
    const char *prefix; /* of encoder tensors; a file may leave it out */
    const char *layer;  /* "encoder.layer.%d." */
    const char *architecture;
    const char *global_name[DULM_GLOBALS]; /* without prefix; head names never have one */
    const char *layer_name[DULM_LAYER_SLOTS];
    bool pre_norm, gated, rotary, stacked_qkv;
    bool bert_positions; /* 0, 1, 2, …; otherwise a count over non-pads from pad + 1 */
    bool head_follows_act;
};

const struct dulm_family *dulm_family_of(enum dulm_family_id id);

struct dulm_config {
    enum dulm_family_id family;
    int64_t vocabulary, hidden, layers, heads, ffn, positions, type_rows;
    int32_t pad_id, bos_id, eos_id, mask_id; /* -1: config.json does not say */
    float eps;
    enum dulm_activation activation, head_activation;
    bool tied, has_head;
    bool attention_bias, ffn_bias, norm_bias, head_bias, decoder_bias;
    bool first_attention_norm; /* layer 0 has one (ModernBERT: no) */
    uint8_t *local_layer;      /* [layers] 1: sliding window; NULL: all global. Owned. */
    int64_t window;            /* |i - j| <= window in local layers */
    float theta_global, theta_local;
    float embed_dropout, hidden_dropout, attention_dropout;
};

/* Reads config.json. Errors name path and key. Release with dulm_config_release. */
diffulm_status dulm_config_read(const json_t *root, const char *path,
                                struct dulm_config *out) DIFFULM_MUST_USE;
diffulm_status dulm_config_copy(const struct dulm_config *from,
                                struct dulm_config *out) DIFFULM_MUST_USE;
void dulm_config_release(struct dulm_config *config);
/* config.json as transformers reads it, a new reference; NULL when out of memory. */
json_t *dulm_config_write(const struct dulm_config *config, const char *dtype);

/* The position id of a row's first token: 0, or pad + 1. Rotary families: 0. */
int32_t dulm_config_first_position(const struct dulm_config *config);
/* Longest row the position table allows. */
size_t dulm_config_longest_row(const struct dulm_config *config);

#endif

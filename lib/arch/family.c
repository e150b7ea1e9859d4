/* family.c: the table of families: tensor names and facts. A new family is a row here. */
#include "arch/config.h"

/* clang-format off */
#define ROBERTA_HEAD                                                                               \
    [DULM_HEAD_DENSE_W] = "lm_head.dense.weight", [DULM_HEAD_DENSE_B] = "lm_head.dense.bias",      \
    [DULM_HEAD_NORM_W] = "lm_head.layer_norm.weight",                                              \
    [DULM_HEAD_NORM_B] = "lm_head.layer_norm.bias", [DULM_DECODER_W] = "lm_head.decoder.weight",   \
    [DULM_DECODER_B] = "lm_head.bias"

#define BERT_EMBEDDINGS                                                                            \
    [DULM_WORDS] = "embeddings.word_embeddings.weight",                                            \
    [DULM_POSITIONS] = "embeddings.position_embeddings.weight",                                    \
    [DULM_TYPES] = "embeddings.token_type_embeddings.weight"

#define EMBEDDING_NORM                                                                             \
    [DULM_EMBED_NORM_W] = "embeddings.LayerNorm.weight",                                           \
    [DULM_EMBED_NORM_B] = "embeddings.LayerNorm.bias"

#define BERT_LINEARS                                                                               \
    [DULM_QUERY_W] = "attention.self.query.weight", [DULM_QUERY_B] = "attention.self.query.bias",  \
    [DULM_KEY_W] = "attention.self.key.weight", [DULM_KEY_B] = "attention.self.key.bias",          \
    [DULM_VALUE_W] = "attention.self.value.weight", [DULM_VALUE_B] = "attention.self.value.bias",  \
    [DULM_OUT_W] = "attention.output.dense.weight",                                                \
    [DULM_OUT_B] = "attention.output.dense.bias", [DULM_UP_W] = "intermediate.dense.weight",       \
    [DULM_UP_B] = "intermediate.dense.bias", [DULM_DOWN_W] = "output.dense.weight",                \
    [DULM_DOWN_B] = "output.dense.bias"

#define POST_NORMS                                                                                 \
    [DULM_ATTENTION_NORM_W] = "attention.output.LayerNorm.weight",                                 \
    [DULM_ATTENTION_NORM_B] = "attention.output.LayerNorm.bias",                                   \
    [DULM_FFN_NORM_W] = "output.LayerNorm.weight", [DULM_FFN_NORM_B] = "output.LayerNorm.bias"

#define ROBERTA_LIKE                                                                               \
    .prefix = "roberta.", .layer = "encoder.layer.%d.",                                            \
    .global_name = {BERT_EMBEDDINGS, EMBEDDING_NORM, ROBERTA_HEAD}, .layer_name = {BERT_LINEARS,   \
                                                                                   POST_NORMS}

static const struct dulm_family families[DULM_FAMILIES] = {
    [DULM_FAMILY_XLM_ROBERTA] = {.model_type = "xlm-roberta",
                                 .architecture = "XLMRobertaForMaskedLM",
                                 ROBERTA_LIKE},
    [DULM_FAMILY_ROBERTA] = {.model_type = "roberta",
                             .architecture = "RobertaForMaskedLM",
                             ROBERTA_LIKE},
    [DULM_FAMILY_CAMEMBERT] = {.model_type = "camembert",
                               .architecture = "CamembertForMaskedLM",
                               ROBERTA_LIKE},
    [DULM_FAMILY_XLM_ROBERTA_XL] =
        {.model_type = "xlm-roberta-xl",
         .architecture = "XLMRobertaXLForMaskedLM",
         .prefix = "roberta.",
         .layer = "encoder.layer.%d.",
         .global_name = {BERT_EMBEDDINGS, ROBERTA_HEAD,
                         [DULM_FINAL_NORM_W] = "encoder.LayerNorm.weight",
                         [DULM_FINAL_NORM_B] = "encoder.LayerNorm.bias"},
         .layer_name = {BERT_LINEARS,
                        [DULM_ATTENTION_NORM_W] = "attention.self_attn_layer_norm.weight",
                        [DULM_ATTENTION_NORM_B] = "attention.self_attn_layer_norm.bias",
                        [DULM_FFN_NORM_W] = "LayerNorm.weight",
                        [DULM_FFN_NORM_B] = "LayerNorm.bias"},
         .pre_norm = true},
    [DULM_FAMILY_BERT] =
        {.model_type = "bert",
         .architecture = "BertForMaskedLM",
         .prefix = "bert.",
         .layer = "encoder.layer.%d.",
         .global_name = {BERT_EMBEDDINGS, EMBEDDING_NORM,
                         [DULM_HEAD_DENSE_W] = "cls.predictions.transform.dense.weight",
                         [DULM_HEAD_DENSE_B] = "cls.predictions.transform.dense.bias",
                         [DULM_HEAD_NORM_W] = "cls.predictions.transform.LayerNorm.weight",
                         [DULM_HEAD_NORM_B] = "cls.predictions.transform.LayerNorm.bias",
                         [DULM_DECODER_W] = "cls.predictions.decoder.weight",
                         [DULM_DECODER_B] = "cls.predictions.bias"},
         .layer_name = {BERT_LINEARS, POST_NORMS},
         .bert_positions = true,
         .head_follows_act = true},
    [DULM_FAMILY_MODERNBERT] =
        {.model_type = "modernbert",
         .architecture = "ModernBertForMaskedLM",
         .prefix = "model.",
         .layer = "layers.%d.",
         .global_name = {[DULM_WORDS] = "embeddings.tok_embeddings.weight",
                         [DULM_EMBED_NORM_W] = "embeddings.norm.weight",
                         [DULM_EMBED_NORM_B] = "embeddings.norm.bias",
                         [DULM_FINAL_NORM_W] = "final_norm.weight",
                         [DULM_FINAL_NORM_B] = "final_norm.bias",
                         [DULM_HEAD_DENSE_W] = "head.dense.weight",
                         [DULM_HEAD_DENSE_B] = "head.dense.bias",
                         [DULM_HEAD_NORM_W] = "head.norm.weight",
                         [DULM_HEAD_NORM_B] = "head.norm.bias",
                         [DULM_DECODER_W] = "decoder.weight",
                         [DULM_DECODER_B] = "decoder.bias"},
         .layer_name = {[DULM_QKV_W] = "attn.Wqkv.weight",
                        [DULM_QKV_B] = "attn.Wqkv.bias",
                        [DULM_OUT_W] = "attn.Wo.weight",
                        [DULM_OUT_B] = "attn.Wo.bias",
                        [DULM_ATTENTION_NORM_W] = "attn_norm.weight",
                        [DULM_ATTENTION_NORM_B] = "attn_norm.bias",
                        [DULM_UP_W] = "mlp.Wi.weight",
                        [DULM_UP_B] = "mlp.Wi.bias",
                        [DULM_DOWN_W] = "mlp.Wo.weight",
                        [DULM_DOWN_B] = "mlp.Wo.bias",
                        [DULM_FFN_NORM_W] = "mlp_norm.weight",
                        [DULM_FFN_NORM_B] = "mlp_norm.bias"},
         .pre_norm = true,
         .gated = true,
         .rotary = true,
         .stacked_qkv = true,
         .bert_positions = true,
         .head_follows_act = true},
};
/* clang-format on */

const struct dulm_family *dulm_family_of(enum dulm_family_id id)
{
    return &families[id];
}

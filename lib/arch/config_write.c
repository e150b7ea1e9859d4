/* config_write.c: config.json in the form transformers reads. */
#include "arch/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *activation_name(enum dulm_activation kind)
{
    switch (kind) {
    case DULM_RELU:
        return "relu";
    case DULM_GELU_TANH:
        return "gelu_new";
    case DULM_SILU:
        return "silu";
    default:
        return "gelu";
    }
}

/* A decimal of at most nine digits gives the same float back, and 1e-05 instead of 9.99999974e-06. */
static json_t *single(float value)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return json_real(strtod(text, NULL));
}

static json_t *layer_types(const struct dulm_config *c)
{
    json_t *types = json_array();
    for (int64_t i = 0; types && i < c->layers; i++)
        json_array_append_new(
            types, json_string(c->local_layer[i] ? "sliding_attention" : "full_attention"));
    return types;
}

static void write_modernbert(json_t *root, const struct dulm_config *c)
{
    json_object_set_new(root, "norm_eps", single(c->eps));
    json_object_set_new(root, "hidden_activation", json_string(activation_name(c->activation)));
    json_object_set_new(root, "classifier_activation",
                        json_string(activation_name(c->head_activation)));
    json_object_set_new(root, "attention_bias", json_boolean(c->attention_bias));
    json_object_set_new(root, "mlp_bias", json_boolean(c->ffn_bias));
    json_object_set_new(root, "norm_bias", json_boolean(c->norm_bias));
    json_object_set_new(root, "classifier_bias", json_boolean(c->head_bias));
    json_object_set_new(root, "decoder_bias", json_boolean(c->decoder_bias));
    json_object_set_new(root, "embedding_dropout", single(c->embed_dropout));
    json_object_set_new(root, "mlp_dropout", single(c->hidden_dropout));
    json_object_set_new(root, "attention_dropout", single(c->attention_dropout));
    json_object_set_new(root, "local_attention", json_integer(2 * c->window));
    json_object_set_new(root, "global_rope_theta", single(c->theta_global));
    json_object_set_new(root, "local_rope_theta", single(c->theta_local));
    json_object_set_new(root, "layer_types", layer_types(c));
    json_object_set_new(root, "rope_parameters",
                        json_pack("{s:{s:o,s:s},s:{s:o,s:s}}", "full_attention", "rope_theta",
                                  single(c->theta_global), "rope_type", "default",
                                  "sliding_attention", "rope_theta", single(c->theta_local),
                                  "rope_type", "default"));
}

static void write_bert_like(json_t *root, const struct dulm_config *c)
{
    json_object_set_new(root, "layer_norm_eps", single(c->eps));
    json_object_set_new(root, "hidden_act", json_string(activation_name(c->activation)));
    json_object_set_new(root, "type_vocab_size", json_integer(c->type_rows));
    json_object_set_new(root, "hidden_dropout_prob", single(c->hidden_dropout));
    json_object_set_new(root, "attention_probs_dropout_prob", single(c->attention_dropout));
}

/* The class transformers opens it by; without a head …Model instead of …ForMaskedLM. */
static void architecture_of(const struct dulm_config *c, char *name, size_t capacity)
{
    static const char with_head[] = "ForMaskedLM";
    const char *full = dulm_family_of(c->family)->architecture;
    const size_t stem = strlen(full) - (sizeof with_head - 1);
    snprintf(name, capacity, "%.*s%s", (int)stem, full, c->has_head ? with_head : "Model");
}

json_t *dulm_config_write(const struct dulm_config *c, const char *dtype)
{
    const struct dulm_family *family = dulm_family_of(c->family);
    char architecture[64];
    architecture_of(c, architecture, sizeof architecture);
    json_t *root = json_pack(
        "{s:[s],s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:i,s:b}", "architectures", architecture,
        "model_type", family->model_type, "dtype", dtype, "vocab_size", (json_int_t)c->vocabulary,
        "hidden_size", (json_int_t)c->hidden, "num_hidden_layers", (json_int_t)c->layers,
        "num_attention_heads", (json_int_t)c->heads, "intermediate_size", (json_int_t)c->ffn,
        "max_position_embeddings", (json_int_t)c->positions, "pad_token_id", c->pad_id,
        "tie_word_embeddings", c->tied);
    if (!root)
        return NULL;
    const struct {
        const char *key;
        int32_t id;
    } ids[] = {{"bos_token_id", c->bos_id},
               {"eos_token_id", c->eos_id},
               {"mask_token_id", c->mask_id},
               {"cls_token_id", c->family == DULM_FAMILY_MODERNBERT ? c->bos_id : -1},
               {"sep_token_id", c->family == DULM_FAMILY_MODERNBERT ? c->eos_id : -1}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i].id >= 0)
            json_object_set_new(root, ids[i].key, json_integer(ids[i].id));
    if (c->family == DULM_FAMILY_MODERNBERT)
        write_modernbert(root, c);
    else
        write_bert_like(root, c);
    return root;
}

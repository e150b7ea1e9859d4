/* config.c: reading and writing config.json. */
#include "arch/config.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/limits.h"

struct reader {
    const json_t *root;
    const char *path;
    diffulm_status rc; /* the first failure; later reads do nothing */
};

static void fail(struct reader *r, const char *key, const char *expected)
{
    if (r->rc == DIFFULM_OK)
        r->rc = dulm_fail(DIFFULM_E_FORMAT, "%s: %s: expected %s", r->path, key, expected);
}

/* An integer in [low, high]; `fallback` < 0 with required keys. null counts as absent. */
static int64_t read_int(struct reader *r, const char *key, int64_t low, int64_t high,
                        const int64_t *fallback)
{
    const json_t *value = json_object_get(r->root, key);
    if (!value || json_is_null(value)) {
        if (fallback)
            return *fallback;
        fail(r, key, "an integer, but the key is missing");
        return low;
    }
    if (!json_is_integer(value)) {
        fail(r, key, "an integer");
        return low;
    }
    const int64_t number = json_integer_value(value);
    if (number < low || number > high) {
        if (r->rc == DIFFULM_OK)
            r->rc = dulm_fail(DIFFULM_E_FORMAT, "%s: %s is %lld, expected %lld to %lld", r->path,
                              key, (long long)number, (long long)low, (long long)high);
        return low;
    }
    return number;
}

static float read_float(struct reader *r, const char *key, double low, double high, double fallback)
{
    const json_t *value = json_object_get(r->root, key);
    if (!value || json_is_null(value))
        return (float)fallback;
    const double number = json_is_number(value) ? json_number_value(value) : NAN;
    if (!(number >= low && number <= high)) {
        if (r->rc == DIFFULM_OK)
            r->rc = dulm_fail(DIFFULM_E_FORMAT, "%s: %s: expected a number from %g to %g", r->path,
                              key, low, high);
        return (float)fallback;
    }
    return (float)number;
}

static bool read_bool(struct reader *r, const char *key, bool fallback)
{
    const json_t *value = json_object_get(r->root, key);
    if (!value || json_is_null(value))
        return fallback;
    if (!json_is_boolean(value))
        fail(r, key, "true or false");
    return json_is_true(value);
}

static const struct {
    const char *name;
    enum dulm_activation kind;
} activations[] = {{"gelu", DULM_GELU},
                   {"gelu_python", DULM_GELU},
                   {"relu", DULM_RELU},
                   {"gelu_new", DULM_GELU_TANH},
                   {"gelu_fast", DULM_GELU_TANH},
                   {"gelu_accurate", DULM_GELU_TANH},
                   {"gelu_pytorch_tanh", DULM_GELU_TANH},
                   {"silu", DULM_SILU},
                   {"swish", DULM_SILU}};

static enum dulm_activation read_activation(struct reader *r, const char *key)
{
    const json_t *value = json_object_get(r->root, key);
    if (!value)
        return DULM_GELU;
    const char *name = json_is_string(value) ? json_string_value(value) : "(not a string)";
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (strcmp(name, activations[i].name) == 0)
            return activations[i].kind;
    if (r->rc == DIFFULM_OK)
        r->rc =
            dulm_fail(DIFFULM_E_UNSUPPORTED,
                      "%s: %s is %.40s, expected gelu, relu, gelu_new or silu", r->path, key, name);
    return DULM_GELU;
}

static void read_family(struct reader *r, struct dulm_config *c)
{
    const json_t *type = json_object_get(r->root, "model_type");
    if (!json_is_string(type)) {
        fail(r, "model_type", "a string such as xlm-roberta");
        return;
    }
    for (int f = 0; f < DULM_FAMILIES; f++)
        if (strcmp(json_string_value(type), dulm_family_of(f)->model_type) == 0) {
            c->family = (enum dulm_family_id)f;
            return;
        }
    r->rc = dulm_fail(DIFFULM_E_UNSUPPORTED,
                      "%s: model_type is %.40s, expected xlm-roberta, roberta, camembert, "
                      "xlm-roberta-xl, bert or modernbert",
                      r->path, json_string_value(type));
}

/* An encoder saved without its head says so by its class: BertModel and the like. */
static bool expects_head(const json_t *root)
{
    const char *name = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
    const size_t length = name ? strlen(name) : 0;
    return !(length > 5 && strcmp(name + length - 5, "Model") == 0);
}

static void read_sizes(struct reader *r, struct dulm_config *c)
{
    const bool modern = c->family == DULM_FAMILY_MODERNBERT;
    const int64_t two = 2, positions = 512, modern_positions = 8192, none = -1, modern_pad = 50283;
    const int64_t pad = dulm_family_of(c->family)->bert_positions ? 0 : 1;
    c->vocabulary = read_int(r, "vocab_size", 1, DULM_LIMIT_DIMENSION, NULL);
    c->hidden = read_int(r, "hidden_size", 1, DULM_LIMIT_DIMENSION, NULL);
    c->layers = read_int(r, "num_hidden_layers", 1, DULM_LIMIT_LAYERS, NULL);
    c->heads = read_int(r, "num_attention_heads", 1, 1 << 16, NULL);
    c->ffn = read_int(r, "intermediate_size", 1, DULM_LIMIT_DIMENSION, NULL);
    c->positions = read_int(r, "max_position_embeddings", 1, DULM_LIMIT_DIMENSION,
                            modern ? &modern_positions : &positions);
    c->type_rows = modern ? 0 : read_int(r, "type_vocab_size", 1, DULM_LIMIT_DIMENSION, &two);
    c->pad_id =
        (int32_t)read_int(r, "pad_token_id", 0, c->vocabulary - 1, modern ? &modern_pad : &pad);
    c->bos_id = (int32_t)read_int(r, "bos_token_id", -1, c->vocabulary - 1, &none);
    c->eos_id = (int32_t)read_int(r, "eos_token_id", -1, c->vocabulary - 1, &none);
    c->mask_id = (int32_t)read_int(r, "mask_token_id", -1, c->vocabulary - 1, &none);
    if (r->rc == DIFFULM_OK && c->hidden % c->heads != 0)
        r->rc = dulm_fail(DIFFULM_E_FORMAT,
                          "%s: hidden_size %lld is not a multiple of num_attention_heads %lld",
                          r->path, (long long)c->hidden, (long long)c->heads);
    if (r->rc == DIFFULM_OK && !dulm_family_of(c->family)->bert_positions &&
        c->positions <= c->pad_id + 1)
        fail(r, "max_position_embeddings", "more than pad_token_id + 1");
}

/* layer_types where given, else every n-th layer global. */
static void read_layer_kinds(struct reader *r, struct dulm_config *c)
{
    const int64_t three = 3, local = 128;
    const int64_t every = read_int(r, "global_attn_every_n_layers", 1, DULM_LIMIT_LAYERS, &three);
    c->window = read_int(r, "local_attention", 1, DULM_LIMIT_DIMENSION, &local) / 2;
    const json_t *types = json_object_get(r->root, "layer_types");
    if (r->rc < 0)
        return;
    c->local_layer = dulm_alloc_zero((size_t)c->layers, 1);
    if (!c->local_layer) {
        r->rc = dulm_fail_memory();
        return;
    }
    if (types && (!json_is_array(types) || (int64_t)json_array_size(types) != c->layers)) {
        fail(r, "layer_types", "an array with one entry per layer");
        return;
    }
    for (int64_t i = 0; i < c->layers; i++) {
        const char *kind = json_string_value(json_array_get(types, (size_t)i));
        if (!types)
            c->local_layer[i] = i % every != 0;
        else if (kind && strcmp(kind, "sliding_attention") == 0)
            c->local_layer[i] = 1;
        else if (!kind || strcmp(kind, "full_attention") != 0)
            fail(r, "layer_types", "full_attention or sliding_attention");
    }
}

static void read_rotary(struct reader *r, struct dulm_config *c)
{
    c->theta_global = read_float(r, "global_rope_theta", 1e-3, 1e12, 160000);
    c->theta_local = read_float(r, "local_rope_theta", 1e-3, 1e12, 10000);
    const json_t *parameters = json_object_get(r->root, "rope_parameters");
    static const char *const kinds[2] = {"full_attention", "sliding_attention"};
    for (int i = 0; parameters && i < 2; i++) {
        const json_t *entry = json_object_get(parameters, kinds[i]);
        const char *type = json_string_value(json_object_get(entry, "rope_type"));
        const json_t *share = json_object_get(entry, "partial_rotary_factor");
        if ((type && strcmp(type, "default") != 0) || (share && json_number_value(share) != 1))
            fail(r, "rope_parameters", "rope_type default and all of a head rotated");
        struct reader inner = {entry, r->path, r->rc};
        float *theta = i ? &c->theta_local : &c->theta_global;
        if (entry)
            *theta = read_float(&inner, "rope_theta", 1e-3, 1e12, (double)*theta);
        r->rc = inner.rc;
    }
    if (r->rc == DIFFULM_OK && c->hidden / c->heads % 2 != 0)
        fail(r, "hidden_size", "an even head size, which rotary positions need");
    read_layer_kinds(r, c);
}

static void read_modernbert(struct reader *r, struct dulm_config *c)
{
    c->eps = read_float(r, "norm_eps", 0, 1, 1e-5);
    c->activation = read_activation(r, "hidden_activation");
    c->head_activation = read_activation(r, "classifier_activation");
    c->attention_bias = read_bool(r, "attention_bias", false);
    c->ffn_bias = read_bool(r, "mlp_bias", false);
    c->norm_bias = read_bool(r, "norm_bias", false);
    c->head_bias = read_bool(r, "classifier_bias", false);
    c->decoder_bias = read_bool(r, "decoder_bias", true);
    c->first_attention_norm = false;
    c->embed_dropout = read_float(r, "embedding_dropout", 0, 0.999, 0);
    c->hidden_dropout = read_float(r, "mlp_dropout", 0, 0.999, 0);
    c->attention_dropout = read_float(r, "attention_dropout", 0, 0.999, 0);
    read_rotary(r, c);
}

/* What would change the result and is not computed here. */
static void refuse_variants(struct reader *r)
{
    const json_t *pruned = json_object_get(r->root, "pruned_heads");
    if (r->rc == DIFFULM_OK && json_is_true(json_object_get(r->root, "is_decoder")))
        r->rc =
            dulm_fail(DIFFULM_E_UNSUPPORTED,
                      "%s: is_decoder is true, expected an encoder (false); causal attention is "
                      "an option of the call",
                      r->path);
    if (r->rc == DIFFULM_OK && json_object_size(pruned) > 0)
        r->rc = dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: pruned_heads: expected none", r->path);
}

static void read_bert_like(struct reader *r, struct dulm_config *c)
{
    const json_t *kind = json_object_get(r->root, "position_embedding_type");
    if (kind && !json_is_null(kind) &&
        (!json_is_string(kind) || strcmp(json_string_value(kind), "absolute") != 0) &&
        r->rc == DIFFULM_OK)
        r->rc = dulm_fail(DIFFULM_E_UNSUPPORTED,
                          "%s: position_embedding_type is %.40s, expected absolute", r->path,
                          json_is_string(kind) ? json_string_value(kind) : "(not a string)");
    c->eps = read_float(r, "layer_norm_eps", 0, 1,
                        c->family == DULM_FAMILY_XLM_ROBERTA_XL ? 1e-5 : 1e-12);
    c->activation = read_activation(r, "hidden_act");
    c->head_activation = dulm_family_of(c->family)->head_follows_act ? c->activation : DULM_GELU;
    c->attention_bias = c->ffn_bias = c->norm_bias = c->head_bias = c->decoder_bias = true;
    c->first_attention_norm = true;
    c->hidden_dropout = read_float(r, "hidden_dropout_prob", 0, 0.999, 0.1);
    c->embed_dropout = c->hidden_dropout;
    c->attention_dropout = read_float(r, "attention_probs_dropout_prob", 0, 0.999, 0.1);
}

diffulm_status dulm_config_read(const json_t *root, const char *path, struct dulm_config *out)
{
    struct reader r = {root, path, DIFFULM_OK};
    struct dulm_config c = {0};
    if (!json_is_object(root))
        return dulm_fail(DIFFULM_E_FORMAT, "%s: not a JSON object", path);
    read_family(&r, &c);
    if (r.rc == DIFFULM_OK)
        read_sizes(&r, &c);
    refuse_variants(&r);
    c.tied = read_bool(&r, "tie_word_embeddings", true);
    c.has_head = expects_head(root);
    if (r.rc == DIFFULM_OK && c.family == DULM_FAMILY_MODERNBERT)
        read_modernbert(&r, &c);
    else if (r.rc == DIFFULM_OK)
        read_bert_like(&r, &c);
    if (r.rc < 0) {
        dulm_config_release(&c);
        return r.rc;
    }
    *out = c;
    return DIFFULM_OK;
}

diffulm_status dulm_config_copy(const struct dulm_config *from, struct dulm_config *out)
{
    struct dulm_config c = *from;
    if (from->local_layer) {
        c.local_layer = dulm_alloc((size_t)from->layers, 1);
        if (!c.local_layer)
            return dulm_fail_memory();
        memcpy(c.local_layer, from->local_layer, (size_t)from->layers);
    }
    *out = c;
    return DIFFULM_OK;
}

void dulm_config_release(struct dulm_config *config)
{
    dulm_free(config->local_layer);
    config->local_layer = NULL;
}

int32_t dulm_config_first_position(const struct dulm_config *config)
{
    return dulm_family_of(config->family)->bert_positions ? 0 : config->pad_id + 1;
}

size_t dulm_config_longest_row(const struct dulm_config *config)
{
    return (size_t)(config->positions - dulm_config_first_position(config));
}

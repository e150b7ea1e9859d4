/* weights.c: listing parameters and pointing at their values. */
#include "arch/weights.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

struct shape {
    int rank;
    int64_t rows, columns;
};

/* Rank 0: the configuration has no such parameter. */
static struct shape global_shape(const struct dulm_config *c, int slot)
{
    const struct dulm_family *family = dulm_family_of(c->family);
    const struct shape none = {0, 0, 0}, vector = {1, c->hidden, 1};
    if (!family->global_name[slot] || (slot >= DULM_HEAD_DENSE_W && !c->has_head))
        return none;
    switch ((enum dulm_global_slot)slot) {
    case DULM_WORDS:
        return (struct shape){2, c->vocabulary, c->hidden};
    case DULM_POSITIONS:
        return (struct shape){2, c->positions, c->hidden};
    case DULM_TYPES:
        return (struct shape){2, c->type_rows, c->hidden};
    case DULM_EMBED_NORM_B:
    case DULM_FINAL_NORM_B:
    case DULM_HEAD_NORM_B:
        return c->norm_bias ? vector : none;
    case DULM_HEAD_DENSE_W:
        return (struct shape){2, c->hidden, c->hidden};
    case DULM_HEAD_DENSE_B:
        return c->head_bias ? vector : none;
    case DULM_DECODER_W:
        return c->tied ? none : (struct shape){2, c->vocabulary, c->hidden};
    case DULM_DECODER_B:
        return c->decoder_bias ? (struct shape){1, c->vocabulary, 1} : none;
    default:
        return vector;
    }
}

static struct shape layer_shape(const struct dulm_config *c, int layer, int slot)
{
    const struct dulm_family *family = dulm_family_of(c->family);
    const struct shape none = {0, 0, 0}, vector = {1, c->hidden, 1};
    const int64_t d = c->hidden, up = family->gated ? 2 * c->ffn : c->ffn;
    if (!family->layer_name[slot])
        return none;
    switch ((enum dulm_layer_slot)slot) {
    case DULM_QUERY_W:
    case DULM_KEY_W:
    case DULM_VALUE_W:
    case DULM_OUT_W:
        return (struct shape){2, d, d};
    case DULM_QKV_W:
        return (struct shape){2, 3 * d, d};
    case DULM_QKV_B:
        return c->attention_bias ? (struct shape){1, 3 * d, 1} : none;
    case DULM_QUERY_B:
    case DULM_KEY_B:
    case DULM_VALUE_B:
    case DULM_OUT_B:
        return c->attention_bias ? vector : none;
    case DULM_ATTENTION_NORM_W:
        return layer == 0 && !c->first_attention_norm ? none : vector;
    case DULM_ATTENTION_NORM_B:
        return (layer == 0 && !c->first_attention_norm) || !c->norm_bias ? none : vector;
    case DULM_FFN_NORM_B:
        return c->norm_bias ? vector : none;
    case DULM_UP_W:
        return (struct shape){2, up, d};
    case DULM_UP_B:
        return c->ffn_bias ? (struct shape){1, up, 1} : none;
    case DULM_DOWN_W:
        return (struct shape){2, d, c->ffn};
    case DULM_DOWN_B:
        return c->ffn_bias ? vector : none;
    default:
        return vector;
    }
}

static void fill(struct dulm_parameter *p, int layer, int slot, struct shape shape)
{
    p->layer = layer;
    p->slot = slot;
    p->rank = shape.rank;
    p->shape[0] = shape.rows;
    p->shape[1] = shape.columns;
    p->elements = (size_t)shape.rows * (size_t)shape.columns;
    p->decays = shape.rank == 2;
}

static void name_layer(struct dulm_parameter *p, const struct dulm_family *family)
{
    const int at = snprintf(p->name, sizeof p->name, "%s", family->prefix);
    const char *number = strstr(family->layer, "%d");
    snprintf(p->name + at, sizeof p->name - (size_t)at, "%.*s%d%s%s", (int)(number - family->layer),
             family->layer, p->layer, number + 2, family->layer_name[p->slot]);
}

static void name_global(struct dulm_parameter *p, const struct dulm_config *c)
{
    const struct dulm_family *family = dulm_family_of(c->family);
    const char *name = family->global_name[p->slot];
    /* An untied decoder has its own bias beside it (transformers ties weight and bias together). */
    if (p->slot == DULM_DECODER_B && !c->tied) {
        const char *weight = family->global_name[DULM_DECODER_W];
        snprintf(p->name, sizeof p->name, "%.*sbias", (int)(strlen(weight) - strlen("weight")),
                 weight);
        return;
    }
    snprintf(p->name, sizeof p->name, "%s%s", p->slot < DULM_HEAD_DENSE_W ? family->prefix : "",
             name);
}

diffulm_status dulm_parameters_list(const struct dulm_config *c, struct dulm_parameter **out,
                                    size_t *count)
{
    const struct dulm_family *family = dulm_family_of(c->family);
    const size_t most = DULM_GLOBALS + (size_t)c->layers * DULM_LAYER_SLOTS;
    struct dulm_parameter *list = dulm_alloc(most, sizeof *list);
    if (!list)
        return dulm_fail_memory();
    size_t n = 0;
    for (int slot = 0; slot < DULM_GLOBALS; slot++) {
        if (slot == DULM_FINAL_NORM_W)
            for (int layer = 0; layer < c->layers; layer++)
                for (int s = 0; s < DULM_LAYER_SLOTS; s++) {
                    const struct shape shape = layer_shape(c, layer, s);
                    if (!shape.rank)
                        continue;
                    fill(&list[n], layer, s, shape);
                    name_layer(&list[n++], family);
                }
        const struct shape shape = global_shape(c, slot);
        if (!shape.rank)
            continue;
        fill(&list[n], -1, slot, shape);
        name_global(&list[n++], c);
    }
    *out = list;
    *count = n;
    return DIFFULM_OK;
}

size_t dulm_parameters_total(const struct dulm_parameter *parameters, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parameters[i].elements;
    return total;
}

diffulm_status dulm_weights_create(const struct dulm_config *config, struct dulm_weights *out)
{
    struct dulm_layer_weights *layer = dulm_alloc_zero((size_t)config->layers, sizeof *layer);
    if (!layer)
        return dulm_fail_memory();
    *out = (struct dulm_weights){.layer = layer};
    return DIFFULM_OK;
}

void dulm_weights_release(struct dulm_weights *weights)
{
    dulm_free(weights->layer);
    *weights = (struct dulm_weights){0};
}

void dulm_weights_set(struct dulm_weights *w, const struct dulm_config *c,
                      const struct dulm_parameter *p, float *values)
{
    if (!values)
        return;
    if (p->layer < 0) {
        w->global[p->slot] = values;
        if (p->slot == DULM_WORDS && c->tied)
            w->global[DULM_DECODER_W] = values;
        return;
    }
    float **slot = w->layer[p->layer].slot;
    slot[p->slot] = values;
    const size_t d = (size_t)c->hidden;
    if (p->slot == DULM_QKV_W)
        for (size_t i = 0; i < 3; i++)
            slot[DULM_QUERY_W + 2 * i] = values + i * d * d;
    if (p->slot == DULM_QKV_B)
        for (size_t i = 0; i < 3; i++)
            slot[DULM_QUERY_B + 2 * i] = values + i * d;
}

float *dulm_weights_get(const struct dulm_weights *w, const struct dulm_parameter *p)
{
    return p->layer < 0 ? w->global[p->slot] : w->layer[p->layer].slot[p->slot];
}

size_t dulm_slots(const struct dulm_config *config)
{
    return DULM_GLOBALS + (size_t)config->layers * DULM_LAYER_SLOTS;
}

size_t dulm_slot(int layer, int slot)
{
    return layer < 0 ? (size_t)slot
                     : DULM_GLOBALS + (size_t)layer * DULM_LAYER_SLOTS + (size_t)slot;
}

void dulm_half_set(struct dulm_half *table, const struct dulm_config *c,
                   const struct dulm_parameter *p, struct dulm_half matrix)
{
    table[dulm_slot(p->layer, p->slot)] = matrix;
    if (p->layer < 0 && p->slot == DULM_WORDS && c->tied)
        table[DULM_DECODER_W] = matrix;
    const size_t d = (size_t)c->hidden;
    for (size_t i = 0; i < 3 && p->layer >= 0 && p->slot == DULM_QKV_W; i++)
        table[dulm_slot(p->layer, DULM_QUERY_W + 2 * (int)i)] = dulm_half_from(matrix, i * d * d);
}

const struct dulm_half *dulm_half_at(const struct dulm_weights *w, int layer, int slot)
{
    if (!w->half)
        return NULL;
    const struct dulm_half *half = &w->half[dulm_slot(layer, slot)];
    return half->values ? half : NULL;
}

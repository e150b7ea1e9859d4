/* network.c: small models for the checks. Hidden size 8, FFN 5, vocabulary 11; two rows. */
#include "network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t offsets[] = {0, 5, NETWORK_TOKENS};
/* Neither holds a pad (0 or 1); 9 ends a block. */
static const int32_t tokens[] = {2, 5, 9, 3, 10, 2, 2, 7, 4};
static const uint8_t source[] = {1, 1, 0, 0, 0, 1, 0, 0, 0};
static const uint32_t row_number[] = {3, 6};

const char *network_config(const char *family, int layers, char *buffer, size_t capacity)
{
    const bool modern = strcmp(family, "modernbert") == 0;
    const int length = snprintf(
        buffer, capacity,
        "{\"model_type\": \"%s\", \"vocab_size\": 11, \"hidden_size\": 8,"
        " \"num_hidden_layers\": %d,"
        " \"num_attention_heads\": 2, \"intermediate_size\": 5, \"max_position_embeddings\": 14,"
        " \"type_vocab_size\": 1, \"pad_token_id\": %d, %s}",
        family, layers, strcmp(family, "bert") == 0 || modern ? 0 : 1,
        modern ? "\"norm_eps\": 1e-5, \"local_attention\": 4, \"global_attn_every_n_layers\": 2,"
                 " \"embedding_dropout\": 0.25, \"mlp_dropout\": 0.25, \"attention_dropout\": 0.25"
               : "\"layer_norm_eps\": 1e-5, \"hidden_dropout_prob\": 0.25,"
                 " \"attention_probs_dropout_prob\": 0.25");
    assert_in_range(length, 1, capacity - 1);
    return buffer;
}

/* Matrices around 0, norms around 1: every parameter matters to the result. */
static void randomise(struct network *n)
{
    for (size_t i = 0; i < n->model->parameter_count; i++) {
        const struct dulm_parameter *p = &n->model->parameters[i];
        const bool norm = p->rank == 1 && strstr(p->name, "weight") != NULL;
        gradcheck_fill_around(100 + (uint32_t)i, p->elements, norm ? 1 : 0, 0.5f,
                              dulm_weights_get(&n->model->weights, p));
    }
}

void network_create(struct network *n, void **state, const char *family, int layers)
{
    *n = (struct network){.tokens = NETWORK_TOKENS};
    char config[1024];
    struct diffulm_model_options options = DIFFULM_MODEL_OPTIONS_INIT;
    options.runtime = *state;
    network_config(family, layers, config, sizeof config);
    assert_int_equal(diffulm_model_create(config, strlen(config), &options, &n->model), DIFFULM_OK);
    randomise(n);
    n->d = (size_t)n->model->config.hidden;
    n->total = dulm_parameters_total(n->model->parameters, n->model->parameter_count);
    n->gradient = gradcheck_array(n->total);
    assert_int_equal(dulm_weights_create(&n->model->config, &n->grads), DIFFULM_OK);
    float *next = n->gradient;
    for (size_t i = 0; i < n->model->parameter_count; i++) {
        dulm_weights_set(&n->grads, &n->model->config, &n->model->parameters[i], next);
        next += n->model->parameters[i].elements;
    }
    n->batch = (struct dulm_batch){.rows = NETWORK_ROWS,
                                   .offsets = offsets,
                                   .tokens = tokens,
                                   .source = source,
                                   .attention = DULM_ATTENTION_BLOCKWISE,
                                   .newline_id = 9};
    n->x = gradcheck_array(n->tokens * n->d);
    n->w = gradcheck_array(n->tokens * n->d);
    gradcheck_fill(21, n->tokens * n->d, n->x);
    gradcheck_fill(22, n->tokens * n->d, n->w);
    network_prepare(n, false);
}

void network_prepare(struct network *n, bool dropout)
{
    assert_int_equal(dulm_pass_prepare(n->model->runtime, &n->model->config, &n->model->weights,
                                       &n->batch, false, &n->buffers, &n->pass),
                     DIFFULM_OK);
    n->pass.dropout = (struct dulm_dropout){dropout, 77, 2, row_number};
}

void network_destroy(struct network *n)
{
    dulm_pass_buffers_release(&n->buffers);
    dulm_weights_release(&n->grads);
    diffulm_model_unref(n->model);
    free(n->gradient);
    free(n->x);
    free(n->w);
}

void network_check_parameters(const struct network *n, const struct gradcheck_loss *loss,
                              const char *family, int layer)
{
    for (size_t i = 0; i < n->model->parameter_count; i++) {
        const struct dulm_parameter *p = &n->model->parameters[i];
        char what[256];
        if (layer != -2 && p->layer != layer)
            continue;
        snprintf(what, sizeof what, "%s: %s", family, p->name);
        gradcheck(loss, what, dulm_weights_get(&n->model->weights, p), p->elements,
                  dulm_weights_get(&n->grads, p));
    }
}

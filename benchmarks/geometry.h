/* geometry.h: the models of the benchmarks, those of the peers' scripts: a small one, and XLM-R base. Random weights. */
#ifndef DIFFULM_BENCHMARKS_GEOMETRY_H
#define DIFFULM_BENCHMARKS_GEOMETRY_H

#include <diffulm/diffulm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const geometries[2][2] = {
    {"small", "{\"model_type\":\"xlm-roberta\",\"vocab_size\":8000,\"hidden_size\":256,"
              "\"num_hidden_layers\":6,\"num_attention_heads\":4,\"intermediate_size\":1024,"
              "\"max_position_embeddings\":514,\"type_vocab_size\":1,\"pad_token_id\":1,"
              "\"hidden_act\":\"gelu\",\"layer_norm_eps\":1e-5}"},
    {"base", "{\"model_type\":\"xlm-roberta\",\"vocab_size\":250002,\"hidden_size\":768,"
             "\"num_hidden_layers\":12,\"num_attention_heads\":12,\"intermediate_size\":3072,"
             "\"max_position_embeddings\":514,\"type_vocab_size\":1,\"pad_token_id\":1,"
             "\"hidden_act\":\"gelu\",\"layer_norm_eps\":1e-5}"}};

/* Ends the program where it cannot be made. */
static inline diffulm_model *make_geometry(diffulm_runtime *runtime, int which)
{
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    diffulm_model *model = NULL;
    const char *config = geometries[which][1];
    mo.runtime = runtime;
    mo.init_std = 0.02;
    if (diffulm_model_create(config, strlen(config), &mo, &model) < 0) {
        fprintf(stderr, "%s: %s\n", geometries[which][0], diffulm_error_message());
        exit(1);
    }
    return model;
}

#endif

/* geometry.h: the models of the benchmarks: those of the peers' scripts, a small one, XLM-R base (base20k: with 20,000 pieces), or any dimensions.
 * Random weights. */
#ifndef DIFFULM_BENCHMARKS_GEOMETRY_H
#define DIFFULM_BENCHMARKS_GEOMETRY_H

#include <diffulm/diffulm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct geometry {
    const char *name;
    int layers, hidden, heads, ffn, vocabulary, positions;
};

#define GEOMETRY_USAGE "small|base|base20k|LAYERSxHIDDENxHEADSxFFNxVOCABULARY[xPOSITIONS]"

static inline bool read_geometry(const char *text, struct geometry *out)
{
    static const struct geometry known[] = {{"small", 6, 256, 4, 1024, 8000, 514},
                                            {"base", 12, 768, 12, 3072, 250002, 514},
                                            {"base20k", 12, 768, 12, 3072, 20000, 514}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(text, known[i].name) == 0) {
            *out = known[i];
            return true;
        }
    *out = (struct geometry){.name = text, .positions = 514};
    return sscanf(text, "%dx%dx%dx%dx%dx%d", &out->layers, &out->hidden, &out->heads, &out->ffn,
                  &out->vocabulary, &out->positions) >= 5;
}

/* Ends the program where it cannot be made. */
static inline diffulm_model *make_geometry(diffulm_runtime *runtime, const struct geometry *g)
{
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    diffulm_model *model = NULL;
    char config[512];
    const int length =
        snprintf(config, sizeof config,
                 "{\"model_type\":\"xlm-roberta\",\"vocab_size\":%d,\"hidden_size\":%d,"
                 "\"num_hidden_layers\":%d,\"num_attention_heads\":%d,\"intermediate_size\":%d,"
                 "\"max_position_embeddings\":%d,\"type_vocab_size\":1,\"pad_token_id\":1,"
                 "\"hidden_act\":\"gelu\",\"layer_norm_eps\":1e-5}",
                 g->vocabulary, g->hidden, g->layers, g->heads, g->ffn, g->positions);
    mo.runtime = runtime;
    mo.init_std = 0.02;
    if (diffulm_model_create(config, (size_t)length, &mo, &model) < 0) {
        fprintf(stderr, "%s: %s\n", g->name, diffulm_error_message());
        exit(1);
    }
    return model;
}

#endif

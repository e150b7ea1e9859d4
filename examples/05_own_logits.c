/* 05_own_logits.c: our sampler on logits of another engine. Here the "engine" is a table that prefers
 * token i + 10 at position i, the more surely the further right.
 *   own-logits */
#include <diffulm/diffulm.h>
#include <stdio.h>

#define LENGTH 8
#define VOCABULARY 32
#define MASK 31

static void engine(const int32_t *tokens, const uint8_t *wanted, float *logits)
{
    (void)tokens; /* a real one would look at the canvas */
    for (int i = 0; i < LENGTH; i++)
        for (int v = 0; wanted[i] && v < VOCABULARY; v++)
            logits[i * VOCABULARY + v] = v == i + 10 ? 4.0f + (float)i : 0.0f;
}

int main(void)
{
    static float logits[LENGTH * VOCABULARY];
    int32_t tokens[LENGTH];
    float scores[LENGTH] = {0};
    uint8_t noisy[LENGTH], generated[LENGTH], wanted[LENGTH];
    diffulm_sampler *sampler = NULL;
    struct diffulm_sampler_options options = DIFFULM_SAMPLER_OPTIONS_INIT;
    options.steps = 4;
    if (diffulm_sampler_create("reparam-uncond-deterministic-linear", &options, &sampler) < 0) {
        fprintf(stderr, "own-logits: %s\n", diffulm_error_message());
        return 1;
    }
    for (int i = 0; i < LENGTH; i++) {
        tokens[i] = MASK;
        noisy[i] = generated[i] = 1;
    }
    struct diffulm_sampler_state state = {.struct_size = sizeof state,
                                          .length = LENGTH,
                                          .tokens = tokens,
                                          .scores = scores,
                                          .noisy = noisy,
                                          .generated = generated,
                                          .mask_id = MASK};
    for (int32_t k = 1; k <= diffulm_sampler_steps(sampler); k++) {
        diffulm_status rc = diffulm_sampler_needs(sampler, &state, k, wanted);
        engine(tokens, wanted, logits);
        if (rc == DIFFULM_OK)
            rc = diffulm_sampler_transition(sampler, &state, k, logits, VOCABULARY);
        if (rc < 0) {
            fprintf(stderr, "own-logits: %s\n", diffulm_error_message());
            return 1;
        }
        printf("step %d:", k);
        for (int i = 0; i < LENGTH; i++)
            printf(tokens[i] == MASK ? " __" : " %d", tokens[i]);
        putchar('\n');
    }
    diffulm_sampler_unref(sampler);
    return 0;
}

/* draws.c: the generator and what is made of its words (diffusion/philox.json). Words, uniforms and
 * choices are exact. */
#include <diffulm/error.h>
#include <diffulm/schedule.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "areas.h"
#include "base/rng.h"
#include "diffusion/policy.h"
#include "nn/runtime.h"
#include "tensors.h"
#include "values.h"

#define AREA "draws"

static const struct {
    const char *name;
    enum dulm_stream stream;
} streams[] = {{"timestep", DULM_STREAM_TIMESTEP},
               {"corruption_hi", DULM_STREAM_CORRUPTION_HI},
               {"corruption_lo", DULM_STREAM_CORRUPTION_LO},
               {"token_sample", DULM_STREAM_TOKEN_SAMPLE},
               {"gumbel_rank", DULM_STREAM_GUMBEL_RANK},
               {"reveal", DULM_STREAM_REVEAL},
               {"dropout", DULM_STREAM_DROPOUT},
               {"shuffle", DULM_STREAM_SHUFFLE},
               {"mixture", DULM_STREAM_MIXTURE},
               {"init", DULM_STREAM_INIT},
               {"likelihood", DULM_STREAM_LIKELIHOOD}};
#define STREAMS (sizeof streams / sizeof *streams)

static void check(bool right, const char *what, size_t i)
{
    if (right)
        golden_pass(AREA, "%s %zu", what, i);
    else
        golden_fail(AREA, "%s %zu differs", what, i);
}

static void words_of(const json_t *object, const char *key, size_t n, uint32_t *out)
{
    const json_t *array = json_object_get(object, key);
    for (size_t i = 0; i < n; i++)
        out[i] = golden_word(json_array_get(array, i));
}

static void known_answer(const json_t *item, size_t i)
{
    uint32_t counter[4], key[2], want[4], have[4];
    words_of(item, "counter", 4, counter);
    words_of(item, "key", 2, key);
    words_of(item, "output", 4, want);
    dulm_philox(counter, key, have);
    check(memcmp(have, want, sizeof want) == 0, "known answer", i);
}

static bool maps(const json_t *item, uint32_t word)
{
    return dulm_uniform(word) == golden_number(item, "uniform") &&
           fabs(dulm_gumbel(word) - golden_number(item, "gumbel")) <= GOLDEN_GUMBEL;
}

static void mapping(const json_t *item, size_t i)
{
    check(maps(item, golden_word(json_object_get(item, "word"))), "mapping", i);
}

static void below(const json_t *item, size_t i)
{
    const uint32_t word = golden_word(json_object_get(item, "word"));
    const uint32_t n = (uint32_t)json_integer_value(json_object_get(item, "n"));
    check(dulm_below(word, n) == json_integer_value(json_object_get(item, "value")), "below", i);
}

/* The token of a position with these logits and this uniform. */
static void categorical(const json_t *item, size_t at)
{
    size_t n, draws;
    double *logits = golden_doubles(item, "logits", &n), *u = golden_doubles(item, "u", &draws);
    int32_t *have = calloc(draws + 1, sizeof *have);
    float *x = calloc(n + 1, sizeof *x);
    struct diffulm_sampler_options options = DIFFULM_SAMPLER_OPTIONS_INIT;
    options.sampling = DIFFULM_SAMPLING_CATEGORICAL;
    diffulm_sampler *sampler = NULL;
    if (!have || !x || diffulm_sampler_create(NULL, &options, &sampler) < 0)
        abort();
    float *scratch = calloc(dulm_candidate_scratch(sampler, n), sizeof *scratch);
    for (size_t v = 0; v < n; v++)
        x[v] = (float)logits[v];
    for (size_t i = 0; i < draws; i++) {
        const float uniform = (float)u[i];
        const struct dulm_draws fed = {.token_sample = &uniform};
        have[i] = dulm_candidate_of(dulm_kernels_choose(DIFFULM_ISA_AUTO), sampler, x, n, -1, NULL,
                                    0, &fed, 0, scratch)
                      .token;
    }
    check(draws > 0 && golden_same_ints(item, "index", draws, have), "categorical", at);
    diffulm_sampler_unref(sampler);
    free(scratch);
    free(x);
    free(have);
    free(u);
    free(logits);
}

static void layout(const json_t *item, size_t i)
{
    const char *name = json_string_value(json_object_get(item, "stream"));
    const uint64_t seed = golden_seed(item);
    const uint32_t step = (uint32_t)json_integer_value(json_object_get(item, "step"));
    const uint32_t row = (uint32_t)json_integer_value(json_object_get(item, "row"));
    const uint32_t position = (uint32_t)json_integer_value(json_object_get(item, "position"));
    const uint32_t j = (uint32_t)json_integer_value(json_object_get(item, "draw"));
    const uint32_t want = golden_word(json_object_get(item, "word"));
    uint32_t counter[4], key[2], out[4], block[4];
    words_of(item, "counter", 4, counter);
    words_of(item, "key", 2, key);
    dulm_philox(counter, key, out);
    bool right = false;
    for (size_t s = 0; name && s < STREAMS; s++)
        if (strcmp(name, streams[s].name) == 0) {
            dulm_draw4(seed, streams[s].stream, step, row, position, j / 4, block);
            right = dulm_draw(seed, streams[s].stream, step, row, position, j) == want &&
                    memcmp(block, out, sizeof out) == 0;
        }
    check(right && out[j % 4] == want && maps(item, want), "layout", i);
}

static void shuffle(const json_t *item, size_t at)
{
    const size_t n = (size_t)golden_number(item, "n");
    size_t *order = calloc(n + 1, sizeof *order);
    int32_t *have = calloc(n + 1, sizeof *have);
    if (!order || !have ||
        diffulm_shuffle(golden_seed(item), (uint32_t)golden_number(item, "epoch"), n, order) < 0)
        abort();
    for (size_t i = 0; i < n; i++)
        have[i] = (int32_t)order[i];
    check(n > 0 && golden_same_ints(item, "order", n, have), "shuffle", at);
    free(order);
    free(have);
}

static void mixture(const json_t *item, size_t at)
{
    size_t n, picks;
    double *weights = golden_doubles(item, "weights", &n);
    int32_t *have = golden_ints(item, "picks", &picks);
    for (size_t i = 0; i < picks; i++) {
        size_t source;
        if (diffulm_mixture_pick(golden_seed(item), (uint32_t)i, n, weights, &source) < 0)
            abort();
        have[i] = (int32_t)source;
    }
    check(picks > 0 && golden_same_ints(item, "picks", picks, have), "mixture", at);
    free(weights);
    free(have);
}

static void each(const json_t *root, const char *key, void (*run)(const json_t *item, size_t i))
{
    const json_t *array = json_object_get(root, key);
    if (json_array_size(array) == 0)
        golden_fail(AREA, "%s is empty or missing", key);
    for (size_t i = 0; i < json_array_size(array); i++)
        run(json_array_get(array, i), i);
}

void golden_draws(const char *folder)
{
    if (!golden_exists(folder, "diffusion/philox.json"))
        return;
    char *path = golden_path(folder, "diffusion/philox.json");
    json_t *root = golden_json(AREA, path);
    const json_t *numbers = json_object_get(root, "streams");
    for (size_t s = 0; root && s < STREAMS; s++)
        check(golden_int(numbers, streams[s].name) == (int32_t)streams[s].stream, "stream", s);
    if (root) {
        check(json_object_size(numbers) == STREAMS, "number of streams", STREAMS);
        each(root, "known_answers", known_answer);
        each(root, "mappings", mapping);
        each(root, "below", below);
        each(root, "categorical", categorical);
        each(root, "layout", layout);
        each(root, "shuffle", shuffle);
        each(root, "mixture", mixture);
    }
    json_decref(root);
    free(path);
}

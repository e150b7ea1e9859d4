/* test_candidates.c: a candidate found by parts of the vocabulary is the one that the whole row of logits has. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tiny.h"
#include "arch/model.h"
#include "diffusion/running.h"
#include "nn/runtime.h"

enum { V = 2600, MASK = 7 }; /* two units and a half */

static const struct dulm_draws draws = {.seed = 3, .step = 1, .row = 2};

static void make_logits(uint64_t seed, float *x)
{
    for (size_t v = 0; v < V; v++)
        x[v] = 12 * (float)dulm_uniform(dulm_draw(seed, 0, 1, 0, (uint32_t)v, 0)) - 6;
    x[MASK] = -INFINITY;
}

struct expected {
    size_t best;
    double lse, entropy, first, second;
};

static struct expected direct(const float *x)
{
    struct expected e = {0, 0, 0, 0, 0};
    double sum = 0;
    for (size_t v = 0; v < V; v++) {
        sum += exp((double)x[v]);
        e.best = x[v] > x[e.best] ? v : e.best;
    }
    e.lse = log(sum);
    for (size_t v = 0; v < V; v++) {
        const double p = exp((double)x[v] - e.lse);
        e.entropy -= p > 0 ? p * ((double)x[v] - e.lse) : 0;
        e.second = v != e.best && p > e.second ? p : e.second;
    }
    e.first = exp((double)x[e.best] - e.lse);
    return e;
}

static struct dulm_candidate by_parts(const struct diffulm_sampler *s, const float *x, size_t part)
{
    const struct dulm_kernels *k = dulm_kernels_choose(DIFFULM_ISA_AUTO);
    struct dulm_running r = dulm_running_begin(NULL);
    for (size_t v = 0; v < V; v += part)
        dulm_running_fold(k, s, x + v, v, V - v < part ? V - v : part, V, &draws, 5, &r);
    return dulm_running_end(s, &r);
}

static struct dulm_candidate whole(const struct diffulm_sampler *s, const float *x)
{
    static float scratch[4 * V];
    return dulm_candidate_of(dulm_kernels_choose(DIFFULM_ISA_AUTO), s, x, V, MASK, NULL, 0, &draws,
                             5, scratch);
}

static void keys_are_those_of_the_whole_distribution_wherever_it_is_cut(void **state)
{
    (void)state;
    static float x[V];
    static const enum dulm_key keys[] = {DULM_KEY_SCORE, DULM_KEY_Q, DULM_KEY_MARGIN,
                                         DULM_KEY_ENTROPY, DULM_KEY_ENTROPY_TOP};
    for (uint64_t seed = 0; seed < 20; seed++) {
        make_logits(seed, x);
        const struct expected e = direct(x);
        const double key[] = {log(e.first), e.first, e.first - e.second, e.entropy, e.entropy};
        for (size_t i = 0; i < 5; i++) {
            const struct diffulm_sampler s = {.options = {.sampling = DIFFULM_SAMPLING_ARGMAX},
                                              .key = keys[i]};
            const struct dulm_candidate all = whole(&s, x), parts = by_parts(&s, x, 1024),
                                        two = by_parts(&s, x, 2048);
            assert_true(dulm_runs(&s));
            assert_int_equal(all.token, e.best);
            assert_true(fabs((double)all.score - log(e.first)) < 1e-5);
            assert_true(fabs(all.key - key[i]) < 1e-5);
            if (keys[i] == DULM_KEY_ENTROPY_TOP)
                assert_true(fabs(all.top - e.first) < 1e-6);
            assert_memory_equal(&all, &parts, sizeof all);
            assert_memory_equal(&all, &two, sizeof all);
        }
    }
}

static void gumbel_draws_choose_by_noisy_logits_and_score_by_plain_ones(void **state)
{
    (void)state;
    static float x[V];
    make_logits(1, x);
    const struct diffulm_sampler s = {
        .options = {.sampling = DIFFULM_SAMPLING_GUMBEL, .temperature = 0.7}};
    const struct dulm_candidate all = whole(&s, x), parts = by_parts(&s, x, 1024);
    size_t best = 0;
    double most = -INFINITY;
    for (size_t v = 0; v < V; v++) {
        const double noisy = (double)x[v] + 0.7 * (double)dulm_draws_token_gumbel(&draws, 5, v, V);
        best = noisy > most ? v : best;
        most = noisy > most ? noisy : most;
    }
    assert_int_equal(all.token, best);
    assert_true(fabs((double)all.score - ((double)x[best] - direct(x).lse)) < 1e-5);
    assert_memory_equal(&all, &parts, sizeof all);
}

/* The smallest v with w_0 + … + w_v > u sum(w), w = e^(x / tau). */
static size_t direct_draw(const float *x, double tau, double u)
{
    double total = 0, sum = 0;
    for (size_t v = 0; v < V; v++)
        total += exp((double)x[v] / tau);
    for (size_t v = 0; v < V; v++) {
        sum += exp((double)x[v] / tau);
        if (sum > u * total)
            return v;
    }
    return V;
}

static void categorical_draws_are_the_inverse_of_the_cumulated_weights(void **state)
{
    (void)state;
    static float x[V];
    float u;
    struct dulm_draws given = {.seed = 3, .token_sample = &u};
    for (uint64_t seed = 0; seed < 300; seed++) {
        static float scratch[4 * V];
        const struct diffulm_sampler s = {
            .options = {.sampling = DIFFULM_SAMPLING_CATEGORICAL,
                        .temperature = 0.4 + 0.01 * (double)(seed % 100)}};
        make_logits(seed, x);
        u = seed == 0   ? 0
            : seed == 1 ? 0.99999994f
                        : (float)dulm_uniform(dulm_draw(9, 0, 0, 0, (uint32_t)seed, 0));
        const struct dulm_candidate c = dulm_candidate_of(dulm_kernels_choose(DIFFULM_ISA_AUTO), &s,
                                                          x, V, MASK, NULL, 0, &given, 0, scratch);
        const size_t expected = direct_draw(x, s.options.temperature, (double)u);
        assert_true(dulm_runs(&s));
        assert_int_equal(c.token, expected);
        assert_true(fabs((double)c.score - ((double)x[expected] - direct(x).lse)) < 1e-5);
    }
}

struct entry {
    float x;
    size_t v;
};

static int falling(const void *a, const void *b)
{
    const struct entry *l = a, *r = b;
    return l->x != r->x ? (l->x > r->x ? -1 : 1) : (l->v > r->v) - (l->v < r->v);
}

/* By sorting: top_p keeps while what is in front has at most that share, then top_k with all that equal the last. */
static void keep_sorted(float *x, double tau, double top_p, size_t top_k)
{
    static struct entry e[V];
    double total = 0, before = 0;
    for (size_t v = 0; v < V; v++) {
        e[v] = (struct entry){x[v], v};
        total += exp((double)x[v] / tau);
    }
    qsort(e, V, sizeof *e, falling);
    size_t kept = 0;
    while (kept < V && (top_p <= 0 || kept == 0 || before / total <= top_p))
        before += exp((double)e[kept++].x / tau);
    while (top_k > 0 && kept > top_k && e[kept - 1].x < e[top_k - 1].x)
        kept--;
    for (size_t r = kept; r < V; r++)
        x[e[r].v] = -INFINITY;
}

static void filters_keep_what_sorting_keeps(void **state)
{
    (void)state;
    static float x[V], sorted[V], scratch[V];
    const struct dulm_kernels *k = dulm_kernels_choose(DIFFULM_ISA_AUTO);
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct diffulm_sampler s = {.options = {.sampling = DIFFULM_SAMPLING_CATEGORICAL}};
        s.options.temperature = 0.3 + 0.1 * (double)(seed % 9);
        s.options.top_p = seed % 3 == 0 ? 0 : 0.05 + 0.1 * (double)(seed % 10);
        s.options.top_k = seed % 4 == 0 ? 0 : 1 + (int32_t)(seed * 37 % 900);
        make_logits(seed, x);
        for (size_t v = 0; seed % 5 == 1 && v < V; v++)
            x[v] = roundf(x[v]); /* many ties */
        for (size_t v = 0; seed % 7 == 1 && v < V; v++)
            x[v] = v % 4 ? -INFINITY : x[v]; /* most are forbidden */
        memcpy(sorted, x, sizeof x);
        keep_sorted(sorted, s.options.temperature, s.options.top_p, (size_t)s.options.top_k);
        dulm_filter(k, &s, V, k->max(V, x), x, scratch);
        assert_memory_equal(x, sorted, sizeof x);
    }
}

static void a_nan_an_infinity_or_nothing_left_gives_no_score(void **state)
{
    (void)state;
    static float x[V];
    const struct diffulm_sampler s = {.options = {.sampling = DIFFULM_SAMPLING_ARGMAX}};
    for (size_t i = 0; i < V; i++)
        x[i] = -INFINITY;
    assert_true(isnan(by_parts(&s, x, 1024).score));
    x[V - 1] = 0; /* all in the last unit */
    assert_int_equal(by_parts(&s, x, 1024).token, V - 1);
    assert_true(by_parts(&s, x, 1024).score == 0.0f);
    x[3] = NAN; /* in a unit of nothing else, before there is a maximum */
    assert_true(isnan(by_parts(&s, x, 1024).score));
    make_logits(2, x);
    x[1500] = NAN;
    assert_true(isnan(by_parts(&s, x, 1024).score));
    x[1500] = INFINITY;
    assert_true(isnan(by_parts(&s, x, 1024).score));
}

static diffulm_model *model_of_many_tokens(void)
{
    static const char config[] =
        "{\"model_type\": \"bert\", \"vocab_size\": 2600, \"hidden_size\": 12, "
        "\"num_hidden_layers\": 1, \"num_attention_heads\": 3, \"intermediate_size\": 20, "
        "\"max_position_embeddings\": 80, \"type_vocab_size\": 1, \"pad_token_id\": 1, "
        "\"mask_token_id\": 7}";
    struct diffulm_model_options options = DIFFULM_MODEL_OPTIONS_INIT;
    diffulm_model *model = NULL;
    options.runtime = tiny_runtime(DIFFULM_BACKEND_REFERENCE, 2);
    assert_int_equal(diffulm_model_create(config, sizeof config - 1, &options, &model), DIFFULM_OK);
    diffulm_runtime_unref(options.runtime);
    /* A new model's are 0, by which no tile could be told from another. */
    for (size_t v = 0; v < V; v++)
        model->weights.global[DULM_DECODER_B][v] = 0.01f * (float)(v * 7919 % V) / V;
    return model;
}

enum { ROWS = 9, LENGTH = 64 }; /* 576 positions: more than one block, and tiles of one unit */

static void logits_of_all_masks(diffulm_model *model, const int32_t *masked, float *logits)
{
    const size_t offsets[2] = {0, LENGTH};
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = masked};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, logits), DIFFULM_OK);
    for (size_t i = 0; i < LENGTH; i++)
        logits[i * V + MASK] = -INFINITY;
}

static void assert_chosen(const diffulm_session *session, float *logits, size_t forbidden,
                          bool drawn)
{
    for (size_t row = 0; row < diffulm_session_rows(session); row++) {
        int32_t tokens[LENGTH];
        float scores[LENGTH];
        size_t length;
        assert_int_equal(diffulm_session_tokens(session, row, tokens, LENGTH, &length), DIFFULM_OK);
        assert_int_equal(diffulm_session_scores(session, row, scores, LENGTH, &length), DIFFULM_OK);
        for (size_t i = 0; i < LENGTH; i++) {
            logits[i * V + forbidden] = -INFINITY;
            const float *x = logits + i * V;
            const struct dulm_draws of_row = {.seed = 11, .step = 1, .row = (uint32_t)row};
            const struct expected e = direct(x);
            const size_t token = drawn ? direct_draw(x, 1, dulm_draws_token(&of_row, i)) : e.best;
            assert_int_equal(tokens[i], token);
            assert_true(fabs((double)scores[i] - ((double)x[token] - e.lse)) < 1e-5);
        }
    }
}

/* Of many rows the vocabulary comes in tiles; of one it is a single tile. */
static void check_step(int32_t sampling, size_t rows)
{
    diffulm_model *model = model_of_many_tokens();
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    struct diffulm_session_options options = DIFFULM_SESSION_OPTIONS_INIT;
    int32_t masked[LENGTH];
    uint8_t roles[LENGTH];
    size_t row;
    so.steps = 1;
    so.sampling = sampling;
    options.seed = 11;
    options.mask_id = MASK;
    for (size_t i = 0; i < LENGTH; i++)
        masked[i] = MASK;
    memset(roles, DIFFULM_ROLE_MASKED, LENGTH);
    float *logits = malloc((size_t)LENGTH * V * sizeof *logits);
    assert_non_null(logits);
    logits_of_all_masks(model, masked, logits);
    const size_t forbidden = direct(logits).best;
    assert_int_equal(diffulm_sampler_create(NULL, &so, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_session_create(model, sampler, &options, &session), DIFFULM_OK);
    for (size_t r = 0; r < rows; r++) {
        assert_int_equal(diffulm_session_add(session, masked, LENGTH, roles, NULL, &row),
                         DIFFULM_OK);
        assert_int_equal(diffulm_session_forbid(session, r, SIZE_MAX, (int32_t)forbidden),
                         DIFFULM_OK);
    }
    assert_int_equal(diffulm_session_step(session, NULL), DIFFULM_DONE);
    assert_chosen(session, logits, forbidden, sampling == DIFFULM_SAMPLING_CATEGORICAL);
    free(logits);
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    diffulm_model_unref(model);
}

static void a_step_of_many_positions_chooses_the_best_of_all_their_logits(void **state)
{
    (void)state;
    check_step(DIFFULM_SAMPLING_ARGMAX, ROWS);
    check_step(DIFFULM_SAMPLING_ARGMAX, 1);
}

static void a_step_of_many_positions_draws_from_all_their_logits(void **state)
{
    (void)state;
    check_step(DIFFULM_SAMPLING_CATEGORICAL, ROWS);
    check_step(DIFFULM_SAMPLING_CATEGORICAL, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_those_of_the_whole_distribution_wherever_it_is_cut),
        cmocka_unit_test(gumbel_draws_choose_by_noisy_logits_and_score_by_plain_ones),
        cmocka_unit_test(a_nan_an_infinity_or_nothing_left_gives_no_score),
        cmocka_unit_test(filters_keep_what_sorting_keeps),
        cmocka_unit_test(categorical_draws_are_the_inverse_of_the_cumulated_weights),
        cmocka_unit_test(a_step_of_many_positions_chooses_the_best_of_all_their_logits),
        cmocka_unit_test(a_step_of_many_positions_draws_from_all_their_logits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

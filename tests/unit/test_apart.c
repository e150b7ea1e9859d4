/* test_apart.c: candidates whose logits are folded tile by tile, where they are computed, are those of the whole row. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tiny.h"
#include "arch/block.h"
#include "arch/copies.h"
#include "arch/model.h"
#include "arch/quantized.h"
#include "diffusion/session.h"
#include "nn/runtime.h"

/* More tokens than are joined at a time, the last tile of 5; more positions than a block has. */
enum { V = 16384 + 2 * 128 + 5, MASK = 7, ROWS = 17, LENGTH = 32 };

static const struct diffulm_sampler plain = {.options = {.sampling = DIFFULM_SAMPLING_ARGMAX}};

static void make_logits(uint64_t seed, float *x)
{
    for (size_t v = 0; v < V; v++)
        x[v] = 12 * (float)dulm_uniform(dulm_draw(seed, 0, 1, 0, (uint32_t)v, 0)) - 6;
}

/* In groups of so many tokens, each group's parts from the last to the first. */
static struct dulm_candidate joined(const float *x, size_t group)
{
    static struct dulm_running_part parts[V / 128 + 1];
    const struct dulm_kernels *k = dulm_kernels_choose(DIFFULM_ISA_AUTO);
    struct dulm_running r = dulm_running_begin(NULL);
    for (size_t first = 0; first < V; first += group) {
        const float seen = r.top;
        const size_t n = V - first < group ? V - first : group, count = (n + 127) / 128;
        for (size_t p = count; p-- > 0;)
            dulm_running_part_of(k, x + first + p * 128, first + p * 128,
                                 n - p * 128 < 128 ? n - p * 128 : 128, seen, &parts[p]);
        for (size_t p = 0; p < count; p++)
            dulm_running_join(&parts[p], seen, &r);
    }
    return dulm_running_end(&plain, &r);
}

static double log_sum(const float *x)
{
    double sum = 0;
    for (size_t v = 0; v < V; v++)
        sum += exp((double)x[v]);
    return log(sum);
}

static size_t highest(const float *x)
{
    size_t best = 0;
    for (size_t v = 0; v < V; v++)
        best = x[v] > x[best] ? v : best;
    return best;
}

static void joined_parts_are_the_whole_distribution(void **state)
{
    (void)state;
    static float x[V];
    assert_true(dulm_runs_apart(&plain));
    for (uint64_t seed = 0; seed < 40; seed++) {
        make_logits(seed, x);
        x[seed * 419 % V] = seed % 4 ? 9 : -INFINITY; /* high in every part, in turn */
        const size_t best = highest(x);
        const struct dulm_candidate few = joined(x, 512), many = joined(x, 16384);
        assert_int_equal(few.token, best);
        assert_int_equal(many.token, best);
        assert_true(fabs((double)few.score - ((double)x[best] - log_sum(x))) < 1e-5);
        assert_true(fabs((double)many.score - ((double)x[best] - log_sum(x))) < 1e-5);
    }
    make_logits(1, x);
    x[300] = x[129] = x[16600] = 7; /* of equals the first, in whichever order they come */
    assert_int_equal(joined(x, 512).token, 129);
    assert_int_equal(joined(x, 16384).token, 129);
}

static void a_nan_an_infinity_or_nothing_left_gives_no_score(void **state)
{
    (void)state;
    static float x[V];
    for (size_t v = 0; v < V; v++)
        x[v] = -INFINITY;
    assert_true(isnan(joined(x, 512).score));
    x[V - 1] = 0;
    assert_int_equal(joined(x, 512).token, V - 1);
    assert_true(joined(x, 512).score == 0.0f);
    x[3] = NAN; /* in a part of nothing else, before there is a maximum */
    assert_true(isnan(joined(x, 512).score));
    make_logits(2, x);
    x[1500] = NAN;
    assert_true(isnan(joined(x, 512).score));
    x[1500] = INFINITY;
    assert_true(isnan(joined(x, 512).score));
}

static diffulm_runtime *packing_runtime(int32_t precision)
{
    struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
    diffulm_runtime *rt = NULL;
    o.threads = 2;
    o.precision = precision;
    o.pack_weights = precision != DIFFULM_PRECISION_INT8;
    const diffulm_status rc = diffulm_runtime_create(&o, &rt);
    if (rc == DIFFULM_E_UNSUPPORTED)
        skip();
    assert_int_equal(rc, DIFFULM_OK);
    return rt;
}

static diffulm_model *model_of_many_tokens(int32_t precision)
{
    static const char config[] =
        "{\"model_type\": \"bert\", \"vocab_size\": 16645, \"hidden_size\": 64, "
        "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 64, "
        "\"max_position_embeddings\": 80, \"type_vocab_size\": 1, \"pad_token_id\": 1, "
        "\"mask_token_id\": 7}";
    struct diffulm_model_options options = DIFFULM_MODEL_OPTIONS_INIT;
    diffulm_model *model = NULL;
    options.runtime = packing_runtime(precision);
    assert_int_equal(diffulm_model_create(config, sizeof config - 1, &options, &model), DIFFULM_OK);
    diffulm_runtime_unref(options.runtime);
    for (size_t v = 0; v < V; v++) /* a new model's are 0: no tile could be told from another */
        model->weights.global[DULM_DECODER_B][v] = 0.1f * (float)(v * 7919 % V) / V;
    return model;
}

/* Masks behind a token of the row's own. */
static void make_row(size_t row, int32_t *tokens, uint8_t *roles)
{
    for (size_t i = 0; i < LENGTH; i++) {
        tokens[i] = i ? MASK : (int32_t)(100 + 37 * row);
        roles[i] = i ? DIFFULM_ROLE_MASKED : DIFFULM_ROLE_GIVEN;
    }
}

/* [LENGTH, V] of a row, without the mask and the token that is best at its last position, which is the result. */
static int32_t logits_of(diffulm_model *model, size_t row, float *logits)
{
    int32_t tokens[LENGTH];
    uint8_t roles[LENGTH];
    const size_t offsets[2] = {0, LENGTH};
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    make_row(row, tokens, roles);
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, logits), DIFFULM_OK);
    for (size_t i = 0; i < LENGTH; i++)
        logits[i * V + MASK] = -INFINITY;
    const size_t forbidden = highest(logits + (LENGTH - 1) * V);
    for (size_t i = 0; i < LENGTH; i++)
        logits[i * V + forbidden] = -INFINITY;
    return (int32_t)forbidden;
}

/* One step of rows [first, first + count): their tokens and scores, [count, LENGTH]. */
static void step(diffulm_model *model, const int32_t *forbidden, size_t first, size_t count,
                 int32_t *tokens, float *scores)
{
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    struct diffulm_session_options options = DIFFULM_SESSION_OPTIONS_INIT;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    uint8_t roles[LENGTH];
    size_t row, length;
    so.steps = 1;
    so.sampling = DIFFULM_SAMPLING_ARGMAX;
    options.mask_id = MASK;
    assert_int_equal(diffulm_sampler_create(NULL, &so, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_session_create(model, sampler, &options, &session), DIFFULM_OK);
    for (size_t r = 0; r < count; r++) {
        make_row(first + r, tokens, roles);
        assert_int_equal(diffulm_session_add(session, tokens, LENGTH, roles, NULL, &row),
                         DIFFULM_OK);
        assert_int_equal(diffulm_session_forbid(session, r, SIZE_MAX, forbidden[first + r]),
                         DIFFULM_OK);
    }
    assert_int_equal(diffulm_session_step(session, NULL), DIFFULM_DONE);
    for (size_t r = 0; r < count; r++) {
        assert_int_equal(diffulm_session_tokens(session, r, tokens + r * LENGTH, LENGTH, &length),
                         DIFFULM_OK);
        assert_int_equal(diffulm_session_scores(session, r, scores + r * LENGTH, LENGTH, &length),
                         DIFFULM_OK);
    }
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
}

/* A tile of logits would be written over the mark; what parts leave behind ends before it. */
static bool keeps_mark(diffulm_model *model)
{
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    struct diffulm_session_options options = DIFFULM_SESSION_OPTIONS_INIT;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    int32_t tokens[LENGTH];
    uint8_t roles[LENGTH];
    size_t row;
    so.steps = 2;
    options.mask_id = MASK;
    make_row(0, tokens, roles);
    assert_int_equal(diffulm_sampler_create(NULL, &so, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_session_create(model, sampler, &options, &session), DIFFULM_OK);
    assert_int_equal(diffulm_session_add(session, tokens, LENGTH, roles, NULL, &row), DIFFULM_OK);
    assert_int_equal(diffulm_session_step(session, NULL), DIFFULM_AGAIN);
    float *middle = session->step.logits + session->step.logits_capacity / 2;
    *middle = 12345;
    assert_int_equal(diffulm_session_step(session, NULL), DIFFULM_DONE);
    const bool kept = *middle == 12345.0f;
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    return kept;
}

static void assert_taken_apart(diffulm_model *model)
{
#if defined(DULM_ONEDNN) && defined(__x86_64__)
    const struct dulm_copies *copies = NULL;
    const struct dulm_quantized *quantized = NULL;
    if (!__builtin_cpu_supports("avx512vnni") || getenv("ONEDNN_MAX_CPU_ISA"))
        return;
    assert_int_equal(dulm_copies_of(model, &copies), DIFFULM_OK);
    assert_int_equal(dulm_quantized_of(model, &quantized), DIFFULM_OK);
    const struct dulm_pass pass = {.copies = copies, .quantized = quantized};
    assert_true(dulm_multiply_comes_apart(&pass, -1, DULM_DECODER_W));
    assert_true(keeps_mark(model));
#else
    (void)model, (void)keeps_mark;
#endif
}

static void check_step(int32_t precision)
{
    diffulm_model *model = model_of_many_tokens(precision);
    float *logits = malloc((size_t)LENGTH * V * sizeof *logits);
    int32_t forbidden[ROWS], tokens[ROWS * LENGTH], alone[LENGTH];
    float scores[ROWS * LENGTH], score_alone[LENGTH];
    assert_non_null(logits);
    for (size_t r = 0; r < ROWS; r++)
        forbidden[r] = logits_of(model, r, logits);
    step(model, forbidden, 0, ROWS, tokens, scores);
    assert_taken_apart(model);
    for (size_t r = 0; r < ROWS; r++) {
        logits_of(model, r, logits);
        for (size_t i = 1; i < LENGTH; i++) {
            const float *x = logits + i * V;
            const size_t best = highest(x), at = r * LENGTH + i;
            assert_int_equal(tokens[at], best);
            assert_true(fabs((double)scores[at] - ((double)x[best] - log_sum(x))) < 1e-5);
        }
    }
    step(model, forbidden, ROWS - 1, 1, alone, score_alone);
    assert_memory_equal(alone, tokens + (ROWS - 1) * LENGTH, sizeof alone);
    if (precision == DIFFULM_PRECISION_INT8) /* whole numbers: the batch changes no bit */
        assert_memory_equal(score_alone, scores + (ROWS - 1) * LENGTH, sizeof score_alone);
    free(logits);
    diffulm_model_unref(model);
}

static void a_step_chooses_the_best_of_all_logits(void **state)
{
    (void)state;
    check_step(DIFFULM_PRECISION_F32);
}

static void a_step_in_bfloat16_chooses_the_best_of_all_logits(void **state)
{
    (void)state;
    check_step(DIFFULM_PRECISION_BF16);
}

static void a_step_in_8_bits_chooses_the_best_of_all_logits_in_any_batch(void **state)
{
    (void)state;
    check_step(DIFFULM_PRECISION_INT8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joined_parts_are_the_whole_distribution),
        cmocka_unit_test(a_nan_an_infinity_or_nothing_left_gives_no_score),
        cmocka_unit_test(a_step_chooses_the_best_of_all_logits),
        cmocka_unit_test(a_step_in_bfloat16_chooses_the_best_of_all_logits),
        cmocka_unit_test(a_step_in_8_bits_chooses_the_best_of_all_logits_in_any_batch),
    };
    return cmocka_run_group_tests_name("apart", tests, NULL, NULL);
}

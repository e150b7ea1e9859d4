/* sampler.c: one transition on arbitrary logits and an arbitrary state. Bytes: policy, sampling, step,
 * flags of options, length, then for each position token, flags and score, and the logits. */
#include <math.h>
#include <string.h>

#include "fuzz.h"

enum { VOCABULARY = 5, MASK = 4, LONGEST = 12, STEPS = 4 };

struct input {
    const uint8_t *at, *end;
};

static uint8_t byte(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

/* Special values by short codes, and otherwise any bit pattern. */
static float number(struct input *in)
{
    static const float few[] = {0, -1, 1, 1e38f, -1e38f, INFINITY, -INFINITY, NAN};
    const uint8_t code = byte(in);
    if (code < 8)
        return few[code];
    if (code < 240)
        return ((float)code - 128) / 8;
    uint8_t bits[4];
    float value;
    for (int i = 0; i < 4; i++)
        bits[i] = byte(in);
    memcpy(&value, bits, sizeof value);
    return value;
}

static diffulm_sampler *sampler_of(struct input *in)
{
    static const char *const policies[] = {"reparam-uncond-deterministic-cosine",
                                           "reparam-cond-stochastic0.5-linear",
                                           "cmlm",
                                           "ar",
                                           "llada-low_confidence",
                                           "llada-random",
                                           "dream-origin",
                                           "dream-maskgit_plus",
                                           "dream-topk_margin",
                                           "dream-entropy",
                                           "fast-threshold",
                                           "fast-factor",
                                           "eb",
                                           "mdlm-ancestral-linear",
                                           "mdlm-counts-cosine"};
    struct diffulm_sampler_options o = DIFFULM_SAMPLER_OPTIONS_INIT;
    diffulm_sampler *sampler = NULL;
    const char *policy = policies[byte(in) % (sizeof policies / sizeof *policies)];
    o.steps = STEPS;
    o.sampling = byte(in) % 3;
    const uint8_t flags = byte(in);
    o.temperature = flags & 1 ? 1e-6 : flags & 2 ? 1e6 : 0;
    o.top_p = flags & 4 ? 0.7 : 0;
    o.top_k = flags & 8 ? 2 : 0;
    o.shift_logits = flags >> 4 & 1;
    o.block_length = flags & 32 ? 3 : 0;
    o.steps_per_block = flags & 32 ? 2 : 0;
    o.alg_temp = flags & 64 ? 0.5 : 0;
    o.order = flags >> 7;
    CHECK(diffulm_sampler_create(policy, &o, &sampler) == DIFFULM_OK);
    return sampler;
}

struct row {
    int32_t tokens[LONGEST];
    float scores[LONGEST];
    uint8_t noisy[LONGEST], generated[LONGEST];
};

static void read_row(struct input *in, struct row *row, size_t length)
{
    memset(row, 0, sizeof *row);
    for (size_t i = 0; i < length; i++) {
        const uint8_t flags = byte(in);
        row->generated[i] = flags & 1 || flags == 255;
        row->noisy[i] = flags >= 250 ? flags : flags >> 1 & 1;
        row->tokens[i] = row->noisy[i] ? MASK : byte(in) % MASK;
        row->scores[i] = number(in);
    }
}

static void check_row(const struct row *before, const struct row *row, const uint8_t *wanted,
                      size_t length)
{
    for (size_t i = 0; i < length; i++) {
        CHECK(row->tokens[i] >= 0 && row->tokens[i] <= MASK && row->noisy[i] <= 1);
        CHECK(row->tokens[i] == before->tokens[i] || row->generated[i]);
        CHECK(row->tokens[i] == before->tokens[i] || row->tokens[i] == MASK || wanted[i]);
        CHECK(!isnan(row->scores[i]));
        CHECK(!row->noisy[i] || row->tokens[i] == MASK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    diffulm_sampler *sampler = sampler_of(&in);
    const int32_t k = byte(&in) % (STEPS + 2);
    const size_t length = byte(&in) % (LONGEST + 1);
    struct row row, before;
    float logits[LONGEST * VOCABULARY];
    uint8_t wanted[LONGEST] = {0};
    read_row(&in, &row, length);
    for (size_t i = 0; i < length * VOCABULARY; i++)
        logits[i] = number(&in);
    struct diffulm_sampler_state s = {sizeof s,      length,    row.tokens, row.scores, row.noisy,
                                      row.generated, byte(&in), MASK,       7,          3};
    const size_t quota = s.quota;
    before = row;
    const diffulm_status needs = diffulm_sampler_needs(sampler, &s, k, wanted);
    CHECK_STATUS(needs);
    const diffulm_status rc = diffulm_sampler_transition(sampler, &s, k, logits, VOCABULARY);
    CHECK_STATUS(rc);
    CHECK(rc <= 0 && (needs < 0 ? rc < 0 : 1));
    if (rc < 0)
        CHECK(memcmp(&row, &before, sizeof row) == 0 && s.quota == quota);
    else
        check_row(&before, &row, wanted, length);
    diffulm_sampler_unref(sampler);
    return 0;
}

/* snapshot.c: a session restored from bytes, and run to its end if they are taken. The first byte picks
 * the policy. The rest is tried as it is, and once more with the checksum that fits it, which a mutation
 * would else hardly ever find. */
#include <math.h>
#include <string.h>

#include "fuzz.h"

enum { VOCABULARY = 12, LONGEST = 16, LAST = VOCABULARY - 1 };

static diffulm_model *tiny_model(void)
{
    static diffulm_model *model;
    static const char config[] =
        "{\"model_type\":\"bert\",\"vocab_size\":12,\"hidden_size\":4,\"num_hidden_layers\":1,"
        "\"num_attention_heads\":1,\"intermediate_size\":4,\"max_position_embeddings\":16,"
        "\"mask_token_id\":11}";
    struct diffulm_model_options o = DIFFULM_MODEL_OPTIONS_INIT;
    o.runtime = fuzz_runtime();
    if (!model)
        CHECK(diffulm_model_create(config, sizeof config - 1, &o, &model) == DIFFULM_OK);
    return model;
}

static diffulm_session *session_with(uint8_t pick)
{
    static const char *const policies[] = {"reparam-uncond-deterministic-cosine",
                                           "reparam-cond-stochastic0.5-linear",
                                           "cmlm",
                                           "ar",
                                           "llada-low_confidence",
                                           "dream-entropy",
                                           "fast-threshold",
                                           "eb",
                                           "mdlm-ancestral-linear",
                                           "mdlm-counts-cosine"};
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    so.steps = 4;
    so.block_length = pick & 16 ? 3 : 0;
    so.steps_per_block = pick & 16 ? 2 : 0;
    CHECK(diffulm_sampler_create(policies[pick % 10], &so, &sampler) == DIFFULM_OK);
    CHECK(diffulm_session_create(tiny_model(), sampler, NULL, &session) == DIFFULM_OK);
    diffulm_sampler_unref(sampler);
    const int32_t tokens[3] = {1, 0, 2};
    const uint8_t roles[3] = {DIFFULM_ROLE_GIVEN, DIFFULM_ROLE_MASKED, DIFFULM_ROLE_EDITABLE};
    size_t row;
    CHECK(diffulm_session_add(session, tokens, 3, roles, NULL, &row) == DIFFULM_OK);
    return session;
}

static void check_rows(const diffulm_session *session)
{
    for (size_t r = 0; r < diffulm_session_rows(session); r++) {
        int32_t tokens[LONGEST];
        size_t length;
        float score;
        CHECK(diffulm_session_tokens(session, r, tokens, LONGEST, &length) == DIFFULM_OK);
        CHECK(length > 0);
        for (size_t i = 0; i < length; i++)
            CHECK(tokens[i] >= 0 && tokens[i] <= LAST);
        CHECK(diffulm_session_row_score(session, r, &score) == DIFFULM_OK);
        CHECK(!isnan(score));
    }
}

/* What was taken is what a snapshot gives back. */
static void check_same(const diffulm_session *session, const uint8_t *data, size_t size)
{
    size_t length = 0;
    uint8_t *bytes = malloc(size);
    CHECK(bytes);
    CHECK(diffulm_session_snapshot(session, bytes, size, &length) == DIFFULM_OK);
    CHECK(length == size && memcmp(bytes, data, size) == 0);
    free(bytes);
}

static void restore(uint8_t pick, const uint8_t *data, size_t size)
{
    diffulm_session *session = session_with(pick);
    const diffulm_status rc = diffulm_session_restore(session, data, size);
    CHECK_STATUS(rc);
    CHECK(diffulm_session_rows(session) == 1 || rc == DIFFULM_OK);
    if (rc == DIFFULM_OK)
        check_same(session, data, size);
    struct diffulm_step_report report = {.struct_size = sizeof report};
    diffulm_status step = DIFFULM_AGAIN;
    check_rows(session);
    for (int k = 0; step == DIFFULM_AGAIN; k++) {
        CHECK(k < 8);
        step = diffulm_session_step(session, &report);
        CHECK_STATUS(step);
        CHECK(step < 0 || report.steps_done >= 0);
    }
    check_rows(session);
    diffulm_session_destroy(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096)
        return 0;
    const uint8_t pick = *data++;
    restore(pick, data, --size);
    uint8_t *fitting = malloc(size + 8);
    CHECK(fitting);
    if (size)
        memcpy(fitting, data, size);
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ data[i]) * 0x100000001b3u;
    for (int i = 0; i < 8; i++)
        fitting[size + (size_t)i] = (uint8_t)(sum >> (8 * i));
    restore(pick, fitting, size + 8);
    free(fitting);
    return 0;
}

/* attention.c: gradients of attention over a ragged batch, and of rotary positions. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradcheck.h"
#include "nn/attention.h"

enum { HEADS = 2, SIZE = 3, D = HEADS * SIZE, TOKENS = 13 };

/* Rows of 5, 1 and 7 tokens. Source: the first two of the first row, three of the last. */
static const size_t offsets[] = {0, 5, 6, TOKENS};
static const uint8_t source[TOKENS] = {1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0};
static const int32_t block[TOKENS] = {0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 2};
static const uint32_t row_number[] = {4, 0, 9};
static const struct dulm_attention_shape shape = {3, offsets, HEADS, SIZE, 7, NULL, 0, false};

struct attention {
    const struct diffulm_runtime *rt;
    struct dulm_visibility visible;
    struct dulm_attention_dropout dropout;
    float qkv[TOKENS * 3 * D], context[TOKENS * D], w[TOKENS * D];
    float *scratch;
};

static double attention_loss(void *user)
{
    struct attention *a = user;
    assert_int_equal(dulm_attention_forward(a->rt, &shape, &a->visible, &a->dropout, a->qkv,
                                            a->context, a->scratch),
                     DIFFULM_OK);
    return gradcheck_sum(TOKENS * D, a->w, a->context);
}

static void check_attention(void **state, const char *what, struct dulm_visibility visible,
                            struct dulm_attention_dropout dropout)
{
    struct attention a = {.rt = gradcheck_runtime(state), .visible = visible, .dropout = dropout};
    float dqkv[TOKENS * 3 * D];
    a.scratch = gradcheck_array(dulm_attention_scratch(a.rt, &shape));
    gradcheck_fill_around(11, TOKENS * 3 * D, 0, 2, a.qkv);
    gradcheck_fill(12, TOKENS * D, a.w);
    assert_int_equal(
        dulm_attention_backward(a.rt, &shape, &a.visible, &a.dropout, a.qkv, a.w, dqkv, a.scratch),
        DIFFULM_OK);
    const struct gradcheck_loss loss = {GRADCHECK_SMOOTH, attention_loss, &a};
    gradcheck(&loss, what, a.qkv, TOKENS * 3 * D, dqkv);
    free(a.scratch);
}

static const struct dulm_attention_dropout no_dropout = {.rate = 0};

void gradients_of_attention_under_every_visibility(void **state)
{
    static const char *const names[] = {"full", "prefix_lm", "causal", "blockwise"};
    for (int kind = DULM_ATTENTION_FULL; kind <= DULM_ATTENTION_BLOCKWISE; kind++)
        for (size_t window = 0; window < 3; window++) {
            char what[64];
            snprintf(what, sizeof what, "%s attention, window %zu", names[kind], window);
            const struct dulm_visibility visible = {.kind = (enum dulm_attention)kind,
                                                    .source = source,
                                                    .block = block,
                                                    .window = window};
            check_attention(state, what, visible, no_dropout);
        }
}

void gradients_of_attention_with_unattended_tokens(void **state)
{
    /* Nobody in the second row sees anything. */
    static const uint8_t attended[TOKENS] = {1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1};
    const struct dulm_visibility visible = {.kind = DULM_ATTENTION_FULL, .attended = attended};
    check_attention(state, "attention with unattended tokens", visible, no_dropout);
}

void gradients_of_attention_with_dropped_probabilities(void **state)
{
    const struct dulm_visibility full = {.kind = DULM_ATTENTION_FULL};
    const struct dulm_visibility local = {.kind = DULM_ATTENTION_CAUSAL, .window = 2};
    const struct dulm_attention_dropout dropout = {.rate = 0.25f,
                                                   .seed = 5,
                                                   .step = 3,
                                                   .row_number = row_number,
                                                   .first_draw = 16,
                                                   .stride = 8};
    check_attention(state, "attention with dropout", full, dropout);
    check_attention(state, "causal local attention with dropout", local, dropout);
    struct attention a = {.rt = gradcheck_runtime(state), .visible = full, .dropout = dropout};
    a.scratch = gradcheck_array(dulm_attention_scratch(a.rt, &shape));
    gradcheck_fill_around(11, TOKENS * 3 * D, 0, 2, a.qkv);
    gradcheck_fill(12, TOKENS * D, a.w);
    const double dropped = attention_loss(&a);
    a.dropout.rate = 0;
    assert_true(fabs(attention_loss(&a) - dropped) > 1e-3);
    free(a.scratch);
}

/* loss = w . R qkv; values are left alone, so that their gradient is w itself. */
struct rotary {
    const struct diffulm_runtime *rt;
    const int32_t *positions;
    float qkv[5 * 3 * 12], turned[5 * 3 * 12], w[5 * 3 * 12];
};

static double rotary_loss(void *user)
{
    struct rotary *r = user;
    memcpy(r->turned, r->qkv, sizeof r->qkv);
    dulm_rotary(r->rt, 5, 3, 4, r->positions, 100.0f, false, r->turned);
    return gradcheck_sum(5 * 3 * 12, r->w, r->turned);
}

void inverse_rotary_is_the_transpose_of_rotary(void **state)
{
    static const int32_t positions[] = {0, 1, 2, 7, 40};
    struct rotary r = {.rt = gradcheck_runtime(state), .positions = positions};
    float gradient[5 * 3 * 12];
    gradcheck_fill(13, 5 * 3 * 12, r.qkv);
    gradcheck_fill(14, 5 * 3 * 12, r.w);
    memcpy(gradient, r.w, sizeof gradient);
    dulm_rotary(r.rt, 5, 3, 4, positions, 100.0f, true, gradient);
    const struct gradcheck_loss loss = {GRADCHECK_LINEAR, rotary_loss, &r};
    gradcheck(&loss, "rotary", r.qkv, 5 * 3 * 12, gradient);
    enum { PLANE = 5 * 12 };
    assert_memory_equal(gradient + 2 * PLANE, r.w + 2 * PLANE, PLANE * sizeof(float));
    for (size_t i = 12; i < 2 * PLANE; i += PLANE) /* the second token's query and key */
        assert_memory_not_equal(gradient + i, r.w + i, 12 * sizeof(float));
}

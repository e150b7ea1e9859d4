/* test_logits.c: logits of chosen positions are those of all positions, whatever is chosen, and in whatever order. */
#include <string.h>

#include "tiny.h"

enum { TOTAL = 14, V = TINY_VOCABULARY };
static const size_t offsets[4] = {0, 6, 8, TOTAL};
static const int32_t tokens[TOTAL] = {0, 7, 9, 4, 11, 2, 0, 2, 0, 12, 13, 23, 23, 2};
static const uint8_t source[TOTAL] = {1, 1, 1, 0, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0};

static diffulm_status logits(const diffulm_model *model, int32_t attention, const size_t *wanted,
                             size_t count, float *out)
{
    const struct diffulm_batch batch = {.struct_size = sizeof batch,
                                        .rows = 3,
                                        .offsets = offsets,
                                        .tokens = tokens,
                                        .source = source,
                                        .attention = attention,
                                        .newline_id = 4};
    return diffulm_model_logits(model, &batch, wanted, count, out);
}

static void chosen_positions_have_the_logits_of_all(void **state)
{
    (void)state;
    static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};
    static const size_t choices[][5] = {
        /* count, positions */
        {1, 0}, {1, TOTAL - 1}, {4, 1, 5, 6, 13}, {3, 3, 4, 11}, {4, 13, 6, 5, 1}, {3, 5, 5, 5},
        {0}};
    float all[TOTAL * V], some[4 * V];
    for (size_t f = 0; f < 3; f++)
        for (int32_t attention = 0; attention <= DIFFULM_ATTENTION_BLOCKWISE; attention++) {
            diffulm_model *model = tiny_model_on(families[f], DIFFULM_BACKEND_REFERENCE, 1, 9);
            assert_int_equal(logits(model, attention, NULL, 0, all), DIFFULM_OK);
            for (size_t c = 0; c < sizeof choices / sizeof *choices; c++) {
                const size_t count = choices[c][0], *wanted = choices[c] + 1;
                assert_int_equal(logits(model, attention, wanted, count, some), DIFFULM_OK);
                for (size_t i = 0; i < count; i++)
                    assert_memory_equal(some + i * V, all + wanted[i] * V, V * sizeof *some);
            }
            diffulm_model_unref(model);
        }
}

static void positions_outside_the_batch_are_named(void **state)
{
    (void)state;
    static const size_t ascending[] = {3, TOTAL}, falling[] = {TOTAL, 3};
    float out[2 * V];
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 9);
    assert_int_equal(logits(model, 0, ascending, 2, out), DIFFULM_E_ARGUMENT);
    assert_message_names("wanted position 14 of a batch of 14 tokens");
    assert_int_equal(logits(model, 0, falling, 2, out), DIFFULM_E_ARGUMENT);
    assert_message_names("wanted position 14 of a batch of 14 tokens");
    diffulm_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_positions_have_the_logits_of_all),
        cmocka_unit_test(positions_outside_the_batch_are_named),
    };
    return cmocka_run_group_tests_name("logits", tests, NULL, NULL);
}

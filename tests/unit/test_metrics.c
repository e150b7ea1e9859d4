/* Metrics: statistics add up, intervals depend on their arguments alone, and what cannot be scored is refused. */
#include <math.h>
#include <string.h>

#include "tiny.h"

static struct diffulm_string text(const char *data)
{
    return (struct diffulm_string){data, strlen(data)};
}

static void statistics_of_two_texts_add_up_to_those_of_the_corpus(void **state)
{
    (void)state;
    const struct diffulm_string hyps[] = {text("the cat sat on the mat ."), text("a dog barks")};
    const struct diffulm_string refs[] = {text("the cat sat on a mat ."),
                                          text("the dog barks loudly")};
    struct diffulm_bleu_statistics both = {.struct_size = sizeof both}, one = both, two = both;
    struct diffulm_chrf_statistics c_both = {.struct_size = sizeof c_both}, c_one = c_both;
    struct diffulm_chrf_statistics c_two = c_both;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(diffulm_bleu_add(NULL, &hyps[i], &refs[i], 1, &both), DIFFULM_OK);
        assert_int_equal(diffulm_bleu_add(NULL, &hyps[i], &refs[i], 1, i ? &two : &one),
                         DIFFULM_OK);
        assert_int_equal(diffulm_chrf_add(NULL, &hyps[i], &refs[i], 1, &c_both), DIFFULM_OK);
        assert_int_equal(diffulm_chrf_add(NULL, &hyps[i], &refs[i], 1, i ? &c_two : &c_one),
                         DIFFULM_OK);
    }
    for (int n = 0; n < 4; n++) {
        assert_int_equal(both.correct[n], one.correct[n] + two.correct[n]);
        assert_int_equal(both.total[n], one.total[n] + two.total[n]);
        assert_int_equal(c_both.matched[n], c_one.matched[n] + c_two.matched[n]);
    }
    assert_int_equal(both.correct[0], 8);
    assert_int_equal(both.reference_length, 11);
}

static void perfect_answers_score_100_and_disjoint_ones_0(void **state)
{
    (void)state;
    const struct diffulm_string a = text("one two three four five"), b = text("six");
    struct diffulm_bleu_statistics s = {.struct_size = sizeof s}, none = s;
    struct diffulm_bleu bleu = {.struct_size = sizeof bleu};
    struct diffulm_rouge rouge = {.struct_size = sizeof rouge};
    assert_int_equal(diffulm_bleu_add(NULL, &a, &a, 1, &s), DIFFULM_OK);
    assert_int_equal(diffulm_bleu_score(NULL, &s, &bleu), DIFFULM_OK);
    assert_true(fabs(bleu.score - 100) < 1e-9);
    assert_int_equal(diffulm_bleu_add(NULL, &a, &b, 1, &none), DIFFULM_OK);
    assert_int_equal(diffulm_bleu_score(NULL, &none, &bleu), DIFFULM_OK);
    assert_true(bleu.score == 0);
    assert_int_equal(diffulm_rouge_score(DIFFULM_ROUGE_LSUM, 1, &a, &a, &rouge), DIFFULM_OK);
    assert_true(rouge.f1 == 1);
}

static void bootstrap_depends_on_its_arguments_alone_and_brackets_the_mean(void **state)
{
    (void)state;
    double values[200], low[2], high[2], sum = 0;
    size_t seen = 0;
    for (int i = 0; i < 200; i++)
        sum += values[i] = i % 5 == 0;
    for (int k = 0; k < 2; k++)
        assert_int_equal(diffulm_bootstrap_mean(values, 200, 400, 0.95, 7, &low[k], &high[k]),
                         DIFFULM_OK);
    assert_true(low[0] == low[1] && high[0] == high[1]);
    assert_true(low[0] < sum / 200 && sum / 200 < high[0]);
    assert_true(high[0] - low[0] > 0.05 && high[0] - low[0] < 0.2);
    for (uint32_t i = 0; i < 1000; i++)
        seen |= (size_t)1 << diffulm_bootstrap_draw(1, 0, i, 8);
    assert_int_equal(seen, 255);
}

static void what_cannot_be_scored_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    const struct diffulm_string good = text("a"), bad = {"a\xff", 2}, none = {NULL, 1};
    struct diffulm_bleu_options o = DIFFULM_BLEU_OPTIONS_INIT;
    struct diffulm_bleu_statistics s = {.struct_size = sizeof s};
    const struct diffulm_bleu_statistics before = s;
    char buffer[8] = "same";
    size_t length;
    int32_t equal = 5;
    assert_int_equal(diffulm_bleu_add(&o, &bad, &good, 1, &s), DIFFULM_E_UTF8);
    assert_message_names("byte 1");
    assert_int_equal(diffulm_bleu_add(&o, &none, &good, 1, &s), DIFFULM_E_ARGUMENT);
    assert_int_equal(diffulm_bleu_add(&o, &good, &good, 0, &s), DIFFULM_E_ARGUMENT);
    o.max_order = 9;
    assert_int_equal(diffulm_bleu_add(&o, &good, &good, 1, &s), DIFFULM_E_ARGUMENT);
    assert_message_names("max_order");
    assert_memory_equal(&s, &before, sizeof s);
    assert_int_equal(diffulm_match(2, &good, &good, &equal), DIFFULM_E_ARGUMENT);
    assert_int_equal(equal, 5);
    assert_int_equal(diffulm_last_number(DIFFULM_LAST_NUMBER,
                                         &(struct diffulm_string){"12345678", 8}, buffer, 8,
                                         &length),
                     DIFFULM_BUFFER_TOO_SMALL);
    assert_int_equal(length, 8);
    assert_string_equal(buffer, "same");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_of_two_texts_add_up_to_those_of_the_corpus),
        cmocka_unit_test(perfect_answers_score_100_and_disjoint_ones_0),
        cmocka_unit_test(bootstrap_depends_on_its_arguments_alone_and_brackets_the_mean),
        cmocka_unit_test(what_cannot_be_scored_is_refused_and_changes_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

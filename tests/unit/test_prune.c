/* A pruned model gives the old logits in the kept columns; a pruned tokenizer cuts its texts as before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tiny.h"

enum { LENGTH = 6, KEPT = 9 };
static const int32_t kept[KEPT] = {0, 1, 2, 5, 6, 9, 14, 20, TINY_MASK};

static void logits_of(const diffulm_model *model, const int32_t *tokens, float *out)
{
    static const size_t offsets[2] = {0, LENGTH};
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, out), DIFFULM_OK);
}

static void pruned_model_keeps_the_logits_of_the_kept_ids(void **state)
{
    (void)state;
    static const char *const families[] = {"xlm-roberta", "bert", "modernbert"};
    static const int32_t old_tokens[LENGTH] = {0, 5, 20, TINY_MASK, 14, 2};
    static const int32_t new_tokens[LENGTH] = {0, 3, 7, 8, 6, 2};
    float before[LENGTH * TINY_VOCABULARY], after[LENGTH * KEPT];
    for (size_t f = 0; f < 3; f++) {
        diffulm_model *model = tiny_model_on(families[f], DIFFULM_BACKEND_REFERENCE, 1, 3);
        diffulm_model *small = NULL;
        struct diffulm_model_info info = {.struct_size = sizeof info};
        assert_int_equal(diffulm_model_prune(model, kept, KEPT, &small), DIFFULM_OK);
        assert_int_equal(diffulm_model_get_info(small, &info), DIFFULM_OK);
        assert_int_equal(info.vocabulary, KEPT);
        assert_int_equal(info.mask_id, KEPT - 1);
        logits_of(model, old_tokens, before);
        logits_of(small, new_tokens, after);
        for (int i = 0; i < LENGTH; i++)
            for (int k = 0; k < KEPT; k++)
                assert_true(after[i * KEPT + k] == before[i * TINY_VOCABULARY + kept[k]]);
        diffulm_model_unref(small);
        diffulm_model_unref(model);
    }
}

static void model_refuses_ids_that_do_not_ascend_and_lost_special_ids(void **state)
{
    (void)state;
    static const int32_t twice[] = {0, 1, 2, 2, TINY_MASK}, far[] = {0, 1, 2, TINY_VOCABULARY};
    static const int32_t no_mask[] = {0, 1, 2, 5}, no_pad[] = {0, 2, 5, TINY_MASK};
    static const int32_t moved_pad[] = {1, 2, 5, TINY_MASK};
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_REFERENCE, 1, 3),
                  *out = NULL;
    assert_int_equal(diffulm_model_prune(model, twice, 5, &out), DIFFULM_E_ARGUMENT);
    assert_message_names("kept[3]");
    assert_int_equal(diffulm_model_prune(model, far, 4, &out), DIFFULM_E_ARGUMENT);
    assert_message_names("kept[3]");
    assert_int_equal(diffulm_model_prune(model, no_mask, 4, &out), DIFFULM_E_ARGUMENT);
    assert_message_names("mask_token_id");
    assert_int_equal(diffulm_model_prune(model, no_pad, 4, &out), DIFFULM_E_ARGUMENT);
    assert_message_names("pad_token_id");
    assert_int_equal(diffulm_model_prune(model, moved_pad, 4, &out), DIFFULM_E_UNSUPPORTED);
    assert_null(out);
    diffulm_model_unref(model);
}

static const char bpe[] =
    "{\"added_tokens\": [{\"id\": 8, \"content\": \"<mask>\", \"special\": true, \"normalized\": "
    "false}],"
    "\"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"e\", 4], \"cls\": [\"<mask>\", "
    "8]},"
    "\"model\": {\"type\": \"BPE\", \"unk_token\": null, \"vocab\": {\"a\": 0, \"b\": 1, \"c\": 2, "
    "\"d\": 3,"
    "\"e\": 4, \"ab\": 5, \"cd\": 6, \"abc\": 7}, \"merges\": [\"a b\", \"c d\", \"ab c\"]}}";
static const char unigram[] =
    "{\"added_tokens\": [{\"id\": 5, \"content\": \"<mask>\", \"special\": true, \"normalized\": "
    "false}],"
    "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": "
    "\"A\","
    "\"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"m\", \"type_id\": 0}}], \"pair\": [],"
    "\"special_tokens\": {\"m\": {\"id\": \"m\", \"ids\": [5], \"tokens\": [\"<mask>\"]}}},"
    "\"model\": {\"type\": \"Unigram\", \"unk_id\": 2, \"vocab\": [[\"a\", -1.5], [\"b\", -2],"
    "[\"<unk>\", 0], [\"ab\", -9.25], [\"c\", -0.1]]}}";

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static size_t encode(const diffulm_tokenizer *tokenizer, const char *text, int32_t ids[16])
{
    struct diffulm_encoding e = {.struct_size = sizeof e, .capacity = 16, .ids = ids};
    assert_int_equal(diffulm_tokenizer_encode(tokenizer, text, strlen(text), NULL, 0, NULL, &e),
                     DIFFULM_OK);
    return e.count;
}

/* Prunes `json` to what `text` uses: afterwards the text has the same pieces, under `count` ids. */
static void check_pruned(const char *json, const char *text, size_t count)
{
    char from[] = "/tmp/diffulm-from-XXXXXX.json", to[] = "/tmp/diffulm-to-XXXXXX.json";
    int32_t before[16], after[16], ids[16];
    size_t found;
    diffulm_tokenizer *old = NULL, *pruned = NULL;
    close(mkstemps(from, 5));
    close(mkstemps(to, 5));
    write_file(from, json);
    assert_int_equal(diffulm_tokenizer_open(from, NULL, &old), DIFFULM_OK);
    const size_t n = encode(old, text, before);
    assert_int_equal(diffulm_tokenizer_prune(from, to, before, n, ids, 1, &found),
                     DIFFULM_BUFFER_TOO_SMALL);
    assert_int_equal(found, count);
    assert_int_equal(diffulm_tokenizer_prune(from, to, before, n, ids, 16, &found), DIFFULM_OK);
    assert_int_equal(diffulm_tokenizer_open(to, NULL, &pruned), DIFFULM_OK);
    assert_int_equal(diffulm_tokenizer_vocabulary(pruned), count);
    assert_int_equal(encode(pruned, text, after), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ids[after[i]], before[i]);
    const int32_t outside[1] = {99};
    assert_int_equal(diffulm_tokenizer_prune(from, to, outside, 1, ids, 16, &found),
                     DIFFULM_E_ARGUMENT);
    assert_message_names("used[0]");
    diffulm_tokenizer_unref(pruned);
    diffulm_tokenizer_unref(old);
    unlink(from);
    unlink(to);
}

static void pruned_tokenizer_cuts_its_texts_as_before(void **state)
{
    (void)state;
    check_pruned(bpe, "abc", 8); /* single letters are byte characters: they stay; cd goes */
    check_pruned(unigram, "ac", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pruned_model_keeps_the_logits_of_the_kept_ids),
        cmocka_unit_test(model_refuses_ids_that_do_not_ascend_and_lost_special_ids),
        cmocka_unit_test(pruned_tokenizer_cuts_its_texts_as_before)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tokenizers on a small vocabulary written here: no other files are needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <diffulm/diffulm.h>

static const char words[] =
    "{\"added_tokens\":[{\"id\":2,\"content\":\"<mask>\",\"special\":true}],"
    "\"pre_tokenizer\":{\"type\":\"Whitespace\"},"
    "\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"u\":0,\"cat\":1},\"unk_token\":\"u\"}}";

static diffulm_tokenizer *open_words(void)
{
    diffulm_tokenizer *tok = NULL;
    assert_int_equal(diffulm_tokenizer_open_memory(words, sizeof words - 1, NULL, &tok),
                     DIFFULM_OK);
    return tok;
}

static void encodes_words_and_added_tokens_with_byte_offsets(void **state)
{
    (void)state;
    diffulm_tokenizer *tok = open_words();
    int32_t ids[8];
    size_t begins[8], ends[8];
    struct diffulm_encoding e = {sizeof e, 8, ids, begins, ends, NULL, NULL, 0};
    assert_int_equal(diffulm_tokenizer_encode(tok, "\xC3\xA9 cat <mask>", 13, NULL, 0, NULL, &e),
                     DIFFULM_OK);
    assert_int_equal(e.count, 3);
    assert_int_equal(ids[0], 0);
    assert_int_equal(ids[1], 1);
    assert_int_equal(ids[2], 2);
    assert_int_equal(begins[1], 3);
    assert_int_equal(ends[2], 13);
    diffulm_tokenizer_unref(tok);
}

static void small_buffer_reports_the_length_and_writes_nothing(void **state)
{
    (void)state;
    diffulm_tokenizer *tok = open_words();
    int32_t ids[1] = {77};
    struct diffulm_encoding e = {sizeof e, 1, ids, NULL, NULL, NULL, NULL, 0};
    assert_int_equal(diffulm_tokenizer_encode(tok, "cat cat", 7, NULL, 0, NULL, &e),
                     DIFFULM_BUFFER_TOO_SMALL);
    assert_int_equal(e.count, 2);
    assert_int_equal(ids[0], 77);
    diffulm_tokenizer_unref(tok);
}

static void invalid_utf8_is_refused_with_its_byte(void **state)
{
    (void)state;
    diffulm_tokenizer *tok = open_words();
    struct diffulm_encoding e = {.struct_size = sizeof e};
    assert_int_equal(diffulm_tokenizer_encode(tok, "cat\xFF", 4, NULL, 0, NULL, &e),
                     DIFFULM_E_UTF8);
    assert_non_null(strstr(diffulm_error_message(), "byte 3"));
    diffulm_tokenizer_unref(tok);
}

static void decode_refuses_an_id_out_of_range(void **state)
{
    (void)state;
    diffulm_tokenizer *tok = open_words();
    const int32_t ids[] = {1, 9};
    size_t length;
    assert_int_equal(diffulm_tokenizer_decode(tok, ids, 2, 0, NULL, 0, &length),
                     DIFFULM_E_ARGUMENT);
    assert_non_null(strstr(diffulm_error_message(), "position 1"));
    diffulm_tokenizer_unref(tok);
}

static void utf8_repair_needs_no_more_room_than_it_reports(void **state)
{
    (void)state;
    char out[5] = "....";
    size_t length = 0;
    assert_int_equal(diffulm_utf8_repair("a\xff", 2, NULL, 0, &length), DIFFULM_BUFFER_TOO_SMALL);
    assert_int_equal(length, 4);
    assert_int_equal(diffulm_utf8_repair("a\xff", 2, out, 3, &length), DIFFULM_BUFFER_TOO_SMALL);
    assert_string_equal(out, "....");
    assert_int_equal(diffulm_utf8_repair("a\xff", 2, out, 4, &length), DIFFULM_OK);
    assert_string_equal(out, "a\xef\xbf\xbd");
    assert_int_equal(diffulm_utf8_repair("", 0, NULL, 0, &length), DIFFULM_OK);
    assert_int_equal(length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_words_and_added_tokens_with_byte_offsets),
        cmocka_unit_test(small_buffer_reports_the_length_and_writes_nothing),
        cmocka_unit_test(invalid_utf8_is_refused_with_its_byte),
        cmocka_unit_test(decode_refuses_an_id_out_of_range),
        cmocka_unit_test(utf8_repair_needs_no_more_room_than_it_reports)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

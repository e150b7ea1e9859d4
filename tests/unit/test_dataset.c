/* Data sets on disk: every form, every refusal with its line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_files.h"

static void refuses(const char *path, const struct diffulm_dataset_options *options,
                    diffulm_status status, const char *why)
{
    diffulm_dataset *d = NULL;
    assert_int_equal(diffulm_dataset_open(&path, 1, options, &d), status);
    assert_message_names(why);
    assert_null(d);
}

static void refuses_text(const char *text, diffulm_status status, const char *why)
{
    refuses(write_text("bad", text), NULL, status, why);
}

/* The data set has this form, and its records are these, "source|target" each. The data set is given up. */
static void holds(diffulm_dataset *d, int32_t form, const char *const *want, size_t count)
{
    struct diffulm_dataset_info info = {.struct_size = sizeof info};
    diffulm_reader *reader = read_one(d, DIFFULM_ORDER_FILE);
    assert_int_equal(diffulm_dataset_get_info(d, &info), DIFFULM_OK);
    assert_int_equal(info.form, form);
    assert_int_equal(info.count, count);
    for (size_t i = 0; i < count; i++) {
        char have[512];
        const struct diffulm_record r = next(reader);
        snprintf(have, sizeof have, "%s|%s", r.source, r.target);
        assert_string_equal(have, want[i]);
        assert_int_equal(r.index, i);
    }
    diffulm_reader_destroy(reader);
    diffulm_dataset_unref(d);
}

#define HOLDS(dataset, form, ...)                                                                  \
    do {                                                                                           \
        const char *const want[] = {__VA_ARGS__};                                                  \
        holds(dataset, form, want, sizeof want / sizeof *want);                                    \
    } while (0)

static void each_form_is_told_by_its_first_record(void **state)
{
    (void)state;
    HOLDS(open_with(write_text("a", PAIR "\n{\"target\": \"\\u00e9\", \"source\": \"\"}"), NULL),
          DIFFULM_FORM_PAIR, "a|b", "|\xc3\xa9");
    HOLDS(
        open_with(
            write_text(
                "a",
                "{\"instruction\": \"do\", \"input\": \"x\", \"output\": \"y\"}\n"
                "{\"instruction\": \"do\", \"input\": \"\", \"output\": \"y\", \"text\": \"z\"}\r\n"
                "{\"instruction\": \"go\", \"output\": \"z\"}\n"),
            NULL),
        DIFFULM_FORM_INSTRUCTION, "do\nx|y", "do|y", "go|z");
    HOLDS(open_with(write_text("a", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n"), NULL),
          DIFFULM_FORM_TEXT, "|one", "|two");
    HOLDS(open_with(write_text("a", "one\t1\r\n\ntwo\t\n"), NULL), DIFFULM_FORM_TSV, "one|1",
          "two|");
    HOLDS(open_with(write_text("a", "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"},"
                                    "{\"role\": \"user\", \"content\": \"u\"},"
                                    "{\"role\": \"assistant\", \"content\": \"a\"},"
                                    "{\"role\": \"user\", \"content\": \"v\"},"
                                    "{\"role\": \"assistant\", \"content\": \"b\"},"
                                    "{\"role\": \"user\", \"content\": \"w\"}]}\n"),
                    NULL),
          DIFFULM_FORM_CHAT, "System: s\nUser: u\nAssistant: a\nUser: v\nAssistant: |b");
}

static void parallel_files_pair_line_by_line(void **state)
{
    (void)state;
    const char *paths[2] = {write_text("a.en", "one\n\nthree"),
                            write_gzip("a.de", "wb", "eins\nzwei\ndrei\n")};
    diffulm_dataset *d = NULL;
    assert_int_equal(diffulm_dataset_open(paths, 2, NULL, &d), DIFFULM_OK);
    HOLDS(d, DIFFULM_FORM_PARALLEL, "one|eins", "|zwei", "three|drei");
    d = NULL;
    paths[1] = write_text("a.de", "1\n2\n3\n4\n5\n");
    assert_int_equal(diffulm_dataset_open(paths, 2, NULL, &d), DIFFULM_E_FORMAT);
    assert_message_names("a.en has 3 lines");
    assert_message_names("a.de has 5");
    paths[1] = write_text("a.de", "1\n2\n");
    assert_int_equal(diffulm_dataset_open(paths, 2, NULL, &d), DIFFULM_E_FORMAT);
    assert_message_names("a.de has 2");
    paths[1] = write_text("a.de", "1\n\xff\n3\n");
    assert_int_equal(diffulm_dataset_open(paths, 2, NULL, &d), DIFFULM_E_UTF8);
    assert_message_names("a.de:2: not valid UTF-8 at byte 0");
    assert_null(d);
}

static void columns_are_found_by_the_header(void **state)
{
    (void)state;
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    o.source_column = "en";
    o.target_column = "de";
    HOLDS(open_with(write_text("a", "id\tde\ten\n1\tja\tyes\n2\tnein\tno\n"), &o), DIFFULM_FORM_TSV,
          "yes|ja", "no|nein");
    refuses(write_text("a", "id\tde\tfr\n1\tja\toui\n"), &o, DIFFULM_E_FORMAT,
            ":1: no column is named \"en\"");
    refuses(write_text("a", "en\tde\ten\n1\tja\toui\n"), &o, DIFFULM_E_FORMAT,
            "more than one column is named \"en\"");
    refuses(write_text("a", "en\tde\n1\tja\toui\n"), &o, DIFFULM_E_FORMAT,
            ":2: 3 columns, expected 2");
    refuses(write_text("a", ""), &o, DIFFULM_E_FORMAT, "names of the columns");
}

static void damage_is_told_with_file_and_line(void **state)
{
    (void)state;
    refuses_text(PAIR "\n{\"source\": \"a\"", DIFFULM_E_FORMAT, "bad:3: column ");
    refuses_text(PAIR "{\"source\": 3, \"target\": \"b\"}\n", DIFFULM_E_FORMAT,
                 "bad:2: expected the strings source and target");
    refuses_text(PAIR "{\"text\": \"a\"}\n", DIFFULM_E_FORMAT,
                 "bad:2: expected the strings source and target as in the first record, found the "
                 "string text");
    refuses_text(PAIR "a\tb\n", DIFFULM_E_FORMAT, "bad:2:");
    refuses_text(PAIR "[1]\n", DIFFULM_E_FORMAT, "bad:2: expected a JSON object");
    refuses_text(PAIR "{\"source\": \"\\u0000\", \"target\": \"b\"}\n", DIFFULM_E_FORMAT, "bad:2:");
    refuses_text(PAIR "{\"source\": \"\xff\", \"target\": \"b\"}\n", DIFFULM_E_UTF8, "bad:2:");
    refuses_text(PAIR "{\"source\": \"a\", \"source\": \"c\", \"target\": \"b\"}\n",
                 DIFFULM_E_FORMAT, "bad:2:");
    refuses_text("a\tb\n{\"text\": \"a\"}\n", DIFFULM_E_FORMAT, "bad:2: 1 columns, expected 2");
    refuses_text("a\tb\na\t\xc3\n", DIFFULM_E_UTF8, "bad:2: not valid UTF-8 at byte 2");
    refuses(write_bytes("bad", "a\tb\nc\0\td\n", 9), NULL, DIFFULM_E_FORMAT,
            "bad:2: byte 1 is NUL");
    refuses_text("no form\n", DIFFULM_E_FORMAT, "bad:1: expected a JSON object, or two columns");
    refuses_text("{\"question\": \"a\"}\n", DIFFULM_E_FORMAT, "bad:1: expected source and target");
    refuses_text("\n\n", DIFFULM_E_FORMAT, "no records");
    refuses_text("{\"instruction\": \"a\", \"output\": \"b\", \"input\": 3}\n", DIFFULM_E_FORMAT,
                 "bad:1: input: expected a string");
    refuses(path_of("absent"), NULL, DIFFULM_E_IO, "absent");
    refuses(path_of(""), NULL, DIFFULM_E_IO, "not a regular file");
}

static void damaged_chats_name_the_message(void **state)
{
    (void)state;
    refuses_text("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"robot\", "
                 "\"content\": \"b\"}]}\n",
                 DIFFULM_E_FORMAT, "bad:1: message 2: role");
    refuses_text("{\"messages\": [{\"role\": \"user\", \"content\": null}]}\n", DIFFULM_E_FORMAT,
                 "bad:1: message 1: content");
    refuses_text("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n", DIFFULM_E_FORMAT,
                 "bad:1: messages: expected one of the assistant");
}

static void damaged_records_are_skipped_counted_and_told(void **state)
{
    (void)state;
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    struct diffulm_dataset_info info = {.struct_size = sizeof info};
    o.on_damage = DIFFULM_DAMAGE_SKIP;
    o.messages = 2;
    o.max_line = 40;
    const char *path =
        write_text("bad", "nothing\n" PAIR "{\"source\": 3}\n"
                          "{\"source\": \"a line of more than forty bytes\", \"target\": \"b\"}\n"
                          "{\"source\": \"c\", \"target\": \"d\"}\n{");
    diffulm_dataset *d = open_with(path, &o);
    assert_int_equal(diffulm_dataset_get_info(d, &info), DIFFULM_OK);
    assert_int_equal(info.skipped, 4);
    assert_non_null(strstr(diffulm_dataset_message(d, 0), "bad:1: "));
    assert_non_null(strstr(diffulm_dataset_message(d, 1), "bad:3: "));
    assert_null(diffulm_dataset_message(d, 2));
    HOLDS(d, DIFFULM_FORM_PAIR, "a|b", "c|d");
    o.on_damage = DIFFULM_DAMAGE_FATAL;
    o.form = DIFFULM_FORM_PAIR;
    refuses(write_text("bad", PAIR
                       "{\"source\": \"a line of more than forty bytes\", \"target\": \"b\"}\n"),
            &o, DIFFULM_E_LIMIT, "bad:2: the line has more than 40 bytes");
    o.on_damage = DIFFULM_DAMAGE_SKIP;
    refuses(write_text("bad", "{\n{\n"), &o, DIFFULM_E_FORMAT, "no records, and 2 skipped");
}

static void lines_up_to_the_limit_are_read_whole(void **state)
{
    (void)state;
    enum { LONG = 300000 };
    char *text = test_malloc(2 * LONG + 8);
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    memset(text, 'x', 2 * LONG);
    text[LONG - 2] = '\t';
    memcpy(text + LONG, "\r\na\tb\n", 7);
    o.max_line = LONG;
    diffulm_dataset *d = open_with(write_text("long", text), &o);
    diffulm_reader *reader = read_one(d, DIFFULM_ORDER_FILE);
    assert_int_equal(next(reader).source_length, LONG - 2);
    assert_string_equal(next(reader).target, "b");
    diffulm_reader_destroy(reader);
    diffulm_dataset_unref(d);
    o.max_line = LONG - 1;
    refuses(path_of("long"), &o, DIFFULM_E_LIMIT, "long:1:");
    test_free(text);
}

static void gzip_is_told_by_its_bytes_and_may_have_members(void **state)
{
    (void)state;
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    struct diffulm_dataset_info info = {.struct_size = sizeof info};
    write_gzip("plain-name", "wb", "a\tb\n");
    const char *path = write_gzip("plain-name", "ab", "c\td\ne\tf\n");
    diffulm_dataset *d = open_with(path, NULL);
    assert_int_equal(diffulm_dataset_get_info(d, &info), DIFFULM_OK);
    assert_int_equal(info.in_order, 0);
    HOLDS(d, DIFFULM_FORM_TSV, "a|b", "c|d", "e|f");
    o.gzip_buffer = 5;
    d = open_with(path, &o);
    assert_int_equal(diffulm_dataset_get_info(d, &info), DIFFULM_OK);
    assert_int_equal(info.in_order, 1);
    diffulm_reader *reader = NULL;
    assert_int_equal(diffulm_reader_create(&d, NULL, 1, NULL, &reader), DIFFULM_E_UNSUPPORTED);
    assert_message_names("cannot be shuffled");
    assert_null(reader);
    reader = read_one(d, DIFFULM_ORDER_FILE);
    for (int i = 0; i < 7; i++) /* back to the start, twice */
        assert_int_equal(next(reader).source[0], "ace"[i % 3]);
    diffulm_reader_destroy(reader);
    HOLDS(d, DIFFULM_FORM_TSV, "a|b", "c|d", "e|f");
    o.few_shot = 1;
    refuses(path, &o, DIFFULM_E_UNSUPPORTED, "few-shot");
}

/* Files are read 16 KiB at a time. */
static void a_gzip_member_may_end_where_a_read_does(void **state)
{
    (void)state;
    static char text[16384 + 1] = "a\t";
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    struct stat info = {0};
    const char *path = NULL;
    for (size_t n = 16256; info.st_size != 16384;
         n++) { /* stored, not packed: each byte more is one */
        assert_true(n < sizeof text - 1);
        memset(text + 2, 'x', n);
        strcpy(text + n, "\n");
        path = write_gzip("border", "wb0", text);
        assert_int_equal(stat(path, &info), 0);
    }
    write_gzip("border", "ab", "c\td\n");
    o.gzip_buffer = 1; /* unpacked as it is read */
    diffulm_dataset *d = open_with(path, &o);
    diffulm_reader *reader = read_one(d, DIFFULM_ORDER_FILE);
    assert_int_equal(diffulm_dataset_count(d), 2);
    assert_int_equal(next(reader).target_length, strlen(text) - 3);
    assert_string_equal(next(reader).target, "d");
    diffulm_reader_destroy(reader);
    diffulm_dataset_unref(d);
}

static void damaged_gzip_is_refused_even_where_records_are_skipped(void **state)
{
    (void)state;
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    char bytes[256];
    o.on_damage = DIFFULM_DAMAGE_SKIP;
    write_gzip("g", "wb", "a\tb\nsome more text\tand its target\n");
    FILE *file = fopen(path_of("g"), "rb");
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    refuses(write_bytes("short", bytes, size - 5), &o, DIFFULM_E_FORMAT, "ends early");
    bytes[size - 6] ^= 1;
    refuses(write_bytes("wrong", bytes, size), &o, DIFFULM_E_FORMAT, "damaged gzip data");
    bytes[size - 6] ^= 1;
    bytes[size] = 'x';
    refuses(write_bytes("more", bytes, size + 1), &o, DIFFULM_E_FORMAT, "more: byte");
}

static void templates_make_the_source(void **state)
{
    (void)state;
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    o.instruction_template = "{{{instruction}}}";
    o.input_template = "I: {input} Q: {instruction}.";
    HOLDS(open_with(write_text("a",
                               "{\"instruction\": \"do\", \"input\": \"x\", \"output\": \"y\"}\n"
                               "{\"instruction\": \"do\", \"input\": null, \"output\": \"y\"}\n"),
                    &o),
          DIFFULM_FORM_INSTRUCTION, "I: x Q: do.|y", "{do}|y");
    o.user_prefix = "<u>";
    o.user_suffix = "</u>";
    o.assistant_prefix = "<a>";
    HOLDS(
        open_with(write_text("a", "{\"messages\": [{\"role\": \"user\", \"content\": \"{input}\"},"
                                  "{\"role\": \"assistant\", \"content\": \"b\"}]}\n"),
                  &o),
        DIFFULM_FORM_CHAT, "<u>{input}</u><a>|b");
}

static void wrong_templates_and_options_are_refused_by_name(void **state)
{
    (void)state;
    const char *path = write_text("a", PAIR PAIR);
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    o.instruction_template = "say {input}";
    refuses(path, &o, DIFFULM_E_ARGUMENT,
            "instruction_template: byte 4: unknown placeholder {input}; expected {instruction}");
    o.instruction_template = NULL;
    o.input_template = "{{}} {input";
    refuses(path, &o, DIFFULM_E_ARGUMENT, "input_template: byte 5: a brace that does not close");
    o.input_template = "a}";
    refuses(path, &o, DIFFULM_E_ARGUMENT, "input_template: byte 1: a brace that was not opened");
    o.input_template = NULL;
    o.few_shot_template = "{sauce}";
    refuses(path, &o, DIFFULM_E_ARGUMENT, "{source} or {target}");
    o.few_shot_template = NULL;
    o.few_shot = 2;
    refuses(path, &o, DIFFULM_E_ARGUMENT, "few_shot is 2, expected less than 2 records");
    o.few_shot = 65;
    refuses(path, &o, DIFFULM_E_ARGUMENT, "few_shot is 65");
    o.few_shot = 0;
    o.form = DIFFULM_FORM_PARALLEL;
    refuses(path, &o, DIFFULM_E_ARGUMENT, "expected two files");
    o.form = -1;
    refuses(path, &o, DIFFULM_E_ARGUMENT, "form is -1");
    o.form = DIFFULM_FORM_TEXT;
    refuses(path, &o, DIFFULM_E_FORMAT, "a:1: expected the string text, found");
    o.form = 0;
    o.source_column = "en";
    refuses(path, &o, DIFFULM_E_ARGUMENT, "target_column");
    o.source_column = NULL;
    o.struct_size = 8;
    refuses(path, &o, DIFFULM_E_ARGUMENT, "struct_size");
}

static int32_t stop_after(void *user, uint64_t bytes, uint64_t total)
{
    int *left = user;
    assert_true(bytes <= total);
    return --*left < 0;
}

static void opening_tells_progress_and_can_be_stopped(void **state)
{
    (void)state;
    int left = 100;
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    o.progress = stop_after;
    o.user = &left;
    diffulm_dataset_unref(numbered("p", 6000, 400, &o)); /* 2.4 MB: twice, and at the end */
    assert_int_equal(left, 97);
    left = 1;
    refuses(path_of("p"), &o, DIFFULM_E_CANCELLED, "stopped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_told_by_its_first_record),
        cmocka_unit_test(parallel_files_pair_line_by_line),
        cmocka_unit_test(columns_are_found_by_the_header),
        cmocka_unit_test(damage_is_told_with_file_and_line),
        cmocka_unit_test(damaged_chats_name_the_message),
        cmocka_unit_test(damaged_records_are_skipped_counted_and_told),
        cmocka_unit_test(lines_up_to_the_limit_are_read_whole),
        cmocka_unit_test(gzip_is_told_by_its_bytes_and_may_have_members),
        cmocka_unit_test(a_gzip_member_may_end_where_a_read_does),
        cmocka_unit_test(damaged_gzip_is_refused_even_where_records_are_skipped),
        cmocka_unit_test(templates_make_the_source),
        cmocka_unit_test(wrong_templates_and_options_are_refused_by_name),
        cmocka_unit_test(opening_tells_progress_and_can_be_stopped)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

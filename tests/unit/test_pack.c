/* The game's archives: what is damaged is refused with its name, and nothing is read beyond a file's end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <diffulm/diffulm.h>

#include "pack.h"

enum { ENTRY = PACK_NAME + 16, TABLE = 12, BODY = TABLE + 2 * ENTRY, SIZE = BODY + 9 };

static char path[] = "/tmp/diffulm-pack-XXXXXX";
static char message[512];

static int make_path(void **state)
{
    (void)state;
    const int file = mkstemp(path);
    return file < 0 || close(file) < 0 ? -1 : 0;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static void put(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

static void put_entry(unsigned char *archive, size_t index, const char *name, uint64_t offset,
                      uint64_t size)
{
    unsigned char *at = archive + TABLE + index * ENTRY;
    memset(at, 0, PACK_NAME);
    memcpy(at, name, strlen(name));
    put(at + PACK_NAME, offset, 8);
    put(at + PACK_NAME + 8, size, 8);
}

/* "one.json": "abcd", "two.txt": "efghi". */
static void fill(unsigned char *archive)
{
    memcpy(archive, PACK_MAGIC, 8);
    put(archive + 8, 2, 4);
    put_entry(archive, 0, "one.json", BODY, 4);
    put_entry(archive, 1, "two.txt", BODY + 4, 5);
    memcpy(archive + BODY, "abcdefghi", 9);
}

static struct pack *open_bytes(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    memset(message, 0, sizeof message);
    return pack_open(path, message, sizeof message);
}

/* Refused, and the message has the archive's name and `why`. */
static void assert_refused(const void *bytes, size_t size, const char *why)
{
    assert_null(open_bytes(bytes, size));
    if (!strstr(message, why))
        fail_msg("\"%s\" does not say \"%s\"", message, why);
    assert_memory_equal(message, path, strlen(path));
}

static void an_archive_gives_back_its_files(void **state)
{
    (void)state;
    unsigned char archive[SIZE];
    char text[8] = "";
    uint64_t bytes = 0;
    fill(archive);
    struct pack *p = open_bytes(archive, SIZE);
    assert_non_null(p);
    const struct diffulm_files f = pack_files(p);
    assert_string_equal(f.label, path);
    assert_int_equal(f.size(f.user, "two.txt", &bytes), 0);
    assert_int_equal(bytes, 5);
    assert_int_equal(f.read(f.user, "two.txt", 0, text, 5), 0);
    assert_string_equal(text, "efghi");
    assert_int_equal(f.read(f.user, "one.json", 1, text, 2), 0);
    assert_memory_equal(text, "bc", 2);
    assert_int_equal(f.size(f.user, "three", &bytes), DIFFULM_FILE_ABSENT);
    assert_int_equal(f.read(f.user, "three", 0, text, 1), DIFFULM_FILE_ABSENT);
    pack_close(p);
}

static void nothing_is_read_past_the_end_of_a_file(void **state)
{
    (void)state;
    unsigned char archive[SIZE];
    char text[16] = "untouched";
    fill(archive);
    struct pack *p = open_bytes(archive, SIZE);
    assert_non_null(p);
    const struct diffulm_files f = pack_files(p);
    assert_int_equal(f.read(f.user, "one.json", 0, text, 5), PACK_PAST_END);
    assert_int_equal(f.read(f.user, "one.json", 5, text, 0), PACK_PAST_END);
    assert_int_equal(f.read(f.user, "one.json", UINT64_MAX, text, 2), PACK_PAST_END);
    assert_int_equal(f.read(f.user, "one.json", 2, text, SIZE_MAX), PACK_PAST_END);
    assert_string_equal(text, "untouched");
    pack_close(p);
}

static void an_archive_that_shrinks_after_opening_is_unreadable(void **state)
{
    (void)state;
    enum { FAR = 1 << 16 }; /* more than stdio reads at a time */
    static unsigned char archive[FAR + 5];
    char text[8];
    fill(archive);
    put_entry(archive, 1, "two.txt", FAR, 5);
    struct pack *p = open_bytes(archive, sizeof archive);
    assert_non_null(p);
    assert_int_equal(truncate(path, FAR + 2), 0);
    const struct diffulm_files f = pack_files(p);
    assert_int_equal(f.read(f.user, "two.txt", 0, text, 5), PACK_UNREADABLE);
    pack_close(p);
}

static void what_is_no_archive_is_named(void **state)
{
    (void)state;
    unsigned char archive[SIZE];
    fill(archive);
    archive[0] = 'D';
    assert_refused(archive, SIZE, "no archive");
    assert_refused("", 0, "too few");
    assert_null(pack_open("/nonexistent/game.pak", message, sizeof message));
    assert_string_equal(message, "/nonexistent/game.pak: can't be opened");
    assert_null(pack_open("/tmp", message, sizeof message));
    assert_string_equal(message, "/tmp: can't be read");
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    unsigned char archive[SIZE];
    fill(archive);
    for (size_t size = 0; size < SIZE; size++)
        assert_refused(archive, size,
                       size < TABLE      ? "too few"
                       : size < BODY     ? "ends in its table"
                       : size < BODY + 4 ? "one.json has 4 bytes"
                                         : "two.txt has 5 bytes");
}

static void absurd_counts_are_refused(void **state)
{
    (void)state;
    unsigned char archive[SIZE];
    const uint32_t counts[] = {0, PACK_FILES + 1, 0x7fffffff, 0xffffffff};
    fill(archive);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        put(archive + 8, counts[i], 4);
        assert_refused(archive, SIZE, "expected 1 to 256");
    }
    put(archive + 8, PACK_FILES, 4);
    assert_refused(archive, SIZE, "ends in its table");
}

static void offsets_outside_the_archive_are_refused(void **state)
{
    (void)state;
    unsigned char archive[SIZE];
    const struct {
        uint64_t offset, size;
        const char *why;
    } wrong[] = {{SIZE + 1, 0, "two.txt has 0 bytes from byte"},
                 {BODY + 4, 6, "two.txt has 6 bytes"},
                 {UINT64_MAX, 1, "two.txt has 1 bytes"},
                 {BODY + 4, UINT64_MAX, "two.txt has 18446744073709551615 bytes"},
                 {UINT64_MAX - 3, 8, "two.txt has 8 bytes"},
                 {BODY - 1, 2, "inside the table"},
                 {0, 4, "inside the table"},
                 {BODY + 3, 6, "one.json and two.txt overlap"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fill(archive);
        put_entry(archive, 1, "two.txt", wrong[i].offset, wrong[i].size);
        assert_refused(archive, SIZE, wrong[i].why);
    }
}

static void names_are_plain_and_there_once(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "../up", "a/b", ".hidden", "a b", "\x1b[2J"};
    unsigned char archive[SIZE];
    fill(archive);
    put_entry(archive, 1, "one.json", BODY + 4, 5);
    assert_refused(archive, SIZE, "one.json is there twice");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fill(archive);
        put_entry(archive, 1, wrong[i], BODY + 4, 5);
        assert_refused(archive, SIZE, "file 1 of the table has no proper name");
    }
    fill(archive);
    memset(archive + TABLE, 'a', PACK_NAME); /* no end */
    assert_refused(archive, SIZE, "file 0 of the table has no proper name");
    fill(archive);
    archive[TABLE + PACK_NAME - 1] = 'a'; /* something behind it */
    assert_refused(archive, SIZE, "file 0 of the table has no proper name");
}

/* With any one byte changed, it opens or says why not; what opens can be read to the end. */
static void any_changed_byte_is_survived(void **state)
{
    (void)state;
    static const char *const names[] = {"one.json", "two.txt"};
    unsigned char archive[SIZE], text[SIZE];
    for (size_t at = 0; at < BODY; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            fill(archive);
            archive[at] ^= (unsigned char)(1u << bit);
            struct pack *p = open_bytes(archive, SIZE);
            assert_true(p || message[0]);
            if (!p)
                continue;
            const struct diffulm_files f = pack_files(p);
            for (int i = 0; i < 2; i++) {
                uint64_t bytes;
                if (f.size(f.user, names[i], &bytes) != 0)
                    continue;
                assert_true(bytes <= SIZE);
                assert_int_equal(f.read(f.user, names[i], 0, text, (size_t)bytes), 0);
            }
            pack_close(p);
        }
}

static void the_library_names_archive_and_file(void **state)
{
    (void)state;
    unsigned char archive[SIZE];
    diffulm_model *model = NULL;
    fill(archive);
    struct pack *p = open_bytes(archive, SIZE);
    assert_non_null(p);
    const struct diffulm_files f = pack_files(p);
    assert_int_equal(diffulm_model_open_files(&f, NULL, &model), DIFFULM_E_IO);
    assert_non_null(strstr(diffulm_error_message(), path));
    assert_non_null(strstr(diffulm_error_message(), "config.json"));
    pack_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_archive_gives_back_its_files),
        cmocka_unit_test(nothing_is_read_past_the_end_of_a_file),
        cmocka_unit_test(an_archive_that_shrinks_after_opening_is_unreadable),
        cmocka_unit_test(what_is_no_archive_is_named),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(absurd_counts_are_refused),
        cmocka_unit_test(offsets_outside_the_archive_are_refused),
        cmocka_unit_test(names_are_plain_and_there_once),
        cmocka_unit_test(any_changed_byte_is_survived),
        cmocka_unit_test(the_library_names_archive_and_file),
    };
    return cmocka_run_group_tests_name("pack", tests, make_path, remove_path);
}

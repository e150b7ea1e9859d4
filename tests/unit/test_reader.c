/* Readers: orders, mixtures, few-shot examples, positions, memory held. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data_files.h"

static void each_epoch_has_the_order_of_the_shuffle(void **state)
{
    (void)state;
    enum { N = 70000 }; /* three stretches */
    size_t *order = test_malloc(N * sizeof *order);
    diffulm_dataset *d = numbered("n", N, 1, NULL);
    diffulm_reader *reader = read_one(d, DIFFULM_ORDER_SHUFFLED);
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        assert_int_equal(diffulm_shuffle(5, epoch, N, order), DIFFULM_OK);
        for (size_t i = 0; i < N; i++) {
            const struct diffulm_record r = next(reader);
            if (r.index != order[i] || strtoull(r.source, NULL, 10) != order[i] || r.epoch != epoch)
                fail_msg("place %zu of epoch %u holds record %zu", i, epoch, r.index);
        }
    }
    diffulm_reader_destroy(reader);
    diffulm_dataset_unref(d);
    test_free(order);
}

static void memory_is_eight_bytes_a_record_and_small_buffers(void **state)
{
    (void)state;
    enum { N = 20000, FILLER = 400 }; /* 8 MB */
    diffulm_dataset *d = numbered("big", N, FILLER, NULL);
    struct diffulm_dataset_info info = {.struct_size = sizeof info};
    assert_int_equal(diffulm_dataset_get_info(d, &info), DIFFULM_OK);
    assert_in_range(info.memory, 8 * N, 8 * N + 2048);
    diffulm_reader *reader = read_one(d, DIFFULM_ORDER_SHUFFLED);
    for (int i = 0; i < N; i++) {
        next(reader);
        assert_true(diffulm_reader_memory(reader) < ((size_t)1 << 20));
    }
    diffulm_reader_destroy(reader);
    reader = read_one(d, DIFFULM_ORDER_FILE);
    for (int i = 0; i < N; i++)
        next(reader);
    assert_true(diffulm_reader_memory(reader) < ((size_t)1 << 18));
    diffulm_reader_destroy(reader);
    diffulm_dataset_unref(d);
}

static void few_shot_examples_are_other_records_drawn_anew_each_epoch(void **state)
{
    (void)state;
    enum { N = 6, SHOTS = 5 };
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    struct diffulm_record record = {.struct_size = sizeof record};
    o.few_shot = SHOTS;
    o.few_shot_template = "{source};";
    diffulm_dataset *d = numbered("s", N, 1, &o);
    diffulm_reader *reader = read_one(d, DIFFULM_ORDER_SHUFFLED);
    int differ = 0;
    for (size_t i = 0; i < N; i++) {
        char first[64] = "";
        for (uint32_t epoch = 0; epoch < 20; epoch++) {
            unsigned seen = 0;
            assert_int_equal(diffulm_reader_record(reader, 0, epoch, i, &record), DIFFULM_OK);
            assert_int_equal(record.source_length, 2 * SHOTS + 1);
            for (size_t k = 0; k <= SHOTS; k++)
                seen |= 1u << (record.source[2 * k] - '0');
            assert_int_equal(seen,
                             (1 << N) - 1); /* each once, so the record itself is no example */
            assert_int_equal(record.source[2 * SHOTS] - '0', i);
            if (epoch == 0)
                strcpy(first, record.source);
            differ += strcmp(first, record.source) != 0;
        }
        assert_int_equal(diffulm_reader_record(reader, 0, 0, i, &record), DIFFULM_OK);
        assert_string_equal(record.source, first);
    }
    assert_true(differ > 50);
    assert_int_equal(diffulm_reader_record(reader, 0, 0, N, &record), DIFFULM_E_ARGUMENT);
    assert_int_equal(diffulm_reader_record(reader, 1, 0, 0, &record), DIFFULM_E_ARGUMENT);
    diffulm_reader_destroy(reader);
    diffulm_dataset_unref(d);
}

static diffulm_reader *mixture(diffulm_dataset *const *sets, uint64_t seed)
{
    static const double weights[3] = {1, 0, 3};
    struct diffulm_reader_options o = DIFFULM_READER_OPTIONS_INIT;
    diffulm_reader *reader = NULL;
    o.seed = seed;
    assert_int_equal(diffulm_reader_create(sets, weights, 3, &o, &reader), DIFFULM_OK);
    return reader;
}

static void mixture_keeps_its_proportions_and_every_epoch_whole(void **state)
{
    (void)state;
    enum { ROWS = 4000, N = 37 };
    static const double weights[3] = {1, 0, 3};
    diffulm_dataset *sets[3] = {numbered("x", N, 1, NULL), numbered("y", 5, 1, NULL),
                                numbered("z", 11, 1, NULL)};
    diffulm_reader *reader = mixture(sets, 7);
    size_t drawn[3] = {0}, times[N] = {0};
    for (uint32_t i = 0; i < ROWS; i++) {
        size_t want;
        const struct diffulm_record r = next(reader);
        assert_int_equal(diffulm_mixture_pick(7, i, 3, weights, &want), DIFFULM_OK);
        assert_int_equal(r.dataset, want);
        assert_int_equal(r.row, i);
        drawn[r.dataset]++;
        times[r.index] += r.dataset == 0;
        assert_int_equal(r.target[0], "xyz"[r.dataset]);
    }
    assert_int_equal(drawn[1], 0);
    assert_in_range(drawn[0], ROWS / 4 - 120, ROWS / 4 + 120); /* over four standard deviations */
    for (size_t i = 0; i < N; i++)
        assert_in_range(times[i], drawn[0] / N, drawn[0] / N + 1);
    diffulm_reader_destroy(reader);
    for (int i = 0; i < 3; i++)
        diffulm_dataset_unref(sets[i]);
}

enum { ALL = 1000, BEFORE = 400, ROW_TEXT = 64 };

static void read_rows(diffulm_reader *reader, size_t count, char (*out)[ROW_TEXT])
{
    for (size_t i = 0; i < count; i++) {
        const struct diffulm_record r = next(reader);
        snprintf(out[i], ROW_TEXT, "%llu %zu %u %s|%s", (unsigned long long)r.row, r.dataset,
                 r.epoch, r.source, r.target);
    }
}

static void a_position_goes_on_with_the_row_that_would_have_come(void **state)
{
    (void)state;
    static char whole[ALL][ROW_TEXT], halves[ALL][ROW_TEXT];
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    unsigned char position[128];
    size_t length = 0;
    o.few_shot = 2;
    o.few_shot_template = "{source} ";
    for (int run = 0; run < 3; run++) {
        diffulm_dataset *sets[3] = {numbered("x", 37, 1, &o), numbered("y", 5, 1, NULL),
                                    numbered("z", 150, 1, NULL)};
        diffulm_reader *reader = mixture(sets, 9);
        for (int i = 0; i < 3; i++)
            diffulm_dataset_unref(sets[i]); /* the reader keeps them */
        if (run == 0)
            read_rows(reader, ALL, whole);
        if (run == 1) {
            read_rows(reader, BEFORE, halves);
            assert_int_equal(diffulm_reader_position(reader, position, 10, &length),
                             DIFFULM_BUFFER_TOO_SMALL);
            assert_int_equal(length, 40 + 3 * 24);
            assert_int_equal(diffulm_reader_position(reader, position, sizeof position, &length),
                             DIFFULM_OK);
        }
        if (run == 2) {
            assert_int_equal(diffulm_reader_seek(reader, position, length), DIFFULM_OK);
            read_rows(reader, ALL - BEFORE, halves + BEFORE);
        }
        diffulm_reader_destroy(reader);
    }
    for (size_t i = 0; i < ALL; i++)
        assert_string_equal(whole[i], halves[i]);
}

static void positions_of_other_readers_are_refused(void **state)
{
    (void)state;
    unsigned char position[128];
    size_t length = 0;
    diffulm_dataset *d = numbered("n", 10, 1, NULL), *other = numbered("m", 11, 1, NULL);
    diffulm_reader *reader = read_one(d, DIFFULM_ORDER_SHUFFLED);
    next(reader);
    assert_int_equal(diffulm_reader_position(reader, position, sizeof position, &length),
                     DIFFULM_OK);
    const size_t second = next(reader).index;
    diffulm_reader *file_order = read_one(d, DIFFULM_ORDER_FILE), *larger = read_one(other, 0);
    assert_int_equal(diffulm_reader_seek(file_order, position, length), DIFFULM_E_ARGUMENT);
    assert_message_names("order");
    assert_int_equal(diffulm_reader_seek(larger, position, length), DIFFULM_E_ARGUMENT);
    assert_message_names("records: 10, this one has 11");
    assert_int_equal(diffulm_reader_seek(reader, position, length - 1), DIFFULM_E_FORMAT);
    position[56] = 11; /* the index */
    assert_int_equal(diffulm_reader_seek(reader, position, length), DIFFULM_E_FORMAT);
    assert_message_names("index 11");
    position[56] = 1;
    position[8] ^= 1;
    assert_int_equal(diffulm_reader_seek(reader, position, length), DIFFULM_E_ARGUMENT);
    assert_message_names("seed");
    position[8] ^= 1;
    position[0] = 'x';
    assert_int_equal(diffulm_reader_seek(reader, position, length), DIFFULM_E_FORMAT);
    position[0] = 'd';
    assert_int_equal(diffulm_reader_seek(reader, position, length), DIFFULM_OK);
    assert_int_equal(next(reader).index, second);
    diffulm_reader_destroy(reader);
    diffulm_reader_destroy(file_order);
    diffulm_reader_destroy(larger);
    diffulm_dataset_unref(d);
    diffulm_dataset_unref(other);
}

static void files_that_changed_fail_the_row_and_not_the_host(void **state)
{
    (void)state;
    struct diffulm_record record = {.struct_size = sizeof record, .index = 77};
    diffulm_dataset *d = open_with(write_text("c", PAIR PAIR), NULL);
    diffulm_reader *reader = read_one(d, DIFFULM_ORDER_FILE);
    write_text("c", "");
    assert_int_equal(diffulm_reader_next(reader, &record), DIFFULM_E_FORMAT);
    assert_message_names("changed since it was opened");
    write_text("c", "{\"text\": 1}\n");
    assert_int_equal(diffulm_reader_next(reader, &record), DIFFULM_E_FORMAT);
    assert_message_names("c: byte 0 of its text: expected the strings source and target");
    assert_int_equal(record.index, 77);
    write_text("c", PAIR PAIR);
    assert_int_equal(next(reader).row, 0);
    diffulm_reader_destroy(reader);
    diffulm_dataset_unref(d);
}

static void tasks_come_with_their_records(void **state)
{
    (void)state;
    diffulm_dataset *d =
        open_with(write_text("t", "{\"task\": \"say\", \"source\": \"a\", \"target\": \"b\"}\n"
                                  "{\"task\": 3, \"source\": \"a\", \"target\": \"b\"}\n"),
                  NULL);
    diffulm_reader *reader = read_one(d, DIFFULM_ORDER_FILE);
    assert_string_equal(next(reader).task, "say");
    assert_string_equal(next(reader).task, "");
    diffulm_reader_destroy(reader);
    diffulm_dataset_unref(d);
}

static void readers_refuse_wrong_arguments(void **state)
{
    (void)state;
    static const double none[1] = {0};
    struct diffulm_reader_options o = DIFFULM_READER_OPTIONS_INIT;
    diffulm_dataset *d = numbered("n", 3, 1, NULL);
    diffulm_reader *reader = NULL;
    assert_int_equal(diffulm_reader_create(&d, none, 1, NULL, &reader), DIFFULM_E_ARGUMENT);
    assert_message_names("all weights are 0");
    o.order = 2;
    assert_int_equal(diffulm_reader_create(&d, NULL, 1, &o, &reader), DIFFULM_E_ARGUMENT);
    assert_message_names("order is 2");
    o.struct_size = 0;
    assert_int_equal(diffulm_reader_create(&d, NULL, 1, &o, &reader), DIFFULM_E_ARGUMENT);
    assert_message_names("struct_size");
    assert_null(reader);
    struct diffulm_record record = {.struct_size = 8};
    reader = read_one(d, DIFFULM_ORDER_FILE);
    assert_int_equal(diffulm_reader_next(reader, &record), DIFFULM_E_ARGUMENT);
    assert_message_names("struct_size");
    diffulm_reader_destroy(reader);
    diffulm_dataset_unref(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_epoch_has_the_order_of_the_shuffle),
        cmocka_unit_test(memory_is_eight_bytes_a_record_and_small_buffers),
        cmocka_unit_test(few_shot_examples_are_other_records_drawn_anew_each_epoch),
        cmocka_unit_test(mixture_keeps_its_proportions_and_every_epoch_whole),
        cmocka_unit_test(a_position_goes_on_with_the_row_that_would_have_come),
        cmocka_unit_test(positions_of_other_readers_are_refused),
        cmocka_unit_test(files_that_changed_fail_the_row_and_not_the_host),
        cmocka_unit_test(tasks_come_with_their_records),
        cmocka_unit_test(readers_refuse_wrong_arguments)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

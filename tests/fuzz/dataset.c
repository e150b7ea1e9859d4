/* dataset.c: bytes as training data. The first byte sets options; 0x1e cuts what follows into two parallel files. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

/* A file in memory with these bytes; `path` names it. */
static int write_file(const uint8_t *data, size_t size, char path[32])
{
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static void check_record(const struct diffulm_record *r, size_t count)
{
    size_t repaired = 0;
    CHECK(r->index < count && r->dataset == 0);
    CHECK(strlen(r->source) == r->source_length && strlen(r->target) == r->target_length &&
          strlen(r->task) == r->task_length);
    CHECK(diffulm_utf8_repair(r->source, r->source_length, NULL, 0, &repaired) >= 0);
    CHECK(repaired == r->source_length);
    CHECK(diffulm_utf8_repair(r->target, r->target_length, NULL, 0, &repaired) >= 0);
    CHECK(repaired == r->target_length);
}

/* A little more than an epoch, forwards; then what the position brings back. */
static void read_all(diffulm_dataset *dataset, const struct diffulm_dataset_info *info)
{
    struct diffulm_reader_options o = DIFFULM_READER_OPTIONS_INIT;
    struct diffulm_record record = {.struct_size = sizeof record};
    diffulm_reader *reader = NULL;
    uint8_t position[64];
    size_t length = 0;
    o.order = info->in_order ? DIFFULM_ORDER_FILE : DIFFULM_ORDER_SHUFFLED;
    CHECK(diffulm_reader_create(&dataset, NULL, 1, &o, &reader) == DIFFULM_OK);
    for (size_t i = 0; i < info->count + 2 && i < 300; i++) {
        CHECK(diffulm_reader_position(reader, position, sizeof position, &length) == DIFFULM_OK);
        CHECK(diffulm_reader_next(reader, &record) == DIFFULM_OK);
        CHECK(record.row == i);
        check_record(&record, info->count);
    }
    const size_t index = record.index;
    CHECK(diffulm_reader_seek(reader, position, length) == DIFFULM_OK);
    CHECK(diffulm_reader_next(reader, &record) == DIFFULM_OK && record.index == index);
    diffulm_reader_destroy(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    struct diffulm_dataset_info info = {.struct_size = sizeof info};
    diffulm_dataset *dataset = NULL;
    const uint8_t flags = *data++;
    const uint8_t *cut = memchr(data, 0x1e, --size);
    char first[32], second[32];
    const char *const paths[2] = {first, second};
    const size_t length = cut ? (size_t)(cut - data) : size;
    const int a = write_file(data, length, first);
    const int b = cut ? write_file(cut + 1, size - length - 1, second) : -1;
    o.max_line = 5000;
    o.on_damage = flags & 1;
    o.few_shot = flags >> 1 & 1;
    o.gzip_buffer = flags & 4 ? 3 : 1 << 20;
    o.source_column = flags & 8 && !cut ? "s" : NULL;
    o.target_column = flags & 8 && !cut ? "t" : NULL;
    const diffulm_status rc = diffulm_dataset_open(paths, cut ? 2 : 1, &o, &dataset);
    CHECK_STATUS(rc);
    CHECK((rc == DIFFULM_OK) == (dataset != NULL));
    if (dataset) {
        CHECK(diffulm_dataset_get_info(dataset, &info) == DIFFULM_OK && info.count > 0);
        CHECK((info.skipped > 0) == (diffulm_dataset_message(dataset, 0) != NULL));
        read_all(dataset, &info);
    }
    diffulm_dataset_unref(dataset);
    close(a);
    if (b >= 0)
        close(b);
    return 0;
}

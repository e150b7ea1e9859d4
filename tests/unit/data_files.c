/* data_files.c: data sets that the tests of datasets and readers write. */
#include "data_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char folder[] = "/tmp/dulm-dataset-XXXXXX";

const char *path_of(const char *name)
{
    static char paths[4][256];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

const char *write_bytes(const char *name, const char *bytes, size_t length)
{
    const char *path = path_of(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
    return path;
}

const char *write_text(const char *name, const char *text)
{
    return write_bytes(name, text, strlen(text));
}

const char *write_gzip(const char *name, const char *mode, const char *text)
{
    const char *path = path_of(name);
    gzFile file = gzopen(path, mode);
    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), strlen(text));
    gzclose(file);
    return path;
}

diffulm_dataset *open_with(const char *path, const struct diffulm_dataset_options *options)
{
    diffulm_dataset *d = NULL;
    if (diffulm_dataset_open(&path, 1, options, &d) < 0)
        fail_msg("%s", diffulm_error_message());
    return d;
}

diffulm_reader *read_one(diffulm_dataset *d, int32_t order)
{
    struct diffulm_reader_options o = DIFFULM_READER_OPTIONS_INIT;
    diffulm_reader *reader = NULL;
    o.order = order;
    o.seed = 5;
    assert_int_equal(diffulm_reader_create(&d, NULL, 1, &o, &reader), DIFFULM_OK);
    return reader;
}

struct diffulm_record next(diffulm_reader *reader)
{
    struct diffulm_record record = {.struct_size = sizeof record};
    if (diffulm_reader_next(reader, &record) < 0)
        fail_msg("%s", diffulm_error_message());
    assert_int_equal(strlen(record.source), record.source_length);
    assert_int_equal(strlen(record.target), record.target_length);
    return record;
}

diffulm_dataset *numbered(const char *name, size_t count, size_t filler,
                          const struct diffulm_dataset_options *options)
{
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "%zu\t%s%0*d\n", i, name, (int)filler, 0);
    fclose(file);
    return open_with(path_of(name), options);
}

int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

int remove_folder(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

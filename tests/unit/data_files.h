/* data_files.h: data sets on disk for tests, in a folder of the test program's own. */
#ifndef DULM_TESTS_DATA_FILES_H
#define DULM_TESTS_DATA_FILES_H

#include "tiny.h"

#define PAIR "{\"source\": \"a\", \"target\": \"b\"}\n"

/* For cmocka_run_group_tests. */
int make_folder(void **state);
int remove_folder(void **state);

/* "folder/name"; one of a few buffers, so that two paths can be named at once. The writers return it too. */
const char *path_of(const char *name);
const char *write_bytes(const char *name, const char *bytes, size_t length);
const char *write_text(const char *name, const char *text);
const char *write_gzip(const char *name, const char *mode, const char *text);

/* Fails the test where it cannot be opened. */
diffulm_dataset *open_with(const char *path, const struct diffulm_dataset_options *options);
/* A file of `count` records, whose sources are their numbers. */
diffulm_dataset *numbered(const char *name, size_t count, size_t filler,
                          const struct diffulm_dataset_options *options);

diffulm_reader *read_one(diffulm_dataset *d, int32_t order);
struct diffulm_record next(diffulm_reader *reader);

#endif

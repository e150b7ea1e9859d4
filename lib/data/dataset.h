/* dataset.h: files of records with the index that says where each one starts. */
#ifndef DULM_DATA_DATASET_H
#define DULM_DATA_DATASET_H

#include <diffulm/dataset.h>

#include "base/refcount.h"
#include "data/form.h"
#include "io/text_file.h"

enum { DULM_DATASET_FILES = 2 };

struct diffulm_dataset {
    dulm_refcount refs;
    struct dulm_form form;
    struct dulm_text_file files[DULM_DATASET_FILES];
    size_t file_count;
    uint64_t *offsets; /* [count, file_count] of each record's line in the text of each file */
    size_t count, skipped, max_line;
    char **messages; /* [message_count] why records were skipped */
    size_t message_count;
    size_t few_shot;
    struct dulm_prompt few_shot_template;
};

/* Options are checked, and hold their defaults. */
diffulm_status dulm_dataset_open(const char *const *paths, size_t path_count,
                                 const struct diffulm_dataset_options *options,
                                 diffulm_dataset **out) DIFFULM_MUST_USE;
void dulm_dataset_release(diffulm_dataset *dataset);
/* False where a file can be read in file order only. */
bool dulm_dataset_seekable(const diffulm_dataset *dataset);
size_t dulm_dataset_memory(const diffulm_dataset *dataset);

/* Source and target of one record, without few-shot examples. cursors: [file_count]. */
diffulm_status dulm_dataset_read(const diffulm_dataset *dataset, struct dulm_cursor *cursors,
                                 size_t index, struct dulm_record_text *out) DIFFULM_MUST_USE;

#endif

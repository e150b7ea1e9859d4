/* reader.h: a walk through the epochs of one data set or of a mixture. */
#ifndef DULM_DATA_READER_H
#define DULM_DATA_READER_H

#include "base/order.h"
#include "data/dataset.h"

/* Where a reader stands in one data set. */
struct dulm_reader_source {
    diffulm_dataset *dataset;
    struct dulm_cursor cursors[DULM_DATASET_FILES];
    uint32_t epoch;
    size_t index;    /* records of this epoch that were read */
    uint32_t *order; /* the records of a stretch of the epoch's order, */
    size_t order_capacity, stretch_begin, stretch_count; /* which starts at stretch_begin */
    uint32_t stretch_epoch;
};

struct diffulm_reader {
    struct dulm_reader_source *sources; /* [count] */
    double *weights;                    /* [count] */
    size_t count;
    int32_t order;
    uint64_t seed, rows;
    struct dulm_stretch stretch; /* being sorted */
    struct dulm_record_text text, example;
    struct dulm_strbuf shots; /* examples and source */
};

diffulm_status dulm_reader_create(diffulm_dataset *const *datasets, const double *weights,
                                  size_t count, const struct diffulm_reader_options *options,
                                  diffulm_reader **out) DIFFULM_MUST_USE;
void dulm_reader_destroy(diffulm_reader *reader);
diffulm_status dulm_reader_next(diffulm_reader *reader,
                                struct diffulm_record *record) DIFFULM_MUST_USE;
diffulm_status dulm_reader_record(diffulm_reader *reader, size_t dataset, uint32_t epoch,
                                  size_t index, struct diffulm_record *record) DIFFULM_MUST_USE;
size_t dulm_reader_memory(const diffulm_reader *reader);

/* position.c */
size_t dulm_position_size(const diffulm_reader *reader);
void dulm_position_write(const diffulm_reader *reader, unsigned char *out);
diffulm_status dulm_position_read(diffulm_reader *reader, const unsigned char *in,
                                  size_t length) DIFFULM_MUST_USE;

#endif

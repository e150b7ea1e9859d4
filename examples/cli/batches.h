/* batches.h: rows drawn from data on disk, encoded and packed into the batches of a training run. */
#ifndef DIFFULM_CLI_BATCHES_H
#define DIFFULM_CLI_BATCHES_H

#include "rows.h"

/* A record of a data set, both from 0. */
struct batch_record {
    size_t set, index;
};

/* The rows of one update, packed; zeroed at first. */
struct batch {
    int32_t *tokens;
    size_t *offsets, *sources, rows, row_capacity, token_capacity;
    struct batch_record *records; /* [rows] where they come from; of walk_next alone */
};

/* Appends a row that is in memory. */
void batch_take(struct batch *batch, const struct rows *rows, size_t row);
void batch_release(struct batch *batch);

/* A walk through the mixture of data sets, each epoch of each in its own order. No row is held. */
struct walk {
    const char *command; /* for messages */
    const struct cli_bundle *bundle;
    struct row_limit limit;
    struct data_source source;
    struct cli_tokens row;
    uint64_t too_long;     /* rows cut or left out so far */
    size_t *too_long_runs; /* [source.list->count] rows left out since the data set gave one */
};

/* Opens the data. command, list, order and seed as in data_open; bundle is borrowed. Returns 0, or prints and
 * returns an exit code. */
int walk_open(const char *command, const struct data_list *list,
              const struct diffulm_reader_options *options, const struct cli_bundle *bundle,
              const struct row_limit *limit, struct walk *out);
/* The next row, in walk->row; one that is too long and not cut is passed over. Fails as walk_next. */
diffulm_status walk_row(struct walk *walk, size_t *source_length, struct batch_record *from);
/* The batch becomes the next rows: as many as have at least `tokens` tokens. E_CANCELLED: a message was printed. */
diffulm_status walk_next(struct walk *walk, size_t tokens, struct batch *batch);
/* Where the walk stands, in hexadecimal digits; the caller frees it. NULL: see diffulm_error_message(). */
char *walk_position(const struct walk *walk);
/* Goes where another walk through the same data with the same seed stood. */
diffulm_status walk_go_to(struct walk *walk, const char *position);
/* After an update that failed: of E_NUMERIC, prints the message and the records the batch is made of, and returns
 * E_CANCELLED; any other status is returned as it is. */
diffulm_status walk_blame(const struct walk *walk, const struct batch *batch, diffulm_status rc);
void walk_close(struct walk *walk);

#endif

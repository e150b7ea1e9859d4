/* rows.h: records of data as rows of tokens. */
#ifndef DIFFULM_CLI_ROWS_H
#define DIFFULM_CLI_ROWS_H

#include "cli.h"
#include "datasets.h"

/* How long a row may be, and what becomes of a longer one. */
struct row_limit {
    size_t max_length;
    bool cut; /* it keeps its last max_length tokens; else it is left out */
};

/* Appends [bos] source [newline] target [eos] to tokens. *source_length: bos and newline included. *too_long: the
 * row was longer than the limit; nothing is appended then unless rows are cut. */
diffulm_status row_encode(const struct cli_bundle *bundle, const struct diffulm_record *record,
                          const struct row_limit *limit, struct cli_tokens *tokens,
                          size_t *source_length, bool *too_long);

/* Rows in memory, packed, for validation and evaluation, with their texts where wanted. */
struct rows {
    struct cli_tokens tokens;
    size_t *offsets;        /* [count + 1] */
    size_t *source_lengths; /* [count] bos and newline included */
    char **tasks,
        **targets; /* [count] "task" (or "") and the target's text; only with keep_texts */
    bool keep_texts;
    size_t count, capacity, too_long; /* too_long: cut or left out */
};

/* Reads every record, one data set after another, in file order. keep_texts is to be set before, everything else
 * zero. Returns 0, or prints file:line and what was expected and returns an exit code. */
int rows_read(const char *command, const struct data_list *data, const struct cli_bundle *bundle,
              const struct row_limit *limit, struct rows *out);
/* The same of one path: a file, or two parallel ones with a comma between. Rows longer than the model takes are left
 * out. */
int rows_read_path(const char *command, const char *path, const struct cli_bundle *bundle,
                   struct rows *out);
/* crc32 of the encoded rows. */
uint32_t rows_checksum(const struct rows *rows);
void rows_release(struct rows *rows);

#endif

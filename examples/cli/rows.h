/* rows.h: training and test rows from any form of data that the library reads. */
#ifndef DIFFULM_CLI_ROWS_H
#define DIFFULM_CLI_ROWS_H

#include "cli.h"

/* Rows [bos] source [newline] target [eos], packed, and for evaluation their texts. */
struct rows {
    struct cli_tokens tokens;
    size_t *offsets;        /* [count + 1] */
    size_t *source_lengths; /* [count] bos and newline included */
    char **tasks,
        **targets; /* [count] "task" (or "") and the target's text; only with keep_texts */
    bool keep_texts;
    size_t count, capacity, too_long;
};

/* keep_texts is to be set before, everything else zero. path: a file, or two parallel ones with a comma
 * between. Returns 0, or prints file:line and what was expected and returns an exit code. Rows longer than
 * max_length are counted and left out. */
int rows_read(const char *command, const char *path, const struct cli_bundle *bundle,
              size_t max_length, struct rows *out);
void rows_release(struct rows *rows);

#endif

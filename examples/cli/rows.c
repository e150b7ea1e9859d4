/* rows.c: a record becomes a row of tokens; and whole data sets in memory, packed. */
#include "rows.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

diffulm_status row_encode(const struct cli_bundle *bundle, const struct diffulm_record *record,
                          const struct row_limit *limit, struct cli_tokens *tokens,
                          size_t *source_length, bool *too_long)
{
    const size_t before = tokens->count;
    diffulm_status rc = cli_encode_prompt(bundle, record->source, record->source_length, tokens);
    const size_t source = tokens->count - before;
    if (rc == DIFFULM_OK)
        rc = cli_encode(bundle->tokenizer, record->target, record->target_length, tokens);
    if (rc < 0)
        return rc;
    if (bundle->ids.eos >= 0)
        cli_push(tokens, bundle->ids.eos);
    const size_t length = tokens->count - before;
    *too_long = length > limit->max_length;
    *source_length = source;
    if (*too_long && !limit->cut)
        tokens->count = before;
    else if (*too_long) {
        const size_t lost = length - limit->max_length;
        memmove(tokens->ids + before, tokens->ids + before + lost,
                limit->max_length * sizeof *tokens->ids);
        tokens->count = before + limit->max_length;
        *source_length = source > lost ? source - lost : 0;
    }
    return DIFFULM_OK;
}

static int add(struct rows *rows, const struct cli_bundle *bundle,
               const struct diffulm_record *record, const struct row_limit *limit)
{
    size_t source_length;
    bool too_long;
    if (row_encode(bundle, record, limit, &rows->tokens, &source_length, &too_long) < 0)
        return -1;
    rows->too_long += too_long;
    if (too_long && !limit->cut)
        return 0;
    if (rows->count + 1 >= rows->capacity) {
        rows->capacity = rows->capacity ? 2 * rows->capacity : 1024;
        rows->offsets = cli_grow(rows->offsets, rows->capacity, sizeof(size_t));
        rows->source_lengths = cli_grow(rows->source_lengths, rows->capacity, sizeof(size_t));
        rows->offsets[0] = 0;
        if (rows->keep_texts) {
            rows->tasks = cli_grow(rows->tasks, rows->capacity, sizeof(char *));
            rows->targets = cli_grow(rows->targets, rows->capacity, sizeof(char *));
        }
    }
    if (rows->keep_texts) {
        rows->tasks[rows->count] = cli_copy(record->task);
        rows->targets[rows->count] = cli_copy(record->target);
    }
    rows->source_lengths[rows->count++] = source_length;
    rows->offsets[rows->count] = rows->tokens.count;
    return 0;
}

static int read_set(const char *command, const struct data_set *set,
                    const struct cli_bundle *bundle, const struct row_limit *limit,
                    struct rows *out)
{
    const struct data_list one = {(struct data_set *)set, 1};
    struct diffulm_reader_options options = DIFFULM_READER_OPTIONS_INIT;
    struct diffulm_record record = {.struct_size = sizeof record};
    struct data_source source;
    double shown = cli_seconds();
    const bool tell = isatty(2);
    options.order = DIFFULM_ORDER_FILE;
    int code = data_open(command, &one, &options, &source);
    for (size_t i = 0; code == 0 && i < source.records; i++) {
        if (tell && cli_seconds() - shown > 1) {
            shown = cli_seconds();
            fprintf(stderr, "\r%s: %zu rows read", set->path, out->count);
        }
        if (diffulm_reader_next(source.reader, &record) < 0)
            code = cli_fail(command);
        else if (add(out, bundle, &record, limit) < 0)
            code = cli_error(command, CLI_FAILED, "%s: record %zu: %s", set->path, i + 1,
                             diffulm_error_message());
    }
    if (tell)
        fputs("\r\x1b[K", stderr);
    data_close(&source);
    return code;
}

int rows_read(const char *command, const struct data_list *data, const struct cli_bundle *bundle,
              const struct row_limit *limit, struct rows *out)
{
    int code = 0;
    *out = (struct rows){.keep_texts = out->keep_texts};
    for (size_t i = 0; code == 0 && i < data->count; i++) {
        const size_t before = out->count;
        code = read_set(command, &data->sets[i], bundle, limit, out);
        if (code == 0 && out->count == before)
            code = cli_error(command, CLI_FAILED, "%s: no rows of at most %zu tokens",
                             data->sets[i].path, limit->max_length);
    }
    if (code != 0)
        rows_release(out);
    return code;
}

int rows_read_path(const char *command, const char *path, const struct cli_bundle *bundle,
                   struct rows *out)
{
    const struct row_limit limit = {(size_t)bundle->info.longest_row, false};
    struct data_list list = {0};
    data_list_add(&list)->path = cli_copy(path);
    const int code = rows_read(command, &list, bundle, &limit, out);
    data_list_release(&list);
    return code;
}

uint32_t rows_checksum(const struct rows *rows)
{
    if (!rows->count)
        return 0;
    uLong crc = crc32_z(0, (const void *)rows->tokens.ids, rows->tokens.count * sizeof(int32_t));
    crc = crc32_z(crc, (const void *)rows->offsets, (rows->count + 1) * sizeof(size_t));
    return (uint32_t)crc32_z(crc, (const void *)rows->source_lengths, rows->count * sizeof(size_t));
}

void rows_release(struct rows *rows)
{
    for (size_t i = 0; rows->keep_texts && i < rows->count; i++) {
        free(rows->tasks[i]);
        free(rows->targets[i]);
    }
    free(rows->tasks);
    free(rows->targets);
    free(rows->tokens.ids);
    free(rows->offsets);
    free(rows->source_lengths);
    *rows = (struct rows){0};
}

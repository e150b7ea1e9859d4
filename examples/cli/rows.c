/* rows.c: records of a data set to packed token rows. */
#include "rows.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *copy(const char *text)
{
    return strcpy(cli_alloc(strlen(text) + 1, 1), text);
}

static int add(struct rows *rows, const struct cli_bundle *bundle,
               const struct diffulm_record *record, size_t max_length)
{
    const size_t before = rows->tokens.count;
    if (cli_encode_prompt(bundle, record->source, record->source_length, &rows->tokens) < 0)
        return -1;
    const size_t source_length = rows->tokens.count - before;
    if (cli_encode(bundle->tokenizer, record->target, record->target_length, &rows->tokens) < 0)
        return -1;
    if (bundle->ids.eos >= 0)
        cli_push(&rows->tokens, bundle->ids.eos);
    if (rows->tokens.count - before > max_length) {
        rows->tokens.count = before;
        rows->too_long++;
        return 0;
    }
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
        rows->tasks[rows->count] = copy(record->task);
        rows->targets[rows->count] = copy(record->target);
    }
    rows->source_lengths[rows->count++] = source_length;
    rows->offsets[rows->count] = rows->tokens.count;
    return 0;
}

/* "a,b" where there is no file of that name: two parallel files, b beside a unless it has a folder. */
static size_t split(char *path, char **second)
{
    char *comma = strchr(path, ',');
    *second = NULL;
    if (!comma || access(path, F_OK) == 0)
        return 1;
    const char *slash = memrchr(path, '/', (size_t)(comma - path)), *name = comma + 1;
    const size_t folder = slash && *name != '/' ? (size_t)(slash - path) + 1 : 0;
    *second = cli_alloc(folder + strlen(name) + 1, 1);
    memcpy(*second, path, folder);
    strcpy(*second + folder, name);
    *comma = 0;
    return 2;
}

static int32_t show_opening(void *user, uint64_t bytes, uint64_t total)
{
    const char *path = user;
    if (isatty(2) && total)
        fprintf(stderr, "\r%s: %.0f %% checked", path, 100.0 * (double)bytes / (double)total);
    return 0;
}

static diffulm_status open_reader(const char *data, diffulm_reader **reader, size_t *count)
{
    struct diffulm_reader_options options = DIFFULM_READER_OPTIONS_INIT;
    struct diffulm_dataset_options checks = DIFFULM_DATASET_OPTIONS_INIT;
    diffulm_dataset *dataset = NULL;
    char *first = copy(data), *second;
    const size_t files = split(first, &second);
    const char *const paths[2] = {first, second};
    options.order = DIFFULM_ORDER_FILE;
    checks.max_line = (size_t)1 << 30; /* the longest row in tokens decides */
    checks.progress = show_opening;
    checks.user = first;
    diffulm_status rc = diffulm_dataset_open(paths, files, &checks, &dataset);
    if (rc == DIFFULM_OK)
        rc = diffulm_reader_create(&dataset, NULL, 1, &options, reader);
    if (rc == DIFFULM_OK)
        *count = diffulm_dataset_count(dataset);
    diffulm_dataset_unref(dataset);
    free(first);
    free(second);
    return rc;
}

int rows_read(const char *command, const char *path, const struct cli_bundle *bundle,
              size_t max_length, struct rows *out)
{
    *out = (struct rows){.keep_texts = out->keep_texts};
    struct diffulm_record record = {.struct_size = sizeof record};
    diffulm_reader *reader = NULL;
    size_t count = 0;
    double shown = cli_seconds();
    const bool tell = isatty(2);
    int code = open_reader(path, &reader, &count) < 0 ? cli_fail(command) : 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        if (tell && cli_seconds() - shown > 1) {
            shown = cli_seconds();
            fprintf(stderr, "\r%s: %zu rows read", path, out->count);
        }
        if (diffulm_reader_next(reader, &record) < 0)
            code = cli_fail(command);
        else if (add(out, bundle, &record, max_length) < 0)
            code = cli_error(command, CLI_FAILED, "%s: record %zu: %s", path, i + 1,
                             diffulm_error_message());
    }
    if (tell)
        fputs("\r\x1b[K", stderr);
    diffulm_reader_destroy(reader);
    if (code == 0 && out->count == 0)
        code =
            cli_error(command, CLI_FAILED, "%s: no rows of at most %zu tokens", path, max_length);
    if (code != 0)
        rows_release(out);
    return code;
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

/* rows.c: JSONL lines to packed token rows, and the order of an epoch. */
#include "rows.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *copy(const char *text)
{
    return strcpy(cli_alloc(strlen(text) + 1, 1), text);
}

static int add(struct rows *rows, const struct cli_bundle *bundle, const json_t *root,
               size_t max_length)
{
    const json_t *source = json_object_get(root, "source"),
                 *target = json_object_get(root, "target");
    const size_t before = rows->tokens.count;
    if (cli_encode_prompt(bundle, json_string_value(source), json_string_length(source),
                          &rows->tokens) < 0)
        return -1;
    const size_t source_length = rows->tokens.count - before;
    if (cli_encode(bundle->tokenizer, json_string_value(target), json_string_length(target),
                   &rows->tokens) < 0)
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
        const char *task = json_string_value(json_object_get(root, "task"));
        rows->tasks[rows->count] = copy(task ? task : "");
        rows->targets[rows->count] = copy(json_string_value(target));
    }
    rows->source_lengths[rows->count++] = source_length;
    rows->offsets[rows->count] = rows->tokens.count;
    return 0;
}

static int read_line(const char *command, const char *path, size_t number, const char *line,
                     size_t length, const struct cli_bundle *bundle, size_t max_length,
                     struct rows *out)
{
    json_error_t error;
    json_t *root = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return cli_error(command, CLI_FAILED, "%s:%zu: %s", path, number, error.text);
    const json_t *source = json_object_get(root, "source"),
                 *target = json_object_get(root, "target");
    int code = 0;
    if (!json_is_string(source) || !json_is_string(target))
        code = cli_error(command, CLI_FAILED, "%s:%zu: expected the strings source and target",
                         path, number);
    else if (add(out, bundle, root, max_length) < 0)
        code = cli_error(command, CLI_FAILED, "%s:%zu: %s", path, number, diffulm_error_message());
    json_decref(root);
    return code;
}

int rows_read(const char *command, const char *path, const struct cli_bundle *bundle,
              size_t max_length, struct rows *out)
{
    *out = (struct rows){.keep_texts = out->keep_texts};
    FILE *file = fopen(path, "rb");
    if (!file)
        return cli_error(command, CLI_FAILED, "%s: %s", path, strerror(errno));
    char *line = NULL;
    size_t size = 0, number = 0;
    ssize_t length;
    int code = 0;
    double shown = cli_seconds();
    const bool tell = isatty(2);
    while (code == 0 && (length = getline(&line, &size, file)) >= 0) {
        number++;
        if (length > 0 && line[length - 1] == '\n')
            length--;
        if (tell && cli_seconds() - shown > 1) {
            shown = cli_seconds();
            fprintf(stderr, "\r%s: %zu rows read", path, out->count);
        }
        if (length > 0)
            code = read_line(command, path, number, line, (size_t)length, bundle, max_length, out);
    }
    if (code == 0 && ferror(file))
        code = cli_error(command, CLI_FAILED, "%s: %s", path, strerror(errno));
    if (tell)
        fputs("\r\x1b[K", stderr);
    free(line);
    fclose(file);
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

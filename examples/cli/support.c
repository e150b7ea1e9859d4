/* support.c: memory, files, messages and token rows for the commands. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

int cli_fail(const char *command)
{
    fprintf(stderr, "diffulm %s: %s\n", command, diffulm_error_message());
    return CLI_FAILED;
}

int cli_error(const char *command, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "diffulm %s: ", command);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

void *cli_alloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fputs("diffulm: out of memory\n", stderr);
        exit(CLI_FAILED);
    }
    return memory;
}

char *cli_copy(const char *text)
{
    return strcpy(cli_alloc(strlen(text) + 1, 1), text);
}

void *cli_grow(void *memory, size_t count, size_t size)
{
    void *larger = count > SIZE_MAX / size ? NULL : realloc(memory, count * size);
    if (!larger) {
        fputs("diffulm: out of memory\n", stderr);
        exit(CLI_FAILED);
    }
    return larger;
}

char *cli_read(FILE *file, size_t *length)
{
    char *text = NULL;
    size_t count = 0, capacity = 0;
    do {
        if (capacity - count < 4097)
            text = cli_grow(text, capacity = capacity ? 2 * capacity : 8192, 1);
        count += fread(text + count, 1, capacity - count - 1, file);
    } while (!feof(file) && !ferror(file));
    if (ferror(file)) {
        free(text);
        return NULL;
    }
    text[count] = 0;
    *length = count;
    return text;
}

char *cli_read_path(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    char *text = file ? cli_read(file, length) : NULL;
    if (file)
        fclose(file);
    return text;
}

double cli_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int cli_copy_file(const char *command, const char *from, const char *to)
{
    size_t length;
    char *text = cli_read_path(from, &length);
    FILE *file = text ? fopen(to, "wb") : NULL;
    bool good = file && fwrite(text, 1, length, file) == length;
    if (file)
        good = fclose(file) == 0 && good;
    free(text);
    return good ? 0
                : cli_error(command, CLI_FAILED, "%s: cannot be copied to %s: %s", from, to,
                            strerror(errno));
}

int cli_compute_check(const char *command, const struct cli_compute *compute)
{
    return compute->bfloat16 && compute->int8
               ? cli_error(command, CLI_USAGE, "--bfloat16 and --int8 exclude each other")
               : -1;
}

static diffulm_status open_runtime(const struct cli_compute *compute, diffulm_runtime **out)
{
    struct diffulm_runtime_options options = DIFFULM_RUNTIME_OPTIONS_INIT;
    if (compute) {
        options.threads = (int32_t)compute->threads;
        options.deterministic = compute->deterministic;
        options.pack_weights = compute->pack_weights;
        options.precision = compute->int8       ? DIFFULM_PRECISION_INT8
                            : compute->bfloat16 ? DIFFULM_PRECISION_BF16
                                                : DIFFULM_PRECISION_F32;
    }
    return diffulm_runtime_create(&options, out);
}

diffulm_status cli_bundle_open(const char *folder, const struct cli_compute *compute,
                               struct cli_bundle *out)
{
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    *out = (struct cli_bundle){.info = {.struct_size = sizeof out->info},
                               .ids = {.struct_size = sizeof out->ids}};
    diffulm_status rc = open_runtime(compute, &out->runtime);
    mo.runtime = out->runtime;
    if (rc == DIFFULM_OK)
        rc = diffulm_tokenizer_open(folder, NULL, &out->tokenizer);
    if (rc == DIFFULM_OK)
        rc = diffulm_tokenizer_special_ids(out->tokenizer, &out->ids);
    if (rc == DIFFULM_OK)
        rc = diffulm_model_open(folder, &mo, &out->model);
    if (rc == DIFFULM_OK)
        rc = diffulm_model_get_info(out->model, &out->info);
    out->newline = out->tokenizer ? diffulm_tokenizer_id(out->tokenizer, "\n", 1) : -1;
    return rc;
}

diffulm_status cli_bundle_adapt(struct cli_bundle *bundle, const char *folder)
{
    diffulm_adapter *adapter = NULL;
    diffulm_model *model = NULL;
    if (!folder)
        return DIFFULM_OK;
    diffulm_status rc = diffulm_adapter_open(bundle->model, folder, &adapter);
    if (rc == DIFFULM_OK)
        rc = diffulm_adapter_attach(adapter, &model);
    diffulm_adapter_unref(adapter);
    if (rc == DIFFULM_OK) {
        diffulm_model_unref(bundle->model);
        bundle->model = model;
    }
    return rc;
}

void cli_bundle_close(struct cli_bundle *bundle)
{
    diffulm_model_unref(bundle->model);
    diffulm_tokenizer_unref(bundle->tokenizer);
    diffulm_runtime_unref(bundle->runtime);
}

static void reserve(struct cli_tokens *tokens, size_t more)
{
    if (tokens->capacity - tokens->count >= more)
        return;
    tokens->capacity = 2 * tokens->capacity + more;
    tokens->ids = cli_grow(tokens->ids, tokens->capacity, sizeof *tokens->ids);
}

void cli_push(struct cli_tokens *tokens, int32_t id)
{
    reserve(tokens, 1);
    tokens->ids[tokens->count++] = id;
}

diffulm_status cli_encode(const diffulm_tokenizer *tokenizer, const char *text, size_t length,
                          struct cli_tokens *tokens)
{
    struct diffulm_encode_options options = DIFFULM_ENCODE_OPTIONS_INIT;
    options.no_special = 1;
    reserve(tokens, length / 2 + 16);
    for (;;) {
        struct diffulm_encoding e = {.struct_size = sizeof e,
                                     .capacity = tokens->capacity - tokens->count,
                                     .ids = tokens->ids + tokens->count};
        diffulm_status rc =
            diffulm_tokenizer_encode(tokenizer, text, length, NULL, 0, &options, &e);
        if (rc == DIFFULM_OK)
            tokens->count += e.count;
        if (rc != DIFFULM_BUFFER_TOO_SMALL)
            return rc;
        reserve(tokens, e.count);
    }
}

diffulm_status cli_encode_prompt(const struct cli_bundle *bundle, const char *text, size_t length,
                                 struct cli_tokens *tokens)
{
    if (bundle->ids.bos >= 0)
        cli_push(tokens, bundle->ids.bos);
    diffulm_status rc = cli_encode(bundle->tokenizer, text, length, tokens);
    if (rc == DIFFULM_OK && length && bundle->newline >= 0)
        cli_push(tokens, bundle->newline);
    return rc;
}

char *cli_decode(const diffulm_tokenizer *tokenizer, const int32_t *ids, size_t count)
{
    size_t length = 0;
    diffulm_status rc = diffulm_tokenizer_decode(tokenizer, ids, count, 1, NULL, 0, &length);
    if (rc < 0)
        return NULL;
    char *text = cli_alloc(length + 1, 1);
    if (diffulm_tokenizer_decode(tokenizer, ids, count, 1, text, length + 1, &length) == DIFFULM_OK)
        return text;
    free(text);
    return NULL;
}

char *cli_input_text(const char *command, const char *argument, const char *path, size_t *length)
{
    char *text;
    if (argument) {
        *length = strlen(argument);
        text = cli_alloc(*length + 1, 1);
        memcpy(text, argument, *length);
        return text;
    }
    text = path ? cli_read_path(path, length) : cli_read(stdin, length);
    if (!text)
        cli_error(command, CLI_FAILED, "%s: %s", path ? path : "standard input", strerror(errno));
    else if (*length && text[*length - 1] == '\n')
        text[--*length] = 0;
    return text;
}

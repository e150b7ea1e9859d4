/* batches.c: which rows make an update, and where in the data a run stands. */
#include "batches.h"

#include <stdlib.h>
#include <string.h>

static void append(struct batch *u, const int32_t *tokens, size_t length, size_t source_length)
{
    const size_t at = u->rows ? u->offsets[u->rows] : 0;
    if (u->rows + 2 > u->row_capacity) {
        u->row_capacity = 2 * u->row_capacity + 64;
        u->offsets = cli_grow(u->offsets, u->row_capacity, sizeof(size_t));
        u->sources = cli_grow(u->sources, u->row_capacity, sizeof(size_t));
        u->records = cli_grow(u->records, u->row_capacity, sizeof *u->records);
        u->offsets[0] = 0;
    }
    if (at + length > u->token_capacity) {
        u->token_capacity = 2 * u->token_capacity + length;
        u->tokens = cli_grow(u->tokens, u->token_capacity, sizeof(int32_t));
    }
    memcpy(u->tokens + at, tokens, length * sizeof(int32_t));
    u->sources[u->rows++] = source_length;
    u->offsets[u->rows] = at + length;
}

void batch_take(struct batch *u, const struct rows *rows, size_t row)
{
    const size_t begin = rows->offsets[row], length = rows->offsets[row + 1] - begin;
    append(u, rows->tokens.ids + begin, length, rows->source_lengths[row]);
}

void batch_release(struct batch *u)
{
    free(u->tokens);
    free(u->offsets);
    free(u->sources);
    free(u->records);
}

int walk_open(const char *command, const struct data_list *list,
              const struct diffulm_reader_options *options, const struct cli_bundle *bundle,
              const struct row_limit *limit, struct walk *out)
{
    *out = (struct walk){.command = command, .bundle = bundle, .limit = *limit};
    out->too_long_runs = cli_alloc(list->count, sizeof(size_t));
    return data_open(command, list, options, &out->source);
}

void walk_close(struct walk *w)
{
    data_close(&w->source);
    free(w->too_long_runs);
    free(w->row.ids);
    *w = (struct walk){0};
}

/* Left out twice as often as there are records, one whole epoch was left out: no row will ever come. */
static diffulm_status check_usable(struct walk *w, size_t set)
{
    if (w->too_long_runs[set] / 2 < diffulm_dataset_count(w->source.sets[set]))
        return DIFFULM_OK;
    cli_error(w->command, CLI_FAILED, "%s: no rows of at most %zu tokens",
              w->source.list->sets[set].path, w->limit.max_length);
    return DIFFULM_E_CANCELLED;
}

diffulm_status walk_row(struct walk *w, size_t *source_length, struct batch_record *from)
{
    struct diffulm_record record = {.struct_size = sizeof record};
    diffulm_status rc = DIFFULM_OK;
    bool too_long = false;
    do {
        rc = diffulm_reader_next(w->source.reader, &record);
        if (rc < 0)
            return rc;
        w->row.count = 0;
        rc = row_encode(w->bundle, &record, &w->limit, &w->row, source_length, &too_long);
        if (rc < 0) {
            cli_error(w->command, CLI_FAILED, "%s: record %zu: %s",
                      w->source.list->sets[record.dataset].path, record.index + 1,
                      diffulm_error_message());
            return DIFFULM_E_CANCELLED;
        }
        w->too_long += too_long;
        size_t *run = &w->too_long_runs[record.dataset];
        *run = too_long && !w->limit.cut ? *run + 1 : 0;
        rc = check_usable(w, record.dataset);
    } while (rc == DIFFULM_OK && too_long && !w->limit.cut);
    *from = (struct batch_record){record.dataset, record.index};
    return rc;
}

diffulm_status walk_next(struct walk *w, size_t tokens, struct batch *batch)
{
    struct batch_record from;
    size_t source_length;
    batch->rows = 0;
    do {
        const diffulm_status rc = walk_row(w, &source_length, &from);
        if (rc < 0)
            return rc;
        append(batch, w->row.ids, w->row.count, source_length);
        batch->records[batch->rows - 1] = from;
    } while (batch->offsets[batch->rows] < tokens);
    return DIFFULM_OK;
}

char *walk_position(const struct walk *w)
{
    size_t length = 0;
    if (diffulm_reader_position(w->source.reader, NULL, 0, &length) < 0)
        return NULL;
    unsigned char *bytes = cli_alloc(length, 1);
    char *text = NULL;
    if (diffulm_reader_position(w->source.reader, bytes, length, &length) == DIFFULM_OK) {
        text = cli_alloc(2 * length + 1, 1);
        for (size_t i = 0; i < length; i++)
            snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    free(bytes);
    return text;
}

diffulm_status walk_go_to(struct walk *w, const char *position)
{
    const size_t length =
        strlen(position) / 2; /* what is no digit ends up as a position that is refused */
    unsigned char *bytes = cli_alloc(length + 1, 1);
    for (size_t i = 0; i < length; i++) {
        const char pair[3] = {position[2 * i], position[2 * i + 1], 0};
        bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    const diffulm_status rc = diffulm_reader_seek(w->source.reader, bytes, length);
    free(bytes);
    return rc;
}

diffulm_status walk_blame(const struct walk *w, const struct batch *u, diffulm_status rc)
{
    if (rc != DIFFULM_E_NUMERIC)
        return rc;
    cli_fail(w->command);
    for (size_t r = 0; r < u->rows; r++)
        fprintf(stderr, "  row %zu: %s, record %zu\n", r,
                w->source.list->sets[u->records[r].set].path, u->records[r].index + 1);
    return DIFFULM_E_CANCELLED;
}

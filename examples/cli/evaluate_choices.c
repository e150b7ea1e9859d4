/* evaluate_choices.c: rows with choices, and which choice a generated answer means. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"

struct reading {
    const char *path;
    size_t line;
    const json_t *given; /* choices of rows without any, or NULL */
    const struct cli_bundle *bundle;
    struct rows *rows;
    struct choices *choices;
};

static int wrong(const struct reading *r, const char *what)
{
    return cli_error(EVALUATE, CLI_FAILED, "%s:%zu: %s", r->path, r->line, what);
}

static void grow(struct rows *rows, struct choices *choices)
{
    if (rows->count + 1 < rows->capacity)
        return;
    rows->capacity = 2 * rows->capacity + 64;
    rows->offsets = cli_grow(rows->offsets, rows->capacity, sizeof *rows->offsets);
    rows->source_lengths =
        cli_grow(rows->source_lengths, rows->capacity, sizeof *rows->source_lengths);
    rows->tasks = cli_grow(rows->tasks, rows->capacity, sizeof *rows->tasks);
    rows->targets = cli_grow(rows->targets, rows->capacity, sizeof *rows->targets);
    choices->begin = cli_grow(choices->begin, rows->capacity, sizeof *choices->begin);
    choices->right = cli_grow(choices->right, rows->capacity, sizeof *choices->right);
    rows->offsets[0] = choices->begin[0] = 0;
}

/* Which of the choices is the answer, told by its text or its number from 0. Returns their count when none is. */
static size_t right_choice(const json_t *list, const json_t *answer)
{
    const size_t count = json_array_size(list);
    if (json_is_integer(answer)) {
        const json_int_t i = json_integer_value(answer);
        return i >= 0 && (size_t)i < count ? (size_t)i : count;
    }
    size_t i = 0;
    while (i < count && !json_equal(json_array_get(list, i), answer))
        i++;
    return i;
}

/* What a record is made of; borrowed from it. */
struct record {
    const json_t *source, *list, *answer, *task;
    size_t right;
};

static const json_t *either(const json_t *root, const char *key, const char *other)
{
    const json_t *value = json_object_get(root, key);
    return value ? value : json_object_get(root, other);
}

static int read_record(const struct reading *r, const json_t *root, struct record *out)
{
    const json_t *list = json_object_get(root, "choices");
    *out = (struct record){.source = either(root, "source", "inputs"),
                           .list = list ? list : r->given,
                           .answer = either(root, "answer", "targets"),
                           .task = json_object_get(root, "task")};
    if (!json_is_string(out->source))
        return wrong(r, "expected an object with source, choices and answer; source: a string");
    if (json_array_size(out->list) < 2)
        return wrong(r, "choices: expected a list of at least two strings");
    if (out->task && !json_is_string(out->task))
        return wrong(r, "task: expected a string");
    for (size_t i = 0; i < json_array_size(out->list); i++) {
        const json_t *choice = json_array_get(out->list, i);
        if (json_string_length(choice) == 0)
            return wrong(r, "choices: expected strings that are not empty");
        if (right_choice(out->list, choice) < i)
            return wrong(r, "choices: expected strings that differ");
    }
    out->right = right_choice(out->list, out->answer);
    if (out->right == json_array_size(out->list))
        return wrong(r, "answer: expected one of the choices or its number, counted from 0");
    return 0;
}

/* Adds [bos] source [newline] target [eos]; *too_long where that or the row of another choice would not fit. */
static diffulm_status add_tokens(const struct reading *r, const struct record *record,
                                 bool *too_long)
{
    const struct cli_bundle *b = r->bundle;
    struct cli_tokens *tokens = &r->rows->tokens, choice = {0};
    const size_t eos = b->ids.eos >= 0, longest = (size_t)b->info.longest_row;
    const size_t first = tokens->count;
    diffulm_status rc = cli_encode_prompt(b, json_string_value(record->source),
                                          json_string_length(record->source), tokens);
    const size_t length = tokens->count - first;
    r->rows->source_lengths[r->rows->count] = length;
    for (size_t i = 0; rc == DIFFULM_OK && i < json_array_size(record->list); i++) {
        const json_t *text = json_array_get(record->list, i);
        choice.count = 0;
        rc = cli_encode(b->tokenizer, json_string_value(text), json_string_length(text), &choice);
        *too_long |= length + choice.count + eos > longest;
        for (size_t k = 0; i == record->right && k < choice.count; k++)
            cli_push(tokens, choice.ids[k]);
    }
    if (eos)
        cli_push(tokens, b->ids.eos);
    if (*too_long)
        tokens->count = first;
    free(choice.ids);
    return rc;
}

static int add_record(const struct reading *r, const json_t *root)
{
    struct rows *rows = r->rows;
    struct choices *c = r->choices;
    struct record record;
    bool too_long = false;
    const int code = read_record(r, root, &record);
    if (code != 0)
        return code;
    grow(rows, c);
    if (add_tokens(r, &record, &too_long) < 0)
        return wrong(r, diffulm_error_message());
    rows->too_long += too_long;
    if (too_long)
        return 0;
    for (size_t i = 0; i < json_array_size(record.list); i++) {
        if (c->count == c->capacity) {
            c->capacity = 2 * c->capacity + 256;
            c->texts = cli_grow(c->texts, c->capacity, sizeof *c->texts);
        }
        c->texts[c->count++] = cli_copy(json_string_value(json_array_get(record.list, i)));
    }
    rows->tasks[rows->count] = cli_copy(record.task ? json_string_value(record.task) : "");
    rows->targets[rows->count] =
        cli_copy(json_string_value(json_array_get(record.list, record.right)));
    c->right[rows->count++] = record.right;
    rows->offsets[rows->count] = rows->tokens.count;
    c->begin[rows->count] = c->count;
    return 0;
}

/* "A,B" as a list; NULL for NULL. */
static json_t *list_of(const char *given)
{
    json_t *list = given ? json_array() : NULL;
    while (given) {
        const size_t n = strcspn(given, ",");
        json_array_append_new(list, json_stringn_nocheck(given, n));
        given = given[n] ? given + n + 1 : NULL;
    }
    return list;
}

int choices_read(const char *path, const char *given, const struct cli_bundle *bundle,
                 struct rows *rows, struct choices *choices)
{
    json_t *list = list_of(given);
    struct reading r = {path, 0, list, bundle, rows, choices};
    size_t length;
    char *text = cli_read_path(path, &length);
    int code = text ? 0 : cli_error(EVALUATE, CLI_FAILED, "%s: %s", path, strerror(errno));
    rows->keep_texts = true;
    for (size_t at = 0; code == 0 && at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        const size_t n = end ? (size_t)(end - text) - at : length - at;
        json_error_t error;
        r.line++;
        if (strspn(text + at, " \t\r") < n) {
            json_t *root = json_loadb(text + at, n, JSON_REJECT_DUPLICATES, &error);
            code = root ? add_record(&r, root)
                        : cli_error(EVALUATE, CLI_FAILED, "%s:%zu: column %d: not valid JSON: %s",
                                    path, r.line, error.column, error.text);
            json_decref(root);
        }
        at += n + 1;
    }
    free(text);
    json_decref(list);
    if (code == 0 && rows->count == 0)
        code = cli_error(EVALUATE, CLI_FAILED, "%s: no rows of at most %lld tokens", path,
                         (long long)bundle->info.longest_row);
    return code;
}

void choices_release(struct choices *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->texts[i]);
    free(c->texts);
    free(c->begin);
    free(c->right);
}

int choice_nearest(const struct choices *choices, size_t row, const char *answer, size_t *nearest)
{
    const size_t begin = choices->begin[row], count = choices->begin[row + 1] - begin;
    const struct diffulm_string a = {answer, strlen(answer)};
    struct diffulm_chrf_options options = DIFFULM_CHRF_OPTIONS_INIT;
    double best = 0;
    options.lowercase = 1;
    *nearest = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct diffulm_string c = {choices->texts[begin + i],
                                         strlen(choices->texts[begin + i])};
        struct diffulm_chrf_statistics statistics = {.struct_size = sizeof statistics};
        double score = 0;
        int32_t equal = 0;
        if (diffulm_match(DIFFULM_MATCH_EXACT, &a, &c, &equal) < 0 ||
            diffulm_chrf_add(&options, &a, &c, 1, &statistics) < 0 ||
            diffulm_chrf_score(&options, &statistics, &score) < 0)
            return cli_fail(EVALUATE);
        if (equal) {
            *nearest = i;
            return 0;
        }
        if (score > best) {
            best = score;
            *nearest = i;
        }
    }
    return 0;
}

/* dataset.c: opening data sets: one pass that checks every record and notes where it starts. */
#include "data/dataset.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/order.h"
#include "io/limits.h"

enum { PROGRESS_BYTES = 1 << 20 };

/* One pass over the files. */
struct scan {
    diffulm_dataset *dataset;
    const struct diffulm_dataset_options *options;
    struct dulm_cursor cursors[DULM_DATASET_FILES];
    const char *lines[DULM_DATASET_FILES];
    size_t lengths[DULM_DATASET_FILES];
    uint64_t starts[DULM_DATASET_FILES]; /* of these lines */
    uint64_t line, told;
    size_t capacity;
    struct dulm_record_text text; /* of the record at hand, to see that it can be read */
};

static diffulm_status tell(struct scan *s, bool last)
{
    uint64_t used = 0, total = 0;
    if (!s->options->progress)
        return DIFFULM_OK;
    for (size_t f = 0; f < s->dataset->file_count; f++) {
        used += dulm_cursor_used(&s->cursors[f]);
        total += s->dataset->files[f].size;
    }
    if (!last && used - s->told < PROGRESS_BYTES)
        return DIFFULM_OK;
    s->told = used;
    if (s->options->progress(s->options->user, used, total) != 0)
        return dulm_fail(DIFFULM_E_CANCELLED, "%s: opening was stopped by its callback",
                         s->dataset->files[0].path);
    return DIFFULM_OK;
}

/* Both files in step. A file that ends first is told with the lines of both. */
static diffulm_status other_counts(struct scan *s, size_t ended)
{
    const struct dulm_text_file *files = s->dataset->files;
    uint64_t counts[2] = {s->line, s->line};
    const size_t longer = 1 - ended;
    diffulm_status rc = DIFFULM_OK;
    for (; rc == DIFFULM_OK; counts[longer]++)
        rc = dulm_cursor_line(&s->cursors[longer], s->dataset->max_line, &s->lines[longer],
                              &s->lengths[longer]);
    if (rc < 0)
        return rc;
    counts[ended]--;
    counts[longer]--;
    return dulm_fail(DIFFULM_E_FORMAT, "%s has %llu lines and %s has %llu, expected as many",
                     files[0].path, (unsigned long long)counts[0], files[1].path,
                     (unsigned long long)counts[1]);
}

/* The next line of each file; DIFFULM_DONE where all end. */
static diffulm_status next_lines(struct scan *s)
{
    bool ended[DULM_DATASET_FILES] = {false};
    s->line++;
    for (size_t f = 0; f < s->dataset->file_count; f++) {
        s->starts[f] = s->cursors[f].offset;
        diffulm_status rc =
            dulm_cursor_line(&s->cursors[f], s->dataset->max_line, &s->lines[f], &s->lengths[f]);
        if (rc < 0)
            return rc;
        ended[f] = rc == DIFFULM_DONE;
    }
    if (s->dataset->file_count == 2 && ended[0] != ended[1])
        return other_counts(s, ended[0] ? 0 : 1);
    return ended[0] ? DIFFULM_DONE : DIFFULM_OK;
}

static struct dulm_place place_of(const struct scan *s, size_t file)
{
    return (struct dulm_place){s->dataset->files[file].path, s->line, s->starts[file]};
}

static diffulm_status too_long(const struct dulm_place *at, size_t limit)
{
    return dulm_damaged(at, DIFFULM_E_LIMIT, "the line has more than %zu bytes", limit);
}

static diffulm_status check_record(struct scan *s)
{
    diffulm_dataset *d = s->dataset;
    for (size_t f = 0; f < d->file_count; f++) {
        const struct dulm_place at = place_of(s, f);
        if (!s->lines[f])
            return too_long(&at, d->max_line);
    }
    for (size_t f = 0; f < d->file_count && d->file_count == 2; f++) {
        const struct dulm_place at = place_of(s, f);
        diffulm_status rc = dulm_form_read_side(&at, s->lines[f], s->lengths[f], &s->text.source);
        if (rc < 0)
            return rc;
    }
    if (d->file_count == 2)
        return DIFFULM_OK;
    const struct dulm_place at = place_of(s, 0);
    if (d->form.kind == DIFFULM_FORM_AUTO) {
        diffulm_status rc = dulm_form_detect(&d->form, &at, s->lines[0], s->lengths[0]);
        if (rc < 0)
            return rc;
    }
    return dulm_form_read(&d->form, &at, s->lines[0], s->lengths[0], &s->text);
}

static diffulm_status note(struct scan *s)
{
    diffulm_dataset *d = s->dataset;
    if (d->count == DULM_LIMIT_RECORDS)
        return dulm_fail(DIFFULM_E_LIMIT, "%s: more than %zu records", d->files[0].path,
                         DULM_LIMIT_RECORDS);
    if (!dulm_grow((void **)&d->offsets, &s->capacity, (d->count + 1) * d->file_count,
                   sizeof *d->offsets))
        return dulm_fail_memory();
    memcpy(d->offsets + d->count * d->file_count, s->starts, d->file_count * sizeof *d->offsets);
    d->count++;
    return DIFFULM_OK;
}

static diffulm_status skip(struct scan *s)
{
    diffulm_dataset *d = s->dataset;
    d->skipped++;
    if (d->message_count == s->options->messages)
        return DIFFULM_OK;
    const char *why = dulm_error_get();
    char *copy = dulm_strndup(why, strlen(why));
    if (!copy)
        return dulm_fail_memory();
    d->messages[d->message_count++] = copy;
    return DIFFULM_OK;
}

static diffulm_status read_header(struct scan *s)
{
    const struct dulm_place at = {s->dataset->files[0].path, 1, 0};
    diffulm_status rc = next_lines(s);
    if (rc < 0)
        return rc;
    if (rc == DIFFULM_DONE)
        return dulm_damaged(&at, DIFFULM_E_FORMAT, "expected the names of the columns");
    if (!s->lines[0])
        return too_long(&at, s->dataset->max_line);
    return dulm_form_read_header(&s->dataset->form, &at, s->lines[0], s->lengths[0]);
}

static diffulm_status scan_files(struct scan *s)
{
    diffulm_dataset *d = s->dataset;
    diffulm_status rc = dulm_form_has_header(&d->form) ? read_header(s) : DIFFULM_OK;
    while (rc == DIFFULM_OK && (rc = next_lines(s)) == DIFFULM_OK) {
        const bool empty = d->file_count == 1 && s->lines[0] && s->lengths[0] == 0;
        if (!empty) {
            rc = check_record(s);
            if (rc == DIFFULM_OK)
                rc = note(s);
            else if (rc != DIFFULM_E_OUT_OF_MEMORY && s->options->on_damage == DIFFULM_DAMAGE_SKIP)
                rc = skip(s);
        }
        if (rc == DIFFULM_OK)
            rc = tell(s, false);
    }
    if (rc == DIFFULM_DONE)
        rc = tell(s, true);
    if (rc == DIFFULM_OK && d->count == 0)
        rc = dulm_fail(DIFFULM_E_FORMAT, "%s: no records, and %zu skipped%s%s", d->files[0].path,
                       d->skipped, d->message_count ? "; the first: " : "",
                       d->message_count ? d->messages[0] : "");
    return rc;
}

static diffulm_status scan_dataset(diffulm_dataset *d,
                                   const struct diffulm_dataset_options *options)
{
    struct scan s = {.dataset = d, .options = options};
    for (size_t f = 0; f < d->file_count; f++)
        dulm_cursor_init(&s.cursors[f], &d->files[f]);
    diffulm_status rc = scan_files(&s);
    for (size_t f = 0; f < d->file_count; f++)
        dulm_cursor_release(&s.cursors[f]);
    dulm_record_text_release(&s.text);
    if (rc < 0)
        return rc;
    uint64_t *fitted = dulm_realloc(d->offsets, d->count * d->file_count, sizeof *fitted);
    d->offsets = fitted ? fitted : d->offsets;
    return DIFFULM_OK;
}

static diffulm_status check_few_shot(const diffulm_dataset *d)
{
    if (d->few_shot >= d->count)
        return dulm_fail(DIFFULM_E_ARGUMENT, "%s: few_shot is %zu, expected less than %zu records",
                         d->files[0].path, d->few_shot, d->count);
    if (d->few_shot && !dulm_dataset_seekable(d))
        return dulm_fail(DIFFULM_E_UNSUPPORTED,
                         "%s: has more text than gzip_buffer, so that it is read in file order and "
                         "few-shot examples cannot be drawn: unpack it, or raise gzip_buffer",
                         d->files[0].path);
    return DIFFULM_OK;
}

diffulm_status dulm_dataset_open(const char *const *paths, size_t path_count,
                                 const struct diffulm_dataset_options *options,
                                 diffulm_dataset **out)
{
    static const char *const sides[] = {"source", "target", NULL};
    diffulm_dataset *d = dulm_alloc_zero(1, sizeof *d);
    if (!d)
        return dulm_fail_memory();
    dulm_refcount_init(&d->refs);
    d->max_line = options->max_line;
    d->few_shot = options->few_shot;
    d->messages = dulm_alloc_zero(options->messages, sizeof *d->messages);
    diffulm_status rc = d->messages ? dulm_form_create(options, &d->form) : dulm_fail_memory();
    if (rc == DIFFULM_OK)
        rc = dulm_prompt_parse("few_shot_template",
                               options->few_shot_template ? options->few_shot_template
                                                          : "{source}\n{target}\n\n",
                               sides, &d->few_shot_template);
    if (path_count == 2)
        d->form.kind = DIFFULM_FORM_PARALLEL;
    while (rc == DIFFULM_OK && d->file_count < path_count) {
        rc = dulm_text_file_open(paths[d->file_count], options->gzip_buffer,
                                 &d->files[d->file_count]);
        d->file_count += rc == DIFFULM_OK;
    }
    if (rc == DIFFULM_OK)
        rc = scan_dataset(d, options);
    if (rc == DIFFULM_OK)
        rc = check_few_shot(d);
    if (rc == DIFFULM_OK)
        *out = d;
    else
        dulm_dataset_release(d);
    return rc;
}

void dulm_dataset_release(diffulm_dataset *d)
{
    if (!d || !dulm_refcount_drop(&d->refs))
        return;
    for (size_t f = 0; f < d->file_count; f++)
        dulm_text_file_close(&d->files[f]);
    for (size_t i = 0; i < d->message_count; i++)
        dulm_free(d->messages[i]);
    dulm_free(d->messages);
    dulm_free(d->offsets);
    dulm_form_release(&d->form);
    dulm_prompt_release(&d->few_shot_template);
    dulm_free(d);
}

bool dulm_dataset_seekable(const diffulm_dataset *d)
{
    for (size_t f = 0; f < d->file_count; f++)
        if (!dulm_text_file_seekable(&d->files[f]))
            return false;
    return true;
}

size_t dulm_dataset_memory(const diffulm_dataset *d)
{
    size_t bytes = sizeof *d + d->count * d->file_count * sizeof *d->offsets;
    for (size_t f = 0; f < d->file_count; f++)
        bytes += d->files[f].unpacked_size;
    for (size_t i = 0; i < d->message_count; i++)
        bytes += strlen(d->messages[i]) + 1;
    return bytes;
}

diffulm_status dulm_dataset_read(const diffulm_dataset *d, struct dulm_cursor *cursors,
                                 size_t index, struct dulm_record_text *out)
{
    struct dulm_strbuf *const sides[DULM_DATASET_FILES] = {&out->source, &out->target};
    dulm_record_text_clear(out);
    for (size_t f = 0; f < d->file_count; f++) {
        const struct dulm_place at = {d->files[f].path, 0, d->offsets[index * d->file_count + f]};
        const char *line = NULL;
        size_t length = 0;
        diffulm_status rc = dulm_cursor_seek(&cursors[f], at.offset);
        if (rc == DIFFULM_OK)
            rc = dulm_cursor_line(&cursors[f], d->max_line, &line, &length);
        if (rc == DIFFULM_DONE)
            rc = dulm_damaged(&at, DIFFULM_E_FORMAT, "the text ends before");
        if (rc == DIFFULM_OK && !line)
            rc = too_long(&at, d->max_line);
        if (rc == DIFFULM_OK && d->file_count == 1)
            rc = dulm_form_read(&d->form, &at, line, length, out);
        else if (rc == DIFFULM_OK)
            rc = dulm_form_read_side(&at, line, length, sides[f]);
        if (rc < 0)
            return rc;
    }
    return DIFFULM_OK;
}

/* form.c: forms of records: options, detection, TSV and parallel lines. JSON is json_record.c's. */
#include "data/form.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/error.h"

diffulm_status dulm_damaged(const struct dulm_place *at, diffulm_status status, const char *format,
                            ...)
{
    char why[512];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    if (at->line)
        return dulm_fail(status, "%s:%llu: %s", at->path, (unsigned long long)at->line, why);
    return dulm_fail(status, "%s: byte %llu of its text: %s; it changed since it was opened",
                     at->path, (unsigned long long)at->offset, why);
}

static void clear(struct dulm_strbuf *buffer)
{
    buffer->length = 0;
    if (buffer->data)
        buffer->data[0] = '\0';
}

void dulm_record_text_clear(struct dulm_record_text *text)
{
    clear(&text->source);
    clear(&text->target);
    clear(&text->task);
}

void dulm_record_text_release(struct dulm_record_text *text)
{
    dulm_strbuf_release(&text->source);
    dulm_strbuf_release(&text->target);
    dulm_strbuf_release(&text->task);
}

size_t dulm_record_text_memory(const struct dulm_record_text *text)
{
    return text->source.capacity + text->target.capacity + text->task.capacity;
}

static diffulm_status copy(const char *given, const char *otherwise, char **out)
{
    const char *text = given ? given : otherwise;
    *out = text ? dulm_strndup(text, strlen(text)) : NULL;
    return text && !*out ? dulm_fail_memory() : DIFFULM_OK;
}

static diffulm_status copy_texts(const struct diffulm_dataset_options *o, struct dulm_form *form)
{
    const struct {
        const char *given, *otherwise;
        char **out;
    } texts[] = {
        {o->system_prefix, "System: ", &form->prefix[DULM_ROLE_SYSTEM]},
        {o->system_suffix, "\n", &form->suffix[DULM_ROLE_SYSTEM]},
        {o->user_prefix, "User: ", &form->prefix[DULM_ROLE_USER]},
        {o->user_suffix, "\n", &form->suffix[DULM_ROLE_USER]},
        {o->assistant_prefix, "Assistant: ", &form->prefix[DULM_ROLE_ASSISTANT]},
        {o->assistant_suffix, "\n", &form->suffix[DULM_ROLE_ASSISTANT]},
        {o->source_column, NULL, &form->column_name[0]},
        {o->target_column, NULL, &form->column_name[1]},
    };
    diffulm_status rc = DIFFULM_OK;
    for (size_t i = 0; rc == DIFFULM_OK && i < sizeof texts / sizeof *texts; i++)
        rc = copy(texts[i].given, texts[i].otherwise, texts[i].out);
    return rc;
}

diffulm_status dulm_form_create(const struct diffulm_dataset_options *o, struct dulm_form *out)
{
    static const char *const without[] = {"instruction", NULL};
    static const char *const with[] = {"instruction", "input", NULL};
    struct dulm_form form = {.kind = o->form, .columns = 2, .column = {0, 1}};
    if (o->source_column)
        form.kind = DIFFULM_FORM_TSV;
    diffulm_status rc = copy_texts(o, &form);
    if (rc == DIFFULM_OK)
        rc = dulm_prompt_parse("instruction_template",
                               o->instruction_template ? o->instruction_template : "{instruction}",
                               without, &form.instruction);
    if (rc == DIFFULM_OK)
        rc = dulm_prompt_parse("input_template",
                               o->input_template ? o->input_template : "{instruction}\n{input}",
                               with, &form.input);
    if (rc < 0)
        dulm_form_release(&form);
    else
        *out = form;
    return rc;
}

void dulm_form_release(struct dulm_form *form)
{
    dulm_prompt_release(&form->instruction);
    dulm_prompt_release(&form->input);
    for (size_t i = 0; i < DULM_ROLES; i++) {
        dulm_free(form->prefix[i]);
        dulm_free(form->suffix[i]);
    }
    dulm_free(form->column_name[0]);
    dulm_free(form->column_name[1]);
    *form = (struct dulm_form){0};
}

diffulm_status dulm_form_detect(struct dulm_form *form, const struct dulm_place *at,
                                const char *line, size_t length)
{
    size_t first = 0;
    while (first < length && line[first] == ' ')
        first++;
    diffulm_status rc = DIFFULM_OK;
    if (first < length && line[first] == '{')
        rc = dulm_json_record_detect(at, line, length, &form->kind);
    else if (memchr(line, '\t', length))
        form->kind = DIFFULM_FORM_TSV;
    else
        rc = dulm_damaged(at, DIFFULM_E_FORMAT,
                          "expected a JSON object, or two columns with a tab between them");
    form->detected = rc == DIFFULM_OK;
    return rc;
}

/* Well-formed UTF-8 without NUL. */
static diffulm_status check_text(const struct dulm_place *at, const char *text, size_t length)
{
    const char *nul = length ? memchr(text, '\0', length) : NULL;
    if (nul)
        return dulm_damaged(at, DIFFULM_E_FORMAT, "byte %zu is NUL, expected text",
                            (size_t)(nul - text));
    for (size_t i = 0; i < length;) {
        utf8proc_int32_t c;
        const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
                                                    (utf8proc_ssize_t)(length - i), &c);
        if (n <= 0)
            return dulm_damaged(at, DIFFULM_E_UTF8, "not valid UTF-8 at byte %zu", i);
        i += (size_t)n;
    }
    return DIFFULM_OK;
}

/* The column that starts at `at`; returns where the next one does, or length + 1 after the last. */
static size_t next_column(const char *line, size_t length, size_t at, struct dulm_slice *column)
{
    const char *tab = at < length ? memchr(line + at, '\t', length - at) : NULL;
    const size_t end = tab ? (size_t)(tab - line) : length;
    *column = (struct dulm_slice){line + at, end - at};
    return end + 1;
}

bool dulm_form_has_header(const struct dulm_form *form)
{
    return form->column_name[0] != NULL;
}

diffulm_status dulm_form_read_header(struct dulm_form *form, const struct dulm_place *at,
                                     const char *line, size_t length)
{
    diffulm_status rc = check_text(at, line, length);
    size_t found[2] = {0, 0}, columns = 0;
    struct dulm_slice column;
    for (size_t i = 0; rc == DIFFULM_OK && i <= length; columns++) {
        i = next_column(line, length, i, &column);
        for (int side = 0; side < 2; side++) {
            const char *name = form->column_name[side];
            if (strlen(name) != column.length || memcmp(name, column.text, column.length) != 0)
                continue;
            found[side]++;
            form->column[side] = columns;
        }
    }
    for (int side = 0; rc == DIFFULM_OK && side < 2; side++)
        if (found[side] != 1)
            rc = dulm_damaged(at, DIFFULM_E_FORMAT, "%s column is named \"%s\", expected one",
                              found[side] ? "more than one" : "no", form->column_name[side]);
    form->columns = columns;
    return rc;
}

static diffulm_status read_tsv(const struct dulm_form *form, const struct dulm_place *at,
                               const char *line, size_t length, struct dulm_record_text *out)
{
    size_t columns = 0;
    struct dulm_slice column, sides[2] = {{"", 0}, {"", 0}};
    diffulm_status rc = check_text(at, line, length);
    for (size_t i = 0; rc == DIFFULM_OK && i <= length; columns++) {
        i = next_column(line, length, i, &column);
        for (int side = 0; side < 2; side++)
            if (form->column[side] == columns)
                sides[side] = column;
    }
    if (rc == DIFFULM_OK && columns != form->columns)
        rc =
            dulm_damaged(at, DIFFULM_E_FORMAT, "%zu columns, expected %zu", columns, form->columns);
    if (rc < 0)
        return rc;
    dulm_strbuf_append(&out->source, sides[0].text, sides[0].length);
    dulm_strbuf_append(&out->target, sides[1].text, sides[1].length);
    return DIFFULM_OK;
}

diffulm_status dulm_form_read(const struct dulm_form *form, const struct dulm_place *at,
                              const char *line, size_t length, struct dulm_record_text *out)
{
    dulm_record_text_clear(out);
    diffulm_status rc = form->kind == DIFFULM_FORM_TSV
                            ? read_tsv(form, at, line, length, out)
                            : dulm_json_record_read(form, at, line, length, out);
    if (rc == DIFFULM_OK && (out->source.failed || out->target.failed || out->task.failed))
        rc = dulm_fail_memory();
    return rc;
}

diffulm_status dulm_form_read_side(const struct dulm_place *at, const char *line, size_t length,
                                   struct dulm_strbuf *out)
{
    clear(out);
    diffulm_status rc = check_text(at, line, length);
    if (rc < 0)
        return rc;
    dulm_strbuf_append(out, line, length);
    return out->failed ? dulm_fail_memory() : DIFFULM_OK;
}

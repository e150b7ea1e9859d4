/* form.h: what a record looks like on disk, and how it becomes source and target. */
#ifndef DULM_DATA_FORM_H
#define DULM_DATA_FORM_H

#include <diffulm/dataset.h>
#include <stdbool.h>

#include "base/strbuf.h"
#include "data/prompt.h"

/* Where a line stands, for messages. */
struct dulm_place {
    const char *path;
    uint64_t line;   /* from 1; 0: not known, it is told by `offset` */
    uint64_t offset; /* of its first byte in the text */
};

/* dulm_fail with the place in front. */
diffulm_status dulm_damaged(const struct dulm_place *at, diffulm_status status, const char *format,
                            ...) __attribute__((format(printf, 3, 4), cold));

struct dulm_record_text {
    struct dulm_strbuf source, target, task;
};
void dulm_record_text_clear(struct dulm_record_text *text);
void dulm_record_text_release(struct dulm_record_text *text);
size_t dulm_record_text_memory(const struct dulm_record_text *text);

enum { DULM_ROLE_SYSTEM, DULM_ROLE_USER, DULM_ROLE_ASSISTANT, DULM_ROLES };

struct dulm_form {
    int32_t kind;  /* DIFFULM_FORM_…; AUTO until the first record is seen */
    bool detected; /* by the first record */
    struct dulm_prompt instruction, input;
    char *prefix[DULM_ROLES], *suffix[DULM_ROLES];
    char *column_name[2];      /* source and target, or NULL */
    size_t columns, column[2]; /* TSV: how many, and which are source and target */
};

/* Templates and texts of checked options. */
diffulm_status dulm_form_create(const struct diffulm_dataset_options *options,
                                struct dulm_form *out) DIFFULM_MUST_USE;
void dulm_form_release(struct dulm_form *form);

/* Sets the kind by what may be the first record. */
diffulm_status dulm_form_detect(struct dulm_form *form, const struct dulm_place *at,
                                const char *line, size_t length) DIFFULM_MUST_USE;
/* True where the first line names columns; dulm_form_read_header finds them. */
bool dulm_form_has_header(const struct dulm_form *form);
diffulm_status dulm_form_read_header(struct dulm_form *form, const struct dulm_place *at,
                                     const char *line, size_t length) DIFFULM_MUST_USE;
/* A record of one line, of any kind but PARALLEL. */
diffulm_status dulm_form_read(const struct dulm_form *form, const struct dulm_place *at,
                              const char *line, size_t length,
                              struct dulm_record_text *out) DIFFULM_MUST_USE;
/* One side of a PARALLEL record. */
diffulm_status dulm_form_read_side(const struct dulm_place *at, const char *line, size_t length,
                                   struct dulm_strbuf *out) DIFFULM_MUST_USE;

/* json_record.c: the same for the kinds in JSONL. */
diffulm_status dulm_json_record_detect(const struct dulm_place *at, const char *line, size_t length,
                                       int32_t *kind) DIFFULM_MUST_USE;
diffulm_status dulm_json_record_read(const struct dulm_form *form, const struct dulm_place *at,
                                     const char *line, size_t length,
                                     struct dulm_record_text *out) DIFFULM_MUST_USE;

#endif

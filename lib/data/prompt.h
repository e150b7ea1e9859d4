/* prompt.h: texts with placeholders: "{name}" stands for a value, "{{" and "}}" for a brace. */
#ifndef DULM_DATA_PROMPT_H
#define DULM_DATA_PROMPT_H

#include <diffulm/common.h>

#include "base/strbuf.h"

struct dulm_prompt_part {
    size_t begin, end; /* bytes of `text`, */
    int name;          /* or the value of this name where it is not -1 */
};
struct dulm_prompt {
    char *text;
    struct dulm_prompt_part *parts;
    size_t count, capacity;
};
struct dulm_slice {
    const char *text;
    size_t length;
};

/* `what` and the byte are named where braces do not close, or a placeholder is none of `names` (one
 * or two, then NULL). */
diffulm_status dulm_prompt_parse(const char *what, const char *text, const char *const *names,
                                 struct dulm_prompt *out) DIFFULM_MUST_USE;
void dulm_prompt_release(struct dulm_prompt *t);
/* Appends the text with values[i] for the i-th name. */
void dulm_prompt_render(const struct dulm_prompt *t, const struct dulm_slice *values,
                        struct dulm_strbuf *out);

#endif

/* prompt.c: cuts a template into stretches of text and names once, and fills it often. */
#include "data/prompt.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

static diffulm_status add(struct dulm_prompt *t, size_t begin, size_t end, int name)
{
    if (name < 0 && begin == end)
        return DIFFULM_OK;
    if (!dulm_grow((void **)&t->parts, &t->capacity, t->count + 1, sizeof *t->parts))
        return dulm_fail_memory();
    t->parts[t->count++] = (struct dulm_prompt_part){begin, end, name};
    return DIFFULM_OK;
}

/* "{a} or {b}" */
static const char *listed(const char *const *names, char text[64])
{
    size_t at = 0;
    text[0] = '\0';
    for (; *names; names++) {
        const char *const pieces[] = {at ? " or {" : "{", *names, "}"};
        for (size_t i = 0; i < 3; i++)
            if (at + strlen(pieces[i]) < 64)
                at += strlen(strcpy(text + at, pieces[i]));
    }
    return text;
}

/* The placeholder that opens at byte `at`; *end is the byte behind it. */
static diffulm_status placeholder(const char *what, const char *text, size_t at,
                                  const char *const *names, int *name, size_t *end)
{
    char want[64];
    const char *from = text + at + 1;
    const size_t length = strcspn(from, "{}");
    if (from[length] != '}')
        return dulm_fail(
            DIFFULM_E_ARGUMENT,
            "%s: byte %zu: a brace that does not close; expected %s, or {{ for a brace", what, at,
            listed(names, want));
    for (int i = 0; names[i]; i++)
        if (strlen(names[i]) == length && memcmp(names[i], from, length) == 0) {
            *name = i;
            *end = at + length + 2;
            return DIFFULM_OK;
        }
    return dulm_fail(DIFFULM_E_ARGUMENT, "%s: byte %zu: unknown placeholder {%.*s}; expected %s",
                     what, at, length < 40 ? (int)length : 40, from, listed(names, want));
}

static diffulm_status parse(const char *what, const char *const *names, struct dulm_prompt *t)
{
    const char *text = t->text;
    size_t begin = 0, at = 0;
    diffulm_status rc = DIFFULM_OK;
    while (rc == DIFFULM_OK && text[at]) {
        if (text[at] != '{' && text[at] != '}') {
            at++;
        } else if (text[at + 1] == text[at]) { /* the first brace of the two is kept */
            rc = add(t, begin, at + 1, -1);
            begin = at += 2;
        } else if (text[at] == '}') {
            rc = dulm_fail(DIFFULM_E_ARGUMENT,
                           "%s: byte %zu: a brace that was not opened; }} stands for a brace", what,
                           at);
        } else {
            int name = -1;
            size_t end = at;
            rc = placeholder(what, text, at, names, &name, &end);
            if (rc == DIFFULM_OK)
                rc = add(t, begin, at, -1);
            if (rc == DIFFULM_OK)
                rc = add(t, at, end, name);
            begin = at = end;
        }
    }
    return rc == DIFFULM_OK ? add(t, begin, at, -1) : rc;
}

diffulm_status dulm_prompt_parse(const char *what, const char *text, const char *const *names,
                                 struct dulm_prompt *out)
{
    struct dulm_prompt t = {.text = dulm_strndup(text, strlen(text))};
    if (!t.text)
        return dulm_fail_memory();
    diffulm_status rc = parse(what, names, &t);
    if (rc < 0)
        dulm_prompt_release(&t);
    else
        *out = t;
    return rc;
}

void dulm_prompt_release(struct dulm_prompt *t)
{
    dulm_free(t->text);
    dulm_free(t->parts);
    *t = (struct dulm_prompt){0};
}

void dulm_prompt_render(const struct dulm_prompt *t, const struct dulm_slice *values,
                        struct dulm_strbuf *out)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct dulm_prompt_part *p = &t->parts[i];
        if (p->name < 0)
            dulm_strbuf_append(out, t->text + p->begin, p->end - p->begin);
        else
            dulm_strbuf_append(out, values[p->name].text, values[p->name].length);
    }
}

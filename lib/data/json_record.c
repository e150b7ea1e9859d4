/* json_record.c: records that are JSON objects: pairs, instructions, texts, chats. */
#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "data/form.h"

/* Keys that tell a kind, in the order in which they are looked for. */
static const struct keys {
    int32_t kind;
    const char *first, *second; /* second may be NULL */
    const char *want;
} kinds[] = {
    {DIFFULM_FORM_PAIR, "source", "target", "the strings source and target"},
    {DIFFULM_FORM_INSTRUCTION, "instruction", "output", "the strings instruction and output"},
    {DIFFULM_FORM_CHAT, "messages", NULL, "a list of messages"},
    {DIFFULM_FORM_TEXT, "text", NULL, "the string text"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const struct keys *keys_of(int32_t kind)
{
    size_t i = 0;
    while (i + 1 < KINDS && kinds[i].kind != kind)
        i++;
    return &kinds[i];
}

static bool has_keys(const json_t *root, const struct keys *keys)
{
    return json_object_get(root, keys->first) &&
           (!keys->second || json_object_get(root, keys->second));
}

static const struct keys *kind_of(const json_t *root)
{
    for (size_t i = 0; i < KINDS; i++)
        if (has_keys(root, &kinds[i]))
            return &kinds[i];
    return NULL;
}

static diffulm_status load(const struct dulm_place *at, const char *line, size_t length,
                           json_t **out)
{
    json_error_t error;
    json_t *root = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
    if (root && json_is_object(root)) {
        *out = root;
        return DIFFULM_OK;
    }
    if (root) {
        json_decref(root);
        return dulm_damaged(at, DIFFULM_E_FORMAT, "expected a JSON object");
    }
    const enum json_error_code code = json_error_code(&error);
    if (code == json_error_out_of_memory)
        return dulm_fail_memory();
    return dulm_damaged(at, code == json_error_invalid_utf8 ? DIFFULM_E_UTF8 : DIFFULM_E_FORMAT,
                        "column %d: not valid JSON: %s", error.column, error.text);
}

diffulm_status dulm_json_record_detect(const struct dulm_place *at, const char *line, size_t length,
                                       int32_t *kind)
{
    json_t *root = NULL;
    diffulm_status rc = load(at, line, length, &root);
    if (rc < 0)
        return rc;
    const struct keys *found = kind_of(root);
    if (found)
        *kind = found->kind;
    else
        rc = dulm_damaged(at, DIFFULM_E_FORMAT,
                          "expected source and target, instruction and output, messages, or text");
    json_decref(root);
    return rc;
}

static void append(struct dulm_strbuf *out, const json_t *string)
{
    dulm_strbuf_append(out, json_string_value(string), json_string_length(string));
}

static struct dulm_slice slice(const json_t *string)
{
    return (struct dulm_slice){json_string_value(string), json_string_length(string)};
}

static diffulm_status read_instruction(const struct dulm_form *form, const struct dulm_place *at,
                                       const json_t *root, struct dulm_record_text *out)
{
    const json_t *input = json_object_get(root, "input");
    if (input && !json_is_null(input) && !json_is_string(input))
        return dulm_damaged(at, DIFFULM_E_FORMAT, "input: expected a string");
    const bool with = json_string_length(input) > 0;
    const struct dulm_slice values[2] = {slice(json_object_get(root, "instruction")), slice(input)};
    dulm_prompt_render(with ? &form->input : &form->instruction, values, &out->source);
    append(&out->target, json_object_get(root, "output"));
    return DIFFULM_OK;
}

static int role_of(const json_t *message)
{
    static const char *const names[DULM_ROLES] = {"system", "user", "assistant"};
    const char *role = json_string_value(json_object_get(message, "role"));
    for (int i = 0; role && i < DULM_ROLES; i++)
        if (strcmp(role, names[i]) == 0)
            return i;
    return -1;
}

static diffulm_status read_chat(const struct dulm_form *form, const struct dulm_place *at,
                                const json_t *messages, struct dulm_record_text *out)
{
    const size_t count = json_array_size(messages);
    size_t last = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *message = json_array_get(messages, i);
        const int role = role_of(message);
        if (role < 0)
            return dulm_damaged(at, DIFFULM_E_FORMAT,
                                "message %zu: role: expected system, user or assistant", i + 1);
        if (!json_is_string(json_object_get(message, "content")))
            return dulm_damaged(at, DIFFULM_E_FORMAT, "message %zu: content: expected a string",
                                i + 1);
        last = role == DULM_ROLE_ASSISTANT ? i : last;
    }
    if (last == count)
        return dulm_damaged(at, DIFFULM_E_FORMAT, "messages: expected one of the assistant");
    for (size_t i = 0; i < last; i++) {
        const json_t *message = json_array_get(messages, i);
        const int role = role_of(message);
        dulm_strbuf_append(&out->source, form->prefix[role], strlen(form->prefix[role]));
        append(&out->source, json_object_get(message, "content"));
        dulm_strbuf_append(&out->source, form->suffix[role], strlen(form->suffix[role]));
    }
    dulm_strbuf_append(&out->source, form->prefix[DULM_ROLE_ASSISTANT],
                       strlen(form->prefix[DULM_ROLE_ASSISTANT]));
    append(&out->target, json_object_get(json_array_get(messages, last), "content"));
    return DIFFULM_OK;
}

static diffulm_status wrong_keys(const struct dulm_form *form, const struct dulm_place *at,
                                 const json_t *root, const struct keys *keys)
{
    const struct keys *other = has_keys(root, keys) ? NULL : kind_of(root);
    if (!other)
        return dulm_damaged(at, DIFFULM_E_FORMAT, "expected %s", keys->want);
    return dulm_damaged(at, DIFFULM_E_FORMAT, "expected %s%s, found %s", keys->want,
                        form->detected ? " as in the first record" : "", other->want);
}

static diffulm_status read_object(const struct dulm_form *form, const struct dulm_place *at,
                                  const json_t *root, struct dulm_record_text *out)
{
    const struct keys *keys = keys_of(form->kind);
    const json_t *first = json_object_get(root, keys->first);
    const json_t *second = keys->second ? json_object_get(root, keys->second) : NULL;
    const bool chat = form->kind == DIFFULM_FORM_CHAT;
    if ((chat ? !json_is_array(first) : !json_is_string(first)) ||
        (keys->second && !json_is_string(second)))
        return wrong_keys(form, at, root, keys);
    const json_t *task = json_object_get(root, "task");
    if (json_is_string(task))
        append(&out->task, task);
    if (chat)
        return read_chat(form, at, first, out);
    if (form->kind == DIFFULM_FORM_INSTRUCTION)
        return read_instruction(form, at, root, out);
    if (second)
        append(&out->source, first);
    append(&out->target, second ? second : first);
    return DIFFULM_OK;
}

diffulm_status dulm_json_record_read(const struct dulm_form *form, const struct dulm_place *at,
                                     const char *line, size_t length, struct dulm_record_text *out)
{
    json_t *root = NULL;
    diffulm_status rc = load(at, line, length, &root);
    if (rc < 0)
        return rc;
    rc = read_object(form, at, root, out);
    json_decref(root);
    return rc;
}

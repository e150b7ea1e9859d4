/* postprocess.c: which special tokens go around texts, and whether offsets are trimmed. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/limits.h"
#include "text/tokenizer.h"

void dulm_template_release(struct dulm_template *t)
{
    for (size_t i = 0; i < t->count; i++)
        dulm_free(t->item[i].ids);
    dulm_free(t->item);
    *t = (struct dulm_template){0};
}

diffulm_status dulm_template_add(struct dulm_template *t, int32_t sequence, int32_t type,
                                 const int32_t *ids, size_t count)
{
    struct dulm_template_item *grown = dulm_realloc(t->item, t->count + 1, sizeof *grown);
    if (!grown)
        return dulm_fail_memory();
    t->item = grown;
    int32_t *copy = dulm_alloc(count, sizeof *copy);
    if (!copy)
        return dulm_fail_memory();
    if (count)
        memcpy(copy, ids, count * sizeof *ids);
    t->item[t->count++] = (struct dulm_template_item){sequence, type, copy, count};
    return DIFFULM_OK;
}

static diffulm_status add_special(struct dulm_template *t, const json_t *name, int32_t type,
                                  const json_t *specials, const char *path)
{
    const char *id = json_string_value(name);
    const json_t *ids = id ? json_object_get(json_object_get(specials, id), "ids") : NULL;
    if (!json_is_array(ids))
        return dulm_fail(DIFFULM_E_FORMAT,
                         "%s: post_processor: the template's %.40s is not in special_tokens", path,
                         id ? id : "(no id)");
    int32_t list[64];
    const size_t count = json_array_size(ids);
    if (count > 64)
        return dulm_fail(DIFFULM_E_LIMIT,
                         "%s: post_processor: special_tokens: %s: %zu ids, at most 64", path, id,
                         count);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(ids, i);
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) >= (json_int_t)DULM_LIMIT_VOCABULARY)
            return dulm_fail(DIFFULM_E_FORMAT, "%s: post_processor: special_tokens: %s: bad id",
                             path, id);
        list[i] = (int32_t)json_integer_value(value);
    }
    return dulm_template_add(t, -1, type, list, count);
}

static diffulm_status read_template(struct dulm_template *t, const json_t *list,
                                    const json_t *specials, const char *path)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item)
    {
        const json_t *special = json_object_get(item, "SpecialToken");
        const json_t *sequence = json_object_get(item, "Sequence");
        const json_t *any = special ? special : sequence;
        const int32_t type = (int32_t)json_integer_value(json_object_get(any, "type_id"));
        const char *id = json_string_value(json_object_get(sequence, "id"));
        diffulm_status rc;
        if (special)
            rc = add_special(t, json_object_get(special, "id"), type, specials, path);
        else if (id && (strcmp(id, "A") == 0 || strcmp(id, "B") == 0))
            rc = dulm_template_add(t, id[0] == 'B', type, NULL, 0);
        else
            rc = dulm_fail(DIFFULM_E_FORMAT,
                           "%s: post_processor: template entry %zu is neither SpecialToken nor "
                           "Sequence A or B",
                           path, i);
        if (rc < 0)
            return rc;
    }
    return DIFFULM_OK;
}

/* ["[SEP]", 102] */
static diffulm_status read_pair(const json_t *json, const char *key, const char *path, int32_t *id)
{
    const json_t *value = json_array_get(json_object_get(json, key), 1);
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) >= (json_int_t)DULM_LIMIT_VOCABULARY)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: post_processor: %s: expected [token, id]", path,
                         key);
    *id = (int32_t)json_integer_value(value);
    return DIFFULM_OK;
}

/* cls A sep, and cls A sep B sep (BERT) or cls A sep sep B sep (RoBERTa, all of type 0). */
static diffulm_status read_fixed(struct diffulm_tokenizer *tok, const json_t *json,
                                 const char *path, bool roberta)
{
    int32_t cls = 0, sep = 0;
    diffulm_status rc = read_pair(json, "cls", path, &cls);
    if (rc == DIFFULM_OK)
        rc = read_pair(json, "sep", path, &sep);
    for (int pair = 0; rc == DIFFULM_OK && pair < 2; pair++) {
        struct dulm_template *t = pair ? &tok->pair : &tok->single;
        const int32_t second = roberta ? 0 : 1;
        rc = dulm_template_add(t, -1, 0, &cls, 1);
        if (rc == DIFFULM_OK)
            rc = dulm_template_add(t, 0, 0, NULL, 0);
        if (rc == DIFFULM_OK)
            rc = dulm_template_add(t, -1, 0, &sep, 1);
        if (rc == DIFFULM_OK && pair && roberta)
            rc = dulm_template_add(t, -1, 0, &sep, 1);
        if (rc == DIFFULM_OK && pair)
            rc = dulm_template_add(t, 1, second, NULL, 0);
        if (rc == DIFFULM_OK && pair)
            rc = dulm_template_add(t, -1, second, &sep, 1);
    }
    tok->has_template = true;
    return rc;
}

static void read_trim(struct diffulm_tokenizer *tok, const json_t *json)
{
    const json_t *trims = json_object_get(json, "trim_offsets");
    const json_t *space = json_object_get(json, "add_prefix_space");
    if (trims && !json_is_true(trims))
        return;
    tok->trims = true;
    tok->trim_prefix_space = !space || json_is_true(space);
}

diffulm_status dulm_postprocessor_read(struct diffulm_tokenizer *tok, const json_t *json,
                                       const char *path)
{
    if (!json || json_is_null(json))
        return DIFFULM_OK;
    const char *type = json_string_value(json_object_get(json, "type"));
    type = type ? type : "(none)";
    const json_t *specials = json_object_get(json, "special_tokens");
    diffulm_status rc = DIFFULM_OK;
    if (strcmp(type, "TemplateProcessing") == 0) {
        tok->has_template = true;
        rc = read_template(&tok->single, json_object_get(json, "single"), specials, path);
        if (rc == DIFFULM_OK)
            rc = read_template(&tok->pair, json_object_get(json, "pair"), specials, path);
    } else if (strcmp(type, "BertProcessing") == 0)
        rc = read_fixed(tok, json, path, false);
    else if (strcmp(type, "RobertaProcessing") == 0) {
        read_trim(tok, json);
        rc = read_fixed(tok, json, path, true);
    } else if (strcmp(type, "ByteLevel") == 0)
        read_trim(tok, json);
    else if (strcmp(type, "Sequence") == 0) {
        const json_t *list = json_object_get(json, "processors");
        for (size_t i = 0; rc == DIFFULM_OK && i < json_array_size(list); i++)
            rc = dulm_postprocessor_read(tok, json_array_get(list, i), path);
    } else
        rc = dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: post_processor: unknown type %.60s", path, type);
    return rc;
}

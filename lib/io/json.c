/* json.c: reading JSON. jansson limits nesting to 2048 by itself (JSON_PARSER_MAX_DEPTH). */
#include "io/json.h"

#include "base/error.h"
#include "io/file.h"
#include "io/limits.h"

diffulm_status dulm_json_parse(const void *bytes, size_t size, const char *name, json_t **out)
{
    if (size > DULM_LIMIT_JSON_BYTES)
        return dulm_fail(DIFFULM_E_LIMIT, "%s: %zu bytes of JSON, the limit is %zu", name, size,
                         DULM_LIMIT_JSON_BYTES);
    json_error_t error;
    json_t *root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!root && json_error_code(&error) == json_error_out_of_memory)
        return dulm_fail_memory();
    if (!root)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: line %d, column %d: not valid JSON: %s", name,
                         error.line, error.column, error.text);
    *out = root;
    return DIFFULM_OK;
}

diffulm_status dulm_json_open(const char *path, json_t **out)
{
    struct dulm_file file;
    diffulm_status rc = dulm_file_open(path, &file);
    if (rc < 0)
        return rc;
    rc = dulm_json_parse(file.data, file.size, path, out);
    dulm_file_close(&file);
    return rc;
}

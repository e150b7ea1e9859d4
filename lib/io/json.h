/* json.h: reading JSON with jansson, with errors that name file, line and key. */
#ifndef DULM_IO_JSON_H
#define DULM_IO_JSON_H

#include <diffulm/common.h>
#include <jansson.h>

/* Parses bytes (not NUL-terminated); refuses duplicate keys, trailing bytes, deep nesting and
 * invalid UTF-8. `name` is the file for messages. The result is released with json_decref. */
diffulm_status dulm_json_parse(const void *bytes, size_t size, const char *name,
                               json_t **out) DIFFULM_MUST_USE;
diffulm_status dulm_json_open(const char *path, json_t **out) DIFFULM_MUST_USE;

#endif

/* base64.h: RFC 4648 with padding, as tokenizer.json stores a charsmap. */
#ifndef DULM_TEXT_BASE64_H
#define DULM_TEXT_BASE64_H

#include <diffulm/common.h>

/* *out is fresh memory (dulm_free). Errors name key and byte. */
diffulm_status dulm_base64(const char *text, size_t length, const char *key, const char *path,
                           unsigned char **out, size_t *size) DIFFULM_MUST_USE;

#endif

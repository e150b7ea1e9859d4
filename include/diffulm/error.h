/* error.h: what went wrong. */
#ifndef DIFFULM_ERROR_H
#define DIFFULM_ERROR_H

#include <diffulm/common.h>

DIFFULM_BEGIN_DECLS

/* The message of the last failed call on the calling thread: one line of UTF-8 that names the file,
 * tensor, key, line or position at fault and what was expected. Empty if the last fallible call
 * succeeded. Owned by the library; valid until the next library call on this thread. Since 0.1. */
DIFFULM_API const char *diffulm_error_message(void);

/* A short constant name of a status, such as "out of memory". Never NULL. Since 0.1. */
DIFFULM_API const char *diffulm_status_name(diffulm_status status);

DIFFULM_END_DECLS

#endif

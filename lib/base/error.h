/* error.h: the thread-local message of the last failure. */
#ifndef DULM_BASE_ERROR_H
#define DULM_BASE_ERROR_H

#include <diffulm/common.h>

/* Called on entry of every fallible public function. */
void dulm_error_clear(void);

/* Writes the message and returns `status`. Call it once, where the failure is found; callers above
 * pass the status on. The message names what is at fault and what was expected. */
diffulm_status dulm_fail(diffulm_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* Needs no allocation. */
diffulm_status dulm_fail_memory(void);

const char *dulm_error_get(void);

#endif

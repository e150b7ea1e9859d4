/* error.c: owns the thread-local error message. Fixed buffer: reporting never allocates. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[1024];

void dulm_error_clear(void)
{
    message[0] = '\0';
}

diffulm_status dulm_fail(diffulm_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return status;
}

diffulm_status dulm_fail_memory(void)
{
    return dulm_fail(DIFFULM_E_OUT_OF_MEMORY, "out of memory");
}

const char *dulm_error_get(void)
{
    return message;
}

/* error.c: public face of the error message. */
#include <diffulm/error.h>

#include "base/error.h"

const char *diffulm_error_message(void)
{
    return dulm_error_get();
}

const char *diffulm_status_name(diffulm_status status)
{
    switch (status) {
    case DIFFULM_OK:
        return "ok";
    case DIFFULM_DONE:
        return "done";
    case DIFFULM_AGAIN:
        return "again";
    case DIFFULM_BUFFER_TOO_SMALL:
        return "buffer too small";
    case DIFFULM_E_OUT_OF_MEMORY:
        return "out of memory";
    case DIFFULM_E_ARGUMENT:
        return "invalid argument";
    case DIFFULM_E_STATE:
        return "invalid state";
    case DIFFULM_E_IO:
        return "input or output failed";
    case DIFFULM_E_FORMAT:
        return "malformed data";
    case DIFFULM_E_UNSUPPORTED:
        return "not supported";
    case DIFFULM_E_UTF8:
        return "invalid UTF-8";
    case DIFFULM_E_LIMIT:
        return "limit exceeded";
    case DIFFULM_E_CANCELLED:
        return "cancelled";
    case DIFFULM_E_NUMERIC:
        return "not a finite number";
    case DIFFULM_E_INTERNAL:
        return "internal error";
    default:
        return "unknown status";
    }
}

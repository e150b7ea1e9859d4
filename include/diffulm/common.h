/* common.h: export macro, status codes. Included by every other public header. */
#ifndef DIFFULM_COMMON_H
#define DIFFULM_COMMON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define DIFFULM_BEGIN_DECLS extern "C" {
#define DIFFULM_END_DECLS }
#else
#define DIFFULM_BEGIN_DECLS
#define DIFFULM_END_DECLS
#endif

#if defined(__GNUC__)
#define DIFFULM_API __attribute__((visibility("default")))
#define DIFFULM_MUST_USE __attribute__((warn_unused_result))
#else
#define DIFFULM_API
#define DIFFULM_MUST_USE
#endif

DIFFULM_BEGIN_DECLS

/* Result of every fallible call. 0 is success, negative values are errors (the message is in
 * diffulm_error_message()), positive values are outcomes that are not errors. The numbers are
 * part of the ABI and never change. Since 0.1. */
typedef int32_t diffulm_status;

#define DIFFULM_OK 0
#define DIFFULM_DONE 1             /* nothing is left to do */
#define DIFFULM_AGAIN 2            /* call again: more steps remain */
#define DIFFULM_BUFFER_TOO_SMALL 3 /* the required length was written, the data was not */

#define DIFFULM_E_OUT_OF_MEMORY (-10)
#define DIFFULM_E_ARGUMENT (-20)    /* an argument is out of its documented range */
#define DIFFULM_E_STATE (-30)       /* the call is not allowed in the handle's present state */
#define DIFFULM_E_IO (-40)          /* a file could not be opened, read or written */
#define DIFFULM_E_FORMAT (-50)      /* data is malformed: file, line, key or byte is named */
#define DIFFULM_E_UNSUPPORTED (-60) /* well-formed, but this build or version cannot do it */
#define DIFFULM_E_UTF8 (-70)        /* text is not valid UTF-8: the byte offset is named */
#define DIFFULM_E_LIMIT (-80)       /* a size exceeds a limit: too long a row, too large a file */
#define DIFFULM_E_CANCELLED (-90)   /* stopped by diffulm_session_cancel or by a callback */
#define DIFFULM_E_NUMERIC (-100)    /* a loss or logit is NaN or infinite */
#define DIFFULM_E_INTERNAL (-110)   /* a defect in the library or in a library beneath it */

DIFFULM_END_DECLS

#endif

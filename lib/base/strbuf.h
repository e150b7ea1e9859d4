/* strbuf.h: a growing byte string. Failure is sticky: append freely, look at `failed` once. */
#ifndef DULM_BASE_STRBUF_H
#define DULM_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

struct dulm_strbuf {
    char *data; /* NUL-terminated once anything was appended; NULL before */
    size_t length, capacity;
    bool failed; /* an append ran out of memory; the contents are incomplete */
};

void dulm_strbuf_append(struct dulm_strbuf *buffer, const char *bytes, size_t length);
void dulm_strbuf_printf(struct dulm_strbuf *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void dulm_strbuf_release(struct dulm_strbuf *buffer);

#endif

/* strbuf.c: a growing byte string. */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void dulm_strbuf_append(struct dulm_strbuf *buffer, const char *bytes, size_t length)
{
    if (buffer->failed)
        return;
    size_t needed;
    if (!dulm_add(buffer->length, length, &needed) || !dulm_add(needed, 1, &needed) ||
        !dulm_grow((void **)&buffer->data, &buffer->capacity, needed, 1)) {
        buffer->failed = true;
        return;
    }
    if (length)
        memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
}

void dulm_strbuf_printf(struct dulm_strbuf *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char small[256];
    int length = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (length < 0) {
        buffer->failed = true;
        return;
    }
    if ((size_t)length < sizeof small) {
        dulm_strbuf_append(buffer, small, (size_t)length);
        return;
    }
    char *large = dulm_alloc((size_t)length + 1, 1);
    if (!large) {
        buffer->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(large, (size_t)length + 1, format, args);
    va_end(args);
    dulm_strbuf_append(buffer, large, (size_t)length);
    dulm_free(large);
}

void dulm_strbuf_release(struct dulm_strbuf *buffer)
{
    dulm_free(buffer->data);
    *buffer = (struct dulm_strbuf){0};
}

/* text_file.c: opening files of lines, and cursors over them. */
#include "io/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/gzip.h"

enum {
    SMALL_CHUNK = 4096, /* after a seek: about one record is wanted */
    LARGE_CHUNK = 65536 /* on the way through */
};

/* Reads the text from the start; leaves `unpacked` NULL where there is more than `most`. */
static diffulm_status unpack(struct dulm_text_file *file, size_t most)
{
    struct dulm_inflater *inflater = NULL;
    char *text = NULL;
    size_t capacity = 0, size = 0, got = 1;
    diffulm_status rc = dulm_inflater_create(file->fd, file->path, &inflater);
    while (rc == DIFFULM_OK && got > 0 && size <= most) {
        if (!dulm_grow((void **)&text, &capacity, size + LARGE_CHUNK, 1))
            rc = dulm_fail_memory();
        else
            rc = dulm_inflater_read(inflater, text + size, LARGE_CHUNK, &got);
        size += rc == DIFFULM_OK ? got : 0;
    }
    dulm_inflater_destroy(inflater);
    if (rc == DIFFULM_OK && size <= most) {
        char *fitted = dulm_realloc(text, size, 1);
        file->unpacked = fitted ? fitted : text;
        file->unpacked_size = size;
    } else {
        dulm_free(text);
    }
    return rc;
}

static diffulm_status examine(struct dulm_text_file *file, size_t gzip_buffer)
{
    struct stat info;
    unsigned char magic[2];
    if (fstat(file->fd, &info) != 0)
        return dulm_fail(DIFFULM_E_IO, "%s: cannot be examined: %s", file->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return dulm_fail(DIFFULM_E_IO, "%s: is not a regular file", file->path);
    file->size = (uint64_t)info.st_size;
    file->gzip = pread(file->fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
    return file->gzip ? unpack(file, gzip_buffer) : DIFFULM_OK;
}

diffulm_status dulm_text_file_open(const char *path, size_t gzip_buffer, struct dulm_text_file *out)
{
    struct dulm_text_file file = {.path = dulm_strndup(path, strlen(path)), .fd = -1};
    if (!file.path)
        return dulm_fail_memory();
    file.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    diffulm_status rc;
    if (file.fd < 0)
        rc = dulm_fail(DIFFULM_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    else
        rc = examine(&file, gzip_buffer);
    if (rc < 0)
        dulm_text_file_close(&file);
    else
        *out = file;
    return rc;
}

void dulm_text_file_close(struct dulm_text_file *file)
{
    if (file->path && file->fd >= 0)
        close(file->fd);
    dulm_free(file->path);
    dulm_free(file->unpacked);
    *file = (struct dulm_text_file){0};
}

bool dulm_text_file_seekable(const struct dulm_text_file *file)
{
    return !file->gzip || file->unpacked;
}

void dulm_cursor_init(struct dulm_cursor *cursor, const struct dulm_text_file *file)
{
    *cursor = (struct dulm_cursor){.file = file, .chunk = SMALL_CHUNK};
}

void dulm_cursor_release(struct dulm_cursor *cursor)
{
    dulm_inflater_destroy(cursor->inflater);
    dulm_free(cursor->buffer);
    *cursor = (struct dulm_cursor){0};
}

/* Up to `room` bytes of the text from `offset`, where an inflater already stands. */
static diffulm_status fetch(struct dulm_cursor *c, uint64_t offset, char *out, size_t room,
                            size_t *got)
{
    const struct dulm_text_file *file = c->file;
    if (c->inflater)
        return dulm_inflater_read(c->inflater, out, room, got);
    if (file->unpacked) {
        const size_t left = offset < file->unpacked_size ? file->unpacked_size - (size_t)offset : 0;
        *got = left < room ? left : room;
        if (*got)
            memcpy(out, file->unpacked + offset, *got);
        return DIFFULM_OK;
    }
    ssize_t n;
    do
        n = pread(file->fd, out, room, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return dulm_fail(DIFFULM_E_IO, "%s: cannot be read: %s", file->path, strerror(errno));
    *got = (size_t)n;
    return DIFFULM_OK;
}

/* Appends at least one byte to what is buffered, or sets *got to 0 at the end of the text. */
static diffulm_status fill(struct dulm_cursor *c, size_t *got)
{
    const size_t held = c->end - c->begin;
    if (!c->inflater && !dulm_text_file_seekable(c->file)) {
        diffulm_status rc = dulm_inflater_create(c->file->fd, c->file->path, &c->inflater);
        if (rc < 0)
            return rc;
    }
    if (c->begin) {
        memmove(c->buffer, c->buffer + c->begin, held);
        c->begin = 0;
        c->end = held;
    }
    if (!dulm_grow((void **)&c->buffer, &c->capacity, held + c->chunk, 1))
        return dulm_fail_memory();
    diffulm_status rc = fetch(c, c->offset + held, c->buffer + held, c->chunk, got);
    if (rc == DIFFULM_OK)
        c->end += *got;
    c->chunk = c->chunk < LARGE_CHUNK ? 2 * c->chunk : LARGE_CHUNK;
    return rc;
}

static void take(struct dulm_cursor *c, size_t bytes)
{
    c->begin += bytes;
    c->offset += bytes;
}

diffulm_status dulm_cursor_seek(struct dulm_cursor *c, uint64_t offset)
{
    if (offset >= c->offset && offset - c->offset <= c->end - c->begin) {
        take(c, (size_t)(offset - c->offset));
        return DIFFULM_OK;
    }
    if (dulm_text_file_seekable(c->file)) {
        c->begin = c->end = 0;
        c->offset = offset;
        c->chunk = SMALL_CHUNK;
        return DIFFULM_OK;
    }
    if (offset < c->offset) {
        if (c->inflater)
            dulm_inflater_rewind(c->inflater);
        c->begin = c->end = 0;
        c->offset = 0;
    }
    while (c->offset < offset) {
        size_t held = c->end - c->begin;
        if (held == 0) {
            diffulm_status rc = fill(c, &held);
            if (rc < 0)
                return rc;
            if (held == 0)
                return dulm_fail(DIFFULM_E_FORMAT, "%s: ends before byte %llu of its text",
                                 c->file->path, (unsigned long long)offset);
        }
        const uint64_t left = offset - c->offset;
        take(c, left < held ? (size_t)left : held);
    }
    return DIFFULM_OK;
}

/* Passes over what is left of a line that is too long. */
static diffulm_status pass_over(struct dulm_cursor *c)
{
    for (;;) {
        const char *from = c->buffer + c->begin;
        const char *newline = c->end > c->begin ? memchr(from, '\n', c->end - c->begin) : NULL;
        size_t got = 1;
        take(c, newline ? (size_t)(newline - from) + 1 : c->end - c->begin);
        if (newline)
            return DIFFULM_OK;
        diffulm_status rc = fill(c, &got);
        if (rc < 0 || got == 0)
            return rc;
    }
}

diffulm_status dulm_cursor_line(struct dulm_cursor *c, size_t limit, const char **line,
                                size_t *length)
{
    size_t searched = 0;
    for (;;) {
        const size_t held = c->end - c->begin;
        const char *from = held ? c->buffer + c->begin : NULL;
        const char *newline =
            held > searched ? memchr(from + searched, '\n', held - searched) : NULL;
        size_t n = newline ? (size_t)(newline - from) : held, got = 1;
        if (!newline && held <= limit + 1) { /* one more: a carriage return does not count */
            diffulm_status rc = fill(c, &got);
            if (rc < 0)
                return rc;
            searched = held;
            if (got)
                continue;
            if (held == 0)
                return DIFFULM_DONE;
        }
        const size_t whole = n + (newline != NULL);
        from = c->buffer + c->begin;
        n -= n > 0 && from[n - 1] == '\r';
        if (n > limit) {
            *line = NULL;
            *length = limit + 1;
            return newline ? (take(c, whole), DIFFULM_OK) : pass_over(c);
        }
        *line = from;
        *length = n;
        take(c, whole);
        return DIFFULM_OK;
    }
}

uint64_t dulm_cursor_used(const struct dulm_cursor *c)
{
    return c->inflater         ? dulm_inflater_used(c->inflater)
           : c->file->unpacked ? c->file->size
                               : c->offset;
}

size_t dulm_cursor_memory(const struct dulm_cursor *c)
{
    return c->capacity + (c->inflater ? dulm_inflater_memory(c->inflater) : 0);
}

/* text_file.h: files of lines, plain or gzip, read a piece at a time. Files are read, not mapped: a file
 * that shrinks under a mapping kills the process, and mapped pages count as memory held. */
#ifndef DULM_IO_TEXT_FILE_H
#define DULM_IO_TEXT_FILE_H

#include <diffulm/common.h>
#include <stdbool.h>

/* Never changes after dulm_text_file_open; cursors of several threads may share it. */
struct dulm_text_file {
    char *path;
    int fd;
    uint64_t size;  /* bytes on disk */
    bool gzip;      /* by its first two bytes, not by its name */
    char *unpacked; /* the text of a gzip file that fits the buffer, else NULL */
    size_t unpacked_size;
};

/* A gzip file of at most `gzip_buffer` bytes of text is unpacked into memory. Errors name `path`. */
diffulm_status dulm_text_file_open(const char *path, size_t gzip_buffer,
                                   struct dulm_text_file *out) DIFFULM_MUST_USE;
/* Harmless on a zeroed struct. */
void dulm_text_file_close(struct dulm_text_file *file);
/* False for a gzip file that did not fit: going back in it means unpacking it from the start. */
bool dulm_text_file_seekable(const struct dulm_text_file *file);

/* A place in the text of a file. Private to a thread. */
struct dulm_cursor {
    const struct dulm_text_file *file;
    struct dulm_inflater *inflater; /* of a gzip file that is not in memory; made when needed */
    char *buffer;
    size_t capacity, begin, end; /* what was read and not yet taken: buffer[begin, end) */
    size_t chunk;                /* bytes to read next */
    uint64_t offset;             /* of buffer[begin] in the text */
};

void dulm_cursor_init(struct dulm_cursor *cursor, const struct dulm_text_file *file);
void dulm_cursor_release(struct dulm_cursor *cursor);
/* Nothing is read from disk before the next line, except to go forward in gzip. */
diffulm_status dulm_cursor_seek(struct dulm_cursor *cursor, uint64_t offset) DIFFULM_MUST_USE;
/* The next line without its "\n" or "\r\n", valid until the next call. DIFFULM_DONE at the end. A line of
 * more than `limit` bytes is passed over without being held: *line is NULL and *length `limit` + 1. */
diffulm_status dulm_cursor_line(struct dulm_cursor *cursor, size_t limit, const char **line,
                                size_t *length) DIFFULM_MUST_USE;
/* Bytes of the file on disk that were used so far. */
uint64_t dulm_cursor_used(const struct dulm_cursor *cursor);
/* Bytes of memory held. */
size_t dulm_cursor_memory(const struct dulm_cursor *cursor);

#endif

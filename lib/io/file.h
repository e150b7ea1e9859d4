/* file.h: whole files for reading, and files replaced atomically. */
#ifndef DULM_IO_FILE_H
#define DULM_IO_FILE_H

#include <diffulm/common.h>
#include <stdbool.h>

enum dulm_file_kind { DULM_FILE_BORROWED, DULM_FILE_MAPPED, DULM_FILE_ALLOCATED, DULM_FILE_HOST };

struct dulm_file {
    const unsigned char *data; /* read-only; never NULL after a successful open */
    size_t size;
    enum dulm_file_kind kind;
    char *name;                                                  /* for messages; the file's own */
    void (*unmap)(void *user, const void *data, uint64_t bytes); /* of HOST, may be NULL */
    void *user;
};

/* Maps a file. Errors name `path`. It stays valid until dulm_file_close. */
diffulm_status dulm_file_open(const char *path, struct dulm_file *out) DIFFULM_MUST_USE;
void dulm_file_close(struct dulm_file *file);

/* `bytes` at `data`, inside the file, were copied and are not read again soon: the kernel may take the pages of a mapping back. A
 * later read fetches them anew. */
void dulm_file_let_go(const struct dulm_file *file, const void *data, size_t bytes);

bool dulm_file_exists(const char *path);

/* "folder/name" in fresh memory, NULL when out of memory. */
char *dulm_path_join(const char *folder, const char *name);

struct dulm_part {
    const void *data;
    size_t size;
};

/* Writes the parts, one after another, to a temporary file beside `path` ("path.partial.XXXXXX", which an
 * interruption leaves behind), syncs it, renames it and syncs the folder. The old file stays on any failure. */
diffulm_status dulm_file_replace_parts(const char *path, const struct dulm_part *parts,
                                       size_t count) DIFFULM_MUST_USE;
/* The same of one part. */
diffulm_status dulm_file_replace(const char *path, const void *data, size_t size) DIFFULM_MUST_USE;

#endif

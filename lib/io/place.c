/* place.c: files from a folder or through the host's callbacks. */
#include "io/place.h"

#include <string.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/limits.h"

#define READ_AT_ONCE ((size_t)16 << 20)

diffulm_status dulm_files_read(const struct diffulm_files *given, struct diffulm_files *files)
{
    *files = (struct diffulm_files){0};
    if (!given || !dulm_struct_read(files, sizeof *files, given))
        return dulm_fail(DIFFULM_E_ARGUMENT, "files: NULL, or struct_size is not %zu",
                         sizeof *files);
    if (!files->map && (!files->size || !files->read))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "files: expected the callback map, or both size and read");
    return DIFFULM_OK;
}

const char *dulm_place_label(const struct dulm_place *place)
{
    if (place->folder)
        return place->folder;
    return place->files->label ? place->files->label : "files";
}

static diffulm_status stopped(const struct dulm_file *file, const char *callback, int32_t number)
{
    return dulm_fail(DIFFULM_E_IO, "%s: the host's %s returned %d", file->name, callback, number);
}

/* `bytes` is what the host says: a number, until memory for it is there. */
static diffulm_status read_whole(const struct diffulm_files *files, const char *name,
                                 uint64_t bytes, struct dulm_file *file)
{
    if (bytes >= DULM_LIMIT_FILE_BYTES || bytes > SIZE_MAX / 2)
        return dulm_fail(DIFFULM_E_LIMIT,
                         "%s: the host says %llu bytes, fewer than %llu may be read", file->name,
                         (unsigned long long)bytes, (unsigned long long)DULM_LIMIT_FILE_BYTES);
    unsigned char *data = dulm_alloc_tensor((size_t)bytes, 1);
    if (!data)
        return dulm_fail_memory();
    for (size_t at = 0; at < bytes;) {
        const size_t n = bytes - at < READ_AT_ONCE ? (size_t)bytes - at : READ_AT_ONCE;
        const int32_t number = files->read(files->user, name, at, data + at, n);
        if (number != 0) {
            dulm_free(data);
            return dulm_fail(DIFFULM_E_IO, "%s: the host's read returned %d at byte %zu",
                             file->name, number, at);
        }
        at += n;
    }
    file->data = data;
    file->size = (size_t)bytes;
    file->kind = DULM_FILE_ALLOCATED;
    return DIFFULM_OK;
}

static diffulm_status take_mapped(const struct diffulm_files *files, const void *data,
                                  uint64_t bytes, struct dulm_file *file)
{
    if (!data && bytes)
        return dulm_fail(DIFFULM_E_IO, "%s: the host's map gave no address", file->name);
    file->data = data ? data : (const unsigned char *)"";
    file->size = (size_t)bytes;
    if (data) {
        file->kind = DULM_FILE_HOST;
        file->unmap = files->unmap;
        file->user = files->user;
    }
    return DIFFULM_OK;
}

static diffulm_status from_host(const struct diffulm_files *files, const char *name,
                                struct dulm_file *file, bool *found)
{
    uint64_t bytes = 0;
    const void *data = NULL;
    int32_t number =
        files->map ? files->map(files->user, name, &data, &bytes) : DIFFULM_FILE_ABSENT;
    *found = number == 0;
    if (number == 0)
        return take_mapped(files, data, bytes, file);
    if (number != DIFFULM_FILE_ABSENT)
        return stopped(file, "map", number);
    if (!files->size || !files->read)
        return DIFFULM_OK;
    number = files->size(files->user, name, &bytes);
    *found = number == 0;
    if (number != 0 && number != DIFFULM_FILE_ABSENT)
        return stopped(file, "size", number);
    return *found ? read_whole(files, name, bytes, file) : DIFFULM_OK;
}

diffulm_status dulm_place_find(const struct dulm_place *place, const char *name,
                               struct dulm_file *out, bool *found)
{
    struct dulm_file file = {.name = dulm_path_join(dulm_place_label(place), name)};
    if (!file.name)
        return dulm_fail_memory();
    diffulm_status rc = DIFFULM_OK;
    if (place->folder) {
        *found = dulm_file_exists(file.name);
        if (*found)
            rc = dulm_file_open(file.name, out);
        dulm_free(file.name);
        return rc;
    }
    rc = from_host(place->files, name, &file, found);
    if (rc == DIFFULM_OK && *found)
        *out = file;
    else
        dulm_file_close(&file);
    return rc;
}

diffulm_status dulm_place_open(const struct dulm_place *place, const char *name,
                               struct dulm_file *out)
{
    bool found = false;
    diffulm_status rc = DIFFULM_OK;
    if (!place->folder)
        rc = dulm_place_find(place, name, out, &found);
    if (rc < 0 || found)
        return rc;
    char *path = dulm_path_join(dulm_place_label(place), name);
    if (!path)
        return dulm_fail_memory();
    rc = place->folder ? dulm_file_open(path, out)
                       : dulm_fail(DIFFULM_E_IO, "%s: there is no such file", path);
    dulm_free(path);
    return rc;
}

/* file.c: mapped files, atomic replacement. */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

diffulm_status dulm_file_open(const char *path, struct dulm_file *out)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return dulm_fail(DIFFULM_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat info;
    diffulm_status rc = DIFFULM_OK;
    if (fstat(fd, &info) != 0)
        rc = dulm_fail(DIFFULM_E_IO, "%s: cannot be examined: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        rc = dulm_fail(DIFFULM_E_IO, "%s: is not a regular file", path);
    else if (info.st_size == 0)
        *out = (struct dulm_file){.data = (const unsigned char *)"", .size = 0};
    else {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            rc = dulm_fail(DIFFULM_E_IO, "%s: cannot be mapped: %s", path, strerror(errno));
        else
            *out = (struct dulm_file){data, (size_t)info.st_size, true};
    }
    close(fd);
    return rc;
}

void dulm_file_close(struct dulm_file *file)
{
    if (file->mapped)
        munmap((void *)file->data, file->size);
    *file = (struct dulm_file){0};
}

bool dulm_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

char *dulm_path_join(const char *folder, const char *name)
{
    const size_t a = strlen(folder), b = strlen(name);
    const bool slash = a > 0 && folder[a - 1] != '/';
    char *path = dulm_alloc(a + b + 2, 1);
    if (!path)
        return NULL;
    memcpy(path, folder, a);
    if (slash)
        path[a] = '/';
    memcpy(path + a + slash, name, b + 1);
    return path;
}

static diffulm_status write_all(int fd, const char *path, const char *data, size_t size)
{
    while (size) {
        const ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dulm_fail(DIFFULM_E_IO, "%s: cannot be written: %s", path, strerror(errno));
        data += n;
        size -= (size_t)n;
    }
    if (fsync(fd) != 0)
        return dulm_fail(DIFFULM_E_IO, "%s: cannot be written: %s", path, strerror(errno));
    return DIFFULM_OK;
}

diffulm_status dulm_file_replace(const char *path, const void *data, size_t size)
{
    const size_t length = strlen(path);
    char *temporary = dulm_alloc(length + 16, 1);
    if (!temporary)
        return dulm_fail_memory();
    snprintf(temporary, length + 16, "%s.XXXXXX", path);
    diffulm_status rc;
    const int fd = mkstemp(temporary);
    if (fd < 0) {
        rc = dulm_fail(DIFFULM_E_IO, "%s: cannot be created: %s", path, strerror(errno));
        goto done;
    }
    fchmod(fd, 0644);
    rc = write_all(fd, path, data, size);
    close(fd);
    if (rc == DIFFULM_OK && rename(temporary, path) != 0)
        rc = dulm_fail(DIFFULM_E_IO, "%s: cannot be replaced: %s", path, strerror(errno));
    if (rc < 0)
        unlink(temporary);
done:
    dulm_free(temporary);
    return rc;
}

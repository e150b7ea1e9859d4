/* file.c: mapped files, atomic replacement. */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
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
        *out = (struct dulm_file){.data = (const unsigned char *)""};
    else {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            rc = dulm_fail(DIFFULM_E_IO, "%s: cannot be mapped: %s", path, strerror(errno));
        else
            *out = (struct dulm_file){
                .data = data, .size = (size_t)info.st_size, .kind = DULM_FILE_MAPPED};
    }
    close(fd);
    if (rc < 0)
        return rc;
    out->name = dulm_strndup(path, strlen(path));
    if (out->name)
        return DIFFULM_OK;
    dulm_file_close(out);
    return dulm_fail_memory();
}

void dulm_file_close(struct dulm_file *file)
{
    if (file->kind == DULM_FILE_MAPPED)
        munmap((void *)file->data, file->size);
    else if (file->kind == DULM_FILE_ALLOCATED)
        dulm_free((void *)file->data);
    else if (file->kind == DULM_FILE_HOST && file->unmap)
        file->unmap(file->user, file->data, file->size);
    dulm_free(file->name);
    *file = (struct dulm_file){0};
}

void dulm_file_let_go(const struct dulm_file *file, const void *data, size_t bytes)
{
    if (file->kind != DULM_FILE_MAPPED)
        return;
    /* Whole pages alone: others hold a neighbour's bytes too. */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE),
                 at = (size_t)((const unsigned char *)data - file->data);
    const size_t begin = (at + page - 1) / page * page, end = (at + bytes) / page * page;
    if (begin < end) /* advice: nothing is lost where it is not taken */
        (void)madvise((void *)(uintptr_t)(file->data + begin), end - begin, MADV_DONTNEED);
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

/* One write takes at most this many bytes: Linux stops at 2 GiB, others refuse more. */
#define MOST_AT_ONCE ((size_t)1 << 30)

static diffulm_status cannot(const char *path, const char *what)
{
    return dulm_fail(DIFFULM_E_IO, "%s: cannot be %s: %s", path, what, strerror(errno));
}

static diffulm_status write_all(int fd, const char *path, const char *data, size_t size)
{
    while (size) {
        const ssize_t n = write(fd, data, size < MOST_AT_ONCE ? size : MOST_AT_ONCE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENOSPC;
        if (n <= 0)
            return cannot(path, "written");
        data += n;
        size -= (size_t)n;
    }
    return DIFFULM_OK;
}

/* The folder's entry of the new name, onto the disk. */
static diffulm_status sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? dulm_strndup(path, (size_t)(slash - path) + 1) : dulm_strndup(".", 1);
    if (!folder)
        return dulm_fail_memory();
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some file systems cannot sync a folder and need not: EINVAL. */
    const bool good = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    const diffulm_status rc = good ? DIFFULM_OK : cannot(folder, "written");
    if (fd >= 0)
        close(fd);
    dulm_free(folder);
    return rc;
}

static diffulm_status write_temporary(const char *path, char *temporary,
                                      const struct dulm_part *parts, size_t count)
{
    const int fd = mkstemp(temporary);
    if (fd < 0)
        return cannot(path, "created");
    diffulm_status rc = DIFFULM_OK;
    fchmod(fd, 0644);
    for (size_t i = 0; rc == DIFFULM_OK && i < count; i++)
        rc = write_all(fd, path, parts[i].data, parts[i].size);
    if (rc == DIFFULM_OK && fsync(fd) != 0)
        rc = cannot(path, "written");
    if (close(fd) != 0 && rc == DIFFULM_OK)
        rc = cannot(path, "written");
    if (rc == DIFFULM_OK && rename(temporary, path) != 0)
        rc = cannot(path, "replaced");
    if (rc < 0)
        unlink(temporary);
    return rc;
}

diffulm_status dulm_file_replace_parts(const char *path, const struct dulm_part *parts,
                                       size_t count)
{
    const size_t length = strlen(path);
    static const char suffix[] = ".partial.XXXXXX";
    char *temporary = dulm_alloc(length + sizeof suffix, 1);
    if (!temporary)
        return dulm_fail_memory();
    memcpy(temporary, path, length);
    memcpy(temporary + length, suffix, sizeof suffix);
    diffulm_status rc = write_temporary(path, temporary, parts, count);
    dulm_free(temporary);
    return rc < 0 ? rc : sync_folder(path);
}

diffulm_status dulm_file_replace(const char *path, const void *data, size_t size)
{
    return dulm_file_replace_parts(path, &(struct dulm_part){data, size}, 1);
}

/* gzip.c: unpacking gzip. zlib checks lengths and checksums; its memory is asked of alloc.h. */
#include "io/gzip.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/error.h"

enum { PACKED = 16384 };

struct dulm_inflater {
    z_stream stream;
    int fd;
    const char *path;
    uint64_t read;      /* bytes taken from the file */
    bool between;       /* the last member is complete */
    size_t zlib_memory; /* what zlib asked for */
    unsigned char packed[PACKED];
};

static voidpf take(voidpf user, uInt count, uInt size)
{
    struct dulm_inflater *z = user;
    void *block = dulm_alloc(count, size);
    z->zlib_memory += block ? (size_t)count * size : 0;
    return block;
}

static void give(voidpf user, voidpf block)
{
    (void)user;
    dulm_free(block);
}

diffulm_status dulm_inflater_create(int fd, const char *path, struct dulm_inflater **out)
{
    struct dulm_inflater *z = dulm_alloc_zero(1, sizeof *z);
    if (!z)
        return dulm_fail_memory();
    z->fd = fd;
    z->path = path;
    z->stream.zalloc = take;
    z->stream.zfree = give;
    z->stream.opaque = z;
    if (inflateInit2(&z->stream, 16 + MAX_WBITS) != Z_OK) {
        dulm_free(z);
        return dulm_fail_memory();
    }
    *out = z;
    return DIFFULM_OK;
}

void dulm_inflater_destroy(struct dulm_inflater *z)
{
    if (!z)
        return;
    inflateEnd(&z->stream);
    dulm_free(z);
}

void dulm_inflater_rewind(struct dulm_inflater *z)
{
    inflateReset(&z->stream);
    z->stream.avail_in = 0;
    z->read = 0;
    z->between = false;
}

uint64_t dulm_inflater_used(const struct dulm_inflater *z)
{
    return z->read - z->stream.avail_in;
}

size_t dulm_inflater_memory(const struct dulm_inflater *z)
{
    return sizeof *z + z->zlib_memory;
}

/* avail_in stays 0 at the end of the file. */
static diffulm_status refill(struct dulm_inflater *z)
{
    ssize_t n;
    do
        n = pread(z->fd, z->packed, PACKED, (off_t)z->read);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return dulm_fail(DIFFULM_E_IO, "%s: cannot be read: %s", z->path, strerror(errno));
    z->stream.next_in = z->packed;
    z->stream.avail_in = (uInt)n;
    z->read += (uint64_t)n;
    return DIFFULM_OK;
}

static diffulm_status damaged(const struct dulm_inflater *z, const char *why)
{
    return dulm_fail(DIFFULM_E_FORMAT, "%s: byte %llu: damaged gzip data: %s", z->path,
                     (unsigned long long)dulm_inflater_used(z), why);
}

diffulm_status dulm_inflater_read(struct dulm_inflater *z, char *out, size_t room, size_t *got)
{
    z->stream.next_out = (unsigned char *)out;
    z->stream.avail_out = room < UINT32_MAX ? (uInt)room : UINT32_MAX;
    const uInt space = z->stream.avail_out;
    while (z->stream.avail_out == space) {
        if (z->stream.avail_in == 0) {
            diffulm_status rc = refill(z);
            if (rc < 0)
                return rc;
            if (z->stream.avail_in == 0 && z->between)
                break;
            if (z->stream.avail_in == 0)
                return damaged(z, "the file ends early");
        }
        if (z->between) {
            inflateReset(&z->stream);
            z->between = false;
        }
        const int rc = inflate(&z->stream, Z_NO_FLUSH);
        if (rc == Z_MEM_ERROR)
            return dulm_fail_memory();
        if (rc != Z_OK && rc != Z_STREAM_END)
            return damaged(z, z->stream.msg ? z->stream.msg : "not a gzip stream");
        z->between = rc == Z_STREAM_END;
    }
    *got = space - z->stream.avail_out;
    return DIFFULM_OK;
}

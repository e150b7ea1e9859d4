/* pack.c: the reader of pack.h's archives. Whoever can replace the archive is a stranger: no number in it is used before
 * it was checked against the file's size. Knows nothing of SDL. */
#include "pack.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 12, ENTRY = PACK_NAME + 16 };

struct entry {
    char name[PACK_NAME];
    uint64_t offset, size;
};

struct pack {
    FILE *file;
    char *path;
    uint64_t bytes; /* of the whole archive */
    size_t count;
    struct entry entry[PACK_FILES];
};

struct complaint {
    const char *path;
    char *message;
    size_t capacity;
};

/* Always 0, to return from a check. */
static int bad(const struct complaint *c, const char *format, ...)
{
    char what[256];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    snprintf(c->message, c->capacity, "%s: %s", c->path, what);
    return 0;
}

static uint64_t little_endian(const unsigned char *bytes, int count)
{
    uint64_t value = 0;
    for (int i = count - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

/* Plain names alone: none can lead out of a folder when someone unpacks the archive, and each can be printed. */
static int good_name(const char *name)
{
    const char *const end = memchr(name, 0, PACK_NAME);
    const size_t length = end ? (size_t)(end - name) : 0;
    if (length == 0 || name[0] == '.')
        return 0;
    for (size_t i = 0; i < PACK_NAME; i++)
        if (i < length ? !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789._-",
                                 name[i])
                       : name[i] != 0)
            return 0;
    return 1;
}

static int check_entry(const struct pack *p, size_t index, const struct complaint *c)
{
    const struct entry *e = &p->entry[index];
    if (!good_name(e->name))
        return bad(c, "file %zu of the table has no proper name", index);
    if (e->offset < HEAD + p->count * ENTRY)
        return bad(c, "%s begins at byte %llu, inside the table", e->name,
                   (unsigned long long)e->offset);
    if (e->offset > p->bytes || e->size > p->bytes - e->offset)
        return bad(c, "%s has %llu bytes from byte %llu on, the archive %llu in all", e->name,
                   (unsigned long long)e->size, (unsigned long long)e->offset,
                   (unsigned long long)p->bytes);
    for (size_t i = 0; i < index; i++) {
        const struct entry *o = &p->entry[i];
        if (strcmp(o->name, e->name) == 0)
            return bad(c, "%s is there twice", e->name);
        if (o->offset < e->offset + e->size && e->offset < o->offset + o->size)
            return bad(c, "%s and %s overlap", o->name, e->name);
    }
    return 1;
}

static int read_table(struct pack *p, const struct complaint *c)
{
    unsigned char bytes[ENTRY];
    if (p->bytes < HEAD)
        return bad(c, "%llu bytes are too few for an archive", (unsigned long long)p->bytes);
    if (fread(bytes, HEAD, 1, p->file) != 1)
        return bad(c, "can't be read");
    if (memcmp(bytes, PACK_MAGIC, 8) != 0)
        return bad(c, "is no archive: it does not begin with " PACK_MAGIC);
    p->count = (size_t)little_endian(bytes + 8, 4);
    if (p->count == 0 || p->count > PACK_FILES)
        return bad(c, "has %zu files, expected 1 to %d", p->count, PACK_FILES);
    if (p->bytes < HEAD + p->count * ENTRY)
        return bad(c, "ends in its table: %zu files need %zu bytes", p->count,
                   HEAD + p->count * ENTRY);
    for (size_t i = 0; i < p->count; i++) {
        if (fread(bytes, ENTRY, 1, p->file) != 1)
            return bad(c, "can't be read");
        memcpy(p->entry[i].name, bytes, PACK_NAME);
        p->entry[i].offset = little_endian(bytes + PACK_NAME, 8);
        p->entry[i].size = little_endian(bytes + PACK_NAME + 8, 8);
        if (!check_entry(p, i, c))
            return 0;
    }
    return 1;
}

struct pack *pack_open(const char *path, char *message, size_t capacity)
{
    const struct complaint c = {path, message, capacity};
    struct pack *p = calloc(1, sizeof *p);
    long bytes = -1;
    int good = 0;
    if (!p || !(p->path = malloc(strlen(path) + 1)))
        bad(&c, "out of memory");
    else if (!(p->file = fopen(path, "rb")))
        bad(&c, "can't be opened");
    else if (fseek(p->file, 0, SEEK_END) != 0 || (bytes = ftell(p->file)) < 0 ||
             fseek(p->file, 0, SEEK_SET) != 0)
        bad(&c, "can't be read");
    else {
        strcpy(p->path, path);
        p->bytes = (uint64_t)bytes;
        good = read_table(p, &c);
    }
    if (good)
        return p;
    pack_close(p);
    return NULL;
}

void pack_close(struct pack *p)
{
    if (!p)
        return;
    if (p->file)
        fclose(p->file);
    free(p->path);
    free(p);
}

static const struct entry *find(const struct pack *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->entry[i].name, name) == 0)
            return &p->entry[i];
    return NULL;
}

static int32_t file_size(void *user, const char *name, uint64_t *bytes)
{
    const struct entry *e = find(user, name);
    if (!e)
        return DIFFULM_FILE_ABSENT;
    *bytes = e->size;
    return 0;
}

static int32_t file_read(void *user, const char *name, uint64_t offset, void *buffer, size_t bytes)
{
    struct pack *p = user;
    const struct entry *e = find(p, name);
    if (!e)
        return DIFFULM_FILE_ABSENT;
    if (offset > e->size || bytes > e->size - offset)
        return PACK_PAST_END;
    if (fseek(p->file, (long)(e->offset + offset), SEEK_SET) != 0 ||
        fread(buffer, 1, bytes, p->file) != bytes)
        return PACK_UNREADABLE;
    return 0;
}

struct diffulm_files pack_files(struct pack *p)
{
    return (struct diffulm_files){.struct_size = sizeof(struct diffulm_files),
                                  .label = p->path,
                                  .user = p,
                                  .size = file_size,
                                  .read = file_read};
}

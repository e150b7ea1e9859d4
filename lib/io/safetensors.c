/* safetensors.c: owns the checks of a safetensors file. Layout: u64 header length, JSON header
 * {name: {dtype, shape, data_offsets}}, then the data; offsets count from the end of the header and
 * must cover it without holes or overlaps. */
#include "io/safetensors.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/json.h"
#include "io/limits.h"

struct dulm_safetensors {
    struct dulm_file file;
    json_t *header; /* owns the tensor names */
    struct dulm_tensor *tensors;
    size_t count;
};

static diffulm_status bad(const struct dulm_safetensors *st, const char *tensor, const char *what)
{
    return dulm_fail(DIFFULM_E_FORMAT, "%s: tensor %s: %s", st->file.name, tensor, what);
}

static diffulm_status read_dtype(const struct dulm_safetensors *st, struct dulm_tensor *t,
                                 const json_t *entry)
{
    const json_t *dtype = json_object_get(entry, "dtype");
    if (!json_is_string(dtype))
        return bad(st, t->name, "dtype is missing or not a string");
    for (int d = 0; d < DULM_DTYPES; d++)
        if (strcmp(json_string_value(dtype), dulm_dtype_name(d)) == 0) {
            t->dtype = (enum dulm_dtype)d;
            return DIFFULM_OK;
        }
    return dulm_fail(DIFFULM_E_FORMAT, "%s: tensor %s: unknown dtype %.40s", st->file.name, t->name,
                     json_string_value(dtype));
}

static diffulm_status read_shape(const struct dulm_safetensors *st, struct dulm_tensor *t,
                                 const json_t *entry)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return bad(st, t->name, "shape is missing or not an array");
    if (json_array_size(shape) > DULM_MAX_RANK)
        return bad(st, t->name, "shape has more than 8 dimensions");
    t->rank = (int)json_array_size(shape);
    t->elements = 1;
    for (int i = 0; i < t->rank; i++) {
        const json_t *dim = json_array_get(shape, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return bad(st, t->name, "shape holds something other than integers >= 0");
        t->shape[i] = json_integer_value(dim);
        if (!dulm_mul(t->elements, (size_t)t->shape[i], &t->elements))
            return bad(st, t->name, "the product of the shape overflows");
    }
    if (!dulm_mul(t->elements, dulm_dtype_size(t->dtype), &t->bytes))
        return bad(st, t->name, "the size in bytes overflows");
    return DIFFULM_OK;
}

static diffulm_status read_offsets(const struct dulm_safetensors *st, struct dulm_tensor *t,
                                   const json_t *entry, const unsigned char *data, size_t size)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !json_is_integer(json_array_get(offsets, 0)) ||
        !json_is_integer(json_array_get(offsets, 1)))
        return bad(st, t->name, "data_offsets is missing or not two integers");
    const json_int_t begin = json_integer_value(json_array_get(offsets, 0));
    const json_int_t end = json_integer_value(json_array_get(offsets, 1));
    if (begin < 0 || end < begin)
        return bad(st, t->name, "data_offsets are negative or reversed");
    if ((uint64_t)end > size)
        return dulm_fail(DIFFULM_E_FORMAT,
                         "%s: tensor %s: ends at byte %lld of the data, which has %zu",
                         st->file.name, t->name, (long long)end, size);
    if ((size_t)(end - begin) != t->bytes)
        return dulm_fail(DIFFULM_E_FORMAT,
                         "%s: tensor %s: dtype %s and shape need %zu bytes, data_offsets give %lld",
                         st->file.name, t->name, dulm_dtype_name(t->dtype), t->bytes,
                         (long long)(end - begin));
    t->data = data + begin;
    return DIFFULM_OK;
}

static int by_position(const void *a, const void *b)
{
    const struct dulm_tensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct dulm_tensor *)a)->name, ((const struct dulm_tensor *)b)->name);
}

/* The data must be covered from its first byte to its last, each byte once. */
static diffulm_status check_cover(struct dulm_safetensors *st, const unsigned char *data,
                                  size_t size)
{
    qsort(st->tensors, st->count, sizeof *st->tensors, by_position);
    const unsigned char *next = data;
    for (size_t i = 0; i < st->count; i++) {
        const struct dulm_tensor *t = &st->tensors[i];
        const unsigned char *begin = t->data;
        if (begin < next)
            return bad(st, t->name, "overlaps the tensor before it");
        if (begin > next)
            return bad(st, t->name, "there is a hole before it that belongs to no tensor");
        next = begin + t->bytes;
    }
    if (next != data + size)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: %zu bytes after the last tensor", st->file.name,
                         (size_t)(data + size - next));
    return DIFFULM_OK;
}

static diffulm_status read_entries(struct dulm_safetensors *st, const unsigned char *data,
                                   size_t size)
{
    st->tensors = dulm_alloc_zero(json_object_size(st->header), sizeof *st->tensors);
    if (!st->tensors)
        return dulm_fail_memory();
    const char *name;
    json_t *entry;
    json_object_foreach(st->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        struct dulm_tensor *t = &st->tensors[st->count];
        t->name = name;
        if (!json_is_object(entry))
            return bad(st, name, "its entry is not an object");
        diffulm_status rc = read_dtype(st, t, entry);
        if (rc == DIFFULM_OK)
            rc = read_shape(st, t, entry);
        if (rc == DIFFULM_OK)
            rc = read_offsets(st, t, entry, data, size);
        if (rc < 0)
            return rc;
        st->count++;
    }
    diffulm_status rc = check_cover(st, data, size);
    qsort(st->tensors, st->count, sizeof *st->tensors, by_name);
    return rc;
}

static diffulm_status read_header(struct dulm_safetensors *st)
{
    const unsigned char *bytes = st->file.data;
    if (st->file.size < 8)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: %zu bytes: too short for the 8-byte header length",
                         st->file.name, st->file.size);
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | bytes[i];
    if (length > st->file.size - 8 || length > DULM_LIMIT_HEADER_BYTES)
        return dulm_fail(DIFFULM_E_FORMAT,
                         "%s: header length %llu, but the file has %zu bytes after it",
                         st->file.name, (unsigned long long)length, st->file.size - 8);
    diffulm_status rc = dulm_json_parse(bytes + 8, (size_t)length, st->file.name, &st->header);
    if (rc < 0)
        return rc;
    if (!json_is_object(st->header))
        return dulm_fail(DIFFULM_E_FORMAT, "%s: the header is not a JSON object", st->file.name);
    return read_entries(st, bytes + 8 + length, st->file.size - 8 - (size_t)length);
}

diffulm_status dulm_safetensors_open(struct dulm_file *file, struct dulm_safetensors **out)
{
    struct dulm_safetensors *st = dulm_alloc_zero(1, sizeof *st);
    if (!st) {
        dulm_file_close(file);
        return dulm_fail_memory();
    }
    st->file = *file;
    *file = (struct dulm_file){0};
    diffulm_status rc = read_header(st);
    if (rc < 0)
        dulm_safetensors_close(st);
    else
        *out = st;
    return rc;
}

diffulm_status dulm_safetensors_open_path(const char *path, struct dulm_safetensors **out)
{
    struct dulm_file file;
    diffulm_status rc = dulm_file_open(path, &file);
    return rc < 0 ? rc : dulm_safetensors_open(&file, out);
}

void dulm_safetensors_close(struct dulm_safetensors *st)
{
    if (!st)
        return;
    dulm_file_close(&st->file);
    json_decref(st->header);
    dulm_free(st->tensors);
    dulm_free(st);
}

size_t dulm_safetensors_count(const struct dulm_safetensors *st)
{
    return st->count;
}

const struct dulm_tensor *dulm_safetensors_at(const struct dulm_safetensors *st, size_t index)
{
    return &st->tensors[index];
}

const struct dulm_tensor *dulm_safetensors_find(const struct dulm_safetensors *st, const char *name)
{
    const struct dulm_tensor key = {.name = name};
    return bsearch(&key, st->tensors, st->count, sizeof key, by_name);
}

const char *dulm_safetensors_name(const struct dulm_safetensors *st)
{
    return st->file.name;
}

static bool lies_in(const struct dulm_safetensors *st, const void *data)
{
    const uintptr_t at = (uintptr_t)data, begin = (uintptr_t)st->file.data;
    return at >= begin && at - begin < st->file.size;
}

void dulm_safetensors_let_go(const struct dulm_safetensors *st, const void *data, size_t bytes)
{
    if (lies_in(st, data))
        dulm_file_let_go(&st->file, data, bytes);
}

void dulm_safetensors_let_go_around(const struct dulm_safetensors *st, const void *data)
{
    if (lies_in(st, data))
        dulm_file_let_go(&st->file, st->file.data, st->file.size);
}

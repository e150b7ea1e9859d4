/* safetensors.h: reading and writing the safetensors format. A file is mapped and every entry of its
 * header is checked before any tensor is handed out. */
#ifndef DULM_IO_SAFETENSORS_H
#define DULM_IO_SAFETENSORS_H

#include <diffulm/common.h>
#include <stdbool.h>

#include "io/file.h"

#define DULM_MAX_RANK 8

enum dulm_dtype {
    DULM_F32,
    DULM_F16,
    DULM_BF16,
    DULM_F64,
    DULM_I64,
    DULM_I32,
    DULM_I16,
    DULM_I8,
    DULM_U8,
    DULM_BOOL,
    DULM_DTYPES
};

const char *dulm_dtype_name(enum dulm_dtype dtype);
size_t dulm_dtype_size(enum dulm_dtype dtype);

struct dulm_tensor {
    const char *name;
    enum dulm_dtype dtype;
    int rank;
    int64_t shape[DULM_MAX_RANK];
    const void *data; /* little-endian, row-major, inside the mapping */
    size_t bytes;
    size_t elements;
};

struct dulm_safetensors;

/* Takes over `file`, on failure too. Errors name the file and, where there is one, the tensor. */
diffulm_status dulm_safetensors_open(struct dulm_file *file,
                                     struct dulm_safetensors **out) DIFFULM_MUST_USE;
diffulm_status dulm_safetensors_open_path(const char *path,
                                          struct dulm_safetensors **out) DIFFULM_MUST_USE;
void dulm_safetensors_close(struct dulm_safetensors *file);

size_t dulm_safetensors_count(const struct dulm_safetensors *file);
/* In the order of their names. */
const struct dulm_tensor *dulm_safetensors_at(const struct dulm_safetensors *file, size_t index);
const struct dulm_tensor *dulm_safetensors_find(const struct dulm_safetensors *file,
                                                const char *name);
const char *dulm_safetensors_name(const struct dulm_safetensors *file);

/* dulm_file_let_go, where `data` lies in this file. */
void dulm_safetensors_let_go(const struct dulm_safetensors *file, const void *data, size_t bytes);
/* The same of the whole of this file: the kernel maps what lies around what is read, too. */
void dulm_safetensors_let_go_around(const struct dulm_safetensors *file, const void *data);

/* "[4, 5]" into a fixed buffer. */
void dulm_shape_text(int rank, const int64_t *shape, char *out, size_t capacity);

/* out[i] = the element widened to float. dtype is F32, F16 or BF16. */
void dulm_widen(enum dulm_dtype dtype, const void *data, size_t elements, float *out);
/* The reverse, to nearest even. */
void dulm_narrow(enum dulm_dtype dtype, const float *data, size_t elements, void *out);

/* Writes tensors (data in their dtype) in the given order; `metadata_format` "pt" is what
 * transformers expects. Atomic replacement. */
diffulm_status dulm_safetensors_write(const char *path, const struct dulm_tensor *tensors,
                                      size_t count) DIFFULM_MUST_USE;

#endif

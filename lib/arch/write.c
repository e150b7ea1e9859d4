/* write.c: a model to disk, in floats of a width or in 8 bits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "arch/quantized.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"
#include "io/json.h"

static diffulm_status write_config(const struct dulm_config *config, const char *folder,
                                   enum dulm_dtype dtype)
{
    static const char *const names[] = {"float32", "float16", "bfloat16"};
    json_t *root = dulm_config_write(config, dtype == DULM_I8 ? "float32" : names[dtype]);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    char *path = dulm_path_join(folder, "config.json");
    diffulm_status rc =
        text && path ? dulm_file_replace(path, text, strlen(text)) : dulm_fail_memory();
    dulm_free(path);
    free(text);
    json_decref(root);
    return rc;
}

/* The tensors of a file and what they hold, where it is not the model's own memory. */
struct writer {
    const struct diffulm_model *model;
    enum dulm_dtype dtype;
    struct dulm_tensor *tensors; /* two for each parameter in 8 bits */
    char (*scale_name)[160];
    size_t count;
    char *next;   /* narrowed values */
    float *scale; /* [rows of all matrices] */
    float
        *wide; /* [room], values of a parameter that the model does not keep in single precision */
    size_t room;
};

static size_t most_elements_to_widen(const struct diffulm_model *m)
{
    size_t most = dulm_quantize_room(m);
    for (size_t i = 0; i < m->parameter_count; i++)
        if (!dulm_weights_get(&m->weights, &m->parameters[i]) && m->parameters[i].elements > most)
            most = m->parameters[i].elements;
    return most;
}

static size_t rows_in_8_bits(const struct diffulm_model *m)
{
    size_t rows = 0;
    for (size_t i = 0; i < m->parameter_count; i++)
        if (dulm_quantizable(&m->parameters[i]))
            rows += (size_t)m->parameters[i].shape[0];
    return rows;
}

static struct dulm_tensor *add(struct writer *w, const char *name, enum dulm_dtype dtype,
                               const struct dulm_parameter *p, int64_t columns, const void *data)
{
    const size_t elements = (size_t)p->shape[0] * (size_t)columns;
    struct dulm_tensor *t = &w->tensors[w->count++];
    *t = (struct dulm_tensor){.name = name,
                              .dtype = dtype,
                              .rank = p->rank,
                              .shape = {p->shape[0], columns},
                              .data = data,
                              .bytes = elements * dulm_dtype_size(dtype),
                              .elements = elements};
    return t;
}

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Whether a parameter is written as 8 bits; else, whether its values lie in memory as they are written. */
static bool in_8_bits(const struct dulm_parameter *p, enum dulm_dtype dtype)
{
    return dtype == DULM_I8 && dulm_quantizable(p);
}

static bool as_it_is(const struct diffulm_model *m, const struct dulm_parameter *p,
                     enum dulm_dtype dtype)
{
    const struct dulm_half *half = dulm_half_at(&m->weights, p->layer, p->slot);
    if (half)
        return dtype == (half->bfloat ? DULM_BF16 : DULM_F16);
    return (dtype == DULM_F32 || dtype == DULM_I8) && dulm_weights_get(&m->weights, p);
}

/* Rounded as a runtime in 8 bits would; a matrix that exists in them alone is written as it is. */
static void add_matrix8(struct writer *w, const struct dulm_parameter *p,
                        const struct dulm_quantized *known)
{
    const size_t rows = (size_t)p->shape[0], columns = (size_t)p->shape[1];
    const bool floats = dulm_weights_get(&w->model->weights, p) ||
                        dulm_half_at(&w->model->weights, p->layer, p->slot);
    const struct dulm_matrix8 *m = floats ? NULL : dulm_quantized_at(known, p->layer, p->slot);
    const void *values = m && m->values ? (const void *)m->values : w->next;
    const float *scales = m ? m->scales : w->scale;
    if (!m) {
        dulm_quantize_rows(w->model, p, 0, rows, w->wide, w->room, (int8_t *)w->next, w->scale);
        w->scale += rows;
    } else if (!m->values) {
        dulm_matrix8_values(m, columns, 0, rows, (int8_t *)w->next);
    }
    if (values == w->next)
        w->next += aligned(p->elements);
    char *name = w->scale_name[w->count];
    snprintf(name, sizeof *w->scale_name, "%s_scale", p->name);
    add(w, p->name, DULM_I8, p, p->shape[1], values);
    add(w, name, DULM_F32, p, 1, scales);
}

static void add_floats(struct writer *w, const struct dulm_parameter *p, enum dulm_dtype dtype)
{
    const float *values = dulm_weights_get(&w->model->weights, p);
    const struct dulm_half *half = dulm_half_at(&w->model->weights, p->layer, p->slot);
    if (as_it_is(w->model, p, dtype)) {
        add(w, p->name, dtype, p, p->shape[1], half ? (const void *)half->values : values);
        return;
    }
    if (!values) {
        dulm_model_values(w->model, p, w->wide);
        values = w->wide;
    }
    dulm_narrow(dtype, values, p->elements, w->next);
    add(w, p->name, dtype, p, p->shape[1], w->next);
    w->next += aligned(p->elements * dulm_dtype_size(dtype));
}

static void add_all(struct writer *w)
{
    const struct diffulm_model *m = w->model;
    const struct dulm_quantized *known = atomic_load(&m->quantized);
    for (size_t i = 0; i < m->parameter_count; i++) {
        const struct dulm_parameter *p = &m->parameters[i];
        if (in_8_bits(p, w->dtype))
            add_matrix8(w, p, known);
        else
            add_floats(w, p, w->dtype == DULM_I8 ? DULM_F32 : w->dtype);
    }
}

/* Floats first: bytes behind them, and they stay where a reader can use them in place. */
static diffulm_status write_tensors(const struct writer *w, const char *path)
{
    struct dulm_tensor *ordered = dulm_alloc(w->count, sizeof *ordered);
    size_t n = 0;
    if (!ordered)
        return dulm_fail_memory();
    for (int bytes = 0; bytes < 2; bytes++)
        for (size_t i = 0; i < w->count; i++)
            if ((w->tensors[i].dtype == DULM_I8) == bytes)
                ordered[n++] = w->tensors[i];
    const diffulm_status rc = dulm_safetensors_write(path, ordered, n);
    dulm_free(ordered);
    return rc;
}

/* Bytes of what is written otherwise than it is held. */
static size_t bytes_made(const struct diffulm_model *m, enum dulm_dtype dtype)
{
    size_t bytes = 0;
    for (size_t i = 0; i < m->parameter_count; i++) {
        const struct dulm_parameter *p = &m->parameters[i];
        if (in_8_bits(p, dtype))
            bytes += aligned(p->elements);
        else if (!as_it_is(m, p, dtype))
            bytes += aligned(p->elements * dulm_dtype_size(dtype == DULM_I8 ? DULM_F32 : dtype));
    }
    return bytes;
}

static diffulm_status write_weights(const struct diffulm_model *m, const char *folder,
                                    enum dulm_dtype dtype)
{
    const size_t rows = dtype == DULM_I8 ? rows_in_8_bits(m) : 0;
    struct dulm_tensor *tensors = dulm_alloc_zero(2 * m->parameter_count, sizeof *tensors);
    char(*names)[160] = dulm_alloc(2 * m->parameter_count, sizeof *names);
    char *narrow = dulm_alloc_tensor(bytes_made(m, dtype), 1);
    float *scales = dulm_alloc_tensor(rows, sizeof *scales);
    const size_t room = most_elements_to_widen(m);
    float *wide = dulm_alloc_tensor(room, sizeof *wide);
    char *path = dulm_path_join(folder, "model.safetensors");
    struct writer w = {m, dtype, tensors, names, 0, narrow, scales, wide, room};
    diffulm_status rc = DIFFULM_OK;
    if (!tensors || !names || !narrow || !scales || !wide || !path)
        rc = dulm_fail_memory();
    if (rc == DIFFULM_OK) {
        add_all(&w);
        rc = write_tensors(&w, path);
    }
    dulm_free(path);
    dulm_free(wide);
    dulm_free(scales);
    dulm_free(narrow);
    dulm_free(names);
    dulm_free(tensors);
    return rc;
}

diffulm_status dulm_model_write(const struct diffulm_model *model, const char *folder,
                                enum dulm_dtype dtype)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return dulm_fail(DIFFULM_E_IO, "%s: cannot be made: %s", folder, strerror(errno));
    diffulm_status rc = write_weights(model, folder, dtype);
    if (rc == DIFFULM_OK)
        rc = write_config(&model->config, folder, dtype);
    return rc;
}

/* length.c: the length head's life on disk, and its logits. */
#include <diffulm/files.h>
#include <math.h>
#include <string.h>

#include "arch/length_head.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/place.h"

#define FILE_NAME "length_head.safetensors"

static diffulm_status read_tensors(const struct dulm_safetensors *file,
                                   const struct dulm_length_parameter *parameters, float *values)
{
    for (int i = 0; i < DULM_LENGTH_SLOTS; i++) {
        const struct dulm_length_parameter *p = &parameters[i];
        const struct dulm_tensor *t = dulm_safetensors_find(file, p->name);
        char want[64], have[160];
        dulm_shape_text(p->rank, p->shape, want, sizeof want);
        if (!t)
            return dulm_fail(DIFFULM_E_FORMAT, "%s: tensor %s %s is missing",
                             dulm_safetensors_name(file), p->name, want);
        dulm_shape_text(t->rank, t->shape, have, sizeof have);
        if (t->dtype > DULM_BF16 || t->rank != p->rank || t->shape[0] != p->shape[0] ||
            (p->rank == 2 && t->shape[1] != p->shape[1]))
            return dulm_fail(DIFFULM_E_FORMAT,
                             "%s: tensor %s is %s %s, expected F32, F16 or BF16 %s for this model",
                             dulm_safetensors_name(file), p->name, dulm_dtype_name(t->dtype), have,
                             want);
        dulm_widen(t->dtype, t->data, t->elements, values);
        values += p->elements;
    }
    return DIFFULM_OK;
}

static diffulm_status open_place(diffulm_model *model, const struct dulm_place *place,
                                 diffulm_length_head **out)
{
    struct dulm_length_parameter parameters[DULM_LENGTH_SLOTS];
    const size_t total = dulm_length_parameters(&model->config, parameters);
    float *values = dulm_alloc_tensor(total, sizeof *values);
    struct dulm_file whole;
    struct dulm_safetensors *file = NULL;
    diffulm_status rc = values ? dulm_place_open(place, FILE_NAME, &whole) : dulm_fail_memory();
    if (rc == DIFFULM_OK)
        rc = dulm_safetensors_open(&whole, &file);
    if (rc == DIFFULM_OK)
        rc = read_tensors(file, parameters, values);
    if (rc == DIFFULM_OK)
        rc = dulm_length_head_from_memory(model, values, out);
    dulm_safetensors_close(file);
    dulm_free(values);
    return rc;
}

diffulm_status diffulm_length_head_open(diffulm_model *model, const char *folder,
                                        diffulm_length_head **out)
{
    dulm_error_clear();
    if (!model || !folder || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "length head open: model, folder or out is NULL");
    return open_place(model, &(struct dulm_place){.folder = folder}, out);
}

diffulm_status diffulm_length_head_open_files(diffulm_model *model,
                                              const struct diffulm_files *files,
                                              diffulm_length_head **out)
{
    dulm_error_clear();
    if (!model || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "length head open: model or out is NULL");
    struct diffulm_files known;
    diffulm_status rc = dulm_files_read(files, &known);
    return rc < 0 ? rc : open_place(model, &(struct dulm_place){.files = &known}, out);
}

diffulm_status diffulm_length_head_create(diffulm_model *model, uint64_t seed,
                                          diffulm_length_head **out)
{
    dulm_error_clear();
    if (!model || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "length head create: model or out is NULL");
    struct dulm_length_parameter parameters[DULM_LENGTH_SLOTS];
    const size_t total = dulm_length_parameters(&model->config, parameters);
    float *values = dulm_alloc_tensor(total, sizeof *values);
    if (!values)
        return dulm_fail_memory();
    float *next = values;
    for (int i = 0; i < DULM_LENGTH_SLOTS; i++) {
        const struct dulm_length_parameter *p = &parameters[i];
        const bool norm = i == DULM_LENGTH_NORM1_W || i == DULM_LENGTH_NORM2_W;
        const double s = 1 / sqrt((double)p->shape[1]);
        for (size_t k = 0; k < p->elements; k++)
            next[k] = p->rank == 2 ? (float)(s * dulm_init_normal(seed, (uint32_t)i, (uint32_t)k))
                                   : (norm ? 1.0f : 0.0f);
        next += p->elements;
    }
    diffulm_status rc = dulm_length_head_from_memory(model, values, out);
    dulm_free(values);
    return rc;
}

diffulm_status diffulm_length_head_save(const diffulm_length_head *head, const char *folder,
                                        int32_t dtype)
{
    dulm_error_clear();
    if (!head || !folder || dtype < 0 || dtype > DIFFULM_DTYPE_BF16)
        return dulm_fail(DIFFULM_E_ARGUMENT, "length head save: dtype is %d, expected 0 to 2",
                         dtype);
    const size_t size = dulm_dtype_size((enum dulm_dtype)dtype);
    struct dulm_tensor tensors[DULM_LENGTH_SLOTS];
    char *narrow = dulm_alloc_tensor(head->total, size), *next = narrow;
    char *path = dulm_path_join(folder, FILE_NAME);
    diffulm_status rc = narrow && path ? DIFFULM_OK : dulm_fail_memory();
    const float *values = head->values;
    for (int i = 0; rc == DIFFULM_OK && i < DULM_LENGTH_SLOTS; i++) {
        const struct dulm_length_parameter *p = &head->parameters[i];
        dulm_narrow((enum dulm_dtype)dtype, values, p->elements, next);
        tensors[i] = (struct dulm_tensor){.name = p->name,
                                          .dtype = (enum dulm_dtype)dtype,
                                          .rank = p->rank,
                                          .shape = {p->shape[0], p->shape[1]},
                                          .data = next,
                                          .bytes = p->elements * size,
                                          .elements = p->elements};
        values += p->elements;
        next += p->elements * size;
    }
    if (rc == DIFFULM_OK)
        rc = dulm_safetensors_write(path, tensors, DULM_LENGTH_SLOTS);
    dulm_free(path);
    dulm_free(narrow);
    return rc;
}

size_t diffulm_length_head_classes(const diffulm_length_head *head)
{
    return head ? (size_t)head->model->config.positions : 0;
}

diffulm_status diffulm_length_head_logits(const diffulm_length_head *head, size_t rows,
                                          const size_t *offsets, const int32_t *tokens, float *out)
{
    dulm_error_clear();
    if (!head || rows == 0 || !offsets || !tokens || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "length logits: head, rows, offsets, tokens or out is missing");
    const struct dulm_batch batch = {.rows = rows, .offsets = offsets, .tokens = tokens};
    struct dulm_workspace *ws = NULL;
    struct dulm_length_pass *pass = NULL;
    diffulm_status rc = dulm_workspace_take(head->model, &ws);
    if (rc == DIFFULM_OK)
        rc = dulm_length_pass_create(&head->model->config, &pass);
    if (rc == DIFFULM_OK)
        rc = dulm_encode(ws, head->model, &batch, NULL);
    if (rc == DIFFULM_OK)
        rc = dulm_length_forward(pass, head->model->runtime, head->values, rows, offsets, tokens,
                                 dulm_encoded(ws), out);
    dulm_length_pass_destroy(pass);
    dulm_workspace_give(head->model, ws);
    return rc;
}

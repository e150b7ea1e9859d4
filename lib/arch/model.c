/* model.c: life of the frozen model: from memory, to disk, release. */
#include "arch/adapter.h"
#include "arch/rounded.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"

static void destroy(struct diffulm_model *m)
{
    for (size_t i = 0; i < m->skipped_count; i++)
        dulm_free(m->skipped[i]);
    dulm_free(m->skipped);
    dulm_shards_close(m->shards, m->shard_count);
    dulm_free(m->widened);
    dulm_rounded_destroy(atomic_load(&m->rounded));
    dulm_weights_release(&m->weights);
    dulm_free(m->parameters);
    dulm_config_release(&m->config);
    diffulm_adapter_unref(m->adapter);
    diffulm_runtime_unref(m->runtime);
    dulm_free(m);
}

diffulm_model *diffulm_model_ref(diffulm_model *model)
{
    if (model)
        dulm_refcount_take(&model->refs);
    return model;
}

void diffulm_model_unref(diffulm_model *model)
{
    if (model && dulm_refcount_drop(&model->refs))
        destroy(model);
}

diffulm_status dulm_model_from_memory(struct diffulm_runtime *runtime,
                                      const struct dulm_config *config, const float *values,
                                      struct diffulm_model **out)
{
    struct diffulm_model *m = dulm_alloc_zero(1, sizeof *m);
    if (!m)
        return dulm_fail_memory();
    dulm_refcount_init(&m->refs);
    m->runtime = diffulm_runtime_ref(runtime);
    diffulm_status rc = dulm_config_copy(config, &m->config);
    if (rc == DIFFULM_OK)
        rc = dulm_parameters_list(&m->config, &m->parameters, &m->parameter_count);
    if (rc == DIFFULM_OK)
        rc = dulm_weights_create(&m->config, &m->weights);
    const size_t total = dulm_parameters_total(m->parameters, m->parameter_count);
    if (rc == DIFFULM_OK && !(m->widened = dulm_alloc_tensor(total, sizeof *m->widened)))
        rc = dulm_fail_memory();
    if (rc < 0) {
        destroy(m);
        return rc;
    }
    memcpy(m->widened, values, total * sizeof *values);
    float *next = m->widened;
    for (size_t i = 0; i < m->parameter_count; i++) {
        dulm_weights_set(&m->weights, &m->config, &m->parameters[i], next);
        next += m->parameters[i].elements;
    }
    *out = m;
    return DIFFULM_OK;
}

static diffulm_status write_config(const struct dulm_config *config, const char *folder,
                                   enum dulm_dtype dtype)
{
    static const char *const names[] = {"float32", "float16", "bfloat16"};
    json_t *root = dulm_config_write(config, names[dtype]);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    char *path = dulm_path_join(folder, "config.json");
    diffulm_status rc =
        text && path ? dulm_file_replace(path, text, strlen(text)) : dulm_fail_memory();
    dulm_free(path);
    free(text);
    json_decref(root);
    return rc;
}

static diffulm_status write_weights(const struct dulm_parameter *parameters, size_t count,
                                    const struct dulm_weights *weights, const char *folder,
                                    enum dulm_dtype dtype)
{
    const size_t total = dulm_parameters_total(parameters, count), size = dulm_dtype_size(dtype);
    struct dulm_tensor *tensors = dulm_alloc_zero(count, sizeof *tensors);
    char *narrow = dulm_alloc_tensor(total, size);
    char *path = dulm_path_join(folder, "model.safetensors");
    diffulm_status rc = DIFFULM_OK;
    if (!tensors || !narrow || !path) {
        rc = dulm_fail_memory();
        goto done;
    }
    char *next = narrow;
    for (size_t i = 0; i < count; i++) {
        const struct dulm_parameter *p = &parameters[i];
        dulm_narrow(dtype, dulm_weights_get(weights, p), p->elements, next);
        tensors[i] = (struct dulm_tensor){.name = p->name,
                                          .dtype = dtype,
                                          .rank = p->rank,
                                          .shape = {p->shape[0], p->shape[1]},
                                          .data = next,
                                          .bytes = p->elements * size,
                                          .elements = p->elements};
        next += p->elements * size;
    }
    rc = dulm_safetensors_write(path, tensors, count);
done:
    dulm_free(path);
    dulm_free(narrow);
    dulm_free(tensors);
    return rc;
}

diffulm_status dulm_model_write(const struct dulm_config *config,
                                const struct dulm_parameter *parameters, size_t count,
                                const struct dulm_weights *weights, const char *folder,
                                enum dulm_dtype dtype)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return dulm_fail(DIFFULM_E_IO, "%s: cannot be made: %s", folder, strerror(errno));
    diffulm_status rc = write_weights(parameters, count, weights, folder, dtype);
    if (rc == DIFFULM_OK)
        rc = write_config(config, folder, dtype);
    return rc;
}

/* tensors.c: fixtures' safetensors and comparisons. */
#include "tensors.h"

#include <diffulm/error.h>
#include <math.h>
#include <stdlib.h>

struct golden_runtime golden_runtimes[3];

void golden_runtimes_open(void)
{
    int n = 0;
    for (int32_t backend = DIFFULM_BACKEND_REFERENCE; backend <= DIFFULM_BACKEND_ONEDNN;
         backend++) {
        struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
        o.backend = backend;
        if (diffulm_runtime_create(&o, &golden_runtimes[n].runtime) == DIFFULM_OK)
            golden_runtimes[n++].name = backend == DIFFULM_BACKEND_ONEDNN ? "oneDNN" : "reference";
    }
}

void golden_runtimes_close(void)
{
    for (int i = 0; golden_runtimes[i].runtime; i++)
        diffulm_runtime_unref(golden_runtimes[i].runtime);
}

struct dulm_safetensors *golden_tensors(const char *area, const char *folder, const char *name)
{
    char *path = golden_path(folder, name);
    struct dulm_safetensors *file = NULL;
    if (dulm_safetensors_open_path(path, &file) < 0)
        golden_fail(area, "%s", diffulm_error_message());
    free(path);
    return file;
}

const void *golden_tensor(const char *area, const struct dulm_safetensors *file, const char *name,
                          enum dulm_dtype dtype, size_t *elements)
{
    const struct dulm_tensor *t = dulm_safetensors_find(file, name);
    if (!t || t->dtype != dtype) {
        golden_fail(area, "%s: tensor %s is missing or not %s", dulm_safetensors_name(file), name,
                    dulm_dtype_name(dtype));
        return NULL;
    }
    if (elements)
        *elements = t->elements;
    return t->data;
}

double golden_max_difference(size_t n, const float *a, const float *b)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= most))
            most = isnan(d) ? INFINITY : d;
    }
    return most;
}

double golden_norm(size_t n, const float *a)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)a[i];
    return sqrt(sum);
}

double golden_relative_l2(size_t n, const float *a, const float *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    const double norm = golden_norm(n, b);
    return sum == 0 ? 0 : sqrt(sum) / norm;
}

size_t *golden_offsets(const int32_t *offsets, size_t count)
{
    size_t *out = calloc(count, sizeof *out);
    if (!out)
        abort();
    for (size_t i = 0; i < count; i++)
        out[i] = (size_t)offsets[i];
    return out;
}

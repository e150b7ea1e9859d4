/* create.c: a model from its configuration alone, with fresh weights. */
#include <math.h>
#include <string.h>

#include "arch/model.h"
#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "io/json.h"

double dulm_init_normal(uint64_t seed, uint32_t row, uint32_t position)
{
    const double u = dulm_uniform(dulm_draw(seed, DULM_STREAM_INIT, 0, row, position, 0));
    const double v = dulm_uniform(dulm_draw(seed, DULM_STREAM_INIT, 0, row, position, 1));
    return sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * v);
}

static bool is_norm_weight(const struct dulm_parameter *p)
{
    if (p->layer < 0)
        return p->slot == DULM_EMBED_NORM_W || p->slot == DULM_FINAL_NORM_W ||
               p->slot == DULM_HEAD_NORM_W;
    return p->slot == DULM_ATTENTION_NORM_W || p->slot == DULM_FFN_NORM_W;
}

/* Deviation of a matrix: the one asked for, else 1/sqrt(inputs). What writes to the residual stream is
 * divided by sqrt(2 layers), so that the stream's variance does not grow with depth (Radford et al.
 * 2019). */
static double deviation(const struct dulm_config *c, const struct dulm_parameter *p, double std)
{
    const double s = std > 0 ? std : 1 / sqrt((double)p->shape[1]);
    const bool residual = p->layer >= 0 && (p->slot == DULM_OUT_W || p->slot == DULM_DOWN_W);
    return residual ? s / sqrt(2.0 * (double)c->layers) : s;
}

static void fill(const struct dulm_config *c, const struct dulm_parameter *parameters, size_t count,
                 uint64_t seed, double std, float *values)
{
    for (size_t i = 0; i < count; i++) {
        const struct dulm_parameter *p = &parameters[i];
        const double s = p->rank == 2 ? deviation(c, p, std) : 0;
        const float constant = is_norm_weight(p) ? 1.0f : 0.0f;
        for (size_t k = 0; k < p->elements; k++)
            values[k] = p->rank == 2 ? (float)(s * dulm_init_normal(seed, (uint32_t)i, (uint32_t)k))
                                     : constant;
        values += p->elements;
    }
}

static diffulm_status make(const struct dulm_config *config, struct diffulm_runtime *runtime,
                           uint64_t seed, double std, struct diffulm_model **out)
{
    struct dulm_parameter *parameters = NULL;
    size_t count;
    diffulm_status rc = dulm_parameters_list(config, &parameters, &count);
    if (rc < 0)
        return rc;
    float *values = dulm_alloc_tensor(dulm_parameters_total(parameters, count), sizeof *values);
    if (values) {
        fill(config, parameters, count, seed, std, values);
        rc = dulm_model_take(runtime, config, values, out);
    } else {
        rc = dulm_fail_memory();
    }
    dulm_free(parameters);
    return rc;
}

diffulm_status diffulm_model_create(const char *config, size_t length,
                                    const struct diffulm_model_options *options,
                                    diffulm_model **out)
{
    dulm_error_clear();
    struct diffulm_model_options o = DIFFULM_MODEL_OPTIONS_INIT;
    if (!config || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "model create: config and out must not be NULL");
    if (options && !dulm_struct_read(&o, sizeof o, options))
        return dulm_fail(
            DIFFULM_E_ARGUMENT,
            "model options: struct_size is %zu, expected %zu, or more with zeros at the end",
            options->struct_size, sizeof o);
    if (!(o.init_std >= 0) || o.init_std > 1)
        return dulm_fail(DIFFULM_E_ARGUMENT, "model options: init_std is %g, expected 0 to 1",
                         o.init_std);
    json_t *root = NULL;
    struct dulm_config c = {0};
    struct diffulm_runtime *runtime = NULL;
    diffulm_status rc = dulm_json_parse(config, length, "config", &root);
    if (rc == DIFFULM_OK)
        rc = dulm_config_read(root, "config", &c);
    json_decref(root);
    if (rc < 0)
        return rc;
    if (o.runtime)
        runtime = diffulm_runtime_ref(o.runtime);
    else
        rc = dulm_runtime_default(&runtime);
    if (rc == DIFFULM_OK)
        rc = make(&c, runtime, o.seed, o.init_std, out);
    diffulm_runtime_unref(runtime);
    dulm_config_release(&c);
    return rc;
}

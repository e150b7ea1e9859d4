/* prune.c: a model with some rows of its vocabulary. */
#include <string.h>

#include "arch/model.h"
#include "arch/prune.h"
#include "arch/quantized.h"
#include "base/alloc.h"
#include "base/error.h"

/* Place of an id among the kept ones, -1: it is not. */
static int32_t place_of(const int32_t *kept, size_t count, int32_t id)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (kept[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && kept[low] == id ? (int32_t)low : -1;
}

static diffulm_status check_kept(const struct dulm_config *c, const int32_t *kept, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (kept[i] < 0 || kept[i] >= c->vocabulary || (i > 0 && kept[i] <= kept[i - 1]))
            return dulm_fail(DIFFULM_E_ARGUMENT,
                             "kept[%zu] is %d, expected ids that ascend, below %lld", i, kept[i],
                             (long long)c->vocabulary);
    return DIFFULM_OK;
}

static diffulm_status renumber(struct dulm_config *c, const int32_t *kept, size_t count)
{
    const struct {
        const char *name;
        int32_t *id;
    } ids[] = {{"pad_token_id", &c->pad_id},
               {"bos_token_id", &c->bos_id},
               {"eos_token_id", &c->eos_id},
               {"mask_token_id", &c->mask_id}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const int32_t place = *ids[i].id < 0 ? -1 : place_of(kept, count, *ids[i].id);
        if (*ids[i].id >= 0 && place < 0)
            return dulm_fail(DIFFULM_E_ARGUMENT, "%s %d of the model is not kept", ids[i].name,
                             *ids[i].id);
        if (i == 0 && place != c->pad_id && !dulm_family_of(c->family)->bert_positions)
            return dulm_fail(
                DIFFULM_E_UNSUPPORTED,
                "the pad id would change from %d to %d, and position ids count from it: "
                "keep all ids before it",
                c->pad_id, place);
        *ids[i].id = place;
    }
    c->vocabulary = (int64_t)count;
    return DIFFULM_OK;
}

static bool has_vocabulary_rows(const struct dulm_parameter *p)
{
    return p->layer < 0 &&
           (p->slot == DULM_WORDS || p->slot == DULM_DECODER_W || p->slot == DULM_DECODER_B);
}

/* The values of all parameters in their order, with the kept rows. */
static void copy_values(const struct diffulm_model *model, const int32_t *kept, size_t count,
                        float *out)
{
    for (size_t i = 0; i < model->parameter_count; i++) {
        const struct dulm_parameter *p = &model->parameters[i];
        if (!has_vocabulary_rows(p)) {
            dulm_model_values(model, p, out);
            out += p->elements;
            continue;
        }
        const size_t width = p->rank == 2 ? (size_t)p->shape[1] : 1;
        for (size_t k = 0; k < count; k++, out += width)
            dulm_model_rows(model, p, (size_t)kept[k], 1, out);
    }
}

diffulm_status dulm_model_keep_rows(const struct diffulm_model *model, const int32_t *kept,
                                    size_t count, struct diffulm_model **out)
{
    struct dulm_config config;
    struct dulm_parameter *parameters = NULL;
    float *values = NULL;
    size_t parameter_count;
    diffulm_status rc = check_kept(&model->config, kept, count);
    if (rc == DIFFULM_OK)
        rc = dulm_needs_floats(model, "pruning");
    if (rc == DIFFULM_OK)
        rc = dulm_config_copy(&model->config, &config);
    if (rc < 0)
        return rc;
    rc = renumber(&config, kept, count);
    if (rc == DIFFULM_OK)
        rc = dulm_parameters_list(&config, &parameters, &parameter_count);
    if (rc == DIFFULM_OK) {
        const size_t total = dulm_parameters_total(parameters, parameter_count);
        values = dulm_alloc_tensor(total, sizeof *values);
        rc = values ? DIFFULM_OK : dulm_fail_memory();
    }
    if (rc == DIFFULM_OK) {
        copy_values(model, kept, count, values);
        rc = dulm_model_take(model->runtime, &config, values, out);
    }
    dulm_free(parameters);
    dulm_config_release(&config);
    return rc;
}

/* model.c: public face of the model. */
#include <diffulm/files.h>
#include <string.h>

#include "arch/adapter.h"
#include "arch/score.h"
#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"

void diffulm_model_options_init(struct diffulm_model_options *options, size_t struct_size)
{
    const struct diffulm_model_options defaults = DIFFULM_MODEL_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

static diffulm_status open_place(const struct dulm_place *place,
                                 const struct diffulm_model_options *options, diffulm_model **out)
{
    struct diffulm_model_options o = DIFFULM_MODEL_OPTIONS_INIT;
    if (options && !dulm_struct_read(&o, sizeof o, options))
        return dulm_fail(
            DIFFULM_E_ARGUMENT,
            "model options: struct_size is %zu, expected %zu, or more with zeros at the end",
            options->struct_size, sizeof o);
    if (o.head < 0 || o.head > DIFFULM_HEAD_FRESH)
        return dulm_fail(DIFFULM_E_ARGUMENT, "model options: head is %d, expected 0 or 1", o.head);
    return dulm_model_open(place, &o, out);
}

diffulm_status diffulm_model_open(const char *folder, const struct diffulm_model_options *options,
                                  diffulm_model **out)
{
    dulm_error_clear();
    if (!folder || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "model open: folder and out must not be NULL");
    return open_place(&(struct dulm_place){.folder = folder}, options, out);
}

diffulm_status diffulm_model_open_files(const struct diffulm_files *files,
                                        const struct diffulm_model_options *options,
                                        diffulm_model **out)
{
    dulm_error_clear();
    if (!out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "model open: out must not be NULL");
    struct diffulm_files known;
    diffulm_status rc = dulm_files_read(files, &known);
    return rc < 0 ? rc : open_place(&(struct dulm_place){.files = &known}, options, out);
}

struct two_files {
    const void *config, *weights;
    size_t config_size, weights_size;
};

static int32_t map_two(void *user, const char *name, const void **data, uint64_t *bytes)
{
    const struct two_files *two = user;
    const bool config = strcmp(name, "config.json") == 0;
    if (!config && strcmp(name, "model.safetensors") != 0)
        return DIFFULM_FILE_ABSENT;
    *data = config ? two->config : two->weights;
    *bytes = config ? two->config_size : two->weights_size;
    return 0;
}

diffulm_status diffulm_model_open_memory(const void *config, size_t config_size,
                                         const void *weights, size_t weights_size,
                                         const struct diffulm_model_options *options,
                                         diffulm_model **out)
{
    dulm_error_clear();
    if (!config || !weights || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "model open: config, weights or out is NULL");
    struct two_files two = {config, weights, config_size, weights_size};
    const struct diffulm_files files = {
        .struct_size = sizeof files, .label = "memory", .user = &two, .map = map_two};
    return open_place(&(struct dulm_place){.files = &files}, options, out);
}

diffulm_status diffulm_model_get_info(const diffulm_model *model, struct diffulm_model_info *info)
{
    dulm_error_clear();
    if (!model || !info || !dulm_struct_fits(info, sizeof *info))
        return dulm_fail(DIFFULM_E_ARGUMENT, "model info: struct_size must be %zu", sizeof *info);
    const struct dulm_config *c = &model->config;
    const struct diffulm_model_info told = {
        .struct_size = sizeof told,
        .family = dulm_family_of(c->family)->model_type,
        .vocabulary = c->vocabulary,
        .hidden = c->hidden,
        .layers = c->layers,
        .heads = c->heads,
        .ffn = c->ffn,
        .positions = c->positions,
        .parameters = (int64_t)dulm_parameters_total(model->parameters, model->parameter_count),
        .longest_row = (int64_t)dulm_config_longest_row(c),
        .dtype = model->dtype == DULM_I8 ? DIFFULM_DTYPE_I8 : (int32_t)model->dtype,
        .tied = c->tied,
        .has_head = c->has_head,
        .pad_id = c->pad_id,
        .bos_id = c->bos_id,
        .eos_id = c->eos_id,
        .mask_id = c->mask_id,
        .first_position = dulm_config_first_position(c),
        .tensors_skipped = (int64_t)model->skipped_count};
    dulm_struct_write(info, sizeof told, &told);
    return DIFFULM_OK;
}

const char *diffulm_model_skipped_tensor(const diffulm_model *model, size_t index)
{
    return index < model->skipped_count ? model->skipped[index] : NULL;
}

const char *diffulm_model_parameter(const diffulm_model *model, size_t index, int64_t shape[2])
{
    if (index >= model->parameter_count)
        return NULL;
    shape[0] = model->parameters[index].shape[0];
    shape[1] = model->parameters[index].shape[1];
    return model->parameters[index].name;
}

static diffulm_status convert(const diffulm_model *model, const struct diffulm_batch *given,
                              const void *out, struct dulm_batch *inner)
{
    struct diffulm_batch known = {0}, *batch = &known;
    if (!model || !given || !out || !dulm_struct_read(batch, sizeof *batch, given) ||
        !batch->offsets || !batch->tokens)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "batch: struct_size must be %zu, offsets, tokens and out not NULL",
                         sizeof *batch);
    if (batch->attention < 0 || batch->attention > DIFFULM_ATTENTION_BLOCKWISE)
        return dulm_fail(DIFFULM_E_ARGUMENT, "batch: attention is %d, expected 0 to 3",
                         batch->attention);
    *inner = (struct dulm_batch){.rows = batch->rows,
                                 .offsets = batch->offsets,
                                 .tokens = batch->tokens,
                                 .positions = batch->positions,
                                 .source = batch->source,
                                 .attended = batch->attended,
                                 .attention = (enum dulm_attention)batch->attention,
                                 .newline_id = batch->newline_id};
    return DIFFULM_OK;
}

static bool ascends(const size_t *wanted, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (wanted[i] <= wanted[i - 1])
            return false;
    return true;
}

diffulm_status diffulm_model_logits(const diffulm_model *model, const struct diffulm_batch *batch,
                                    const size_t *wanted, size_t wanted_count, float *out)
{
    dulm_error_clear();
    struct dulm_batch inner;
    struct dulm_workspace *ws = NULL;
    const bool packed = !wanted || ascends(wanted, wanted_count);
    diffulm_status rc = convert(model, batch, out, &inner);
    if (rc == DIFFULM_OK && wanted && packed) {
        inner.wanted = wanted;
        inner.wanted_count = wanted_count;
    }
    if (rc == DIFFULM_OK)
        rc = dulm_workspace_take(model, &ws);
    if (rc == DIFFULM_OK)
        rc = dulm_encode(ws, model, &inner, NULL);
    if (rc == DIFFULM_OK)
        rc = dulm_head(ws, model, packed ? NULL : wanted, 0,
                       wanted ? wanted_count : inner.offsets[inner.rows], out);
    dulm_workspace_give(model, ws);
    return rc;
}

diffulm_status diffulm_model_hidden(const diffulm_model *model, const struct diffulm_batch *batch,
                                    float *out)
{
    dulm_error_clear();
    struct dulm_batch inner;
    struct dulm_workspace *ws = NULL;
    diffulm_status rc = convert(model, batch, out, &inner);
    if (rc == DIFFULM_OK)
        rc = dulm_workspace_take(model, &ws);
    if (rc == DIFFULM_OK)
        rc = dulm_encode(ws, model, &inner, NULL);
    if (rc == DIFFULM_OK) {
        const size_t count = inner.offsets[inner.rows] * (size_t)model->config.hidden;
        for (size_t i = 0; i < count; i++)
            out[i] = dulm_encoded(ws)[i];
    }
    dulm_workspace_give(model, ws);
    return rc;
}

diffulm_status diffulm_model_save(const diffulm_model *model, const char *folder, int32_t dtype)
{
    dulm_error_clear();
    if (!model || !folder || dtype < 0 || dtype > DIFFULM_DTYPE_I8)
        return dulm_fail(DIFFULM_E_ARGUMENT, "model save: dtype is %d, expected 0 to 3", dtype);
    diffulm_model *merged = NULL;
    diffulm_status rc =
        model->adapter ? dulm_merge_adapters(model, model->weights.adapter, &merged) : DIFFULM_OK;
    const diffulm_model *m = merged ? merged : model;
    if (rc == DIFFULM_OK)
        rc = dulm_model_write(m, folder,
                              dtype == DIFFULM_DTYPE_I8 ? DULM_I8 : (enum dulm_dtype)dtype);
    diffulm_model_unref(merged);
    return rc;
}

/* adapter_file.c: adapters as PEFT writes them: adapter_config.json and adapter_model.safetensors, whose tensors are
 * called base_model.model.MODULE.lora_{A,B}.weight. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "arch/adapter.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"
#include "io/json.h"

static const char stem[] = "base_model.model.";

static void tensor_name(const struct dulm_parameter *p, char which, bool stemmed, char out[192])
{
    char module[128];
    dulm_module_name(p, module, sizeof module);
    snprintf(out, 192, "%s%s.lora_%c.weight", stemmed ? stem : "", module, which);
}

/* With PEFT's stem, or without. */
static const struct dulm_tensor *find(const struct dulm_safetensors *file,
                                      const struct dulm_parameter *p, char which)
{
    char name[192];
    tensor_name(p, which, true, name);
    const struct dulm_tensor *t = dulm_safetensors_find(file, name);
    if (t)
        return t;
    tensor_name(p, which, false, name);
    return dulm_safetensors_find(file, name);
}

struct settings {
    size_t rank;
    double alpha;
};

/* What would change the result and is not computed here. */
static diffulm_status refuse(const json_t *root, const char *path)
{
    static const char *const flags[] = {"use_dora", "fan_in_fan_out", "lora_bias", "use_qalora"};
    static const char *const sets[] = {"rank_pattern", "alpha_pattern", "modules_to_save",
                                       "layer_replication", "trainable_token_indices"};
    const char *bias = json_string_value(json_object_get(root, "bias"));
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (json_is_true(json_object_get(root, flags[i])))
            return dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: %s is true, expected false", path,
                             flags[i]);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const json_t *set = json_object_get(root, sets[i]);
        if (json_object_size(set) || json_array_size(set))
            return dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: %s: expected none", path, sets[i]);
    }
    if (bias && strcmp(bias, "none") != 0)
        return dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: bias is %.40s, expected none", path, bias);
    return DIFFULM_OK;
}

static diffulm_status read_settings(const struct dulm_place *place, struct settings *out)
{
    struct dulm_file file;
    json_t *root = NULL;
    diffulm_status rc = dulm_place_open(place, "adapter_config.json", &file);
    if (rc < 0)
        return rc;
    const char *path = file.name;
    rc = dulm_json_parse(file.data, file.size, path, &root);
    if (rc < 0) {
        dulm_file_close(&file);
        return rc;
    }
    const char *kind = json_string_value(json_object_get(root, "peft_type"));
    const json_t *rank = json_object_get(root, "r"), *alpha = json_object_get(root, "lora_alpha");
    if (!kind || strcmp(kind, "LORA") != 0)
        rc = dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: peft_type is %.40s, expected LORA", path,
                       kind ? kind : "(missing)");
    else if (!json_is_integer(rank) || json_integer_value(rank) < 1 ||
             json_integer_value(rank) > 1 << 16)
        rc = dulm_fail(DIFFULM_E_FORMAT, "%s: r: expected an integer from 1 to 65536", path);
    else if (!json_is_number(alpha) || !isfinite(json_number_value(alpha)))
        rc = dulm_fail(DIFFULM_E_FORMAT, "%s: lora_alpha: expected a number", path);
    else
        rc = refuse(root, path);
    if (rc == DIFFULM_OK) {
        out->rank = (size_t)json_integer_value(rank);
        out->alpha = json_number_value(alpha);
        if (json_is_true(json_object_get(root, "use_rslora"))) /* alpha / sqrt(r) */
            out->alpha *= sqrt((double)out->rank);
    }
    json_decref(root);
    dulm_file_close(&file);
    return rc;
}

static diffulm_status check_tensor(const struct dulm_safetensors *file, const struct dulm_tensor *t,
                                   int64_t rows, int64_t columns)
{
    char have[160];
    dulm_shape_text(t->rank, t->shape, have, sizeof have);
    if (t->dtype > DULM_BF16)
        return dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: tensor %s is %s, expected F32, F16 or BF16",
                         dulm_safetensors_name(file), t->name, dulm_dtype_name(t->dtype));
    if (t->rank != 2 || t->shape[0] != rows || t->shape[1] != columns)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: tensor %s has shape %s, expected [%lld, %lld]",
                         dulm_safetensors_name(file), t->name, have, (long long)rows,
                         (long long)columns);
    return DIFFULM_OK;
}

/* Marks the parameters that have both halves; every tensor must belong to one. */
static diffulm_status match(const struct diffulm_model *model, const struct dulm_safetensors *file,
                            size_t rank, uint8_t *chosen)
{
    size_t used = 0;
    for (size_t i = 0; i < model->parameter_count; i++) {
        const struct dulm_parameter *p = &model->parameters[i];
        if (!dulm_adaptable(p))
            continue;
        const struct dulm_tensor *a = find(file, p, 'A'), *b = find(file, p, 'B');
        if (!a && !b)
            continue;
        if (!a || !b)
            return dulm_fail(DIFFULM_E_FORMAT, "%s: tensor %s has no counterpart lora_%c",
                             dulm_safetensors_name(file), a ? a->name : b->name, a ? 'B' : 'A');
        diffulm_status rc = check_tensor(file, a, (int64_t)rank, p->shape[1]);
        if (rc == DIFFULM_OK)
            rc = check_tensor(file, b, p->shape[0], (int64_t)rank);
        if (rc < 0)
            return rc;
        chosen[i] = 1;
        used += 2;
    }
    for (size_t i = 0; used < dulm_safetensors_count(file) && i < dulm_safetensors_count(file);
         i++) {
        const struct dulm_tensor *t = dulm_safetensors_at(file, i);
        bool known = false;
        for (size_t k = 0; !known && k < model->parameter_count; k++)
            known = chosen[k] && (find(file, &model->parameters[k], 'A') == t ||
                                  find(file, &model->parameters[k], 'B') == t);
        if (!known)
            return dulm_fail(DIFFULM_E_FORMAT,
                             "%s: tensor %s belongs to no linear map of this model",
                             dulm_safetensors_name(file), t->name);
    }
    return used ? DIFFULM_OK
                : dulm_fail(DIFFULM_E_FORMAT, "%s: there are no tensors",
                            dulm_safetensors_name(file));
}

static diffulm_status read_values(struct diffulm_model *model, const struct dulm_place *place,
                                  const struct settings *settings, struct diffulm_adapter **out)
{
    struct dulm_safetensors *file = NULL;
    struct dulm_file whole;
    uint8_t *chosen = dulm_alloc_zero(model->parameter_count, 1);
    if (!chosen)
        return dulm_fail_memory();
    diffulm_status rc = dulm_place_open(place, "adapter_model.safetensors", &whole);
    if (rc == DIFFULM_OK)
        rc = dulm_safetensors_open(&whole, &file);
    if (rc == DIFFULM_OK)
        rc = match(model, file, settings->rank, chosen);
    if (rc == DIFFULM_OK)
        rc = dulm_adapter_create(model, chosen, settings->rank, settings->alpha, out);
    for (size_t i = 0; rc == DIFFULM_OK && i < (*out)->count; i++) {
        const struct dulm_adapter_part *part = &(*out)->part[i];
        const struct dulm_tensor *a = find(file, part->parameter, 'A');
        const struct dulm_tensor *b = find(file, part->parameter, 'B');
        dulm_widen(a->dtype, a->data, a->elements, part->a);
        dulm_widen(b->dtype, b->data, b->elements, part->b);
    }
    dulm_safetensors_close(file);
    dulm_free(chosen);
    return rc;
}

diffulm_status dulm_adapter_read(struct diffulm_model *model, const struct dulm_place *place,
                                 struct diffulm_adapter **out)
{
    struct settings settings = {0};
    diffulm_status rc = read_settings(place, &settings);
    return rc < 0 ? rc : read_values(model, place, &settings, out);
}

static diffulm_status write_values(const struct diffulm_adapter *adapter, const char *path)
{
    const size_t count = 2 * adapter->count;
    struct dulm_tensor *tensors = dulm_alloc_zero(count, sizeof *tensors);
    char(*names)[192] = dulm_alloc(count, sizeof *names);
    diffulm_status rc = tensors && names ? DIFFULM_OK : dulm_fail_memory();
    for (size_t i = 0; rc == DIFFULM_OK && i < count; i++) {
        const struct dulm_adapter_part *part = &adapter->part[i / 2];
        const bool b = i % 2;
        const int64_t rows = b ? part->parameter->shape[0] : (int64_t)adapter->rank;
        const int64_t columns = b ? (int64_t)adapter->rank : part->parameter->shape[1];
        tensor_name(part->parameter, b ? 'B' : 'A', true, names[i]);
        tensors[i] = (struct dulm_tensor){.name = names[i],
                                          .dtype = DULM_F32,
                                          .rank = 2,
                                          .shape = {rows, columns},
                                          .data = b ? part->b : part->a,
                                          .bytes = (size_t)(rows * columns) * sizeof(float),
                                          .elements = (size_t)(rows * columns)};
    }
    if (rc == DIFFULM_OK)
        rc = dulm_safetensors_write(path, tensors, count);
    dulm_free(names);
    dulm_free(tensors);
    return rc;
}

/* The modules' names behind the layer's number, each once. */
static json_t *target_modules(const struct diffulm_adapter *adapter)
{
    json_t *list = json_array();
    const struct dulm_family *family = dulm_family_of(adapter->model->config.family);
    for (size_t i = 0; i < adapter->count; i++) {
        const char *name = family->layer_name[adapter->part[i].parameter->slot];
        if (adapter->part[i].parameter->layer == adapter->part[0].parameter->layer)
            json_array_append_new(list, json_stringn(name, strlen(name) - strlen(".weight")));
    }
    return list;
}

static diffulm_status write_settings(const struct diffulm_adapter *adapter, const char *path)
{
    json_t *root = json_pack(
        "{s:s, s:n, s:I, s:f, s:f, s:s, s:b, s:b, s:b, s:b, s:n, s:o}", "peft_type", "LORA",
        "base_model_name_or_path", "r", (json_int_t)adapter->rank, "lora_alpha", adapter->alpha,
        "lora_dropout", 0.0, "bias", "none", "fan_in_fan_out", 0, "inference_mode", 1, "use_dora",
        0, "use_rslora", 0, "modules_to_save", "target_modules", target_modules(adapter));
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    diffulm_status rc = text ? dulm_file_replace(path, text, strlen(text)) : dulm_fail_memory();
    free(text);
    json_decref(root);
    return rc;
}

diffulm_status dulm_adapter_write(const struct diffulm_adapter *adapter, const char *folder)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return dulm_fail(DIFFULM_E_IO, "%s: cannot be made: %s", folder, strerror(errno));
    char *config = dulm_path_join(folder, "adapter_config.json");
    char *tensors = dulm_path_join(folder, "adapter_model.safetensors");
    diffulm_status rc = config && tensors ? write_values(adapter, tensors) : dulm_fail_memory();
    if (rc == DIFFULM_OK)
        rc = write_settings(adapter, config);
    dulm_free(config);
    dulm_free(tensors);
    return rc;
}

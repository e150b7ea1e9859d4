/* checkpoint.c: the state of a trainer in one safetensors file: weights/NAME, moment1/NAME, moment2/NAME, and
 * average/NAME where averages are kept, "state" (JSON), "note" (the host's bytes) and "checksum": the sum of
 * the CRC-32 of each other tensor's name and bytes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "train/length_trainer.h"
#include "train/trainer.h"

#define VERSION 1

/* What the two kinds of trainers have in common. */
struct training {
    const char *kind;
    const struct diffulm_trainer_options *options;
    const struct diffulm_model *frozen; /* weights that the checkpoint leaves out, or NULL */
    const struct dulm_trainable *trainables;
    size_t count;
    int64_t step;
};

static const char *const groups[] = {"weights", "moment1", "moment2", "average"};
enum { NAME = 192 };

/* Of each trainable: weights, both moments, and the average if it is kept. */
static int groups_of(const struct training *t)
{
    return t->options->ema_decay > 0 ? 4 : 3;
}

static float *group_of(const struct dulm_trainable *x, int group)
{
    return group == 0 ? x->values : group == 1 ? x->m : group == 2 ? x->v : x->average;
}

static void name_of(const struct dulm_trainable *x, int group, char name[NAME])
{
    snprintf(name, NAME, "%s/%s", groups[group], x->name);
}

static uint32_t checksum_of_model(const struct diffulm_model *model)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < model->parameter_count; i++) {
        const struct dulm_parameter *p = &model->parameters[i];
        const struct dulm_half *half = dulm_half_at(&model->weights, p->layer, p->slot);
        const void *kept =
            half ? (const void *)half->values : (const void *)dulm_weights_get(&model->weights, p);
        crc = (uint32_t)crc32_z(crc, kept, p->elements * (half ? sizeof(uint16_t) : sizeof(float)));
    }
    return crc;
}

/* The options that change results. steps counts only where the learning rate follows it. */
static json_t *options_of(const struct training *t)
{
    const struct diffulm_trainer_options *o = t->options;
    const bool ends = o->lr_schedule >= DIFFULM_LR_LINEAR;
    return json_pack(
        "{s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:I, s:I, s:i, s:i, s:i, s:f, s:f, "
        "s:i, s:i, s:i, "
        "s:i, s:i, s:I, s:i, s:f, s:f, s:I}",
        "kind", t->kind, "objective", o->objective, "lr", o->lr, "beta1", o->beta1, "beta2",
        o->beta2, "epsilon", o->epsilon, "weight_decay", o->weight_decay, "clip",
        isfinite(o->clip) ? o->clip : -1.0, "lr_schedule", o->lr_schedule, "warmup",
        (json_int_t)o->warmup, "steps", (json_int_t)(ends ? o->steps : 0), "timesteps",
        o->timesteps, "weight", o->weight, "corruption", o->corruption, "mask_ratio", o->mask_ratio,
        "label_smoothing", o->label_smoothing, "attention", o->attention, "newline_id",
        o->newline_id, "mask_id", o->mask_id, "mask_on_source", o->mask_on_source, "dropout",
        o->dropout, "seed", (json_int_t)o->seed, "lora_rank", o->lora_rank, "lora_alpha",
        o->lora_alpha, "ema_decay", o->ema_decay, "frozen weights",
        (json_int_t)(t->frozen ? checksum_of_model(t->frozen) : 0));
}

static char *state_text(const struct training *t)
{
    json_t *options = options_of(t);
    json_t *state = options ? json_pack("{s:i, s:I, s:o}", "version", VERSION, "step",
                                        (json_int_t)t->step, "options", options)
                            : NULL;
    char *text = state ? json_dumps(state, JSON_COMPACT) : NULL;
    json_decref(state);
    return text;
}

static struct dulm_tensor bytes_tensor(const char *name, const void *data, size_t size)
{
    return (struct dulm_tensor){.name = name,
                                .dtype = DULM_U8,
                                .rank = 1,
                                .shape = {(int64_t)size},
                                .data = data,
                                .bytes = size,
                                .elements = size};
}

static void list_tensors(const struct training *t, char (*names)[NAME], struct dulm_tensor *tensors)
{
    for (size_t i = 0, n = 0; i < t->count; i++)
        for (int g = 0; g < groups_of(t); g++, n++) {
            const struct dulm_trainable *x = &t->trainables[i];
            name_of(x, g, names[n]);
            tensors[n] = (struct dulm_tensor){.name = names[n],
                                              .dtype = DULM_F32,
                                              .rank = 1,
                                              .shape = {(int64_t)x->elements},
                                              .data = group_of(x, g),
                                              .bytes = x->elements * sizeof(float),
                                              .elements = x->elements};
        }
}

/* Of name and bytes: a checksum of all is their sum, which needs no order. */
static uint32_t checksum_of(const struct dulm_tensor *tensor)
{
    const uLong crc = crc32_z(0, (const void *)tensor->name, strlen(tensor->name));
    return (uint32_t)crc32_z(crc, tensor->data, tensor->bytes);
}

static void put32(uint32_t x, unsigned char out[4])
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(x >> (8 * i));
}

static diffulm_status save(const struct training *t, const char *path, const void *note,
                           size_t note_length)
{
    if (!path || (!note && note_length))
        return dulm_fail(DIFFULM_E_ARGUMENT, "checkpoint: path or note is NULL");
    const size_t count = (size_t)groups_of(t) * t->count;
    char *text = state_text(t);
    char(*names)[NAME] = dulm_alloc(count, NAME);
    struct dulm_tensor *tensors = dulm_alloc(count + 3, sizeof *tensors);
    diffulm_status rc = text && names && tensors ? DIFFULM_OK : dulm_fail_memory();
    if (rc == DIFFULM_OK) {
        unsigned char sum_bytes[4];
        uint32_t sum = 0;
        list_tensors(t, names, tensors);
        tensors[count] = bytes_tensor("state", text, strlen(text));
        tensors[count + 1] = bytes_tensor("note", note_length ? note : "", note_length);
        for (size_t i = 0; i < count + 2; i++)
            sum += checksum_of(&tensors[i]);
        put32(sum, sum_bytes);
        tensors[count + 2] = bytes_tensor("checksum", sum_bytes, sizeof sum_bytes);
        rc = dulm_safetensors_write(path, tensors, count + 3);
    }
    free(text); /* jansson's */
    dulm_free(names);
    dulm_free(tensors);
    return rc;
}

static diffulm_status damaged(const char *path, const char *what)
{
    return dulm_fail(DIFFULM_E_FORMAT, "%s: no checkpoint, or a damaged one: %s", path, what);
}

static diffulm_status check_bytes(const struct dulm_safetensors *st)
{
    const char *path = dulm_safetensors_name(st);
    const struct dulm_tensor *stored = dulm_safetensors_find(st, "checksum");
    unsigned char sum_bytes[4];
    uint32_t sum = 0;
    if (!stored || stored->bytes != 4 || !dulm_safetensors_find(st, "state") ||
        !dulm_safetensors_find(st, "note"))
        return damaged(path, "state, note or checksum is missing");
    for (size_t i = 0; i < dulm_safetensors_count(st); i++)
        if (dulm_safetensors_at(st, i) != stored)
            sum += checksum_of(dulm_safetensors_at(st, i));
    put32(sum, sum_bytes);
    return memcmp(sum_bytes, stored->data, 4) == 0 ? DIFFULM_OK
                                                   : damaged(path, "its checksum does not fit");
}

static diffulm_status check_tensors(const struct training *t, const struct dulm_safetensors *st)
{
    const char *path = dulm_safetensors_name(st);
    const size_t count = (size_t)groups_of(t) * t->count + 3;
    char name[NAME];
    for (size_t i = 0; i < t->count; i++)
        for (int g = 0; g < groups_of(t); g++) {
            const struct dulm_trainable *x = &t->trainables[i];
            name_of(x, g, name);
            const struct dulm_tensor *tensor = dulm_safetensors_find(st, name);
            if (!tensor || tensor->dtype != DULM_F32 || tensor->elements != x->elements)
                return dulm_fail(DIFFULM_E_ARGUMENT,
                                 "%s: tensor %s: missing, or not of %zu F32 numbers as in this "
                                 "training",
                                 path, name, x->elements);
        }
    if (dulm_safetensors_count(st) != count)
        return dulm_fail(DIFFULM_E_ARGUMENT, "%s: %zu tensors, expected %zu as in this training",
                         path, dulm_safetensors_count(st), count);
    return DIFFULM_OK;
}

static diffulm_status check_options(const struct training *t, const char *path,
                                    const json_t *stored)
{
    json_t *options = options_of(t);
    if (!options)
        return dulm_fail_memory();
    diffulm_status rc = DIFFULM_OK;
    const char *key;
    json_t *now;
    json_object_foreach(options, key, now)
    {
        const json_t *then = json_object_get(stored, key);
        if (rc == DIFFULM_OK && !json_equal(now, then)) {
            char *a = then ? json_dumps(then, JSON_ENCODE_ANY) : NULL;
            char *b = json_dumps(now, JSON_ENCODE_ANY);
            rc = dulm_fail(DIFFULM_E_ARGUMENT, "%s: %s was %s in this checkpoint, now it is %s",
                           path, key, a ? a : "absent", b ? b : "another");
            free(a);
            free(b);
        }
    }
    json_decref(options);
    return rc;
}

static diffulm_status check_state(const struct training *t, const struct dulm_safetensors *st,
                                  int64_t *step)
{
    const char *path = dulm_safetensors_name(st);
    const struct dulm_tensor *tensor = dulm_safetensors_find(st, "state");
    json_t *state;
    diffulm_status rc = dulm_json_parse(tensor->data, tensor->bytes, path, &state);
    if (rc < 0)
        return rc;
    const json_t *version = json_object_get(state, "version");
    const json_t *number = json_object_get(state, "step");
    if (!json_is_integer(version) || json_integer_value(version) != VERSION)
        rc = dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: a checkpoint of version %lld, expected %d", path,
                       (long long)json_integer_value(version), VERSION);
    else if (!json_is_integer(number) || json_integer_value(number) < 0)
        rc = damaged(path, "its state has no step");
    else
        rc = check_options(t, path, json_object_get(state, "options"));
    if (rc == DIFFULM_OK)
        *step = json_integer_value(number);
    json_decref(state);
    return rc;
}

static void copy_state(const struct training *t, const struct dulm_safetensors *st)
{
    char name[NAME];
    for (size_t i = 0; i < t->count; i++)
        for (int g = 0; g < groups_of(t); g++) {
            const struct dulm_trainable *x = &t->trainables[i];
            name_of(x, g, name);
            dulm_widen(DULM_F32, dulm_safetensors_find(st, name)->data, x->elements,
                       group_of(x, g));
        }
}

static diffulm_status restore(const struct training *t, const char *path, void *note,
                              size_t capacity, size_t *note_length, int64_t *step)
{
    struct dulm_safetensors *st;
    int64_t saved = 0;
    if (!path || (note && !note_length))
        return dulm_fail(DIFFULM_E_ARGUMENT, "checkpoint: path or note_length is NULL");
    diffulm_status rc = dulm_safetensors_open_path(path, &st);
    if (rc < 0)
        return rc;
    rc = check_bytes(st);
    if (rc == DIFFULM_OK)
        rc = check_state(t, st, &saved);
    if (rc == DIFFULM_OK)
        rc = check_tensors(t, st);
    if (rc == DIFFULM_OK && note_length) {
        const struct dulm_tensor *stored = dulm_safetensors_find(st, "note");
        *note_length = stored->bytes;
        if (stored->bytes > capacity)
            rc = DIFFULM_BUFFER_TOO_SMALL;
        else if (stored->bytes)
            memcpy(note, stored->data, stored->bytes);
    }
    if (rc == DIFFULM_OK) {
        copy_state(t, st);
        *step = saved;
    }
    dulm_safetensors_close(st);
    return rc;
}

static struct training of_trainer(const struct diffulm_trainer *t)
{
    return (struct training){"model",       &t->options, t->adapters ? t->base : NULL,
                             t->trainables, t->count,    t->step};
}

diffulm_status diffulm_trainer_save(const diffulm_trainer *t, const char *path, const void *note,
                                    size_t note_length)
{
    dulm_error_clear();
    if (!t)
        return dulm_fail(DIFFULM_E_ARGUMENT, "trainer is NULL");
    if (t->micro_batches)
        return dulm_fail(DIFFULM_E_STATE,
                         "checkpoint: rows are accumulated; apply or discard first");
    const struct training training = of_trainer(t);
    return save(&training, path, note, note_length);
}

diffulm_status diffulm_trainer_restore(diffulm_trainer *t, const char *path, void *note,
                                       size_t capacity, size_t *note_length)
{
    dulm_error_clear();
    if (!t)
        return dulm_fail(DIFFULM_E_ARGUMENT, "trainer is NULL");
    const struct training training = of_trainer(t);
    diffulm_status rc = restore(&training, path, note, capacity, note_length, &t->step);
    if (rc == DIFFULM_OK)
        diffulm_trainer_discard(t);
    return rc;
}

static struct training of_length_trainer(const struct diffulm_length_trainer *t)
{
    return (struct training){"length head", &t->options,       t->model,
                             t->trainables, DULM_LENGTH_SLOTS, t->step};
}

diffulm_status diffulm_length_trainer_save(const diffulm_length_trainer *t, const char *path,
                                           const void *note, size_t note_length)
{
    dulm_error_clear();
    if (!t)
        return dulm_fail(DIFFULM_E_ARGUMENT, "trainer is NULL");
    const struct training training = of_length_trainer(t);
    return save(&training, path, note, note_length);
}

diffulm_status diffulm_length_trainer_restore(diffulm_length_trainer *t, const char *path,
                                              void *note, size_t capacity, size_t *note_length)
{
    dulm_error_clear();
    if (!t)
        return dulm_fail(DIFFULM_E_ARGUMENT, "trainer is NULL");
    const struct training training = of_length_trainer(t);
    return restore(&training, path, note, capacity, note_length, &t->step);
}

/* load.c: opening a model folder: each parameter is looked up under the names it may have, its dtype
 * and shape are checked, and its values are pointed at or widened. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "arch/quantized.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/json.h"

struct loader {
    struct diffulm_model *model;
    const struct dulm_place *place;
    uint8_t **used; /* per shard, per tensor */
    const struct dulm_tensor **found;
    bool fresh_head;
    uint64_t seed;
    bool has_bytes; /* matrices in 8 bits */
};

static const struct dulm_tensor *find_exact(struct loader *l, const char *name)
{
    for (size_t s = 0; s < l->model->shard_count; s++) {
        const struct dulm_tensor *t = dulm_safetensors_find(l->model->shards[s], name);
        if (t) {
            l->used[s][t - dulm_safetensors_at(l->model->shards[s], 0)] = 1;
            return t;
        }
    }
    return NULL;
}

/* Old checkpoints say LayerNorm.gamma and .beta. */
static const struct dulm_tensor *find_legacy(struct loader *l, const char *name)
{
    const struct dulm_tensor *t = find_exact(l, name);
    const char *norm = strstr(name, "LayerNorm.");
    if (t || !norm)
        return t;
    char old[160];
    snprintf(old, sizeof old, "%.*s%s", (int)(norm - name) + 10, name,
             strcmp(norm + 10, "weight") == 0 ? "gamma" : "beta");
    return find_exact(l, old);
}

static const struct dulm_tensor *find(struct loader *l, const struct dulm_parameter *p)
{
    const struct dulm_config *c = &l->model->config;
    const struct dulm_family *family = dulm_family_of(c->family);
    const size_t prefix = strlen(family->prefix);
    const struct dulm_tensor *t = find_legacy(l, p->name);
    if (!t && strncmp(p->name, family->prefix, prefix) == 0)
        t = find_legacy(l, p->name + prefix);
    /* The decoder's bias has two names for one value. */
    if (!t && p->layer < 0 && p->slot == DULM_DECODER_B) {
        char other[160];
        const char *weight = family->global_name[DULM_DECODER_W];
        snprintf(other, sizeof other, "%.*sbias", (int)(strlen(weight) - strlen("weight")), weight);
        t = find_exact(l, other);
        if (!t)
            t = find_exact(l, family->global_name[DULM_DECODER_B]);
    }
    return t;
}

static bool same_shape(const struct dulm_parameter *p, const struct dulm_tensor *t)
{
    return t->rank == p->rank && t->shape[0] == p->shape[0] &&
           (p->rank == 1 || t->shape[1] == p->shape[1]);
}

/* The scales of a matrix in 8 bits, one for each row; NULL: they are missing or of another shape. */
static const struct dulm_tensor *find_scales(struct loader *l, const struct dulm_tensor *t)
{
    char name[256];
    snprintf(name, sizeof name, "%s_scale", t->name);
    const struct dulm_tensor *s = find_exact(l, name);
    return s && s->dtype == DULM_F32 && s->elements == (size_t)t->shape[0] ? s : NULL;
}

static diffulm_status check(struct loader *l, const struct dulm_parameter *p,
                            const struct dulm_tensor *t)
{
    char want[64], have[160];
    dulm_shape_text(p->rank, p->shape, want, sizeof want);
    if (!t)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: tensor %s %s is missing",
                         dulm_place_label(l->place), p->name, want);
    if (t->dtype > DULM_BF16 && !(t->dtype == DULM_I8 && dulm_quantizable(p)))
        return dulm_fail(DIFFULM_E_UNSUPPORTED,
                         "%s: tensor %s is stored as %s, expected F32, F16 or BF16%s",
                         dulm_place_label(l->place), t->name, dulm_dtype_name(t->dtype),
                         dulm_quantizable(p) ? ", or I8 with scales" : "");
    if (same_shape(p, t) && t->dtype == DULM_I8 && !find_scales(l, t))
        return dulm_fail(DIFFULM_E_FORMAT,
                         "%s: tensor %s is stored as I8 without %s_scale [%lld] in F32",
                         dulm_place_label(l->place), t->name, t->name, (long long)t->shape[0]);
    if (same_shape(p, t))
        return DIFFULM_OK;
    dulm_shape_text(t->rank, t->shape, have, sizeof have);
    return dulm_fail(DIFFULM_E_FORMAT, "%s: tensor %s is %s, expected %s by config.json",
                     dulm_place_label(l->place), t->name, have, want);
}

static bool is_head(const struct dulm_parameter *p)
{
    return p->layer < 0 && p->slot >= DULM_HEAD_DENSE_W;
}

/* A matrix in 16 bits stays so, and is used in place. */
static bool kept_in_16_bits(const struct dulm_parameter *p, const struct dulm_tensor *t)
{
    return t && (t->dtype == DULM_F16 || t->dtype == DULM_BF16) && dulm_quantizable(p) &&
           (uintptr_t)t->data % sizeof(uint16_t) == 0;
}

/* F32 data in the mapping is used in place; it must be aligned to its element. */
static bool in_place(const struct dulm_tensor *t)
{
    return t->dtype == DULM_F32 && (uintptr_t)t->data % sizeof(float) == 0;
}

static diffulm_status match(struct loader *l, size_t *copied)
{
    struct diffulm_model *m = l->model;
    *copied = 0;
    for (size_t i = 0; i < m->parameter_count; i++) {
        const struct dulm_parameter *p = &m->parameters[i];
        l->found[i] = find(l, p);
        if (!l->found[i] && l->fresh_head && is_head(p)) {
            *copied += p->elements;
            continue;
        }
        diffulm_status rc = check(l, p, l->found[i]);
        if (rc < 0)
            return rc;
        if (l->found[i]->dtype == DULM_I8)
            l->has_bytes = true;
        else if (!in_place(l->found[i]) && !kept_in_16_bits(p, l->found[i]))
            *copied += p->elements;
        if (p->layer < 0 && p->slot == DULM_WORDS)
            m->dtype = l->found[i]->dtype;
    }
    return DIFFULM_OK;
}

/* Dense layer normal with deviation 0.02, norm 1, biases 0, as transformers starts a head. */
static void make_head(const struct loader *l, const struct dulm_parameter *p, float *values)
{
    for (size_t i = 0; i < p->elements; i++) {
        if (p->slot == DULM_HEAD_NORM_W)
            values[i] = 1.0f;
        else if (p->rank == 1)
            values[i] = 0.0f;
        else
            values[i] = (float)(0.02 * dulm_init_normal(l->seed, 0, (uint32_t)i));
    }
}

/* Sums of a matrix in 8 bits, and its packed copy where there is one: the file's is then let go of. */
static void take_bytes(const struct diffulm_model *m, const struct dulm_parameter *p,
                       const int8_t *stored, const struct dulm_matrix8_parts *parts)
{
    const size_t rows = (size_t)p->shape[0], columns = (size_t)p->shape[1];
    const size_t most = DULM_COPIED_AT_ONCE / columns + 1;
    for (size_t r = 0, n; r < rows; r += n) {
        n = rows - r < most ? rows - r : most;
        dulm_sum_rows_int8(m->runtime, n, columns, stored + r * columns, parts->sums + r);
        if (!parts->packed)
            continue;
        dulm_packed_write(m->runtime, parts->packed, r, n, stored + r * columns);
        dulm_model_let_go(m, stored + r * columns, n * columns);
    }
}

/* The matrices in 8 bits: packed, or used where they lie. */
static diffulm_status point_bytes(struct loader *l)
{
    struct diffulm_model *m = l->model;
    struct dulm_quantized *q = NULL;
    diffulm_status rc = l->has_bytes ? dulm_quantized_create(m, &q) : DIFFULM_OK;
    if (rc < 0 || !q)
        return rc;
    atomic_store(&m->quantized, q);
    for (size_t i = 0; i < m->parameter_count; i++) {
        const struct dulm_parameter *p = &m->parameters[i];
        const struct dulm_tensor *t = l->found[i];
        if (!t || t->dtype != DULM_I8)
            continue;
        struct dulm_matrix8_parts parts;
        rc = dulm_quantized_enter(q, m, i, t->data, &parts);
        if (rc < 0)
            return rc;
        dulm_widen(DULM_F32, find_scales(l, t)->data, (size_t)p->shape[0], parts.scales);
        for (size_t r = 0; r < (size_t)p->shape[0]; r++)
            if (!isfinite(parts.scales[r]))
                return dulm_fail(DIFFULM_E_FORMAT, "%s: tensor %s_scale: row %zu is not finite",
                                 dulm_place_label(l->place), t->name, r);
        take_bytes(m, p, t->data, &parts);
    }
    return DIFFULM_OK;
}

static diffulm_status point_halves(struct loader *l)
{
    struct diffulm_model *m = l->model;
    for (size_t i = 0; i < m->parameter_count; i++) {
        const struct dulm_parameter *p = &m->parameters[i];
        const struct dulm_tensor *t = l->found[i];
        if (!kept_in_16_bits(p, t))
            continue;
        if (!m->half && !(m->half = dulm_alloc_zero(dulm_slots(&m->config), sizeof *m->half)))
            return dulm_fail_memory();
        dulm_half_set(m->half, &m->config, p,
                      (struct dulm_half){(const void *)t->data, t->dtype == DULM_BF16});
    }
    m->weights.half = m->half;
    return DIFFULM_OK;
}

static void widen(const struct diffulm_model *m, const struct dulm_tensor *t, float *out)
{
    dulm_widen(t->dtype, t->data, t->elements, out);
    for (size_t s = 0; s < m->shard_count; s++)
        dulm_safetensors_let_go_around(m->shards[s], t->data);
}

static diffulm_status point(struct loader *l, size_t copied)
{
    struct diffulm_model *m = l->model;
    if (copied) {
        m->widened = dulm_alloc_tensor(copied, sizeof *m->widened);
        if (!m->widened)
            return dulm_fail_memory();
    }
    float *next = m->widened;
    for (size_t i = 0; i < m->parameter_count; i++) {
        const struct dulm_parameter *p = &m->parameters[i];
        const struct dulm_tensor *t = l->found[i];
        if (kept_in_16_bits(p, t) || (t && t->dtype == DULM_I8))
            continue;
        if (t && in_place(t)) {
            dulm_weights_set(&m->weights, &m->config, p, (float *)(uintptr_t)t->data);
            continue;
        }
        if (t)
            widen(m, t, next);
        else
            make_head(l, p, next);
        dulm_weights_set(&m->weights, &m->config, p, next);
        next += p->elements;
    }
    return DIFFULM_OK;
}

static diffulm_status list_skipped(struct loader *l)
{
    struct diffulm_model *m = l->model;
    size_t total = 0;
    for (size_t s = 0; s < m->shard_count; s++)
        total += dulm_safetensors_count(m->shards[s]);
    m->skipped = dulm_alloc_zero(total, sizeof *m->skipped);
    if (!m->skipped)
        return dulm_fail_memory();
    for (size_t s = 0; s < m->shard_count; s++)
        for (size_t i = 0; i < dulm_safetensors_count(m->shards[s]); i++) {
            const char *name = dulm_safetensors_at(m->shards[s], i)->name;
            if (l->used[s][i])
                continue;
            char *copy = dulm_strndup(name, strlen(name));
            if (!copy)
                return dulm_fail_memory();
            m->skipped[m->skipped_count++] = copy;
        }
    return DIFFULM_OK;
}

static diffulm_status bind(struct loader *l)
{
    struct diffulm_model *m = l->model;
    size_t copied;
    diffulm_status rc = DIFFULM_OK;
    l->used = dulm_alloc_zero(m->shard_count, sizeof *l->used);
    l->found = dulm_alloc_zero(m->parameter_count, sizeof *l->found);
    if (!l->used || !l->found)
        rc = dulm_fail_memory();
    for (size_t s = 0; rc == DIFFULM_OK && s < m->shard_count; s++) {
        l->used[s] = dulm_alloc_zero(dulm_safetensors_count(m->shards[s]), 1);
        if (!l->used[s])
            rc = dulm_fail_memory();
    }
    if (rc == DIFFULM_OK)
        rc = match(l, &copied);
    if (rc == DIFFULM_OK)
        rc = point(l, copied);
    if (rc == DIFFULM_OK)
        rc = point_bytes(l);
    if (rc == DIFFULM_OK)
        rc = point_halves(l);
    if (rc == DIFFULM_OK)
        rc = list_skipped(l);
    for (size_t s = 0; l->used && s < m->shard_count; s++)
        dulm_free(l->used[s]);
    dulm_free(l->used);
    dulm_free(l->found);
    return rc;
}

static diffulm_status read_config(const struct dulm_place *place, struct dulm_config *out)
{
    struct dulm_file file;
    json_t *root = NULL;
    diffulm_status rc = dulm_place_open(place, "config.json", &file);
    if (rc < 0)
        return rc;
    rc = dulm_json_parse(file.data, file.size, file.name, &root);
    if (rc == DIFFULM_OK)
        rc = dulm_config_read(root, file.name, out);
    json_decref(root);
    dulm_file_close(&file);
    return rc;
}

static diffulm_status open_model(struct loader *l)
{
    struct diffulm_model *m = l->model;
    diffulm_status rc = read_config(l->place, &m->config);
    if (rc < 0)
        return rc;
    if (l->fresh_head && !m->config.has_head)
        m->config.has_head = m->config.tied = true;
    rc = dulm_shards_open(l->place, &m->shards, &m->shard_count);
    if (rc == DIFFULM_OK)
        rc = dulm_parameters_list(&m->config, &m->parameters, &m->parameter_count);
    if (rc == DIFFULM_OK)
        rc = dulm_weights_create(&m->config, &m->weights);
    if (rc == DIFFULM_OK)
        rc = bind(l);
    return rc;
}

diffulm_status dulm_model_open(const struct dulm_place *place,
                               const struct diffulm_model_options *options, diffulm_model **out)
{
    struct diffulm_model *m = dulm_alloc_zero(1, sizeof *m);
    if (!m)
        return dulm_fail_memory();
    dulm_refcount_init(&m->refs);
    diffulm_status rc = DIFFULM_OK;
    if (options->runtime)
        m->runtime = diffulm_runtime_ref(options->runtime);
    else
        rc = dulm_runtime_default(&m->runtime);
    struct loader loader = {.model = m,
                            .place = place,
                            .seed = options->seed,
                            .fresh_head = options->head == DIFFULM_HEAD_FRESH};
    if (rc == DIFFULM_OK)
        rc = open_model(&loader);
    if (rc < 0) {
        diffulm_model_unref(m);
        return rc;
    }
    *out = m;
    return DIFFULM_OK;
}

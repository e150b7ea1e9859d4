/* shards.c: opening the weight files of a folder, single or by model.safetensors.index.json. */
#include <string.h>

#include "arch/model.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/json.h"
#include "io/limits.h"
#include "io/place.h"

void dulm_shards_close(struct dulm_safetensors **shards, size_t count)
{
    for (size_t i = 0; i < count; i++)
        dulm_safetensors_close(shards[i]);
    dulm_free(shards);
}

struct set {
    struct dulm_safetensors **shard;
    char **name;
    size_t count, capacity;
};

/* Takes over `file`, on failure too. */
static diffulm_status add_shard(struct set *set, struct dulm_file *file, const char *name)
{
    size_t names = set->capacity;
    char *copy = NULL;
    diffulm_status rc = DIFFULM_OK;
    if (dulm_grow((void **)&set->name, &names, set->count + 1, sizeof *set->name) &&
        dulm_grow((void **)&set->shard, &set->capacity, set->count + 1, sizeof *set->shard))
        copy = dulm_strndup(name, strlen(name));
    if (!copy) {
        dulm_file_close(file);
        return dulm_fail_memory();
    }
    rc = dulm_safetensors_open(file, &set->shard[set->count]);
    if (rc < 0) {
        dulm_free(copy);
        return rc;
    }
    set->name[set->count++] = copy;
    return DIFFULM_OK;
}

/* Opens a file unless it is open already; *index is its place. */
static diffulm_status open_shard(struct set *set, const struct dulm_place *place, const char *name,
                                 size_t *index)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->name[i], name) == 0) {
            *index = i;
            return DIFFULM_OK;
        }
    if (set->count >= DULM_LIMIT_SHARDS)
        return dulm_fail(DIFFULM_E_LIMIT, "%s: more than %d shards", dulm_place_label(place),
                         DULM_LIMIT_SHARDS);
    struct dulm_file file;
    diffulm_status rc = dulm_place_open(place, name, &file);
    *index = set->count;
    return rc < 0 ? rc : add_shard(set, &file, name);
}

static diffulm_status read_map(struct set *set, const struct dulm_place *place, const char *path,
                               const json_t *map)
{
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)map, tensor, value)
    {
        const char *name = json_string_value(value);
        if (!name || !*name || strchr(name, '/') || strcmp(name, "..") == 0)
            return dulm_fail(DIFFULM_E_FORMAT,
                             "%s: weight_map of %s: %s is not the name of a file in this folder",
                             path, tensor, name ? name : "(not a string)");
        size_t index = 0;
        diffulm_status rc = open_shard(set, place, name, &index);
        if (rc < 0)
            return rc;
        if (!dulm_safetensors_find(set->shard[index], tensor))
            return dulm_fail(DIFFULM_E_FORMAT, "%s: tensor %s is not in %s as the index says", path,
                             tensor, name);
    }
    return DIFFULM_OK;
}

static diffulm_status open_index(struct set *set, const struct dulm_place *place,
                                 const struct dulm_file *index)
{
    json_t *root = NULL;
    diffulm_status rc = dulm_json_parse(index->data, index->size, index->name, &root);
    if (rc < 0)
        return rc;
    const json_t *map = json_object_get(root, "weight_map");
    if (!json_is_object(map) || json_object_size(map) == 0)
        rc = dulm_fail(DIFFULM_E_FORMAT, "%s: weight_map is missing or not an object", index->name);
    else
        rc = read_map(set, place, index->name, map);
    json_decref(root);
    return rc;
}

/* The single file before the index. */
static diffulm_status open_all(struct set *set, const struct dulm_place *place)
{
    static const char single[] = "model.safetensors";
    struct dulm_file file;
    bool found = false;
    diffulm_status rc = dulm_place_find(place, single, &file, &found);
    if (rc == DIFFULM_OK && found)
        return add_shard(set, &file, single);
    if (rc == DIFFULM_OK)
        rc = dulm_place_find(place, "model.safetensors.index.json", &file, &found);
    if (rc == DIFFULM_OK && !found) /* for its message */
        return dulm_place_open(place, single, &file);
    if (rc == DIFFULM_OK) {
        rc = open_index(set, place, &file);
        dulm_file_close(&file);
    }
    return rc;
}

diffulm_status dulm_shards_open(const struct dulm_place *place, struct dulm_safetensors ***out,
                                size_t *count)
{
    struct set set = {0};
    diffulm_status rc = open_all(&set, place);
    for (size_t i = 0; i < set.count; i++)
        dulm_free(set.name[i]);
    dulm_free(set.name);
    if (rc < 0) {
        dulm_shards_close(set.shard, set.count);
        return rc;
    }
    *out = set.shard;
    *count = set.count;
    return DIFFULM_OK;
}

/* shards.c: opening the weight files of a folder, single or by model.safetensors.index.json. */
#include <string.h>

#include "arch/model.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"
#include "io/json.h"
#include "io/limits.h"

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

/* Opens folder/name unless it is open already; *index is its place. */
static diffulm_status open_shard(struct set *set, const char *folder, const char *name,
                                 size_t *index)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->name[i], name) == 0) {
            *index = i;
            return DIFFULM_OK;
        }
    if (set->count >= DULM_LIMIT_SHARDS)
        return dulm_fail(DIFFULM_E_LIMIT, "%s: more than %d shards", folder, DULM_LIMIT_SHARDS);
    size_t names = set->capacity;
    if (!dulm_grow((void **)&set->name, &names, set->count + 1, sizeof *set->name) ||
        !dulm_grow((void **)&set->shard, &set->capacity, set->count + 1, sizeof *set->shard))
        return dulm_fail_memory();
    char *path = dulm_path_join(folder, name), *copy = dulm_strndup(name, strlen(name));
    diffulm_status rc =
        path && copy ? dulm_safetensors_open(path, &set->shard[set->count]) : dulm_fail_memory();
    dulm_free(path);
    if (rc < 0) {
        dulm_free(copy);
        return rc;
    }
    set->name[set->count] = copy;
    *index = set->count++;
    return DIFFULM_OK;
}

static diffulm_status read_map(struct set *set, const char *folder, const char *path,
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
        diffulm_status rc = open_shard(set, folder, name, &index);
        if (rc < 0)
            return rc;
        if (!dulm_safetensors_find(set->shard[index], tensor))
            return dulm_fail(DIFFULM_E_FORMAT, "%s: tensor %s is not in %s as the index says", path,
                             tensor, name);
    }
    return DIFFULM_OK;
}

static diffulm_status open_index(struct set *set, const char *folder, const char *path)
{
    json_t *root = NULL;
    diffulm_status rc = dulm_json_open(path, &root);
    if (rc < 0)
        return rc;
    const json_t *map = json_object_get(root, "weight_map");
    if (!json_is_object(map) || json_object_size(map) == 0)
        rc = dulm_fail(DIFFULM_E_FORMAT, "%s: weight_map is missing or not an object", path);
    else
        rc = read_map(set, folder, path, map);
    json_decref(root);
    return rc;
}

diffulm_status dulm_shards_open(const char *folder, struct dulm_safetensors ***out, size_t *count)
{
    struct set set = {0};
    diffulm_status rc;
    char *single = dulm_path_join(folder, "model.safetensors");
    char *index = dulm_path_join(folder, "model.safetensors.index.json");
    size_t place;
    if (!single || !index)
        rc = dulm_fail_memory();
    else if (!dulm_file_exists(single) && dulm_file_exists(index))
        rc = open_index(&set, folder, index);
    else
        rc = open_shard(&set, folder, "model.safetensors", &place);
    dulm_free(single);
    dulm_free(index);
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

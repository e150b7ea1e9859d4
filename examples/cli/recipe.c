/* recipe.c: reads YAML recipes by the tables of recipe_keys.c, and tells what is wrong with them and where. */
#include "recipe_keys.h"

#include <diffulm/trainer.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "cli.h"

struct reader {
    const char *path;
    yaml_document_t document;
};

static void note_place(const struct reader *r, const struct recipe_key *key,
                       const yaml_node_t *value, struct recipe *out);
static int read_data(struct reader *r, const struct recipe_key *key, const yaml_node_t *node,
                     struct data_list *out);
static int read_stages(struct reader *r, const yaml_node_t *node, struct recipe *out);

static int wrong(const struct reader *r, const yaml_node_t *at, const char *key, const char *want)
{
    fprintf(stderr, "%s:%zu:%zu: %s: expected %s\n", r->path, at->start_mark.line + 1,
            at->start_mark.column + 1, key, want);
    return CLI_USAGE;
}

/* A relative path counts from the recipe's folder. */
static char *resolve(const char *recipe, const char *path)
{
    const char *slash = strrchr(recipe, '/');
    const size_t folder = *path == '/' || !slash ? 0 : (size_t)(slash - recipe) + 1;
    char *out = cli_alloc(folder + strlen(path) + 1, 1);
    memcpy(out, recipe, folder);
    strcpy(out + folder, path);
    return out;
}

static int choice(const char *choices, const char *text)
{
    const size_t length = strlen(text);
    for (int i = 0;; i++) {
        const size_t n = strcspn(choices, "|");
        if (n == length && strncmp(choices, text, n) == 0)
            return i;
        if (!choices[n])
            return -1;
        choices += n + 1;
    }
}

static int set(struct reader *r, const struct recipe_key *key, const yaml_node_t *node, char *base)
{
    char want[96], *end;
    if (key->kind == RECIPE_DATA)
        return read_data(r, key, node, (struct data_list *)(base + key->offset));
    if (node->type != YAML_SCALAR_NODE)
        return wrong(r, node, key->name, "one value");
    const char *text = (const char *)node->data.scalar.value;
    void *target = base + key->offset;
    if (key->kind == RECIPE_TEXT || key->kind == RECIPE_PATH) {
        free(*(char **)target);
        *(char **)target = resolve(key->kind == RECIPE_PATH ? r->path : "", text);
        return 0;
    }
    if (key->kind == RECIPE_CHOICE) {
        const int i = choice(key->choices, text);
        *(int64_t *)target = i;
        return i >= 0 ? 0 : wrong(r, node, key->name, key->choices);
    }
    const double value = strtod(text, &end);
    snprintf(want, sizeof want, "a%s number from %g to %g", key->kind == RECIPE_INT ? " whole" : "",
             key->low, key->high);
    if (!*text || *end || !(value >= key->low && value <= key->high) ||
        (key->kind == RECIPE_INT && value != (double)(int64_t)value))
        return wrong(r, node, key->name, want);
    if (key->kind == RECIPE_INT)
        *(int64_t *)target = (int64_t)value;
    else
        *(double *)target = value;
    return 0;
}

/* Names the nearest key, and every key when none is near. */
static int unknown(const struct reader *r, const yaml_node_t *node, const struct recipe_key *keys)
{
    const char *name = (const char *)node->data.scalar.value;
    char want[1024] = "one of";
    const struct recipe_key *near = NULL;
    size_t least = strlen(name) / 2 + 1;
    for (; keys->name; keys++) {
        snprintf(want + strlen(want), sizeof want - strlen(want), " %s", keys->name);
        if (cli_distance(name, keys->name) < least) {
            least = cli_distance(name, keys->name);
            near = keys;
        }
    }
    if (!near)
        return wrong(r, node, name, want);
    snprintf(want, sizeof want, "a known key; nearest is %s", near->name);
    return wrong(r, node, name, want);
}

/* Whether a key stands before `pair` already: YAML would take the last one in silence. */
static bool is_repeated(struct reader *r, const yaml_node_t *mapping, const yaml_node_pair_t *pair)
{
    const yaml_node_t *name = yaml_document_get_node(&r->document, pair->key);
    for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < pair; p++) {
        const yaml_node_t *other = yaml_document_get_node(&r->document, p->key);
        if (other->type == YAML_SCALAR_NODE && strcmp((const char *)other->data.scalar.value,
                                                      (const char *)name->data.scalar.value) == 0)
            return true;
    }
    return false;
}

static int read_mapping(struct reader *r, const yaml_node_t *node, const struct recipe_key *keys,
                        char *base, struct recipe *stages_of)
{
    if (node->type != YAML_MAPPING_NODE)
        return wrong(r, node, keys == recipe_keys ? "recipe" : "entry of a list",
                     "keys and values");
    int code = 0;
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
         code == 0 && p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *name = yaml_document_get_node(&r->document, p->key);
        const yaml_node_t *value = yaml_document_get_node(&r->document, p->value);
        if (name->type != YAML_SCALAR_NODE)
            return wrong(r, name, "recipe", "a key");
        const char *text = (const char *)name->data.scalar.value;
        if (is_repeated(r, node, p))
            return wrong(r, name, text, "each key once");
        const struct recipe_key *key = keys;
        while (key->name && strcmp(key->name, text) != 0)
            key++;
        if (key->name) {
            code = set(r, key, value, base);
            if (keys == recipe_keys)
                note_place(r, key, value, stages_of);
        } else if (stages_of && strcmp(text, "stages") == 0)
            code = read_stages(r, value, stages_of);
        else
            code = unknown(r, name, keys);
    }
    return code;
}

static char *place_of(const struct reader *r, const yaml_node_t *node)
{
    const size_t size = strlen(r->path) + 64;
    char *out = cli_alloc(size, 1);
    snprintf(out, size, "%s:%zu:%zu", r->path, node->start_mark.line + 1,
             node->start_mark.column + 1);
    return out;
}

/* Where something is named that may fail when it is opened. */
static void note_place(const struct reader *r, const struct recipe_key *key,
                       const yaml_node_t *value, struct recipe *out)
{
    char **at = key->offset == offsetof(struct recipe, tokenizer) ? &out->tokenizer_where
                : key->offset == offsetof(struct recipe, model) ||
                        key->offset == offsetof(struct recipe, architecture)
                    ? &out->model_where
                : key->offset == offsetof(struct recipe, precision) ? &out->precision_where
                                                                    : NULL;
    if (at) {
        free(*at);
        *at = place_of(r, value);
    }
}

/* What the tables cannot tell of one data set of a list. first: the first of them. */
static int check_set(const struct reader *r, const yaml_node_t *node, bool mixture,
                     const struct data_set *set, const struct data_set *first)
{
    if (!set->path)
        return wrong(r, node, "path", "the file of this data set");
    if (set->weight >= 0 && !mixture)
        return wrong(r, node, "weight", "none: validation reads every record once");
    if ((set->weight < 0) != (first->weight < 0))
        return wrong(r, node, "weight", "one in every data set of the list, or in none");
    return 0;
}

static int read_data(struct reader *r, const struct recipe_key *key, const yaml_node_t *node,
                     struct data_list *out)
{
    if (node->type == YAML_SCALAR_NODE && *node->data.scalar.value) {
        struct data_set *set = data_list_add(out);
        set->path = resolve(r->path, (const char *)node->data.scalar.value);
        set->where = place_of(r, node);
        return 0;
    }
    if (node->type != YAML_SEQUENCE_NODE ||
        node->data.sequence.items.start == node->data.sequence.items.top)
        return wrong(r, node, key->name, "a path, or a list of data sets");
    const bool mixture = key->offset == offsetof(struct recipe, data);
    double sum = 0;
    for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top;
         i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->document, *i);
        struct data_set *set = data_list_add(out);
        set->where = place_of(r, item);
        int code = read_mapping(r, item, recipe_data_keys, (char *)set, NULL);
        if (code == 0)
            code = check_set(r, item, mixture, set, out->sets);
        if (code != 0)
            return code;
        sum += set->weight;
    }
    return sum != 0 ? 0 : wrong(r, node, "weight", "one above 0");
}

/* In the order of enum recipe_objective. */
static const char *const objectives[] = {"mlm", "diffusion", "length", "causal"};

static int read_stages(struct reader *r, const yaml_node_t *node, struct recipe *out)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return wrong(r, node, "stages", "a list");
    int code = 0;
    for (yaml_node_item_t *i = node->data.sequence.items.start;
         code == 0 && i < node->data.sequence.items.top; i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->document, *i);
        if (out->stage_count == RECIPE_STAGES)
            return wrong(r, item, "stages", "at most 8");
        struct recipe_stage *stage = &out->stages[out->stage_count++];
        *stage =
            (struct recipe_stage){.where = place_of(r, item), .tokens = 2048, .mask_ratio = 0.15};
        code = read_mapping(r, item, recipe_stage_keys, (char *)stage, NULL);
        if (code == 0 && !stage->name)
            stage->name = cli_copy(objectives[stage->objective]);
        if (code == 0 && !stage->steps)
            code = wrong(r, item, "steps", "a number of updates");
        if (code == 0 && stage->objective == RECIPE_LENGTH &&
            (stage->ema_decay > 0 || stage->stop_metric || stage->patience || stage->keep_best ||
             stage->save_last))
            code = wrong(r, item, "objective: length",
                         "none of ema_decay, stop_metric, patience, keep_best, save_last");
        if (code == 0 && (stage->stop_metric || stage->patience || stage->keep_best))
            out->watches = true;
    }
    return code;
}

static bool is_causal_without_attention(const struct recipe *recipe)
{
    for (size_t i = 0; i < recipe->stage_count; i++)
        if (recipe->stages[i].objective == RECIPE_CAUSAL &&
            recipe->attention != DIFFULM_ATTENTION_CAUSAL)
            return true;
    return false;
}

static int check(const struct recipe *recipe, const char *path)
{
    const char *missing =
        !recipe->model && !recipe->architecture      ? "model or architecture"
        : recipe->model && recipe->architecture      ? "model or architecture (one of them)"
        : !recipe->data.count                        ? "data"
        : !recipe->output                            ? "output"
        : recipe->architecture && !recipe->tokenizer ? "tokenizer"
        : !recipe->stage_count                       ? "stages"
        : recipe->watches && !recipe->validation.count
            ? "validation (for stop_metric, patience or keep_best)"
        : is_causal_without_attention(recipe) ? "attention: causal (for objective: causal)"
                                              : NULL;
    if (!missing)
        return 0;
    fprintf(stderr, "%s: expected %s\n", path, missing);
    return CLI_USAGE;
}

int recipe_read(const char *path, struct recipe *out)
{
    struct reader r = {.path = path};
    yaml_parser_t parser;
    *out = (struct recipe){.log_every = 50, .samples = 4, .keep = 2};
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return CLI_USAGE;
    }
    int code = CLI_USAGE;
    if (!yaml_parser_initialize(&parser)) {
        fclose(file);
        return CLI_FAILED;
    }
    yaml_parser_set_input_file(&parser, file);
    if (!yaml_parser_load(&parser, &r.document)) {
        fprintf(stderr, "%s:%zu:%zu: %s\n", path, parser.problem_mark.line + 1,
                parser.problem_mark.column + 1, parser.problem ? parser.problem : "not YAML");
    } else {
        const yaml_node_t *root = yaml_document_get_root_node(&r.document);
        if (root)
            code = read_mapping(&r, root, recipe_keys, (char *)out, out);
        else
            fprintf(stderr, "%s: the recipe is empty\n", path);
        yaml_document_delete(&r.document);
    }
    yaml_parser_delete(&parser);
    fclose(file);
    if (code == 0)
        code = check(out, path);
    if (code != 0)
        recipe_release(out);
    return code;
}

void recipe_release(struct recipe *recipe)
{
    free(recipe->model);
    free(recipe->architecture);
    free(recipe->tokenizer);
    free(recipe->model_where);
    free(recipe->tokenizer_where);
    free(recipe->precision_where);
    data_list_release(&recipe->data);
    data_list_release(&recipe->validation);
    free(recipe->output);
    for (size_t i = 0; i < recipe->stage_count; i++) {
        free(recipe->stages[i].name);
        free(recipe->stages[i].where);
        free(recipe->stages[i].lora_targets);
    }
    *recipe = (struct recipe){0};
}

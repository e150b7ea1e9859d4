/* recipe.c: YAML recipes by table. Every key is a row of a table, which is also its documentation. */
#include "recipe.h"

#include <diffulm/trainer.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "cli.h"

enum kind { TEXT, PATH, INT, REAL, CHOICE };

struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    double low, high;    /* INT and REAL */
    const char *choices; /* "a|b|c": 0, 1, 2 */
    const char *meaning;
};

#define R(field) offsetof(struct recipe, field)
#define S(field) offsetof(struct recipe_stage, field)

static const struct key recipe_keys[] = {
    {"model", PATH, R(model), 0, 0, NULL, "folder of the pretrained model"},
    {"architecture", PATH, R(architecture), 0, 0, NULL,
     "config.json of a model with fresh weights"},
    {"tokenizer", PATH, R(tokenizer), 0, 0, NULL, "folder or file; default: the model's folder"},
    {"data", PATH, R(data), 0, 0, NULL,
     "JSONL, TSV, or SOURCE,TARGET: two text files; see docs/formats.md"},
    {"validation", PATH, R(validation), 0, 0, NULL, "the same, scored at the end of each stage"},
    {"output", PATH, R(output), 0, 0, NULL, "folder to write"},
    {"seed", INT, R(seed), 0, 9e15, NULL, "of every random draw [0]"},
    {"threads", INT, R(threads), 0, 1024, NULL, "0: one per core [0]"},
    {"max_length", INT, R(max_length), 3, 1 << 20, NULL, "longest row in tokens [the model's]"},
    {"dtype", CHOICE, R(dtype), 0, 0, "float32|float16|bfloat16",
     "of the weights written [float32]"},
    {"attention", CHOICE, R(attention), 0, 0, "full|prefix_lm|causal|blockwise", "[full]"},
    {"save_every", INT, R(save_every), 0, 1e12, NULL,
     "steps between saves; 0: at the end of a stage"},
    {"checkpoint_every", INT, R(checkpoint_every), 0, 1e12, NULL,
     "steps between checkpoints, from which --resume goes on; 0: none"},
    {"keep", INT, R(keep), 1, 1e6, NULL, "newest checkpoints of a stage that are kept [2]"},
    {"samples", INT, R(samples), 0, 1000, NULL,
     "validation rows answered at each validation, into samples.jsonl [4]"},
    {"log_every", INT, R(log_every), 1, 1e12, NULL, "steps between lines of metrics.jsonl [50]"},
    {0}};

static const struct key stage_keys[] = {
    {"name", TEXT, S(name), 0, 0, NULL, "shown in progress and metrics"},
    {"objective", CHOICE, S(objective), 0, 0, "mlm|diffusion|length", "[mlm]"},
    {"steps", INT, S(steps), 1, 1e12, NULL, "updates"},
    {"tokens", INT, S(tokens), 1, 1 << 24, NULL, "tokens of an update, before corruption [2048]"},
    {"corruption", CHOICE, S(corruption), 0, 0, "coupled|single|fixed", "of diffusion [coupled]"},
    {"weight", CHOICE, S(weight), 0, 0, "linear|constant|mdlm",
     "loss weight of a timestep [linear]"},
    {"timesteps", INT, S(timesteps), 1, 1 << 20, NULL, "T [50]"},
    {"mask_ratio", REAL, S(mask_ratio), 1e-6, 1, NULL, "of mlm [0.15]"},
    {"mask_on_source", CHOICE, S(mask_on_source), 0, 0, "false|true", "sources are masked too"},
    {"label_smoothing", REAL, S(label_smoothing), 0, 0.999, NULL, "[0]"},
    {"lr", REAL, S(lr), 1e-12, 10, NULL, "peak learning rate [5e-5]"},
    {"lr_schedule", CHOICE, S(lr_schedule), 0, 0, "constant|inverse_sqrt|linear|cosine",
     "[constant]"},
    {"warmup", INT, S(warmup), 0, 1e12, NULL, "steps to the peak [0]"},
    {"weight_decay", REAL, S(weight_decay), -1, 10, NULL, "[0.01], negative: none"},
    {"clip", REAL, S(clip), -1, 1e9, NULL, "largest gradient norm [1], negative: none"},
    {"dropout", CHOICE, S(dropout), 0, 0, "false|true", "at the rates of config.json"},
    {"lora_rank", INT, S(lora_rank), 0, 4096, NULL, "> 0: train adapters only"},
    {"lora_alpha", REAL, S(lora_alpha), 0, 1e6, NULL, "[lora_rank]"},
    {"lora_targets", TEXT, S(lora_targets), 0, 0, NULL,
     "linear maps with adapters, between commas, or all-linear [query,value; ModernBERT: Wqkv]"},
    {"save_adapter", CHOICE, S(save_adapter), 0, 0, "false|true",
     "with LoRA: the adapter too, in output/adapter"},
    {"checkpoint_activations", CHOICE, S(checkpoint_activations), 0, 0, "false|true",
     "less memory, each block's forward twice"},
    {"validate_every", INT, S(validate_every), 0, 1e12, NULL,
     "updates between validations; 0: at the end of the stage"},
    {"ema_decay", REAL, S(ema_decay), 0, 0.999999, NULL,
     "of a moving average of the weights, which is validated and written in their place [0]: none"},
    {"stop_metric", CHOICE, S(stop_metric), 0, 0,
     "validation_cross_entropy|exact|squad|last-number|rouge-l|bleu|chrf",
     "tells the best validation; a text metric answers all validation rows each time "
     "[validation_cross_entropy]"},
    {"patience", INT, S(patience), 0, 1e9, NULL,
     "validations without a better one before the stage stops [0]: never"},
    {"keep_best", CHOICE, S(keep_best), 0, 0, "false|true",
     "the stage ends with the weights of its best validation"},
    {"save_last", CHOICE, S(save_last), 0, 0, "false|true",
     "the last weights too, neither averaged nor the best, in output/last"},
    {0}};

struct reader {
    const char *path;
    yaml_document_t document;
};

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

static int set(const struct reader *r, const struct key *key, const yaml_node_t *node, char *base)
{
    char want[96], *end;
    if (node->type != YAML_SCALAR_NODE)
        return wrong(r, node, key->name, "one value");
    const char *text = (const char *)node->data.scalar.value;
    void *target = base + key->offset;
    if (key->kind == TEXT || key->kind == PATH) {
        free(*(char **)target);
        *(char **)target = resolve(key->kind == PATH ? r->path : "", text);
        return 0;
    }
    if (key->kind == CHOICE) {
        const int i = choice(key->choices, text);
        *(int64_t *)target = i;
        return i >= 0 ? 0 : wrong(r, node, key->name, key->choices);
    }
    const double value = strtod(text, &end);
    snprintf(want, sizeof want, "a%s number from %g to %g", key->kind == INT ? " whole" : "",
             key->low, key->high);
    if (!*text || *end || !(value >= key->low && value <= key->high) ||
        (key->kind == INT && value != (double)(int64_t)value))
        return wrong(r, node, key->name, want);
    if (key->kind == INT)
        *(int64_t *)target = (int64_t)value;
    else
        *(double *)target = value;
    return 0;
}

/* Names the nearest key, and every key when none is near. */
static int unknown(const struct reader *r, const yaml_node_t *node, const struct key *keys)
{
    const char *name = (const char *)node->data.scalar.value;
    char want[1024] = "one of";
    const struct key *near = NULL;
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

static int read_stages(struct reader *r, const yaml_node_t *node, struct recipe *out);

static int read_mapping(struct reader *r, const yaml_node_t *node, const struct key *keys,
                        char *base, struct recipe *stages_of)
{
    if (node->type != YAML_MAPPING_NODE)
        return wrong(r, node, "recipe", "keys and values");
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
        const struct key *key = keys;
        while (key->name && strcmp(key->name, text) != 0)
            key++;
        if (key->name)
            code = set(r, key, value, base);
        else if (stages_of && strcmp(text, "stages") == 0)
            code = read_stages(r, value, stages_of);
        else
            code = unknown(r, name, keys);
    }
    return code;
}

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
        *stage = (struct recipe_stage){.tokens = 2048, .mask_ratio = 0.15};
        code = read_mapping(r, item, stage_keys, (char *)stage, NULL);
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

static int check(const struct recipe *recipe, const char *path)
{
    const char *missing = !recipe->model && !recipe->architecture ? "model or architecture"
                          : recipe->model && recipe->architecture
                              ? "model or architecture (one of them)"
                          : !recipe->data                              ? "data"
                          : !recipe->output                            ? "output"
                          : recipe->architecture && !recipe->tokenizer ? "tokenizer"
                          : !recipe->stage_count                       ? "stages"
                          : recipe->watches && !recipe->validation
                              ? "validation (for stop_metric, patience or keep_best)"
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
    free(recipe->data);
    free(recipe->validation);
    free(recipe->output);
    for (size_t i = 0; i < recipe->stage_count; i++) {
        free(recipe->stages[i].name);
        free(recipe->stages[i].lora_targets);
    }
    *recipe = (struct recipe){0};
}

static void describe(const struct key *keys, const char *indent)
{
    for (; keys->name; keys++)
        printf("%s%-22s %s%s%s\n", indent, keys->name, keys->choices ? keys->choices : "",
               keys->choices ? ": " : "", keys->meaning);
}

void recipe_describe(void)
{
    describe(recipe_keys, "  ");
    printf("  stages           a list, run one after another:\n");
    describe(stage_keys, "    ");
}

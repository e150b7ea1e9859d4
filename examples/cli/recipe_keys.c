/* recipe_keys.c: every key of a recipe, by table: what it may hold and what it means; and the reference made of it. */
#include "recipe_keys.h"

#include <stdio.h>
#include <string.h>

#define R(field) offsetof(struct recipe, field)
#define S(field) offsetof(struct recipe_stage, field)
#define D(field) offsetof(struct data_set, field)

const struct recipe_key recipe_keys[] = {
    {"model", RECIPE_PATH, R(model), 0, 0, NULL, "folder of the pretrained model"},
    {"architecture", RECIPE_PATH, R(architecture), 0, 0, NULL,
     "config.json of a model with fresh weights"},
    {"tokenizer", RECIPE_PATH, R(tokenizer), 0, 0, NULL,
     "folder or file; default: the model's folder"},
    {"data", RECIPE_DATA, R(data), 0, 0, NULL,
     "JSONL, TSV, or SOURCE,TARGET: two text files; or a list of data sets"},
    {"validation", RECIPE_DATA, R(validation), 0, 0, NULL,
     "the same, held in memory, scored at the end of each stage"},
    {"order", RECIPE_CHOICE, R(order), 0, 0, "shuffled|file",
     "of the records of each data set, epoch after epoch [shuffled]"},
    {"output", RECIPE_PATH, R(output), 0, 0, NULL, "folder to write"},
    {"seed", RECIPE_INT, R(seed), 0, 9e15, NULL, "of every random draw [0]"},
    {"threads", RECIPE_INT, R(threads), 0, 1024, NULL, "0: one per core [0]"},
    {"precision", RECIPE_CHOICE, R(precision), 0, 0, "float32|bfloat16",
     "of matrix products; bfloat16: faster, on CPUs with AVX512_BF16 [float32]"},
    {"deterministic", RECIPE_CHOICE, R(deterministic), 0, 0, "false|true",
     "the same weights, bit for bit, with any number of threads: a little slower"},
    {"max_length", RECIPE_INT, R(max_length), 3, 1 << 20, NULL,
     "longest row in tokens [the model's]"},
    {"too_long", RECIPE_CHOICE, R(too_long), 0, 0, "skip|cut",
     "longer rows are left out and counted, or keep their last max_length tokens [skip]"},
    {"dtype", RECIPE_CHOICE, R(dtype), 0, 0, "float32|float16|bfloat16",
     "of the weights written [float32]"},
    {"attention", RECIPE_CHOICE, R(attention), 0, 0, "full|prefix_lm|causal|blockwise", "[full]"},
    {"save_every", RECIPE_INT, R(save_every), 0, 1e12, NULL,
     "steps between saves; 0: at the end of a stage"},
    {"checkpoint_every", RECIPE_INT, R(checkpoint_every), 0, 1e12, NULL,
     "steps between checkpoints, from which --resume goes on; 0: none"},
    {"keep", RECIPE_INT, R(keep), 1, 1e6, NULL, "newest checkpoints of a stage that are kept [2]"},
    {"samples", RECIPE_INT, R(samples), 0, 1000, NULL,
     "validation rows answered at each validation, into samples.jsonl [4]"},
    {"log_every", RECIPE_INT, R(log_every), 1, 1e12, NULL,
     "steps between lines of metrics.jsonl [50]"},
    {0}};

const struct recipe_key recipe_stage_keys[] = {
    {"name", RECIPE_TEXT, S(name), 0, 0, NULL, "shown in progress and metrics [the objective]"},
    {"objective", RECIPE_CHOICE, S(objective), 0, 0, "mlm|diffusion|length|causal",
     "causal: next-token prediction, with attention: causal [mlm]"},
    {"steps", RECIPE_INT, S(steps), 1, 1e12, NULL, "updates"},
    {"tokens", RECIPE_INT, S(tokens), 1, 1 << 24, NULL,
     "tokens of an update, before corruption [2048]"},
    {"corruption", RECIPE_CHOICE, S(corruption), 0, 0, "coupled|single|fixed",
     "of diffusion [coupled]"},
    {"weight", RECIPE_CHOICE, S(weight), 0, 0, "linear|constant|mdlm",
     "loss weight of a timestep [linear]"},
    {"timesteps", RECIPE_INT, S(timesteps), 1, 1 << 20, NULL, "T [50]"},
    {"mask_ratio", RECIPE_REAL, S(mask_ratio), 1e-6, 1, NULL, "of mlm [0.15]"},
    {"mask_on_source", RECIPE_CHOICE, S(mask_on_source), 0, 0, "false|true",
     "sources are masked too"},
    {"label_smoothing", RECIPE_REAL, S(label_smoothing), 0, 0.999, NULL, "[0]"},
    {"lr", RECIPE_REAL, S(lr), 1e-12, 10, NULL, "peak learning rate [5e-5]"},
    {"lr_schedule", RECIPE_CHOICE, S(lr_schedule), 0, 0, "constant|inverse_sqrt|linear|cosine",
     "[constant]"},
    {"warmup", RECIPE_INT, S(warmup), 0, 1e12, NULL, "steps to the peak [0]"},
    {"weight_decay", RECIPE_REAL, S(weight_decay), -1, 10, NULL, "[0.01], negative: none"},
    {"clip", RECIPE_REAL, S(clip), -1, 1e9, NULL, "largest gradient norm [1], negative: none"},
    {"dropout", RECIPE_CHOICE, S(dropout), 0, 0, "false|true", "at the rates of config.json"},
    {"lora_rank", RECIPE_INT, S(lora_rank), 0, 4096, NULL, "> 0: train adapters only"},
    {"lora_alpha", RECIPE_REAL, S(lora_alpha), 0, 1e6, NULL, "[lora_rank]"},
    {"lora_targets", RECIPE_TEXT, S(lora_targets), 0, 0, NULL,
     "linear maps with adapters, between commas, or all-linear [query,value; ModernBERT: Wqkv]"},
    {"save_adapter", RECIPE_CHOICE, S(save_adapter), 0, 0, "false|true",
     "with LoRA: the adapter too, in output/adapter"},
    {"checkpoint_activations", RECIPE_CHOICE, S(checkpoint_activations), 0, 0, "false|true",
     "less memory, each block's forward twice"},
    {"validate_every", RECIPE_INT, S(validate_every), 0, 1e12, NULL,
     "updates between validations; 0: at the end of the stage"},
    {"ema_decay", RECIPE_REAL, S(ema_decay), 0, 0.999999, NULL,
     "of a moving average of the weights, which is validated and written in their place [0]: none"},
    {"stop_metric", RECIPE_CHOICE, S(stop_metric), 0, 0,
     "validation_cross_entropy|exact|squad|last-number|rouge-l|bleu|chrf",
     "tells the best validation; a text metric answers all validation rows each time "
     "[validation_cross_entropy]"},
    {"patience", RECIPE_INT, S(patience), 0, 1e9, NULL,
     "validations without a better one before the stage stops [0]: never"},
    {"keep_best", RECIPE_CHOICE, S(keep_best), 0, 0, "false|true",
     "the stage ends with the weights of its best validation"},
    {"save_last", RECIPE_CHOICE, S(save_last), 0, 0, "false|true",
     "the last weights too, neither averaged nor the best, in output/last"},
    {0}};

const struct recipe_key recipe_data_keys[] = {
    {"path", RECIPE_PATH, D(path), 0, 0, NULL, "a file, or SOURCE,TARGET: two text files"},
    {"weight", RECIPE_REAL, D(weight), 0, 1e12, NULL,
     "share of the mixture, in all data sets or in none [number of records]; not of validation"},
    {"form", RECIPE_CHOICE, D(form), 0, 0, "auto|pair|instruction|text|chat|tsv|parallel",
     "of every record; auto: that of the first [auto]"},
    {"on_damage", RECIPE_CHOICE, D(on_damage), 0, 0, "fatal|skip",
     "damaged records stop the run, or are left out and counted [fatal]"},
    {"gzip_buffer", RECIPE_INT, D(gzip_buffer), 0, 1e12, NULL,
     "bytes of text up to which a gzip file is held; larger ones are read in file order "
     "[33554432]"},
    {"source_column", RECIPE_TEXT, D(source_column), 0, 0, NULL,
     "name in a TSV file's first line; with target_column"},
    {"target_column", RECIPE_TEXT, D(target_column), 0, 0, NULL,
     "name in a TSV file's first line; with source_column"},
    {"instruction_template", RECIPE_TEXT, D(instruction_template), 0, 0, NULL,
     "source of an instruction without input [\"{instruction}\"]"},
    {"input_template", RECIPE_TEXT, D(input_template), 0, 0, NULL,
     "source of an instruction with input [\"{instruction}\\n{input}\"]"},
    {"few_shot", RECIPE_INT, D(few_shot), 0, 64, NULL,
     "examples in front of each source: other records of the data set [0]"},
    {"few_shot_template", RECIPE_TEXT, D(few_shot_template), 0, 0, NULL,
     "of one example [\"{source}\\n{target}\\n\\n\"]"},
    {"system_prefix", RECIPE_TEXT, D(system_prefix), 0, 0, NULL, "of a chat [\"System: \"]"},
    {"system_suffix", RECIPE_TEXT, D(system_suffix), 0, 0, NULL, "of a chat [\"\\n\"]"},
    {"user_prefix", RECIPE_TEXT, D(user_prefix), 0, 0, NULL, "of a chat [\"User: \"]"},
    {"user_suffix", RECIPE_TEXT, D(user_suffix), 0, 0, NULL, "of a chat [\"\\n\"]"},
    {"assistant_prefix", RECIPE_TEXT, D(assistant_prefix), 0, 0, NULL,
     "of a chat [\"Assistant: \"]"},
    {"assistant_suffix", RECIPE_TEXT, D(assistant_suffix), 0, 0, NULL, "of a chat [\"\\n\"]"},
    {0}};

static void describe(const struct recipe_key *keys, const char *indent)
{
    for (; keys->name; keys++)
        printf("%s%-22s %s%s%s\n", indent, keys->name, keys->choices ? keys->choices : "",
               keys->choices ? ": " : "", keys->meaning);
}

void recipe_describe(void)
{
    describe(recipe_keys, "  ");
    printf("  data, validation: of each data set of a list:\n");
    describe(recipe_data_keys, "    ");
    printf("  stages           a list, run one after another:\n");
    describe(recipe_stage_keys, "    ");
}

static void print_choices(const char *choices)
{
    while (*choices) {
        const size_t length = strcspn(choices, "|");
        putchar('`');
        fwrite(choices, 1, length, stdout);
        putchar('`');
        choices += length;
        if (*choices == '|') {
            fputs(", ", stdout);
            choices++;
        }
    }
}

/* What a key may hold. */
static void print_values(const struct recipe_key *key)
{
    switch (key->kind) {
    case RECIPE_CHOICE:
        print_choices(key->choices);
        break;
    case RECIPE_INT:
        printf("whole number, %.0f to %.0f", key->low, key->high);
        break;
    case RECIPE_REAL:
        printf("number, %g to %g", key->low, key->high);
        break;
    case RECIPE_DATA:
        printf("path or list");
        break;
    default:
        printf("%s", key->kind == RECIPE_PATH ? "path" : "text");
    }
}

static void describe_markdown(const char *heading, const struct recipe_key *keys)
{
    printf("\n## %s\n\n| key | holds | meaning |\n|---|---|---|\n", heading);
    for (; keys->name; keys++) {
        printf("| `%s` | ", keys->name);
        print_values(keys);
        printf(" | %s |\n", keys->meaning);
    }
}

void recipe_describe_markdown(void)
{
    printf("# Recipes\n\n"
           "`diffulm finetune RECIPE.yaml` trains by a YAML file; `diffulm recipe check "
           "RECIPE.yaml` tells\n"
           "before that what is wrong with it, and what rows, updates, memory and time to expect. "
           "Relative paths\n"
           "count from the recipe's folder. Defaults stand in brackets. `diffulm recipe keys "
           "--markdown` writes this\n"
           "page.\n\n"
           "A mixture of instructions and translations, three rows to one; in front of each source "
           "to\n"
           "translate stand two other pairs.\n\n"
           "```yaml\n"
           "model: xlm-roberta-base\n"
           "data:\n"
           "  - {path: instructions.jsonl.gz, weight: 3, on_damage: skip}\n"
           "  - path: train.en,train.de\n"
           "    weight: 1\n"
           "    few_shot: 2\n"
           "    few_shot_template: \"English: {source}\\nGerman: {target}\\n\\n\"\n"
           "validation: validation.jsonl\n"
           "output: trained\n"
           "too_long: cut\n"
           "checkpoint_every: 500\n"
           "stages:\n"
           "  - {name: tune, objective: diffusion, steps: 4000, tokens: 32768, lr: 1e-5, "
           "lr_schedule: inverse_sqrt, warmup: 40}\n"
           "  - {name: length, objective: length, steps: 2000, tokens: 8192, lr: 1e-4}\n"
           "```\n\n"
           "What files of data may hold, and what rows become of them: docs/formats.md. Few-shot "
           "examples change from epoch\n"
           "to epoch. A row of a data set of weight w comes with probability w over the sum of the "
           "weights.\n");
    describe_markdown("The recipe", recipe_keys);
    printf("| `stages` | list | what is run, one after another |\n");
    describe_markdown("A data set, of the list in data or validation", recipe_data_keys);
    describe_markdown("A stage", recipe_stage_keys);
}

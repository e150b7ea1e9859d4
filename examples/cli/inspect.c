/* inspect.c: `diffulm tokenize`, `detokenize` and `inspect`. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const struct cli_command tokenize_command = {
    "tokenize", "MODEL [TEXT]", "Shows the tokens of a text (argument or standard input).", NULL};
static const struct cli_command detokenize_command = {
    "detokenize", "MODEL [ID ...]", "Turns token ids (arguments or standard input) into text.",
    NULL};
static const struct cli_command inspect_command = {
    "inspect", "MODEL", "Shows a model's family, sizes, special tokens and memory.", NULL};

static int print_encoding(const diffulm_tokenizer *tokenizer, const struct diffulm_encoding *e,
                          bool json)
{
    json_t *list = json_array();
    for (size_t i = 0; i < e->count; i++) {
        size_t n = 0;
        const char *piece = diffulm_tokenizer_piece(tokenizer, e->ids[i], &n);
        if (!json)
            printf("%8d  %5zu-%-5zu  %.*s\n", e->ids[i], e->begins[i], e->ends[i],
                   n == 1 && piece[0] == '\n' ? 2 : (int)n,
                   n == 1 && piece[0] == '\n' ? "\\n"
                   : piece                    ? piece
                                              : "");
        json_t *text = json_stringn(piece ? piece : "", n);
        json_t *item = json_pack("{s:i, s:I, s:I}", "id", e->ids[i], "begin",
                                 (json_int_t)e->begins[i], "end", (json_int_t)e->ends[i]);
        json_object_set_new(item, "piece", text ? text : json_null());
        json_array_append_new(list, item);
    }
    if (json) {
        json_dumpf(list, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(list);
    return 0;
}

static int tokenize(const char *path, const char *text, size_t length, bool no_special, bool json)
{
    diffulm_tokenizer *tokenizer = NULL;
    struct diffulm_encode_options eo = DIFFULM_ENCODE_OPTIONS_INIT;
    struct diffulm_encoding e = {.struct_size = sizeof e};
    eo.no_special = no_special;
    if (diffulm_tokenizer_open(path, NULL, &tokenizer) < 0)
        return cli_fail("tokenize");
    diffulm_status rc = diffulm_tokenizer_encode(tokenizer, text, length, NULL, 0, &eo, &e);
    e.capacity = e.count;
    e.ids = cli_alloc(e.count, sizeof *e.ids);
    e.begins = cli_alloc(e.count, sizeof *e.begins);
    e.ends = cli_alloc(e.count, sizeof *e.ends);
    if (rc >= 0)
        rc = diffulm_tokenizer_encode(tokenizer, text, length, NULL, 0, &eo, &e);
    const int code = rc < 0 ? cli_fail("tokenize") : print_encoding(tokenizer, &e, json);
    free(e.ids);
    free(e.begins);
    free(e.ends);
    diffulm_tokenizer_unref(tokenizer);
    return code;
}

int cli_tokenize(int argc, char **argv)
{
    bool json = false, no_special = false;
    const struct cli_option options[] = {
        {"no-special", NULL, "leave out bos, eos and the like", CLI_FLAG, &no_special},
        {"json", NULL, "print a JSON array", CLI_FLAG, &json},
        {0}};
    int rest;
    int code = cli_parse(&tokenize_command, options, argc, argv, &rest);
    if (code >= 0)
        return code;
    if (rest < 1 || rest > 2)
        return cli_error("tokenize", CLI_USAGE, "expected MODEL and a text");
    size_t length = rest > 1 ? strlen(argv[1]) : 0;
    char *read = rest > 1 ? NULL : cli_read(stdin, &length);
    if (rest == 1 && !read)
        return cli_error("tokenize", CLI_FAILED, "standard input: %s", strerror(errno));
    if (read && length && read[length - 1] == '\n')
        length--;
    code = tokenize(argv[0], read ? read : argv[1], length, no_special, json);
    free(read);
    return code;
}

static int parse_ids(char *text, struct cli_tokens *ids)
{
    for (char *word = strtok(text, " \t\r\n,[]"); word; word = strtok(NULL, " \t\r\n,[]")) {
        char *end;
        errno = 0;
        const long id = strtol(word, &end, 10);
        if (*end || errno || id < 0 || id > INT32_MAX)
            return cli_error("detokenize", CLI_USAGE, "%s is not a token id", word);
        cli_push(ids, (int32_t)id);
    }
    return 0;
}

int cli_detokenize(int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {{"json", NULL, "print a JSON object", CLI_FLAG, &json},
                                         {0}};
    int rest;
    int code = cli_parse(&detokenize_command, options, argc, argv, &rest);
    if (code >= 0)
        return code;
    if (rest < 1)
        return cli_error("detokenize", CLI_USAGE, "expected MODEL and token ids");
    struct cli_tokens ids = {0};
    size_t length;
    char *read = rest == 1 ? cli_read(stdin, &length) : NULL;
    code = read ? parse_ids(read, &ids) : 0;
    for (int i = 1; code == 0 && i < rest; i++)
        code = parse_ids(argv[i], &ids);
    cli_push(&ids, 0);
    diffulm_tokenizer *tokenizer = NULL;
    char *text = NULL;
    if (code == 0 && (diffulm_tokenizer_open(argv[0], NULL, &tokenizer) < 0 ||
                      !(text = cli_decode(tokenizer, ids.ids, ids.count - 1))))
        code = cli_fail("detokenize");
    if (code == 0 && json) {
        json_t *root = json_pack("{s:s}", "text", text);
        json_dumpf(root, stdout, JSON_ENSURE_ASCII);
        putchar('\n');
        json_decref(root);
    } else if (code == 0) {
        puts(text);
    }
    diffulm_tokenizer_unref(tokenizer);
    free(text);
    free(ids.ids);
    free(read);
    return code;
}

static json_t *describe(const struct cli_bundle *b, const char *folder, bool tensors)
{
    static const char *const dtypes[] = {"float32", "float16", "bfloat16", "int8"};
    const struct diffulm_model_info *i = &b->info;
    char runtime[128];
    diffulm_length_head *head = NULL;
    const bool length = diffulm_length_head_open(b->model, folder, &head) == DIFFULM_OK;
    diffulm_length_head_unref(head);
    diffulm_runtime_describe(b->runtime, runtime, sizeof runtime);
    json_t *root = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I}", "family", i->family,
        "parameters", (json_int_t)i->parameters, "layers", (json_int_t)i->layers, "hidden",
        (json_int_t)i->hidden, "heads", (json_int_t)i->heads, "ffn", (json_int_t)i->ffn,
        "vocabulary", (json_int_t)i->vocabulary, "positions", (json_int_t)i->positions,
        "longest_row", (json_int_t)i->longest_row, "dtype", dtypes[i->dtype], "weight_bytes",
        (json_int_t)((i->dtype == DIFFULM_DTYPE_I8 ? 1 : 4) * i->parameters));
    json_object_set_new(root, "has_head", json_boolean(i->has_head));
    json_object_set_new(root, "tied", json_boolean(i->tied));
    json_object_set_new(root, "length_head", json_boolean(length));
    json_object_set_new(root, "special_tokens",
                        json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "bos", b->ids.bos, "eos",
                                  b->ids.eos, "pad", b->ids.pad, "unk", b->ids.unk, "mask",
                                  b->ids.mask, "newline", b->newline));
    json_object_set_new(root, "runtime", json_string(runtime));
    json_t *skipped = json_array(), *list = json_object();
    for (size_t k = 0; k < (size_t)i->tensors_skipped; k++)
        json_array_append_new(skipped, json_string(diffulm_model_skipped_tensor(b->model, k)));
    json_object_set_new(root, "tensors_skipped", skipped);
    int64_t shape[2];
    const char *name;
    for (size_t k = 0; tensors && (name = diffulm_model_parameter(b->model, k, shape)); k++)
        json_object_set_new(list, name,
                            json_pack("[I, I]", (json_int_t)shape[0], (json_int_t)shape[1]));
    if (tensors)
        json_object_set(root, "tensors", list);
    json_decref(list);
    return root;
}

int cli_inspect(int argc, char **argv)
{
    bool json = false, tensors = false;
    const struct cli_option options[] = {
        {"tensors", NULL, "list every tensor with its shape", CLI_FLAG, &tensors},
        {"json", NULL, "print one JSON object", CLI_FLAG, &json},
        {0}};
    int rest;
    int code = cli_parse(&inspect_command, options, argc, argv, &rest);
    if (code >= 0)
        return code;
    if (rest != 1)
        return cli_error("inspect", CLI_USAGE, "expected MODEL");
    struct cli_bundle bundle;
    if (cli_bundle_open(argv[0], NULL, &bundle) < 0) {
        cli_bundle_close(&bundle);
        return cli_fail("inspect");
    }
    json_t *root = describe(&bundle, argv[0], tensors), *value;
    const char *key;
    if (json) {
        json_dumpf(root, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        json_object_foreach(root, key, value)
        {
            char *text = json_dumps(value, JSON_ENCODE_ANY);
            printf("%-16s %s\n", key, text);
            free(text);
        }
    }
    json_decref(root);
    cli_bundle_close(&bundle);
    return 0;
}

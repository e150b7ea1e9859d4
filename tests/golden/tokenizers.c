/* tokenizers.c: every line of tokenizers/NAME.jsonl and components/NAME.jsonl against Hugging Face's ids,
 * offsets and texts; broken files that must be refused; invalid UTF-8. */
#include <diffulm/error.h>
#include <diffulm/tokenizer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "areas.h"
#include "golden.h"

#define AREA "tokenizers"
#define MOST 200000

struct buffers {
    int32_t *ids, *sequences, *types;
    size_t *begins, *ends;
    char *text;
};

static struct diffulm_encoding encoding_of(const struct buffers *b)
{
    return (struct diffulm_encoding){sizeof(struct diffulm_encoding),
                                     MOST,
                                     b->ids,
                                     b->begins,
                                     b->ends,
                                     b->sequences,
                                     b->types,
                                     0};
}

static bool same_ids(const json_t *want, const int32_t *have, size_t count)
{
    if (json_array_size(want) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (json_integer_value(json_array_get(want, i)) != have[i])
            return false;
    return true;
}

static bool same_offsets(const json_t *want, const struct diffulm_encoding *e)
{
    for (size_t i = 0; i < e->count; i++) {
        const json_t *pair = json_array_get(want, i);
        if ((size_t)json_integer_value(json_array_get(pair, 0)) != e->begins[i] ||
            (size_t)json_integer_value(json_array_get(pair, 1)) != e->ends[i])
            return false;
    }
    return true;
}

static bool decodes(const diffulm_tokenizer *tok, const json_t *ids, const json_t *want, int skip,
                    struct buffers *b)
{
    const size_t count = json_array_size(ids);
    size_t length;
    for (size_t i = 0; i < count && i < MOST; i++)
        b->ids[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    if (diffulm_tokenizer_decode(tok, b->ids, count, skip, b->text, MOST * 8, &length) !=
        DIFFULM_OK)
        return false;
    return length == json_string_length(want) &&
           memcmp(b->text, json_string_value(want), length) == 0;
}

/* What of the line is wrong, or NULL. */
/* Whether the text's ids without special tokens are those of the line. */
static bool encodes(const diffulm_tokenizer *tok, const json_t *line, struct buffers *b)
{
    const json_t *text = json_object_get(line, "text"), *ids = json_object_get(line, "ids");
    struct diffulm_encode_options options = DIFFULM_ENCODE_OPTIONS_INIT;
    struct diffulm_encoding e = encoding_of(b);
    options.no_special = 1;
    if (diffulm_tokenizer_encode(tok, json_string_value(text), json_string_length(text), NULL, 0,
                                 &options, &e) != DIFFULM_OK ||
        e.count != json_array_size(ids))
        return false;
    for (size_t i = 0; i < e.count; i++)
        if (e.ids[i] != json_integer_value(json_array_get(ids, i)))
            return false;
    return true;
}

static const char *check_text(const diffulm_tokenizer *tok, const json_t *line, struct buffers *b)
{
    const json_t *text = json_object_get(line, "text"), *pair = json_object_get(line, "pair");
    const json_t *ids = json_object_get(line, "ids"),
                 *special = json_object_get(line, "ids_special");
    const char *second = pair ? json_string_value(pair) : NULL;
    const size_t second_length = pair ? json_string_length(pair) : 0;
    struct diffulm_encode_options plain = DIFFULM_ENCODE_OPTIONS_INIT;
    plain.no_special = 1;
    struct diffulm_encoding e = encoding_of(b);
    if (diffulm_tokenizer_encode(tok, json_string_value(text), json_string_length(text), second,
                                 second_length, &plain, &e) != DIFFULM_OK)
        return "encode fails";
    if (!same_ids(ids, e.ids, e.count))
        return "ids";
    if (!same_offsets(json_object_get(line, "offsets"), &e))
        return "offsets";
    if (pair && !same_ids(json_object_get(line, "sequence"), e.sequences, e.count))
        return "sequence";
    if (diffulm_tokenizer_encode(tok, json_string_value(text), json_string_length(text), second,
                                 second_length, NULL, &e) != DIFFULM_OK ||
        !same_ids(special, e.ids, e.count))
        return "ids_special";
    if (pair)
        return same_ids(json_object_get(line, "type_ids_special"), e.types, e.count) ? NULL
                                                                                     : "types";
    if (!decodes(tok, ids, json_object_get(line, "decoded"), 0, b))
        return "decoded";
    if (!decodes(tok, special, json_object_get(line, "decoded_skip"), 1, b))
        return "decoded_skip";
    return NULL;
}

static const char *check_decode(const diffulm_tokenizer *tok, const json_t *line, struct buffers *b)
{
    const json_t *ids = json_object_get(line, "decode");
    if (!decodes(tok, ids, json_object_get(line, "decoded"), 0, b))
        return "decoded";
    if (!decodes(tok, ids, json_object_get(line, "decoded_skip"), 1, b))
        return "decoded_skip";
    return NULL;
}

static void run_lines(const char *path, const char *source, const diffulm_tokenizer *tok,
                      struct buffers *b)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    long number = 0;
    while (file && (length = getline(&line, &capacity, file)) > 0) {
        if (number++ == 0)
            continue;
        json_t *item = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, NULL);
        const char *wrong =
            json_object_get(item, "decode") ? check_decode(tok, item, b) : check_text(tok, item, b);
        if (wrong)
            golden_fail(AREA, "%s:%ld (%s): %s: %s", path, number, source, wrong,
                        diffulm_error_message());
        else
            golden_pass(AREA, "%s:%ld", path, number);
        json_decref(item);
    }
    free(line);
    if (file)
        fclose(file);
}

static void run_source(const char *lines, const char *source, bool mask_lstrip, struct buffers *b)
{
    diffulm_tokenizer *tok = NULL;
    struct diffulm_tokenizer_options options = DIFFULM_TOKENIZER_OPTIONS_INIT;
    options.mask_lstrip = mask_lstrip;
    if (diffulm_tokenizer_open(source, &options, &tok) < 0)
        golden_fail(AREA, "%s must load: %s", source, diffulm_error_message());
    else
        run_lines(lines, source, tok, b);
    diffulm_tokenizer_unref(tok);
}

/* Unpacks a .gz beside nothing else: into a temporary file. */
static bool unpack(const char *packed, char *out, size_t capacity)
{
    char command[10000];
    snprintf(out, capacity, "/tmp/golden-%ld.tokenizer.json", (long)getpid());
    snprintf(command, sizeof command, "gzip -dc '%s' > '%s'", packed, out);
    return system(command) == 0;
}

static json_t *header_of(const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0;
    json_t *header = NULL;
    if (file && getline(&line, &capacity, file) > 0)
        header = json_loads(line, 0, NULL);
    free(line);
    if (file)
        fclose(file);
    return header;
}

/* Source files of the header that are tokenizers by themselves. */
static bool stands_alone(const char *name, const char *source)
{
    const size_t n = strlen(source);
    const bool model = n > 6 && strcmp(source + n - 6, ".model") == 0;
    const bool json = n > 14 && strcmp(source + n - 14, "tokenizer.json") == 0;
    const bool vocab = n > 9 && strcmp(source + n - 9, "vocab.txt") == 0;
    if (strcmp(name, "llama2.jsonl") == 0)
        return false;
    if (model)
        return !strstr(name, "albert") && !strstr(name, "xlnet") && !strstr(name, "hf-fixtures.b");
    return json || (vocab && !strstr(name, "cased-config"));
}

static void run_file(const char *folder, const char *data, const char *name, struct buffers *b)
{
    char packed[512], source[4096];
    char *path = golden_path(folder, name);
    json_t *header = header_of(path), *item;
    size_t i;
    snprintf(packed, sizeof packed, "derived/%.*s.tokenizer.json.gz", (int)strlen(name) - 6, name);
    if (golden_exists(folder, packed)) {
        char *archive = golden_path(folder, packed);
        if (unpack(archive, source, sizeof source))
            run_source(path, source, false, b);
        unlink(source);
        free(archive);
    }
    json_array_foreach(json_object_get(header, "source_files"), i, item)
    {
        const char *file = json_string_value(item);
        if (!file || !stands_alone(name, file) || !golden_exists(data, file))
            continue;
        char *full = golden_path(data, file);
        /* Here the .model's <mask> takes the space before it, which the file does not say. */
        const bool widened =
            strstr(file, ".model") && (strstr(name, "mbart") || strstr(name, "mask-lstrip"));
        run_source(path, full, widened, b);
        free(full);
    }
    json_decref(header);
    free(path);
}

/* Opens the first source of NAME.jsonl that is a tokenizer by itself. */
static diffulm_tokenizer *open_named(const char *folder, const char *data, const char *tokenizer)
{
    char name[256];
    snprintf(name, sizeof name, "%s.jsonl", tokenizer);
    char *path = golden_path(folder, name);
    json_t *header = header_of(path), *item;
    diffulm_tokenizer *tok = NULL;
    size_t i;
    json_array_foreach(json_object_get(header, "source_files"), i, item)
    {
        const char *file = json_string_value(item);
        if (tok || !file || !stands_alone(name, file) || !golden_exists(data, file))
            continue;
        char *full = golden_path(data, file);
        if (diffulm_tokenizer_open(full, NULL, &tok) < 0)
            golden_fail(AREA, "%s: %s", full, diffulm_error_message());
        free(full);
    }
    json_decref(header);
    free(path);
    return tok;
}

/* Texts on which other implementations differ: ids is the golden (ties between scores have none). */
static void run_disagreements(const char *folder, const char *data, struct buffers *b)
{
    char *path = golden_path(folder, "disagreements.jsonl"), *line = NULL, last[256] = "";
    FILE *file = fopen(path, "r");
    diffulm_tokenizer *tok = NULL;
    size_t capacity = 0;
    ssize_t length;
    long number = 0;
    while (file && (length = getline(&line, &capacity, file)) > 0) {
        json_t *item = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, NULL);
        const char *name = json_string_value(json_object_get(item, "tokenizer"));
        const char *kind = json_string_value(json_object_get(item, "kind"));
        number++;
        if (name && strcmp(name, last) != 0) {
            diffulm_tokenizer_unref(tok);
            tok = open_named(folder, data, name);
            snprintf(last, sizeof last, "%s", name);
        }
        const json_t *text = json_object_get(item, "text");
        if (tok && kind && !strstr(kind, "tie") && json_is_string(text)) {
            if (encodes(tok, item, b))
                golden_pass(AREA, "%s:%ld", path, number);
            else
                golden_fail(AREA, "%s:%ld (%s): ids", path, number, name);
        }
        json_decref(item);
    }
    diffulm_tokenizer_unref(tok);
    if (file)
        fclose(file);
    free(line);
    free(path);
}

static void run_components(const char *folder, struct buffers *b)
{
    char *components = golden_path(folder, "components");
    char **names = golden_names(components);
    for (char **name = names; name && *name; name++) {
        const size_t n = strlen(*name);
        if (n < 6 || strcmp(*name + n - 6, ".jsonl") != 0)
            continue;
        char file[512];
        snprintf(file, sizeof file, "%.*s.tokenizer.json", (int)n - 6, *name);
        char *lines = golden_path(components, *name), *source = golden_path(components, file);
        run_source(lines, source, false, b);
        free(lines);
        free(source);
    }
    golden_names_free(names);
    free(components);
}

static bool names_one(const char *message, const char *words)
{
    char copy[512], *save = NULL;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok_r(copy, "|", &save); word; word = strtok_r(NULL, "|", &save))
        if (strcasestr(message, word))
            return true;
    return false;
}

static void run_bad(const char *folder, const char *data)
{
    char *bad = golden_path(folder, "bad"), *list = golden_path(bad, "expect.tsv"), line[4096];
    FILE *file = fopen(list, "r");
    long number = 0;
    while (file && fgets(line, sizeof line, file)) {
        char *save = NULL, *name = strtok_r(line, "\t\n", &save);
        strtok_r(NULL, "\t\n", &save);
        const char *words = strtok_r(NULL, "\t\n", &save);
        if (number++ == 0 || !name || !words)
            continue;
        const bool outside = strncmp(name, "data:", 5) == 0;
        char *path = golden_path(outside ? data : bad, outside ? name + 5 : name);
        diffulm_tokenizer *tok = NULL;
        if (access(path, R_OK) != 0)
            golden_skip(AREA, "%s is absent", path);
        else if (diffulm_tokenizer_open(path, NULL, &tok) >= 0)
            golden_fail(AREA, "bad/%s must be refused", name);
        else if (!names_one(diffulm_error_message(), words))
            golden_fail(AREA, "bad/%s: the message should name %s: %s", name, words,
                        diffulm_error_message());
        else
            golden_pass(AREA, "bad/%s: %s", name, diffulm_error_message());
        diffulm_tokenizer_unref(tok);
        free(path);
    }
    if (file)
        fclose(file);
    free(list);
    free(bad);
}

static void run_invalid(const char *folder, struct buffers *b)
{
    static const char any[] =
        "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"u\":0},\"unk_token\":\"u\"}}";
    char *path = golden_path(folder, "invalid_utf8.jsonl"), *line = NULL;
    size_t capacity = 0, length, i;
    long number = 0;
    diffulm_tokenizer *tok = NULL;
    FILE *file = fopen(path, "r");
    if (file && diffulm_tokenizer_open_memory(any, sizeof any - 1, NULL, &tok) < 0)
        golden_fail(AREA, "%s", diffulm_error_message());
    while (file && tok && getline(&line, &capacity, file) > 0) {
        json_t *item = json_loads(line, JSON_ALLOW_NUL, NULL);
        const char *hex = json_string_value(json_object_get(item, "hex"));
        const json_t *offset = json_object_get(item, "offset");
        const json_t *replaced = json_object_get(item, "replaced");
        char bytes[1024], expected[64];
        unsigned value;
        const size_t n = hex ? strlen(hex) / 2 : 0;
        for (i = 0; i < n && i < sizeof bytes && sscanf(hex + 2 * i, "%2x", &value) == 1; i++)
            bytes[i] = (char)value;
        struct diffulm_encoding e = encoding_of(b);
        const diffulm_status rc = diffulm_tokenizer_encode(tok, bytes, n, NULL, 0, NULL, &e);
        snprintf(expected, sizeof expected, "byte %lld", (long long)json_integer_value(offset));
        const bool told = json_is_null(offset)
                              ? rc == DIFFULM_OK
                              : rc == DIFFULM_E_UTF8 && strstr(diffulm_error_message(), expected);
        const bool repaired = replaced &&
                              diffulm_utf8_repair(bytes, n, b->text, MOST, &length) == DIFFULM_OK &&
                              length == json_string_length(replaced) &&
                              memcmp(b->text, json_string_value(replaced), length) == 0;
        if (number++ > 0) {
            if (told && repaired)
                golden_pass(AREA, "invalid %s", hex);
            else
                golden_fail(AREA, "invalid_utf8 %s: %s", hex, diffulm_error_message());
        }
        json_decref(item);
    }
    if (file)
        fclose(file);
    free(line);
    free(path);
    diffulm_tokenizer_unref(tok);
}

void golden_tokenizers(const char *parent)
{
    char *folder = golden_path(parent, "tokenizers"), *data = golden_path(parent, "../data");
    struct buffers b = {malloc(MOST * 4),
                        malloc(MOST * 4),
                        malloc(MOST * 4),
                        malloc(MOST * sizeof(size_t)),
                        malloc(MOST * sizeof(size_t)),
                        malloc(MOST * 8)};
    if (golden_exists(folder, "bad/expect.tsv") || golden_exists(folder, "components")) {
        char **names = golden_names(folder);
        for (char **name = names; name && *name; name++)
            if (strstr(*name, ".jsonl") && !strstr(*name, "disagreements") &&
                !strstr(*name, "invalid_utf8"))
                run_file(folder, data, *name, &b);
        golden_names_free(names);
        run_components(folder, &b);
        run_disagreements(folder, data, &b);
        run_bad(folder, data);
        run_invalid(folder, &b);
    }
    free(b.ids);
    free(b.sequences);
    free(b.types);
    free(b.begins);
    free(b.ends);
    free(b.text);
    free(data);
    free(folder);
}

/* prune.c: `diffulm prune`: model and tokenizer with the vocabulary of a task's texts. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#define ME "prune"

struct pruning {
    struct cli_bundle bundle;
    uint8_t *seen;
    int32_t *used, *kept; /* [vocabulary] */
    size_t vocabulary, used_count, kept_count;
};

static int see(struct pruning *p, const char *text, size_t length)
{
    struct cli_tokens tokens = {0};
    const diffulm_status rc = cli_encode(p->bundle.tokenizer, text, length, &tokens);
    for (size_t i = 0; rc >= 0 && i < tokens.count; i++)
        p->seen[tokens.ids[i]] = 1;
    free(tokens.ids);
    return rc < 0 ? -1 : 0;
}

/* A line of JSON gives all its strings, each by itself; any other line is a text. */
static int see_json(struct pruning *p, const json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;
    int code = 0;
    if (json_is_string(value))
        return see(p, json_string_value(value), json_string_length(value));
    json_array_foreach((json_t *)value, i, item)
    {
        code |= see_json(p, item);
    }
    json_object_foreach((json_t *)value, key, item)
    {
        code |= see_json(p, item);
    }
    return code;
}

static int see_file(struct pruning *p, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return cli_error(ME, CLI_FAILED, "%s: %s", path, strerror(errno));
    char *line = NULL;
    size_t size = 0, number = 0;
    ssize_t length;
    int code = 0;
    while (code == 0 && (length = getline(&line, &size, file)) >= 0) {
        number++;
        if (length > 0 && line[length - 1] == '\n')
            length--;
        json_t *json = line[0] == '{' ? json_loadb(line, (size_t)length, 0, NULL) : NULL;
        if ((json ? see_json(p, json) : see(p, line, (size_t)length)) < 0)
            code = cli_error(ME, CLI_FAILED, "%s:%zu: %s", path, number, diffulm_error_message());
        json_decref(json);
    }
    if (code == 0 && ferror(file))
        code = cli_error(ME, CLI_FAILED, "%s: %s", path, strerror(errno));
    free(line);
    fclose(file);
    return code;
}

static void use_special(struct pruning *p)
{
    const struct diffulm_special_ids *t = &p->bundle.ids;
    const struct diffulm_model_info *m = &p->bundle.info;
    const int32_t ids[] = {t->bos,    t->eos,    t->pad,    t->unk,    t->mask,
                           m->bos_id, m->eos_id, m->pad_id, m->mask_id};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i] >= 0 && (size_t)ids[i] < p->vocabulary)
            p->seen[ids[i]] = 1;
    if (m->first_position > 0) /* position ids count from the pad id */
        memset(p->seen, 1, (size_t)m->pad_id);
    for (size_t id = 0; id < p->vocabulary; id++)
        if (p->seen[id])
            p->used[p->used_count++] = (int32_t)id;
}

/* new id -> old id, so that results can be told in the old numbers. */
static int write_map(const struct pruning *p, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return cli_error(ME, CLI_FAILED, "%s: %s", path, strerror(errno));
    for (size_t i = 0; i < p->kept_count; i++)
        fprintf(file, "%s%d", i ? "," : "[", p->kept[i]);
    fputs("]\n", file);
    const bool failed = ferror(file);
    return fclose(file) != 0 || failed ? cli_error(ME, CLI_FAILED, "%s: could not be written", path)
                                       : 0;
}

static int write_all(struct pruning *p, const char *from, const char *to, int64_t dtype)
{
    char source[4096], path[4096];
    diffulm_model *model = NULL;
    if (mkdir(to, 0777) != 0 && errno != EEXIST)
        return cli_error(ME, CLI_FAILED, "%s: %s", to, strerror(errno));
    snprintf(source, sizeof source, "%s/tokenizer.json", from);
    snprintf(path, sizeof path, "%s/tokenizer.json", to);
    if (access(source, R_OK) != 0)
        return cli_error(ME, CLI_FAILED, "%s: %s; only a tokenizer.json can be pruned", source,
                         strerror(errno));
    diffulm_status rc = diffulm_tokenizer_prune(source, path, p->used, p->used_count, p->kept,
                                                p->vocabulary, &p->kept_count);
    if (rc == DIFFULM_OK)
        rc = diffulm_model_prune(p->bundle.model, p->kept, p->kept_count, &model);
    if (rc == DIFFULM_OK)
        rc = diffulm_model_save(model, to, (int32_t)dtype);
    diffulm_model_unref(model);
    snprintf(path, sizeof path, "%s/kept_ids.json", to);
    return rc < 0 ? cli_fail(ME) : write_map(p, path);
}

static int prune(const char *from, const char *to, char **files, int count, struct pruning *p)
{
    if (cli_bundle_open(from, NULL, &p->bundle) < 0)
        return cli_fail(ME);
    p->vocabulary = diffulm_tokenizer_vocabulary(p->bundle.tokenizer);
    if (p->vocabulary > (size_t)p->bundle.info.vocabulary)
        return cli_error(ME, CLI_FAILED, "%s: the tokenizer has %zu ids, the model %lld rows", from,
                         p->vocabulary, (long long)p->bundle.info.vocabulary);
    p->seen = cli_alloc(p->vocabulary, 1);
    p->used = cli_alloc(p->vocabulary, sizeof *p->used);
    p->kept = cli_alloc(p->vocabulary, sizeof *p->kept);
    int code = 0;
    for (int i = 0; code == 0 && i < count; i++)
        code = see_file(p, files[i]);
    if (code == 0) {
        use_special(p);
        code = write_all(p, from, to, p->bundle.info.dtype);
    }
    if (code == 0)
        printf("%zu of %lld ids kept; %s/kept_ids.json says which\n", p->kept_count,
               (long long)p->bundle.info.vocabulary, to);
    return code;
}

int cli_prune(int argc, char **argv)
{
    static const struct cli_command command = {
        ME, "MODEL OUTPUT FILE...",
        "Keeps of a vocabulary what the texts of the files use (JSONL: all its strings).", NULL};
    const struct cli_option options[] = {{0}};
    struct pruning p = {0};
    int rest;
    int code = cli_parse(&command, options, argc, argv, &rest);
    if (code >= 0)
        return code;
    if (rest < 3)
        return cli_error(ME, CLI_USAGE,
                         "expected MODEL, an output folder and files; see diffulm prune --help");
    code = prune(argv[0], argv[1], argv + 2, rest - 2, &p);
    free(p.seen);
    free(p.used);
    free(p.kept);
    cli_bundle_close(&p.bundle);
    return code;
}

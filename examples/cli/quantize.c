/* quantize.c: `diffulm quantize`: a model with its matrices in 8 bits, beside what else a folder needs. */
#include <sys/stat.h>

#include "cli.h"

#define ME "quantize"

/* Copied where they are there. */
static const char *const others[] = {"tokenizer.json",
                                     "tokenizer_config.json",
                                     "special_tokens_map.json",
                                     "sentencepiece.bpe.model",
                                     "vocab.txt",
                                     "vocab.json",
                                     "merges.txt",
                                     "length_head.safetensors",
                                     "kept_ids.json"};

static int copy(const char *from, const char *to, const char *name)
{
    char source[4096], path[4096];
    struct stat status;
    snprintf(source, sizeof source, "%s/%s", from, name);
    snprintf(path, sizeof path, "%s/%s", to, name);
    return stat(source, &status) == 0 ? cli_copy_file(ME, source, path) : 0;
}

static double megabytes(const char *folder)
{
    char path[4096];
    struct stat status;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    return stat(path, &status) == 0 ? (double)status.st_size / 1e6 : 0;
}

static bool is_same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int quantize(const char *from, const char *to)
{
    diffulm_model *model = NULL;
    if (is_same_folder(from, to))
        return cli_error(ME, CLI_USAGE, "%s: the output must be another folder than the model's",
                         to);
    diffulm_status rc = diffulm_model_open(from, NULL, &model);
    if (rc == DIFFULM_OK)
        rc = diffulm_model_save(model, to, DIFFULM_DTYPE_I8);
    diffulm_model_unref(model);
    int code = rc < 0 ? cli_fail(ME) : 0;
    for (size_t i = 0; code == 0 && i < sizeof others / sizeof *others; i++)
        code = copy(from, to, others[i]);
    if (code == 0)
        printf("%s: %.1f MB of weights in int8; compare both by diffulm evaluate\n", to,
               megabytes(to));
    return code;
}

int cli_quantize(int argc, char **argv)
{
    static const struct cli_command command = {
        ME, "MODEL OUTPUT", "Writes a model with its matrices in 8 bits: a quarter of the size.",
        NULL};
    const struct cli_option options[] = {{0}};
    int rest;
    const int code = cli_parse(&command, options, argc, argv, &rest);
    if (code >= 0)
        return code;
    if (rest != 2)
        return cli_error(ME, CLI_USAGE,
                         "expected MODEL and an output folder; see diffulm quantize --help");
    return quantize(argv[0], argv[1]);
}

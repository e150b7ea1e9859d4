/* datasets.c: opens the data sets of a recipe, and tells by checksums whether they are those of an earlier run. */
#include "datasets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

struct data_set *data_list_add(struct data_list *list)
{
    list->sets = cli_grow(list->sets, list->count + 1, sizeof *list->sets);
    list->sets[list->count] = (struct data_set){.weight = -1};
    return &list->sets[list->count++];
}

/* The texts of a data set but its path. */
enum { TEXTS = 11 };
static void texts_of(const struct data_set *s, char *texts[TEXTS])
{
    char *const all[TEXTS] = {s->source_column,    s->target_column,     s->instruction_template,
                              s->input_template,   s->few_shot_template, s->system_prefix,
                              s->system_suffix,    s->user_prefix,       s->user_suffix,
                              s->assistant_prefix, s->assistant_suffix};
    memcpy(texts, all, sizeof all);
}

void data_list_release(struct data_list *list)
{
    char *texts[TEXTS];
    for (size_t i = 0; i < list->count; i++) {
        texts_of(&list->sets[i], texts);
        for (size_t k = 0; k < TEXTS; k++)
            free(texts[k]);
        free(list->sets[i].path);
        free(list->sets[i].where);
    }
    free(list->sets);
    *list = (struct data_list){0};
}

/* "a,b" where there is no file of that name: two parallel files, b beside a unless it has a folder. */
struct paths {
    char *first, *second;
};

static size_t split(const char *path, struct paths *out)
{
    out->first = cli_copy(path);
    out->second = NULL;
    char *comma = strchr(out->first, ',');
    if (!comma || access(path, F_OK) == 0)
        return 1;
    const char *slash = memrchr(out->first, '/', (size_t)(comma - out->first)), *name = comma + 1;
    const size_t folder = slash && *name != '/' ? (size_t)(slash - out->first) + 1 : 0;
    out->second = cli_alloc(folder + strlen(name) + 1, 1);
    memcpy(out->second, out->first, folder);
    strcpy(out->second + folder, name);
    *comma = 0;
    return 2;
}

static void paths_release(struct paths *paths)
{
    free(paths->first);
    free(paths->second);
}

static int32_t show_opening(void *user, uint64_t bytes, uint64_t total)
{
    const char *path = user;
    if (isatty(2) && total)
        fprintf(stderr, "\r%s: %.0f %% checked", path, 100.0 * (double)bytes / (double)total);
    return 0;
}

static struct diffulm_dataset_options options_of(const struct data_set *s)
{
    struct diffulm_dataset_options o = DIFFULM_DATASET_OPTIONS_INIT;
    o.form = (int32_t)s->form;
    o.on_damage = (int32_t)s->on_damage;
    o.few_shot = (size_t)s->few_shot;
    o.gzip_buffer = (size_t)s->gzip_buffer;
    o.source_column = s->source_column;
    o.target_column = s->target_column;
    o.instruction_template = s->instruction_template;
    o.input_template = s->input_template;
    o.few_shot_template = s->few_shot_template;
    o.system_prefix = s->system_prefix;
    o.system_suffix = s->system_suffix;
    o.user_prefix = s->user_prefix;
    o.user_suffix = s->user_suffix;
    o.assistant_prefix = s->assistant_prefix;
    o.assistant_suffix = s->assistant_suffix;
    o.max_line = (size_t)1 << 30; /* the longest row in tokens decides */
    o.progress = show_opening;
    return o;
}

static diffulm_status open_set(const struct data_set *s, diffulm_dataset **out)
{
    struct paths paths;
    const size_t files = split(s->path, &paths);
    struct diffulm_dataset_options options = options_of(s);
    const char *const names[2] = {paths.first, paths.second};
    options.user = paths.first;
    const diffulm_status rc = diffulm_dataset_open(names, files, &options, out);
    if (isatty(2))
        fputs("\r\x1b[K", stderr);
    paths_release(&paths);
    return rc;
}

/* The library's message, after the place in the recipe. */
static int fail_at(const char *command, const struct data_set *s)
{
    if (!s->where)
        return cli_fail(command);
    return cli_error(command, CLI_FAILED, "%s: %s", s->where, diffulm_error_message());
}

static void tell_damage(const struct data_set *s, const diffulm_dataset *set)
{
    struct diffulm_dataset_info info = {.struct_size = sizeof info};
    if (diffulm_dataset_get_info(set, &info) == DIFFULM_OK && info.skipped)
        fprintf(stderr, "%s: %zu damaged records left out; the first: %s\n", s->path, info.skipped,
                diffulm_dataset_message(set, 0));
}

double data_weight(const struct data_source *source, size_t set)
{
    const double weight = source->list->sets[set].weight;
    return weight < 0 ? (double)diffulm_dataset_count(source->sets[set]) : weight;
}

int data_open(const char *command, const struct data_list *list,
              const struct diffulm_reader_options *options, struct data_source *out)
{
    *out = (struct data_source){.list = list};
    out->sets = cli_alloc(list->count, sizeof *out->sets);
    double *weights = cli_alloc(list->count, sizeof *weights);
    int code = 0;
    for (size_t i = 0; code == 0 && i < list->count; i++) {
        const struct data_set *s = &list->sets[i];
        if (open_set(s, &out->sets[i]) < 0) {
            code = fail_at(command, s);
            break;
        }
        tell_damage(s, out->sets[i]);
        out->records += diffulm_dataset_count(out->sets[i]);
        weights[i] = data_weight(out, i);
    }
    if (code == 0 &&
        diffulm_reader_create(out->sets, weights, list->count, options, &out->reader) < 0)
        code = fail_at(command, &list->sets[0]);
    free(weights);
    if (code != 0)
        data_close(out);
    return code;
}

void data_close(struct data_source *source)
{
    diffulm_reader_destroy(source->reader);
    for (size_t i = 0; source->sets && i < source->list->count; i++)
        diffulm_dataset_unref(source->sets[i]);
    free(source->sets);
    *source = (struct data_source){0};
}

int data_checksum_file(const char *path, uint32_t *crc)
{
    enum { BLOCK = 1 << 20, SHOWN = 1 << 28 };
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    unsigned char *block = cli_alloc(BLOCK, 1);
    uint64_t size = 0;
    ssize_t n;
    bool shown = false;
    while ((n = read(file, block, BLOCK)) > 0 || (n < 0 && errno == EINTR)) {
        *crc = n > 0 ? (uint32_t)crc32_z(*crc, block, (size_t)n) : *crc;
        size += n > 0 ? (uint64_t)n : 0;
        if (n > 0 && size % SHOWN < (uint64_t)n && size >= SHOWN && isatty(2)) {
            fprintf(stderr, "\r%s: %llu MiB compared with earlier runs", path,
                    (unsigned long long)(size >> 20));
            shown = true;
        }
    }
    if (shown)
        fputs("\r\x1b[K", stderr);
    /* With its size, so that text may not wander from one file to the next. */
    *crc = (uint32_t)crc32_z(*crc, (const void *)&size, sizeof size);
    free(block);
    close(file);
    return n == 0;
}

int data_checksum(const char *command, const struct data_list *list, uint32_t *crc)
{
    int code = 0;
    *crc = 0;
    for (size_t i = 0; code == 0 && i < list->count; i++) {
        struct paths paths;
        split(list->sets[i].path, &paths);
        if (!data_checksum_file(paths.first, crc))
            code = cli_error(command, CLI_FAILED, "%s: %s", paths.first, strerror(errno));
        else if (paths.second && !data_checksum_file(paths.second, crc))
            code = cli_error(command, CLI_FAILED, "%s: %s", paths.second, strerror(errno));
        paths_release(&paths);
    }
    return code;
}

uint32_t data_settings_checksum(const struct data_list *list)
{
    char *texts[TEXTS];
    uLong crc = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct data_set *s = &list->sets[i];
        const int64_t numbers[] = {s->form, s->on_damage, s->few_shot};
        crc = crc32_z(crc, (const void *)numbers, sizeof numbers);
        crc = crc32_z(crc, (const void *)&s->weight, sizeof s->weight);
        texts_of(s, texts);
        for (size_t k = 0; k < TEXTS; k++) /* with its NUL; the default differs from every text */
            crc = texts[k] ? crc32_z(crc, (const void *)texts[k], strlen(texts[k]) + 1)
                           : crc32_z(crc, (const void *)"\xff", 2);
    }
    return (uint32_t)crc;
}

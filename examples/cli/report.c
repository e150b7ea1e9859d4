/* report.c: `diffulm report`: training runs as one self-contained page. A run is a folder with metrics.jsonl
 * and, if samples were written, samples.jsonl; report.html draws what is put together here. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "report_page.h"

#define ME "report"

/* Calls `take` with every JSON object of a file of lines. Returns 0 or an exit code. */
static int each_line(const char *path, bool required,
                     int (*take)(json_t *, const char *, size_t, void *), void *user)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return required || errno != ENOENT
                   ? cli_error(ME, CLI_FAILED, "%s: %s", path, strerror(errno))
                   : 0;
    char *line = NULL;
    size_t size = 0, number = 0;
    ssize_t length;
    int code = 0;
    while (code == 0 && (length = getline(&line, &size, file)) >= 0) {
        json_error_t error;
        json_t *object = json_loadb(line, (size_t)length, 0, &error);
        number++;
        code = json_is_object(object)
                   ? take(object, path, number, user)
                   : cli_error(ME, CLI_FAILED, "%s:%zu: expected a JSON object: %s", path, number,
                               object ? "it is something else" : error.text);
        json_decref(object);
    }
    if (code == 0 && ferror(file))
        code = cli_error(ME, CLI_FAILED, "%s: %s", path, strerror(errno));
    free(line);
    fclose(file);
    return code;
}

/* One run while its lines are read. */
struct reading {
    json_t *stages, *points; /* points: field -> [[update, seconds, value], ...] */
    json_t *stage;           /* the last of stages */
    json_int_t first;        /* updates of all stages before it */
};

static void begin_stage(struct reading *r, const char *name)
{
    if (r->stage)
        r->first += json_integer_value(json_object_get(r->stage, "steps"));
    r->stage = json_pack("{s:s, s:I, s:i, s:n, s:n, s:n}", "name", name, "first", r->first, "steps",
                         0, "last", "best", "seconds");
    json_array_append_new(r->stages, r->stage);
}

static void note_in_stage(struct reading *r, const char *field, json_t *value)
{
    if (strcmp(field, "cross_entropy") == 0)
        json_object_set(r->stage, "last", value);
    if (strcmp(field, "seconds") == 0)
        json_object_set(r->stage, "seconds", value);
    const json_t *best = json_object_get(r->stage, "best");
    if (strcmp(field, "validation_cross_entropy") == 0 &&
        (json_is_null(best) || json_number_value(value) < json_number_value(best)))
        json_object_set(r->stage, "best", value);
}

static int take_metrics(json_t *object, const char *path, size_t number, void *user)
{
    struct reading *r = user;
    const json_t *stage = json_object_get(object, "stage"), *step = json_object_get(object, "step");
    const char *name = json_is_string(stage) ? json_string_value(stage) : "";
    const char *field;
    json_t *value;
    if (!json_is_integer(step))
        return cli_error(ME, CLI_FAILED, "%s:%zu: step: expected an integer", path, number);
    if (!r->stage || strcmp(name, json_string_value(json_object_get(r->stage, "name"))) != 0)
        begin_stage(r, name);
    json_object_set(r->stage, "steps", (json_t *)step);
    const double seconds = json_number_value(json_object_get(object, "seconds"));
    json_object_foreach(object, field, value)
    {
        if (!json_is_number(value) || strcmp(field, "step") == 0)
            continue;
        note_in_stage(r, field, value);
        if (strcmp(field, "seconds") == 0)
            continue;
        json_t *list = json_object_get(r->points, field);
        if (!list)
            json_object_set_new(r->points, field, list = json_array());
        json_array_append_new(
            list, json_pack("[I, f, O]", r->first + json_integer_value(step), seconds, value));
    }
    return 0;
}

static int take_sample(json_t *object, const char *path, size_t number, void *user)
{
    if (!json_is_string(json_object_get(object, "prompt")) ||
        !json_is_string(json_object_get(object, "text")) ||
        !json_is_integer(json_object_get(object, "step")))
        return cli_error(ME, CLI_FAILED,
                         "%s:%zu: expected the strings prompt and text and the integer step", path,
                         number);
    json_array_append(user, object);
    return 0;
}

static char *join(const char *folder, const char *name)
{
    char *path = cli_alloc(strlen(folder) + strlen(name) + 2, 1);
    sprintf(path, "%s/%s", folder, name);
    return path;
}

static int read_run(const char *folder, json_t *runs)
{
    struct reading r = {.stages = json_array(), .points = json_object()};
    json_t *samples = json_array();
    char *metrics = join(folder, "metrics.jsonl"), *texts = join(folder, "samples.jsonl");
    int code = each_line(metrics, true, take_metrics, &r);
    if (code == 0)
        code = each_line(texts, false, take_sample, samples);
    if (code == 0 && json_array_size(r.stages) == 0)
        code = cli_error(ME, CLI_FAILED, "%s: no lines yet", metrics);
    json_t *run = json_pack("{s:s, s:o, s:o, s:o}", "name", folder, "stages", r.stages, "points",
                            r.points, "samples", samples);
    json_array_append_new(runs, run);
    free(metrics);
    free(texts);
    return code == 0 && !run ? cli_error(ME, CLI_FAILED, "%s: its name is not UTF-8", folder)
                             : code;
}

/* The page with the data in place of its mark. "</" would end the script; JSON allows "\/". */
static int write_page(const char *path, const json_t *runs)
{
    static const char mark[] = "/*DATA*/null";
    json_t *root = json_pack("{s:O}", "runs", runs);
    char *text = json_dumps(root, JSON_ENSURE_ASCII | JSON_COMPACT | JSON_REAL_PRECISION(7));
    FILE *file = text ? fopen(path, "wb") : NULL;
    json_decref(root);
    if (!file) {
        free(text);
        return cli_error(ME, CLI_FAILED, "%s: %s", path, strerror(errno));
    }
    for (const char *const *line = report_page; *line; line++) {
        const char *at = strstr(*line, mark);
        fwrite(*line, 1, at ? (size_t)(at - *line) : strlen(*line), file);
        for (const char *c = text; at && *c; c++)
            fputs(*c == '/' ? "\\/" : (char[]){*c, 0}, file);
        if (at)
            fputs(at + sizeof mark - 1, file);
    }
    free(text);
    const bool failed = ferror(file);
    return fclose(file) != 0 || failed ? cli_error(ME, CLI_FAILED, "%s: could not be written", path)
                                       : 0;
}

int report_write(const char *const *folders, size_t count, const char *page)
{
    json_t *runs = json_array();
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++)
        code = read_run(folders[i], runs);
    if (code == 0)
        code = write_page(page, runs);
    json_decref(runs);
    return code;
}

int cli_report(int argc, char **argv)
{
    static const struct cli_command command = {
        ME, "RUN...",
        "Writes one page with the curves and samples of training runs (output folders).", NULL};
    const char *output = "report.html";
    const struct cli_option options[] = {
        {"output", "FILE.html", "the page [report.html]", CLI_TEXT, &output}, {0}};
    int rest;
    int code = cli_parse(&command, options, argc, argv, &rest);
    if (code >= 0)
        return code;
    if (rest < 1)
        return cli_error(ME, CLI_USAGE,
                         "expected the output folder of a run; see diffulm report --help");
    code = report_write((const char *const *)argv, (size_t)rest, output);
    if (code == 0)
        printf("%s\n", output);
    return code;
}

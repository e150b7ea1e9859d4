/* options.c: command lines by table: parsing, help, description, and the nearest name for a wrong one. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

size_t cli_distance(const char *a, const char *b)
{
    size_t row[33], n = strlen(b);
    if (n > 32 || strlen(a) > 32)
        return 99;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            const size_t keep = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            size_t best = row[j] < row[j + 1] ? row[j] + 1 : row[j + 1] + 1;
            row[j + 1] = keep < best ? keep : best;
        }
    }
    return row[n];
}

static const struct cli_option help_option = {"help", NULL, "this text", CLI_FLAG, NULL};

static void help_line(const struct cli_option *o)
{
    char left[48];
    snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    printf("  %-24s %s\n", left, o->help);
}

static void help(const struct cli_command *command, const struct cli_option *options)
{
    printf("usage: diffulm %s [options] %s\n%s\n\n", command->name, command->arguments,
           command->summary);
    for (; options->name; options++)
        help_line(options);
    help_line(&help_option);
}

static json_t *description_of(const struct cli_option *o)
{
    return json_pack("{s:s, s:s?, s:s}", "name", o->name, "value", o->value, "help", o->help);
}

/* One line of JSON. */
static void describe(const struct cli_command *command, const struct cli_option *options)
{
    json_t *list = json_array();
    for (; options->name; options++)
        json_array_append_new(list, description_of(options));
    json_array_append_new(list, description_of(&help_option));
    json_t *all = json_pack("{s:s, s:s, s:s, s:o}", "name", command->name, "arguments",
                            command->arguments, "summary", command->summary, "options", list);
    json_dumpf(all, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(all);
}

static int unknown(const char *command, const struct cli_option *options, const char *name)
{
    const char *near = NULL;
    size_t best = 4;
    for (; options->name; options++)
        if (cli_distance(name, options->name) < best) {
            best = cli_distance(name, options->name);
            near = options->name;
        }
    if (near)
        return cli_error(command, CLI_USAGE, "unknown option --%s; nearest is --%s", name, near);
    return cli_error(command, CLI_USAGE, "unknown option --%s; see diffulm %s --help", name,
                     command);
}

static int set(const char *command, const struct cli_option *o, const char *text)
{
    char *end;
    errno = 0;
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->target = true;
        return -1;
    case CLI_TEXT:
        *(const char **)o->target = text;
        return -1;
    case CLI_INT:
        *(int64_t *)o->target = strtoll(text, &end, 10);
        break;
    default:
        *(double *)o->target = strtod(text, &end);
    }
    if (*text && !*end && !errno)
        return -1;
    return cli_error(command, CLI_USAGE, "--%s is %s, expected a%s number", o->name, text,
                     o->kind == CLI_INT ? " whole" : "");
}

int cli_parse(const struct cli_command *command, const struct cli_option *options, int argc,
              char **argv, int *rest)
{
    bool only_arguments = false;
    *rest = 0;
    for (int i = 0; i < argc; i++) {
        if (only_arguments || strncmp(argv[i], "--", 2) != 0) {
            argv[(*rest)++] = argv[i];
            continue;
        }
        const char *name = argv[i] + 2;
        if (!*name) {
            only_arguments = true;
            continue;
        }
        if (strcmp(name, "help") == 0) {
            help(command, options);
            return CLI_OK;
        }
        if (strcmp(name, "describe") == 0) {
            describe(command, options);
            return CLI_OK;
        }
        const struct cli_option *o = options;
        while (o->name && strcmp(o->name, name) != 0)
            o++;
        if (!o->name)
            return unknown(command->name, options, name);
        if (o->kind != CLI_FLAG && i + 1 == argc)
            return cli_error(command->name, CLI_USAGE, "--%s needs %s", name, o->value);
        const int code = set(command->name, o, o->kind == CLI_FLAG ? "" : argv[++i]);
        if (code >= 0)
            return code;
    }
    return -1;
}

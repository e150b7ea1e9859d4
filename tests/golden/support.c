/* support.c: counting, paths, folders and JSON for the golden runner. */
#include "golden.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

struct golden_counts golden_counts;
bool golden_verbose;

static void say(const char *kind, const char *area, const char *format, va_list args)
{
    printf("%s %s: ", kind, area);
    vprintf(format, args);
    putchar('\n');
}

void golden_pass(const char *area, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    golden_counts.passed++;
    if (golden_verbose)
        say("ok", area, format, args);
    va_end(args);
}

void golden_fail(const char *area, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (golden_counts.failed++ < 200)
        say("FAIL", area, format, args);
    va_end(args);
}

void golden_skip(const char *area, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    golden_counts.skipped++;
    say("skip", area, format, args);
    va_end(args);
}

char *golden_path(const char *folder, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        abort();
    return path;
}

bool golden_exists(const char *folder, const char *name)
{
    char *path = golden_path(folder, name);
    const bool found = access(path, R_OK) == 0;
    free(path);
    return found;
}

json_t *golden_json(const char *area, const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!root)
        golden_fail(area, "%s:%d: %s", path, error.line, error.text);
    return root;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **golden_names(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return NULL;
    size_t count = 0, capacity = 64;
    char **names = calloc(capacity, sizeof *names);
    for (struct dirent *entry; names && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        if (count + 2 > capacity)
            names = realloc(names, (capacity *= 2) * sizeof *names);
        names[count++] = strdup(entry->d_name);
    }
    closedir(dir);
    if (!names)
        abort();
    names[count] = NULL;
    qsort(names, count, sizeof *names, by_name);
    return names;
}

void golden_names_free(char **names)
{
    for (char **name = names; name && *name; name++)
        free(*name);
    free(names);
}

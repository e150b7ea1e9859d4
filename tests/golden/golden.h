/* golden.h: the golden runner. Each area is a function that is handed a folder laid out like the
 * fixtures (or like a folder of real models), runs what it finds there and reports each check. */
#ifndef DULM_TESTS_GOLDEN_H
#define DULM_TESTS_GOLDEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* One call per case: counted, printed only when it failed (or with -v). */
void golden_pass(const char *area, const char *format, ...) __attribute__((format(printf, 2, 3)));
void golden_fail(const char *area, const char *format, ...) __attribute__((format(printf, 2, 3)));
void golden_skip(const char *area, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Path in fresh memory (free); aborts the runner when out of memory. */
char *golden_path(const char *folder, const char *name);
bool golden_exists(const char *folder, const char *name);
/* NULL and a golden_fail if the file is there but broken. */
json_t *golden_json(const char *area, const char *path);
/* Sorted names in a folder, NULL-terminated, to release with golden_names_free; NULL if no folder. */
char **golden_names(const char *folder);
void golden_names_free(char **names);

#endif

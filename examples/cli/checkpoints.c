/* checkpoints.c: names, notes and ages of the checkpoints of a finetuning run. */
#include "checkpoints.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 4200, NOTE = 1024 };

static diffulm_status save_model(const void *t, const char *path, const void *note, size_t n)
{
    return diffulm_trainer_save(t, path, note, n);
}

static diffulm_status restore_model(void *t, const char *path, void *note, size_t n, size_t *length)
{
    return diffulm_trainer_restore(t, path, note, n, length);
}

static diffulm_status save_length(const void *t, const char *path, const void *note, size_t n)
{
    return diffulm_length_trainer_save(t, path, note, n);
}

static diffulm_status restore_length(void *t, const char *path, void *note, size_t n,
                                     size_t *length)
{
    return diffulm_length_trainer_restore(t, path, note, n, length);
}

struct checkpointed checkpointed_trainer(diffulm_trainer *trainer)
{
    return (struct checkpointed){trainer, save_model, restore_model};
}

struct checkpointed checkpointed_length_trainer(diffulm_length_trainer *trainer)
{
    return (struct checkpointed){trainer, save_length, restore_length};
}

static void path_of(const char *output, int stage, int64_t step, char path[PATH])
{
    snprintf(path, PATH, "%s/checkpoints/%d-%09lld.safetensors", output, stage + 1,
             (long long)step);
}

static bool parse(const char *name, int *stage, int64_t *step)
{
    long long number;
    int end = 0;
    if (sscanf(name, "%d-%lld.safetensors%n", stage, &number, &end) != 2 || end == 0 || name[end])
        return false;
    *stage -= 1;
    *step = number;
    return true;
}

int64_t checkpoints_before(const char *output, int stage, int64_t before)
{
    char folder[PATH];
    int64_t newest = -1, step;
    int of;
    snprintf(folder, sizeof folder, "%s/checkpoints", output);
    DIR *files = opendir(folder);
    const struct dirent *file;
    while (files && (file = readdir(files)))
        if (parse(file->d_name, &of, &step) && (stage < 0 || of == stage) && step < before &&
            step > newest)
            newest = step;
    if (files)
        closedir(files);
    return newest;
}

int64_t checkpoints_newest(const char *output, int stage)
{
    return checkpoints_before(output, stage, INT64_MAX);
}

static void forget(const char *output, int stage, int64_t now, int64_t keep)
{
    char path[PATH];
    int64_t step = INT64_MAX, kept = 0;
    while ((step = checkpoints_before(output, stage, step)) >= 0) {
        path_of(output, stage, step, path);
        if (step > now || kept++ >= keep)
            unlink(path);
    }
}

/* The save tells if it isn't there. */
static void make_folder(const char *output)
{
    char path[PATH];
    snprintf(path, sizeof path, "%s/checkpoints", output);
    (void)mkdir(path, 0777);
}

/* Names in the note, and in messages. */
static const struct {
    const char *key, *meaning;
    size_t offset;
} sames[] = {
    {"rows", "number of rows in data", offsetof(struct run_same, records)},
    {"settings_crc32", "checksum of the settings of data",
     offsetof(struct run_same, settings_crc32)},
    {"data_crc32", "checksum of data", offsetof(struct run_same, data_crc32)},
    {"tokenizer_crc32", "checksum of the tokenizer", offsetof(struct run_same, tokenizer_crc32)},
    {"order", "order (0 shuffled, 1 file)", offsetof(struct run_same, order)},
    {"max_length", "max_length", offsetof(struct run_same, max_length)},
    {"too_long", "too_long (0 skip, 1 cut)", offsetof(struct run_same, too_long)},
    {"tokens", "tokens", offsetof(struct run_same, tokens)},
    {"watched", "number of the metric that is watched (0: none)",
     offsetof(struct run_same, watched)},
    {"validation_crc32", "checksum of validation", offsetof(struct run_same, validation_crc32)},
    {"validate_every", "validate_every", offsetof(struct run_same, validate_every)}};
/* The last three are compared where this run watches a metric. */
enum { SAMES = sizeof sames / sizeof *sames, WATCHED = 3 };

static char *write_note(const struct run_state *s)
{
    json_t *json = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f}", "position", s->position,
        "too_long_rows", (json_int_t)s->too_long, "metrics_bytes", (json_int_t)s->metrics_bytes,
        "samples_bytes", (json_int_t)s->samples_bytes, "unvalidated", (json_int_t)s->unvalidated,
        "best_step", (json_int_t)s->best_step, "since", (json_int_t)s->since, "best", s->best, "ce",
        s->ce, "seen_tokens", s->seen_tokens, "updates", s->updates);
    for (size_t i = 0; i < SAMES; i++) {
        const int64_t *value = (const int64_t *)((const char *)&s->same + sames[i].offset);
        json_object_set_new(json, sames[i].key, json_integer((json_int_t)*value));
    }
    char *note = json ? json_dumps(json, 0) : NULL;
    json_decref(json);
    return note;
}

diffulm_status checkpoints_save(const char *output, int stage, int64_t step, int64_t keep,
                                const struct checkpointed *what, const struct run_state *s)
{
    char path[PATH];
    char *note = write_note(s);
    if (!note)
        return DIFFULM_E_OUT_OF_MEMORY;
    make_folder(output);
    path_of(output, stage, step, path);
    diffulm_status rc = what->save(what->trainer, path, note, strlen(note));
    free(note);
    if (rc == DIFFULM_OK)
        forget(output, stage, step, keep);
    return rc;
}

static int check_same(const char *command, const char *path, const json_t *json,
                      const struct run_same *now)
{
    for (size_t i = 0; i < (now->watched ? SAMES : SAMES - WATCHED); i++) {
        const int64_t value = *(const int64_t *)((const char *)now + sames[i].offset);
        const json_int_t then = json_integer_value(json_object_get(json, sames[i].key));
        if (then != value)
            return cli_error(command, CLI_FAILED,
                             "%s: %s was %lld in this checkpoint, now it is %lld", path,
                             sames[i].meaning, (long long)then, (long long)value);
    }
    return 0;
}

static int read_note(const char *command, const char *path, const char *note, size_t length,
                     struct run_state *s)
{
    const char *position;
    json_int_t too_long, metrics, samples, unvalidated, best_step, since;
    json_error_t error;
    json_t *json = json_loadb(note, length, 0, &error);
    const int read = json_unpack(json, "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:F, s:F, s:F, s:F}",
                                 "position", &position, "too_long_rows", &too_long, "metrics_bytes",
                                 &metrics, "samples_bytes", &samples, "unvalidated", &unvalidated,
                                 "best_step", &best_step, "since", &since, "best", &s->best, "ce",
                                 &s->ce, "seen_tokens", &s->seen_tokens, "updates", &s->updates);
    int code = 0;
    if (read != 0 || too_long < 0 || metrics < 0 || samples < 0 || best_step < 0 || since < 0)
        code = cli_error(command, CLI_FAILED, "%s: its note is not that of diffulm finetune", path);
    if (code == 0)
        code = check_same(command, path, json, &s->same);
    if (code == 0) {
        s->position = cli_copy(position);
        s->too_long = too_long;
        s->metrics_bytes = metrics;
        s->samples_bytes = samples;
        s->unvalidated = unvalidated;
        s->best_step = best_step;
        s->since = since;
    }
    json_decref(json);
    return code;
}

int checkpoints_restore(const char *command, const char *output, int stage, int64_t step,
                        const struct checkpointed *what, struct run_state *state)
{
    char path[PATH];
    size_t length = 0, room = 4096; /* enough for most notes: the file is read whole each time */
    char *note = cli_alloc(room + 1, 1);
    path_of(output, stage, step, path);
    diffulm_status rc = what->restore(what->trainer, path, note, room, &length);
    if (rc == DIFFULM_BUFFER_TOO_SMALL) {
        free(note);
        room = length;
        note = cli_alloc(room + 1, 1);
        rc = what->restore(what->trainer, path, note, room, &length);
    }
    int code;
    if (rc == DIFFULM_E_FORMAT)
        code = cli_error(command, CHECKPOINT_DAMAGED, "%s", diffulm_error_message());
    else if (rc < 0)
        code = cli_fail(command);
    else
        code = read_note(command, path, note, rc == DIFFULM_OK ? length : 0, state);
    free(note);
    return code;
}

static void path_of_best(const char *output, int stage, char path[PATH])
{
    snprintf(path, PATH, "%s/checkpoints/%d-best.safetensors", output, stage + 1);
}

diffulm_status checkpoints_save_best(const char *output, int stage, int64_t step,
                                     const struct checkpointed *what)
{
    char path[PATH], note[NOTE];
    const int n = snprintf(note, sizeof note, "%lld", (long long)step);
    make_folder(output);
    path_of_best(output, stage, path);
    return what->save(what->trainer, path, note, (size_t)n);
}

int checkpoints_restore_best(const char *command, const char *output, int stage, int64_t step,
                             const struct checkpointed *what)
{
    char path[PATH], note[NOTE], want[NOTE];
    size_t length = 0;
    path_of_best(output, stage, path);
    const int n = snprintf(want, sizeof want, "%lld", (long long)step);
    const diffulm_status rc = what->restore(what->trainer, path, note, sizeof note, &length);
    if (rc < 0)
        return cli_fail(command);
    if (rc != DIFFULM_OK || length != (size_t)n || memcmp(note, want, length) != 0)
        return cli_error(command, CLI_FAILED, "%s: not the best of this run, which is of update %s",
                         path, want);
    return 0;
}

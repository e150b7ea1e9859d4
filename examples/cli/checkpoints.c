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

diffulm_status checkpoints_save(const char *output, int stage, int64_t step, int64_t keep,
                                const struct checkpointed *what, const struct run_state *s)
{
    char path[PATH], note[NOTE];
    const int n = snprintf(
        note, sizeof note,
        "{\"epoch\": %lld, \"position\": %lld, \"rows\": %lld, \"data_crc32\": %lld, "
        "\"tokens\": %lld, \"metrics_bytes\": %lld, \"samples_bytes\": %lld, "
        "\"unvalidated\": %lld, \"watched\": %lld, \"validation_crc32\": %lld, "
        "\"validate_every\": %lld, \"best_step\": %lld, \"since\": %lld, \"best\": %.17g, \"ce\": "
        "%.17g, \"seen_tokens\": %.17g, \"updates\": %.17g}",
        (long long)s->epoch, (long long)s->position, (long long)s->rows, (long long)s->data_crc32,
        (long long)s->tokens, (long long)s->metrics_bytes, (long long)s->samples_bytes,
        (long long)s->unvalidated, (long long)s->watched, (long long)s->validation_crc32,
        (long long)s->validate_every, (long long)s->best_step, (long long)s->since, s->best, s->ce,
        s->seen_tokens, s->updates);
    make_folder(output);
    path_of(output, stage, step, path);
    diffulm_status rc = what->save(what->trainer, path, note, (size_t)n);
    if (rc == DIFFULM_OK)
        forget(output, stage, step, keep);
    return rc;
}

static int same(const char *command, const char *path, const char *key, int64_t then, int64_t now)
{
    return then == now ? 0
                       : cli_error(command, CLI_FAILED,
                                   "%s: %s was %lld in this checkpoint, now it is %lld", path, key,
                                   (long long)then, (long long)now);
}

static int compare(const char *command, const char *path, const struct run_state *then,
                   const struct run_state *now)
{
    int code = same(command, path, "number of rows in data", then->rows, now->rows);
    if (code == 0)
        code = same(command, path, "checksum of data", then->data_crc32, now->data_crc32);
    if (code == 0)
        code = same(command, path, "tokens", then->tokens, now->tokens);
    if (!now->watched)
        return code;
    if (code == 0)
        code = same(command, path, "number of the metric that is watched (0: none)", then->watched,
                    now->watched);
    if (code == 0)
        code = same(command, path, "checksum of validation", then->validation_crc32,
                    now->validation_crc32);
    if (code == 0)
        code = same(command, path, "validate_every", then->validate_every, now->validate_every);
    return code;
}

static bool parse_note(const char *note, size_t length, struct run_state *s)
{
    struct {
        const char *key;
        int64_t *value;
    } const numbers[] = {{"epoch", &s->epoch},
                         {"position", &s->position},
                         {"rows", &s->rows},
                         {"data_crc32", &s->data_crc32},
                         {"tokens", &s->tokens},
                         {"metrics_bytes", &s->metrics_bytes},
                         {"samples_bytes", &s->samples_bytes},
                         {"unvalidated", &s->unvalidated},
                         {"watched", &s->watched},
                         {"validation_crc32", &s->validation_crc32},
                         {"validate_every", &s->validate_every},
                         {"best_step", &s->best_step},
                         {"since", &s->since}};
    json_error_t error;
    json_t *json = json_loadb(note, length, 0, &error);
    bool good = json_unpack(json, "{s:F, s:F, s:F, s:F}", "ce", &s->ce, "seen_tokens",
                            &s->seen_tokens, "updates", &s->updates, "best", &s->best) == 0;
    for (size_t i = 0; good && i < sizeof numbers / sizeof *numbers; i++) {
        const json_t *value = json_object_get(json, numbers[i].key);
        *numbers[i].value = json_integer_value(value);
        good = json_is_integer(value) && *numbers[i].value >= 0;
    }
    json_decref(json);
    return good && s->epoch <= UINT32_MAX && s->position <= s->rows;
}

static int read_note(const char *command, const char *path, const char *note, size_t length,
                     struct run_state *state)
{
    const struct run_state now = *state;
    if (!parse_note(note, length, state))
        return cli_error(command, CLI_FAILED, "%s: its note is not that of diffulm finetune", path);
    return compare(command, path, state, &now);
}

int checkpoints_restore(const char *command, const char *output, int stage, int64_t step,
                        const struct checkpointed *what, struct run_state *state)
{
    char path[PATH], note[NOTE];
    size_t length = 0;
    path_of(output, stage, step, path);
    const diffulm_status rc = what->restore(what->trainer, path, note, sizeof note, &length);
    if (rc == DIFFULM_E_FORMAT)
        return cli_error(command, CHECKPOINT_DAMAGED, "%s", diffulm_error_message());
    if (rc < 0)
        return cli_fail(command);
    return read_note(command, path, note, rc == DIFFULM_OK ? length : 0, state);
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

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

/* Stage and step of a file's name; what follows it tells a whole one from a leftover. */
static bool parse(const char *name, int *stage, int64_t *step, bool *whole)
{
    long long number;
    int end = 0;
    if (sscanf(name, "%d-%lld.safetensors%n", stage, &number, &end) != 2 || end == 0)
        return false;
    *stage -= 1;
    *step = number;
    *whole = name[end] == 0;
    return true;
}

/* The newest checkpoint of a stage that is older than `before`; leftovers are removed on the way if asked. */
static int64_t newest_before(const char *output, int stage, int64_t before, bool clean)
{
    char folder[PATH], path[2 * PATH];
    int64_t newest = -1, step;
    int of;
    bool whole;
    snprintf(folder, sizeof folder, "%s/checkpoints", output);
    DIR *files = opendir(folder);
    const struct dirent *file;
    while (files && (file = readdir(files))) {
        if (!parse(file->d_name, &of, &step, &whole))
            continue;
        if (whole && (stage < 0 || of == stage) && step < before && step > newest)
            newest = step;
        snprintf(path, sizeof path, "%s/%s", folder, file->d_name);
        if (!whole && clean)
            unlink(path);
    }
    if (files)
        closedir(files);
    return newest;
}

int64_t checkpoints_newest(const char *output, int stage)
{
    return newest_before(output, stage, INT64_MAX, false);
}

static void forget_old(const char *output, int stage, int64_t keep)
{
    char path[PATH];
    int64_t step = INT64_MAX;
    for (int64_t k = 0; step >= 0; k++) {
        step = newest_before(output, stage, step, k == 0);
        path_of(output, stage, step, path);
        if (step >= 0 && k >= keep)
            unlink(path);
    }
}

diffulm_status checkpoints_save(const char *output, int stage, int64_t step, int64_t keep,
                                const struct checkpointed *what, const struct run_state *s)
{
    char path[PATH], note[NOTE];
    const int n = snprintf(
        note, sizeof note,
        "{\"epoch\": %lld, \"position\": %lld, \"rows\": %lld, \"data_crc32\": %lld, "
        "\"tokens\": %lld, \"metrics_bytes\": %lld, \"samples_bytes\": %lld, "
        "\"unvalidated\": %lld, \"ce\": %.17g, \"seen_tokens\": %.17g, \"updates\": %.17g}",
        (long long)s->epoch, (long long)s->position, (long long)s->rows, (long long)s->data_crc32,
        (long long)s->tokens, (long long)s->metrics_bytes, (long long)s->samples_bytes,
        (long long)s->unvalidated, s->ce, s->seen_tokens, s->updates);
    snprintf(path, sizeof path, "%s/checkpoints", output);
    (void)mkdir(path, 0777); /* the save tells if it isn't there */
    path_of(output, stage, step, path);
    diffulm_status rc = what->save(what->trainer, path, note, (size_t)n);
    if (rc == DIFFULM_OK)
        forget_old(output, stage, keep);
    return rc;
}

static int same(const char *command, const char *path, const char *key, json_int_t then,
                int64_t now)
{
    return then == now ? 0
                       : cli_error(command, CLI_FAILED,
                                   "%s: %s was %lld in this checkpoint, now it is %lld", path, key,
                                   (long long)then, (long long)now);
}

static int read_note(const char *command, const char *path, const char *note, size_t length,
                     struct run_state *s)
{
    json_int_t epoch, position, rows, data_crc32, tokens, metrics, samples, unvalidated;
    json_error_t error;
    json_t *json = json_loadb(note, length, 0, &error);
    const int read = json_unpack(
        json, "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:F, s:F, s:F}", "epoch", &epoch,
        "position", &position, "rows", &rows, "data_crc32", &data_crc32, "tokens", &tokens,
        "metrics_bytes", &metrics, "samples_bytes", &samples, "unvalidated", &unvalidated, "ce",
        &s->ce, "seen_tokens", &s->seen_tokens, "updates", &s->updates);
    json_decref(json);
    if (read != 0 || epoch < 0 || epoch > UINT32_MAX || position < 0 || position > rows ||
        metrics < 0 || samples < 0)
        return cli_error(command, CLI_FAILED, "%s: its note is not that of diffulm finetune", path);
    int code = same(command, path, "number of rows in data", rows, s->rows);
    if (code == 0)
        code = same(command, path, "checksum of data", data_crc32, s->data_crc32);
    if (code == 0)
        code = same(command, path, "tokens", tokens, s->tokens);
    s->epoch = epoch;
    s->position = position;
    s->metrics_bytes = metrics;
    s->samples_bytes = samples;
    s->unvalidated = unvalidated;
    return code;
}

int checkpoints_restore(const char *command, const char *output, int stage, int64_t step,
                        const struct checkpointed *what, struct run_state *state)
{
    char path[PATH], note[NOTE];
    size_t length = 0;
    path_of(output, stage, step, path);
    const diffulm_status rc = what->restore(what->trainer, path, note, sizeof note, &length);
    if (rc == DIFFULM_E_FORMAT)
        return cli_error(command, CLI_FAILED, "%s (remove it to go on from an older one)",
                         diffulm_error_message());
    if (rc < 0)
        return cli_fail(command);
    return read_note(command, path, note, rc == DIFFULM_OK ? length : 0, state);
}

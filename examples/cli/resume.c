/* resume.c: where a run stands, kept in its checkpoints and found again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "finetune.h"

static int64_t bytes_of(const struct run *run, const char *name)
{
    char path[4096];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", run->recipe.output, name);
    return stat(path, &status) == 0 ? (int64_t)status.st_size : 0;
}

/* What is written after the checkpoint is written again. */
static int cut(const struct run *run, const char *name, int64_t bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", run->recipe.output, name);
    if (bytes_of(run, name) > bytes && truncate(path, (off_t)bytes) != 0)
        return cli_error(FINETUNE, CLI_FAILED, "%s: %s", path, strerror(errno));
    return 0;
}

static struct run_state state_of(const struct run *run, size_t stage)
{
    const struct recipe_stage *s = &run->recipe.stages[stage];
    const bool watches = stage_watches(s);
    const struct run_same same = {.records = (int64_t)run->walk.source.records,
                                  .data_crc32 = run->identity.data_crc32,
                                  .settings_crc32 = run->identity.settings_crc32,
                                  .tokenizer_crc32 = run->identity.tokenizer_crc32,
                                  .order = run->recipe.order,
                                  .max_length = (int64_t)run->walk.limit.max_length,
                                  .too_long = run->recipe.too_long,
                                  .tokens = s->tokens,
                                  .watched = watches ? 1 + s->stop_metric : 0,
                                  .validation_crc32 = watches ? run->validation_crc32 : 0,
                                  .validate_every = watches ? s->validate_every : 0};
    return (struct run_state){.same = same};
}

diffulm_status stage_checkpoint(struct run *run, size_t stage, int64_t step,
                                const struct progress *p, const struct checkpointed *what)
{
    struct run_state state = state_of(run, stage);
    state.position = walk_position(&run->walk);
    if (!state.position)
        return DIFFULM_E_ARGUMENT;
    state.too_long = (int64_t)run->walk.too_long;
    state.metrics_bytes = run->metrics_bytes = bytes_of(run, "metrics.jsonl");
    state.samples_bytes = run->samples_bytes = bytes_of(run, "samples.jsonl");
    state.ce = p->ce;
    state.seen_tokens = p->tokens;
    state.updates = (double)p->updates;
    state.unvalidated = p->unvalidated;
    state.best = p->best.value;
    state.best_step = p->best.step;
    state.since = p->best.since;
    const diffulm_status rc =
        checkpoints_save(run->recipe.output, (int)stage, step, run->recipe.keep, what, &state);
    free(state.position);
    return rc;
}

/* Takes the state of the newest whole checkpoint. *step: its step; -1: there is none, and *state stays. Returns 0 or
 * an exit code. */
static int restore_newest(const struct run *run, size_t stage, const struct checkpointed *what,
                          struct run_state *state, int64_t *step)
{
    const char *output = run->recipe.output;
    struct run_state read = {0};
    int code = CHECKPOINT_DAMAGED;
    *step = INT64_MAX;
    while (code == CHECKPOINT_DAMAGED) {
        *step = checkpoints_before(output, (int)stage, *step);
        if (*step < 0)
            return 0;
        if (*step > run->recipe.stages[stage].steps)
            return cli_error(FINETUNE, CLI_FAILED,
                             "stage %zu: its checkpoint is of step %lld, the recipe ends at %lld",
                             stage + 1, (long long)*step,
                             (long long)run->recipe.stages[stage].steps);
        read = state_of(run, stage);
        code = checkpoints_restore(FINETUNE, output, (int)stage, *step, what, &read);
    }
    *state = read;
    return code;
}

int64_t stage_resume(struct run *run, size_t stage, struct progress *p,
                     const struct checkpointed *what)
{
    const struct recipe_stage *s = &run->recipe.stages[stage];
    const char *name = s->name, *output = run->recipe.output;
    struct run_state state = {.metrics_bytes = run->metrics_bytes,
                              .samples_bytes = run->samples_bytes};
    int64_t step;
    if (!run->resume || checkpoints_newest(output, (int)stage) < 0)
        return 0;
    if (restore_newest(run, stage, what, &state, &step) != 0)
        return -1;
    /* What later stages wrote is cut by the checkpoints they go on from. If none of those is whole either, lines
     * of this stage stay that are written again. */
    const bool last =
        stage + 1 == run->recipe.stage_count || checkpoints_newest(output, (int)stage + 1) < 0;
    if (last && (cut(run, "metrics.jsonl", state.metrics_bytes) != 0 ||
                 cut(run, "samples.jsonl", state.samples_bytes) != 0))
        return -1;
    run->sampled = bytes_of(run, "samples.jsonl") > 0;
    if (step < 0) {
        printf("%s: no whole checkpoint: it begins again\n", name);
        return 0;
    }
    const diffulm_status rc = walk_go_to(&run->walk, state.position);
    free(state.position);
    if (rc < 0) {
        cli_fail(FINETUNE);
        return -1;
    }
    run->walk.too_long = (uint64_t)state.too_long;
    run->metrics_bytes = state.metrics_bytes;
    run->samples_bytes = state.samples_bytes;
    *p = (struct progress){state.ce,
                           state.seen_tokens,
                           p->shown,
                           p->since,
                           (int64_t)state.updates,
                           step,
                           state.unvalidated != 0,
                           {state.best, state.best_step, state.since}};
    printf("%s: going on after update %lld\n", name, (long long)step);
    return step;
}

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

static struct run_same same_of(const struct run *run, size_t stage)
{
    return (struct run_same){.records = (int64_t)run->walk.source.records,
                             .data_crc32 = run->identity.data_crc32,
                             .settings_crc32 = run->identity.settings_crc32,
                             .tokenizer_crc32 = run->identity.tokenizer_crc32,
                             .order = run->recipe.order,
                             .max_length = (int64_t)run->walk.limit.max_length,
                             .too_long = run->recipe.too_long,
                             .tokens = run->recipe.stages[stage].tokens};
}

diffulm_status stage_checkpoint(struct run *run, size_t stage, int64_t step,
                                const struct progress *p, const struct checkpointed *what)
{
    struct run_state state = {.same = same_of(run, stage),
                              .position = walk_position(&run->walk),
                              .too_long = (int64_t)run->walk.too_long,
                              .metrics_bytes = bytes_of(run, "metrics.jsonl"),
                              .samples_bytes = bytes_of(run, "samples.jsonl"),
                              .ce = p->ce,
                              .seen_tokens = p->tokens,
                              .unvalidated = p->unvalidated,
                              .updates = (double)p->updates};
    if (!state.position)
        return DIFFULM_E_ARGUMENT;
    const diffulm_status rc =
        checkpoints_save(run->recipe.output, (int)stage, step, run->recipe.keep, what, &state);
    free(state.position);
    return rc;
}

int64_t stage_resume(struct run *run, size_t stage, struct progress *p,
                     const struct checkpointed *what)
{
    const int64_t step = run->resume ? checkpoints_newest(run->recipe.output, (int)stage) : -1;
    struct run_state state = {.same = same_of(run, stage)};
    if (step < 0)
        return 0;
    if (step > run->recipe.stages[stage].steps) {
        cli_error(FINETUNE, 0, "stage %zu: its checkpoint is of step %lld, the recipe ends at %lld",
                  stage + 1, (long long)step, (long long)run->recipe.stages[stage].steps);
        return -1;
    }
    if (checkpoints_restore(FINETUNE, run->recipe.output, (int)stage, step, what, &state) != 0)
        return -1;
    const bool last = stage + 1 == run->recipe.stage_count ||
                      checkpoints_newest(run->recipe.output, (int)stage + 1) < 0;
    if (last && (cut(run, "metrics.jsonl", state.metrics_bytes) != 0 ||
                 cut(run, "samples.jsonl", state.samples_bytes) != 0))
        return -1;
    run->sampled = state.samples_bytes > 0;
    const diffulm_status rc = walk_go_to(&run->walk, state.position);
    free(state.position);
    if (rc < 0) {
        cli_fail(FINETUNE);
        return -1;
    }
    run->walk.too_long = (uint64_t)state.too_long;
    p->ce = state.ce;
    p->tokens = state.seen_tokens;
    p->updates = (int64_t)state.updates;
    p->first = step;
    p->unvalidated = state.unvalidated != 0;
    printf("%s: going on after update %lld\n",
           run->recipe.stages[stage].name ? run->recipe.stages[stage].name : "stage",
           (long long)step);
    return step;
}

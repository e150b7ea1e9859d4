/* validation.c: how a stage does on the validation rows, in numbers and answers. */
#include "finetune.h"
#include "samples.h"

/* Mean cross entropy over the validation rows, in slices that fit the update size. */
static diffulm_status evaluate(struct run *run, diffulm_trainer *trainer,
                               const struct recipe_stage *s, double *cross_entropy)
{
    struct batch u = {0};
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    double sum = 0;
    size_t slices = 0;
    diffulm_status rc = DIFFULM_OK;
    for (size_t r = 0; rc == DIFFULM_OK && r < run->validation.count; slices++) {
        u.rows = 0;
        do {
            batch_take(&u, &run->validation, r++);
        } while (r < run->validation.count && u.offsets[u.rows] < (size_t)s->tokens);
        const struct diffulm_rows rows = {sizeof rows, u.rows, u.offsets, u.tokens, u.sources};
        rc = diffulm_trainer_evaluate(trainer, &rows, slices + 1, &report);
        sum += report.cross_entropy;
    }
    *cross_entropy = slices ? sum / (double)slices : 0;
    batch_release(&u);
    return rc;
}

static diffulm_status sample(struct run *run, const struct recipe_stage *s,
                             const diffulm_trainer *trainer, int64_t step)
{
    char path[4096];
    diffulm_model *model = NULL;
    const struct sample_place at = {s->name ? s->name : "", step, (int32_t)run->recipe.attention,
                                    !run->sampled};
    snprintf(path, sizeof path, "%s/samples.jsonl", run->recipe.output);
    diffulm_status rc = diffulm_trainer_export(trainer, &model);
    if (rc == DIFFULM_OK)
        rc = samples_write(path, &run->bundle, model, &run->validation, (size_t)run->recipe.samples,
                           &at);
    run->sampled = true;
    diffulm_model_unref(model);
    return rc;
}

diffulm_status stage_validate(struct run *run, const struct recipe_stage *s,
                              diffulm_trainer *trainer, int64_t step)
{
    double cross_entropy = 0;
    diffulm_status rc = evaluate(run, trainer, s, &cross_entropy);
    if (rc < 0)
        return rc;
    progress_validation(run, s, step, cross_entropy);
    return run->recipe.samples ? sample(run, s, trainer, step) : DIFFULM_OK;
}

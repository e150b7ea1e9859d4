/* validation.c: how a stage does on the validation rows, in numbers and answers. */
#include <stdlib.h>

#include "finetune.h"
#include "samples.h"
#include "scores.h"

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

static struct sample_place place_of(const struct run *run, const struct recipe_stage *s,
                                    int64_t step)
{
    return (struct sample_place){.stage = s->name,
                                 .step = step,
                                 .attention = (int32_t)run->recipe.attention,
                                 .causal = s->objective == RECIPE_CAUSAL,
                                 .first = !run->sampled};
}

/* The text metric over the model's answers to all validation rows, in percent. */
static diffulm_status score(const struct run *run, const diffulm_model *model,
                            const struct sample_place *at, enum metric metric, double *percent)
{
    static const struct score_options options = {DIFFULM_BLEU_OPTIONS_INIT,
                                                 DIFFULM_CHRF_OPTIONS_INIT};
    const struct rows *rows = &run->validation;
    struct answer_score *scores = cli_alloc(rows->count, sizeof *scores);
    size_t *all = cli_alloc(rows->count, sizeof *all);
    diffulm_status rc = DIFFULM_OK;
    for (size_t r = 0, n; rc == DIFFULM_OK && r < rows->count; r += n) {
        char *texts[SAMPLES_TOGETHER];
        rc = samples_answer(&run->bundle, model, rows, r, at, texts, &n);
        for (size_t i = 0; i < n; i++) {
            all[r + i] = r + i;
            if (rc == DIFFULM_OK &&
                answer_compare(&options, texts[i], rows->targets[r + i], &scores[r + i]) != 0)
                rc = FINETUNE_TOLD;
            free(texts[i]);
        }
    }
    if (rc == DIFFULM_OK)
        *percent = answers_score(&options, metric, scores, all, rows->count);
    free(scores);
    free(all);
    return rc;
}

static diffulm_status sample(struct run *run, const diffulm_model *model,
                             const struct sample_place *at)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/samples.jsonl", run->recipe.output);
    run->sampled = true;
    return samples_write(path, &run->bundle, model, &run->validation, (size_t)run->recipe.samples,
                         at);
}

/* Cross entropy: less is better; text metrics: more. The first of equals stays the best. */
static bool note(const struct recipe_stage *s, const struct validated *v, int64_t step,
                 struct best *best)
{
    const double value = s->stop_metric ? v->score : v->cross_entropy;
    const bool better =
        best->step == 0 || (s->stop_metric ? value > best->value : value < best->value);
    if (better)
        *best = (struct best){value, step, 0};
    else
        best->since++;
    return better;
}

diffulm_status stage_validate(struct run *run, size_t stage, diffulm_trainer *trainer, int64_t step,
                              struct best *best)
{
    const struct recipe_stage *s = &run->recipe.stages[stage];
    const struct checkpointed what = checkpointed_trainer(trainer);
    const struct sample_place at = place_of(run, s, step);
    diffulm_model *model = NULL;
    struct validated v = {0};
    diffulm_status rc = evaluate(run, trainer, s, &v.cross_entropy);
    if (rc == DIFFULM_OK && (s->stop_metric || run->recipe.samples))
        rc = stage_export(s, trainer, &model);
    if (rc == DIFFULM_OK && s->stop_metric)
        rc = score(run, model, &at, (enum metric)(s->stop_metric - 1), &v.score);
    if (rc == DIFFULM_OK && stage_watches(s))
        v.best = note(s, &v, step, best);
    if (rc == DIFFULM_OK && v.best && s->keep_best)
        rc = checkpoints_save_best(run->recipe.output, (int)stage, step, &what);
    if (rc == DIFFULM_OK)
        rc = progress_validation(run, s, step, &v);
    if (rc == DIFFULM_OK && run->recipe.samples)
        rc = sample(run, model, &at);
    diffulm_model_unref(model);
    return rc;
}

/* stages.c: one stage of a recipe: its trainer, the loop over updates, what it leaves in the output folder. */
#include "finetune.h"

bool stage_watches(const struct recipe_stage *s)
{
    return s->patience || s->keep_best;
}

static bool is_done(const struct recipe_stage *s, int64_t step, const struct best *best)
{
    return step >= s->steps || (s->patience && best->since >= s->patience);
}

static bool checkpoint_due(const struct run *run, const struct recipe_stage *s, int64_t step,
                           const struct best *best)
{
    const int64_t every = run->recipe.checkpoint_every;
    return every && (step % every == 0 || is_done(s, step, best) || finetune_interrupted);
}

struct diffulm_trainer_options stage_options(const struct run *run, const struct recipe_stage *s,
                                             size_t index)
{
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    const int32_t mask = run->bundle.ids.mask;
    o.lr = s->lr;
    o.weight_decay = s->weight_decay;
    o.clip = s->clip;
    o.lr_schedule = (int32_t)s->lr_schedule;
    o.warmup = s->warmup;
    o.steps = s->steps;
    o.objective =
        s->objective == RECIPE_CAUSAL ? DIFFULM_OBJECTIVE_CAUSAL : DIFFULM_OBJECTIVE_DIFFUSION;
    o.timesteps = (int32_t)s->timesteps;
    o.weight = (int32_t)s->weight;
    o.corruption = s->objective == RECIPE_MLM ? DIFFULM_CORRUPTION_FIXED : (int32_t)s->corruption;
    o.mask_ratio = s->mask_ratio;
    o.label_smoothing = s->label_smoothing;
    o.attention = (int32_t)run->recipe.attention;
    o.newline_id = run->bundle.newline;
    o.mask_id = mask >= 0 ? mask : run->bundle.info.mask_id;
    o.mask_on_source = (int32_t)s->mask_on_source;
    o.dropout = (int32_t)s->dropout;
    o.seed = (uint64_t)run->recipe.seed + index;
    o.lora_rank = (int32_t)s->lora_rank;
    o.lora_alpha = s->lora_alpha;
    o.lora_targets = s->lora_targets;
    o.ema_decay = s->ema_decay;
    o.checkpoint_activations = (int32_t)s->checkpoint_activations;
    return o;
}

diffulm_status stage_export(const struct recipe_stage *s, const diffulm_trainer *trainer,
                            diffulm_model **out)
{
    return s->ema_decay > 0 ? diffulm_trainer_export_ema(trainer, out)
                            : diffulm_trainer_export(trainer, out);
}

/* Writes what the stage has learned; the next stage begins with it. */
static diffulm_status save(struct run *run, const struct recipe_stage *s,
                           const diffulm_trainer *trainer)
{
    diffulm_model *model = NULL;
    diffulm_status rc = stage_export(s, trainer, &model);
    if (rc == DIFFULM_OK)
        rc = diffulm_model_save(model, run->recipe.output, (int32_t)run->recipe.dtype);
    if (rc == DIFFULM_OK) {
        diffulm_model_unref(run->bundle.model);
        run->bundle.model = model;
    } else
        diffulm_model_unref(model);
    return rc;
}

static diffulm_status save_adapter(const struct run *run, const struct recipe_stage *s,
                                   const diffulm_trainer *trainer)
{
    char folder[4096];
    diffulm_adapter *adapter = NULL;
    snprintf(folder, sizeof folder, "%s/adapter", run->recipe.output);
    diffulm_status rc = s->ema_decay > 0 ? diffulm_trainer_export_adapter_ema(trainer, &adapter)
                                         : diffulm_trainer_export_adapter(trainer, &adapter);
    if (rc == DIFFULM_OK)
        rc = diffulm_adapter_save(adapter, folder);
    diffulm_adapter_unref(adapter);
    return rc;
}

static diffulm_status save_last(const struct run *run, const diffulm_trainer *trainer)
{
    char folder[4096];
    diffulm_model *model = NULL;
    snprintf(folder, sizeof folder, "%s/last", run->recipe.output);
    diffulm_status rc = diffulm_trainer_export(trainer, &model);
    if (rc == DIFFULM_OK)
        rc = diffulm_model_save(model, folder, (int32_t)run->recipe.dtype);
    diffulm_model_unref(model);
    if (rc == DIFFULM_OK && output_copy_tokenizer(run, folder) != 0)
        rc = FINETUNE_TOLD;
    return rc;
}

/* What the stage leaves behind. */
static diffulm_status finish(struct run *run, size_t stage, diffulm_trainer *trainer,
                             const struct best *best)
{
    const struct recipe_stage *s = &run->recipe.stages[stage];
    const struct checkpointed what = checkpointed_trainer(trainer);
    diffulm_status rc = s->save_last ? save_last(run, trainer) : DIFFULM_OK;
    if (rc == DIFFULM_OK && s->keep_best && !finetune_interrupted) {
        if (checkpoints_restore_best(FINETUNE, run->recipe.output, (int)stage, best->step, &what) !=
            0)
            return FINETUNE_TOLD;
        printf("%s: the weights after %lld updates are kept\n", s->name, (long long)best->step);
    }
    if (rc == DIFFULM_OK && s->save_adapter)
        rc = save_adapter(run, s, trainer);
    return rc == DIFFULM_OK ? save(run, s, trainer) : rc;
}

/* What comes after update k; in this order, so that a checkpoint knows all of it. */
static diffulm_status follow(struct run *run, size_t stage, diffulm_trainer *trainer, int64_t k,
                             struct progress *p)
{
    const struct recipe_stage *s = &run->recipe.stages[stage];
    const struct checkpointed what = checkpointed_trainer(trainer);
    const bool due = k == s->steps || (s->validate_every && k % s->validate_every == 0);
    diffulm_status rc = DIFFULM_OK;
    if (run->recipe.save_every && k % run->recipe.save_every == 0)
        rc = save(run, s, trainer);
    p->unvalidated = due && finetune_interrupted;
    if (rc == DIFFULM_OK && due && run->validation.count && !p->unvalidated)
        rc = stage_validate(run, stage, trainer, k, &p->best);
    if (rc == DIFFULM_OK && checkpoint_due(run, s, k, &p->best))
        rc = stage_checkpoint(run, stage, k, p, &what);
    return rc;
}

static diffulm_status train(struct run *run, size_t stage, diffulm_trainer *trainer,
                            struct best *best)
{
    const struct recipe_stage *s = &run->recipe.stages[stage];
    const struct checkpointed what = checkpointed_trainer(trainer);
    struct batch u = {0};
    struct progress p = {.shown = cli_seconds(), .since = cli_seconds()};
    int64_t k = stage_resume(run, stage, &p, &what);
    diffulm_status rc = k < 0 ? FINETUNE_TOLD : DIFFULM_OK;
    if (rc == DIFFULM_OK && p.unvalidated && run->validation.count)
        rc = stage_validate(run, stage, trainer, k, &p.best);
    while (rc == DIFFULM_OK && !is_done(s, k, &p.best) && !finetune_interrupted) {
        struct diffulm_trainer_report report = {.struct_size = sizeof report};
        rc = walk_next(&run->walk, (size_t)s->tokens, &u);
        const struct diffulm_rows rows = {sizeof rows, u.rows, u.offsets, u.tokens, u.sources};
        if (rc == DIFFULM_OK)
            rc = diffulm_trainer_accumulate(trainer, &rows, &report);
        const int64_t tokens = report.tokens;
        if (rc == DIFFULM_OK)
            rc = diffulm_trainer_apply(trainer, &report);
        rc = walk_blame(&run->walk, &u, rc);
        if (rc == DIFFULM_OK)
            rc = progress_update(run, s, &p, &report, tokens);
        if (rc == DIFFULM_OK)
            rc = follow(run, stage, trainer, ++k, &p);
    }
    if (rc == DIFFULM_OK && k < s->steps && is_done(s, k, &p.best))
        printf("%s: stopped after %lld updates: %lld validations brought nothing better\n", s->name,
               (long long)k, (long long)p.best.since);
    *best = p.best;
    batch_release(&u);
    return rc;
}

/* Trains the length head on the frozen encoder and writes it beside the model. */
static diffulm_status run_length_stage(struct run *run, const struct recipe_stage *s, size_t index)
{
    const struct diffulm_trainer_options options = stage_options(run, s, index);
    diffulm_length_head *head = NULL, *trained = NULL;
    diffulm_length_trainer *trainer = NULL;
    struct batch u = {0};
    struct progress progress = {.shown = cli_seconds(), .since = cli_seconds()};
    diffulm_status rc = diffulm_length_head_create(run->bundle.model, options.seed, &head);
    if (rc == DIFFULM_OK)
        rc = diffulm_length_trainer_create(head, &options, &trainer);
    const struct checkpointed what = checkpointed_length_trainer(trainer);
    const int64_t done = rc == DIFFULM_OK ? stage_resume(run, index, &progress, &what) : 0;
    if (done < 0)
        rc = FINETUNE_TOLD;
    for (int64_t k = done + 1; rc == DIFFULM_OK && k <= s->steps && !finetune_interrupted; k++) {
        struct diffulm_trainer_report report = {.struct_size = sizeof report};
        rc = walk_next(&run->walk, (size_t)s->tokens, &u);
        const struct diffulm_rows rows = {sizeof rows, u.rows, u.offsets, u.tokens, u.sources};
        if (rc == DIFFULM_OK)
            rc = diffulm_length_trainer_step(trainer, &rows, &report);
        rc = walk_blame(&run->walk, &u, rc);
        if (rc == DIFFULM_OK)
            rc = progress_update(run, s, &progress, &report, report.tokens);
        if (rc == DIFFULM_OK && checkpoint_due(run, s, k, &progress.best))
            rc = stage_checkpoint(run, index, k, &progress, &what);
    }
    if (rc == DIFFULM_OK)
        rc = diffulm_length_trainer_export(trainer, &trained);
    if (rc == DIFFULM_OK) /* the head is of use only beside its model */
        rc = diffulm_model_save(run->bundle.model, run->recipe.output, (int32_t)run->recipe.dtype);
    if (rc == DIFFULM_OK)
        rc = diffulm_length_head_save(trained, run->recipe.output, (int32_t)run->recipe.dtype);
    diffulm_length_trainer_destroy(trainer);
    diffulm_length_head_unref(trained);
    diffulm_length_head_unref(head);
    batch_release(&u);
    return rc;
}

diffulm_status stage_run(struct run *run, size_t index)
{
    const struct recipe_stage *s = &run->recipe.stages[index];
    if (s->objective == RECIPE_LENGTH)
        return run_length_stage(run, s, index);
    const struct diffulm_trainer_options options = stage_options(run, s, index);
    struct best best = {0};
    diffulm_trainer *trainer = NULL;
    diffulm_status rc = diffulm_trainer_create(run->bundle.model, &options, &trainer);
    if (rc == DIFFULM_OK)
        rc = train(run, index, trainer, &best);
    if (rc == DIFFULM_OK)
        rc = finish(run, index, trainer, &best);
    diffulm_trainer_destroy(trainer);
    return rc;
}

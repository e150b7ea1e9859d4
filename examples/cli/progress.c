/* progress.c: what a run tells on its way: lines of metrics.jsonl, and one on the terminal. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "finetune.h"
#include "scores.h"

/* Opens a line of metrics.jsonl. */
static void begin_metrics(struct run *run, const struct recipe_stage *s, int64_t step)
{
    json_t *name = json_string(s->name);
    fputs("{\"stage\": ", run->metrics);
    json_dumpf(name, run->metrics, JSON_ENCODE_ANY);
    fprintf(run->metrics, ", \"step\": %lld, ", (long long)step);
    json_decref(name);
}

/* Full disks are noticed here. */
static diffulm_status end_metrics(struct run *run)
{
    if (fflush(run->metrics) == 0 && !ferror(run->metrics))
        return DIFFULM_OK;
    cli_error(FINETUNE, CLI_FAILED, "%s/metrics.jsonl: cannot be written: %s", run->recipe.output,
              strerror(errno));
    return FINETUNE_TOLD;
}

diffulm_status progress_update(struct run *run, const struct recipe_stage *s, struct progress *p,
                               const struct diffulm_trainer_report *r, int64_t tokens)
{
    const double now = cli_seconds();
    const bool last = r->step == s->steps;
    p->ce += r->cross_entropy;
    p->tokens += (double)tokens;
    p->updates++;
    if (r->step % run->recipe.log_every != 0 && !last)
        return DIFFULM_OK;
    const double rate = p->tokens / (now - p->since);
    const double left =
        (now - p->shown) / (double)(r->step - p->first) * (double)(s->steps - r->step);
    begin_metrics(run, s, r->step);
    fprintf(run->metrics,
            "\"cross_entropy\": %.5f, \"grad_norm\": %.4f, "
            "\"lr\": %.4g, \"tokens_per_second\": %.0f, \"seconds\": %.1f}\n",
            p->ce / (double)p->updates, r->grad_norm, r->lr, rate, now - run->started);
    printf("%s%s %lld/%lld  cross entropy %.4f  lr %.2g  %.0f tokens/s  %.0f s left%s",
           isatty(1) ? "\r" : "", s->name, (long long)r->step, (long long)s->steps,
           p->ce / (double)p->updates, r->lr, rate, left, isatty(1) && !last ? "   " : "\n");
    fflush(stdout);
    p->ce = p->tokens = 0;
    p->updates = 0;
    p->since = now;
    return end_metrics(run);
}

diffulm_status progress_validation(struct run *run, const struct recipe_stage *s, int64_t step,
                                   const struct validated *v)
{
    const char *metric = s->stop_metric ? metric_names[s->stop_metric - 1] : NULL;
    printf("%s: validation cross entropy %.4f", s->name, v->cross_entropy);
    if (metric)
        printf(", %s %.2f", metric, v->score);
    printf(" after %lld updates%s\n", (long long)step, v->best ? ", the best so far" : "");
    begin_metrics(run, s, step);
    fprintf(run->metrics, "\"validation_cross_entropy\": %.5f, ", v->cross_entropy);
    if (metric)
        fprintf(run->metrics, "\"validation_%s\": %.4f, ", metric, v->score);
    fprintf(run->metrics, "%s\"seconds\": %.1f}\n", v->best ? "\"best\": true, " : "",
            cli_seconds() - run->started);
    return end_metrics(run);
}

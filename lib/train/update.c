/* update.c: the AdamW update (Loshchilov & Hutter 2019) with clipping by the global norm, and the moving average
 * of the weights. */
#include <math.h>
#include <string.h>

#include "base/abi.h"
#include "base/error.h"
#include "base/thread.h"
#include "train/trainer.h"

#define NORM_BLOCK ((size_t)1 << 16)

/* Squares in double, in a fixed order. */
static double square_sum(size_t n, const float *g)
{
    double sum = 0;
    for (size_t b = 0; b < n; b += NORM_BLOCK) {
        const size_t m = n - b < NORM_BLOCK ? n - b : NORM_BLOCK;
        double s[8] = {0};
        for (size_t i = 0; i < m; i++)
            s[i % 8] += (double)g[b + i] * (double)g[b + i];
        sum += ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    }
    return sum;
}

struct job {
    const struct diffulm_runtime *rt;
    const struct diffulm_trainer_options *options;
    const struct dulm_trainable *x;
    float scale, lr, correction1, correction2;
};

static void part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct job *j = user;
    const struct diffulm_trainer_options *o = j->options;
    const struct dulm_trainable *x = j->x;
    j->rt->kernels->adamw(end - begin, x->values + begin, x->gradient + begin, x->m + begin,
                          x->v + begin, j->scale, j->lr, x->decays ? (float)o->weight_decay : 0,
                          (float)o->beta1, (float)o->beta2, (float)o->epsilon, j->correction1,
                          j->correction2);
    /* In double: as a float 1 - d would lose digits. */
    const double d = o->ema_decay;
    for (size_t i = begin; x->average && i < end; i++)
        x->average[i] = (float)(d * (double)x->average[i] + (1 - d) * (double)x->values[i]);
}

diffulm_status dulm_optimizer_step(const struct diffulm_runtime *rt,
                                   const struct diffulm_trainer_options *o,
                                   const struct dulm_trainable *trainables, size_t count,
                                   int64_t step, double share, double *norm, double *lr)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        const double part_sum = square_sum(trainables[i].elements, trainables[i].gradient);
        if (!isfinite(part_sum))
            return dulm_fail(DIFFULM_E_NUMERIC, "update %lld: the gradient of %s is not finite",
                             (long long)step, trainables[i].name);
        sum += part_sum;
    }
    *norm = sqrt(sum) * share;
    *lr = dulm_learning_rate(o, step);
    const double clip = o->clip / (*norm + 1e-6), k = (double)(step + 1);
    struct job job = {.rt = rt,
                      .options = o,
                      .scale = (float)(share * (clip < 1 ? clip : 1)),
                      .lr = (float)*lr,
                      .correction1 = (float)(1 - pow(o->beta1, k)),
                      .correction2 = (float)(1 - pow(o->beta2, k))};
    for (size_t i = 0; i < count; i++) {
        job.x = &trainables[i];
        dulm_parallel(rt->threads, job.x->elements, 4096, part, &job);
    }
    return DIFFULM_OK;
}

diffulm_status diffulm_trainer_apply(diffulm_trainer *t, struct diffulm_trainer_report *report)
{
    dulm_error_clear();
    struct diffulm_trainer_report told = {0};
    if (!t || (report && !dulm_struct_read(&told, sizeof told, report)))
        return dulm_fail(DIFFULM_E_ARGUMENT, "trainer is NULL, or report's struct_size is not %zu",
                         sizeof *report);
    if (t->micro_batches == 0)
        return dulm_fail(DIFFULM_E_STATE, "nothing was accumulated since the last update");
    const double share = 1.0 / (double)t->micro_batches;
    double norm, lr;
    diffulm_status rc = dulm_optimizer_step(t->base->runtime, &t->options, t->trainables, t->count,
                                            t->step, share, &norm, &lr);
    if (rc < 0)
        return rc;
    t->step++;
    if (report) {
        told.step = t->step;
        told.loss = t->loss_sum * share;
        told.grad_norm = norm;
        told.lr = lr;
        told.tokens = t->tokens;
        told.masked = t->masked;
        dulm_struct_write(report, sizeof told, &told);
    }
    diffulm_trainer_discard(t);
    return DIFFULM_OK;
}

/* learning_rate.c: learning rates as functions of the step. */
#include <math.h>

#include "train/trainer.h"

double dulm_learning_rate(const struct diffulm_trainer_options *o, int64_t k)
{
    if (k < o->warmup)
        return o->lr * (double)k / (double)o->warmup;
    const double warmup = o->warmup > 0 ? (double)o->warmup : 1.0;
    const double span = (double)(o->steps - o->warmup);
    const double left = span > 0 ? (double)(o->steps - k) / span : 0.0;
    switch (o->lr_schedule) {
    case DIFFULM_LR_INVERSE_SQRT:
        return o->lr * sqrt(warmup / ((double)k > warmup ? (double)k : warmup));
    case DIFFULM_LR_LINEAR:
        return left > 0 ? o->lr * left : 0.0;
    case DIFFULM_LR_COSINE:
        return left > 0 ? o->lr * 0.5 * (1 + cos(3.14159265358979323846 * (1 - left))) : 0.0;
    default:
        return o->lr;
    }
}

/* schedule.h: noise schedules: how much is masked at a time, and how much a loss there weighs. */
#ifndef DULM_DIFFUSION_SCHEDULE_H
#define DULM_DIFFUSION_SCHEDULE_H

#include <diffulm/schedule.h>

#include "base/refcount.h"

/* alpha(t), the probability that a token is still clean at time t in [0, 1]; one row of a table. */
struct dulm_alpha {
    const char *name;
    double (*alpha)(double t);
    double (*mask_rate)(double t); /* 1 - alpha, without its cancellation */
    double (*weight)(double t);    /* -alpha' / (1 - alpha), t > 0 */
};

struct diffulm_schedule {
    dulm_refcount refs;
    const struct dulm_alpha *alpha;
    struct diffulm_schedule_options options; /* defaults filled in */
};

/* Row `index` of the table, NULL past the last. */
const struct dulm_alpha *dulm_alpha_at(size_t index);

/* As diffulm_schedule_create; the struct's size was checked. */
diffulm_status dulm_schedule_create(const char *name,
                                    const struct diffulm_schedule_options *options,
                                    struct diffulm_schedule **out) DIFFULM_MUST_USE;
void dulm_schedule_release(struct diffulm_schedule *schedule); /* NULL is allowed */

/* The mask rate at timestep t in 1..T is dulm_noise_level(t) / dulm_noise_level_full: for the
 * linear schedule t of T, so that tests against a uniform are exact; for the others 1 - alpha(t /
 * T) of 1. */
double dulm_noise_level(const struct diffulm_schedule *schedule, int32_t t);
double dulm_noise_level_full(const struct diffulm_schedule *schedule);
/* w(t), t in 1..T; diffusion, section 3. */
double dulm_loss_weight(const struct diffulm_schedule *schedule, int32_t t);

#endif

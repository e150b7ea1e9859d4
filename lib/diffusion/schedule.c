/* schedule.c: the table of noise schedules, their timesteps and loss weights, and the life of a
 * schedule. Time t runs from 0 (clean) to 1; timestep t of T stands for time t / T. */
#include "diffusion/schedule.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define HALF_PI 1.57079632679489661923
/* Loglinear schedules stop short of certainty: 1 - alpha(1) = 0.999. */
#define LOGLINEAR_SPAN 0.999
/* Geometric: sigma runs from 1e-3 at t = 0 to 1, and grows by ln(1 / 1e-3) of itself. */
#define GEOMETRIC_LEAST 0.001
#define GEOMETRIC_GROWTH 6.90775527898213705205

static double linear_alpha(double t)
{
    return 1.0 - t;
}

static double linear_mask_rate(double t)
{
    return t;
}

/* Loglinear too: its span cancels. */
static double inverse_weight(double t)
{
    return 1.0 / t;
}

static double cosine_mask_rate(double t)
{
    /* The rounded half pi would leave 6e-17 at t = 0. */
    return t > 0 ? cos(HALF_PI * (1.0 - t)) : 0.0;
}

static double cosine_alpha(double t)
{
    return 1.0 - cosine_mask_rate(t);
}

static double cosine_weight(double t)
{
    return HALF_PI * tan(HALF_PI * (1.0 - t));
}

static double loglinear_mask_rate(double t)
{
    return LOGLINEAR_SPAN * t;
}

static double loglinear_alpha(double t)
{
    return 1.0 - LOGLINEAR_SPAN * t;
}

static double geometric_sigma(double t)
{
    return pow(GEOMETRIC_LEAST, 1.0 - t);
}

static double geometric_mask_rate(double t)
{
    return -expm1(-geometric_sigma(t));
}

static double geometric_alpha(double t)
{
    return exp(-geometric_sigma(t));
}

/* alpha' = -sigma' alpha, and alpha / (1 - alpha) = 1 / (e^sigma - 1). */
static double geometric_weight(double t)
{
    const double sigma = geometric_sigma(t);
    return GEOMETRIC_GROWTH * sigma / expm1(sigma);
}

static const struct dulm_alpha alphas[] = {
    {"linear", linear_alpha, linear_mask_rate, inverse_weight},
    {"cosine", cosine_alpha, cosine_mask_rate, cosine_weight},
    {"loglinear", loglinear_alpha, loglinear_mask_rate, inverse_weight},
    {"geometric", geometric_alpha, geometric_mask_rate, geometric_weight},
};
#define ALPHAS (sizeof alphas / sizeof *alphas)
#define LINEAR (&alphas[0])

const struct dulm_alpha *dulm_alpha_at(size_t index)
{
    return index < ALPHAS ? &alphas[index] : NULL;
}

static diffulm_status check_options(const struct diffulm_schedule_options *o)
{
    const struct {
        const char *name;
        double value, low, high;
    } ranges[] = {{"timesteps", o->timesteps, 1, 1 << 20},
                  {"weight", o->weight, 0, 2},
                  {"corruption", o->corruption, 0, 2},
                  {"mask_ratio", o->mask_ratio, 0, 1}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            return dulm_fail(DIFFULM_E_ARGUMENT, "schedule options: %s is %g, expected %g to %g",
                             ranges[i].name, ranges[i].value, ranges[i].low, ranges[i].high);
    if (o->corruption == DIFFULM_CORRUPTION_FIXED && !(o->mask_ratio > 0))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "schedule options: mask_ratio is 0, expected more with fixed corruption");
    return DIFFULM_OK;
}

diffulm_status dulm_schedule_create(const char *name,
                                    const struct diffulm_schedule_options *options,
                                    struct diffulm_schedule **out)
{
    struct diffulm_schedule s = {.options = DIFFULM_SCHEDULE_OPTIONS_INIT};
    if (options)
        memcpy(&s.options, options, sizeof s.options);
    s.options.timesteps = s.options.timesteps == 0 ? 50 : s.options.timesteps;
    diffulm_status rc = check_options(&s.options);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < ALPHAS && !s.alpha; i++)
        if (!name || strcmp(name, alphas[i].name) == 0)
            s.alpha = &alphas[i];
    if (!s.alpha)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "unknown schedule %.60s: expected linear, cosine, loglinear or geometric",
                         name);
    struct diffulm_schedule *schedule = dulm_alloc(1, sizeof *schedule);
    if (!schedule)
        return dulm_fail_memory();
    *schedule = s;
    dulm_refcount_init(&schedule->refs);
    *out = schedule;
    return DIFFULM_OK;
}

void dulm_schedule_release(struct diffulm_schedule *schedule)
{
    if (schedule && dulm_refcount_drop(&schedule->refs))
        dulm_free(schedule);
}

double dulm_noise_level(const struct diffulm_schedule *s, int32_t t)
{
    return s->alpha == LINEAR ? t : s->alpha->mask_rate((double)t / s->options.timesteps);
}

double dulm_noise_level_full(const struct diffulm_schedule *s)
{
    return s->alpha == LINEAR ? s->options.timesteps : 1.0;
}

double dulm_loss_weight(const struct diffulm_schedule *s, int32_t t)
{
    const int32_t timesteps = s->options.timesteps;
    switch (s->options.weight) {
    case DIFFULM_WEIGHT_LINEAR:
        return timesteps - (t - 1);
    case DIFFULM_WEIGHT_MDLM:
        /* T / t where -alpha' / (1 - alpha) is 1 / t, without rounding t / T first. */
        return s->alpha->weight == inverse_weight ? (double)timesteps / t
                                                  : s->alpha->weight((double)t / timesteps);
    default:
        return timesteps;
    }
}

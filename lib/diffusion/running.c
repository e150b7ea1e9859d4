/* running.c: the running maximum, argmax, log-sum-exp and keys of one position's logits. */
#include "diffusion/running.h"

#include <math.h>

bool dulm_runs(const struct diffulm_sampler *s)
{
    switch (s->options.sampling) {
    case DIFFULM_SAMPLING_ARGMAX:
        return s->key != DULM_KEY_NEGENTROPY;
    case DIFFULM_SAMPLING_GUMBEL: /* the other keys are of the tempered distribution */
        return s->key == DULM_KEY_SCORE || s->key == DULM_KEY_ENTROPY ||
               s->key == DULM_KEY_ENTROPY_TOP;
    default:
        return false;
    }
}

struct dulm_running dulm_running_begin(void)
{
    return (struct dulm_running){
        .token = 0, .top = -INFINITY, .second = -INFINITY, .chosen = -INFINITY, .best = -INFINITY};
}

static bool needs_entropy(const struct diffulm_sampler *s)
{
    return s->key == DULM_KEY_ENTROPY || s->key == DULM_KEY_ENTROPY_TOP;
}

/* The sums so far, as of a higher maximum. */
static void raise(struct dulm_running *r, float top)
{
    const double shift = (double)r->top - (double)top;
    if (r->sum > 0) {
        r->weighted = exp(shift) * (r->weighted + shift * r->sum);
        r->sum *= exp(shift);
    }
    r->top = top;
}

static void choose_highest(struct dulm_running *r, const float *x, size_t first, size_t n,
                           float top)
{
    size_t i = 0;
    while (i + 1 < n && x[i] != top)
        i++;
    r->token = (int32_t)(first + i);
    r->chosen = top;
}

static void choose_drawn(struct dulm_running *r, const struct diffulm_sampler *s, const float *x,
                         size_t first, size_t n, size_t vocabulary, const struct dulm_draws *draws,
                         size_t position)
{
    for (size_t i = 0; i < n; i++) {
        const double noise =
            (double)dulm_draws_token_gumbel(draws, position, first + i, vocabulary);
        const double value = (double)x[i] + s->options.temperature * noise;
        if (value > r->best) {
            r->best = value;
            r->token = (int32_t)(first + i);
            r->chosen = x[i];
        }
    }
}

/* The second highest logit, which may equal the highest. */
static void follow_second(struct dulm_running *r, const float *x, size_t n)
{
    float first = r->top, second = r->second;
    for (size_t i = 0; i < n; i++) {
        if (x[i] > first) {
            second = first;
            first = x[i];
        } else if (x[i] > second)
            second = x[i];
    }
    r->second = second;
}

static bool has_nan(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(x[i]))
            return true;
    return false;
}

static void fold_unit(const struct dulm_kernels *k, const struct diffulm_sampler *s, const float *x,
                      size_t first, size_t n, size_t vocabulary, const struct dulm_draws *draws,
                      size_t position, struct dulm_running *r)
{
    const float top = k->max(n, x);
    if (s->key == DULM_KEY_MARGIN)
        follow_second(r, x, n);
    if (s->options.sampling == DIFFULM_SAMPLING_GUMBEL)
        choose_drawn(r, s, x, first, n, vocabulary, draws, position);
    else if (top > r->top)
        choose_highest(r, x, first, n, top);
    if (top > r->top)
        raise(r, top);
    if (!(r->top > -INFINITY)) { /* nothing to sum up yet; but a NaN must not get lost */
        r->sum = has_nan(x, n) ? (double)NAN : r->sum;
        return;
    }
    r->sum += k->exp_sum(n, x, r->top);
    for (size_t i = 0; needs_entropy(s) && i < n; i++) {
        const double below = (double)x[i] - (double)r->top;
        if (below > -INFINITY)
            r->weighted += exp(below) * below;
    }
}

void dulm_running_fold(const struct dulm_kernels *k, const struct diffulm_sampler *s,
                       const float *x, size_t first, size_t n, size_t vocabulary,
                       const struct dulm_draws *draws, size_t position, struct dulm_running *r)
{
    for (size_t i = 0; i < n; i += DULM_RUNNING_UNIT) {
        const size_t count = n - i < DULM_RUNNING_UNIT ? n - i : DULM_RUNNING_UNIT;
        fold_unit(k, s, x + i, first + i, count, vocabulary, draws, position, r);
    }
}

struct dulm_candidate dulm_running_end(const struct diffulm_sampler *s,
                                       const struct dulm_running *r)
{
    const double lse = (double)r->top + log(r->sum);
    if (!isfinite(lse)) /* a NaN, an infinity, or nothing left to choose: the caller refuses it */
        return (struct dulm_candidate){.score = NAN};
    struct dulm_candidate c = {.token = r->token, .score = (float)((double)r->chosen - lse)};
    c.key = (double)c.score;
    if (needs_entropy(s)) {
        c.key = log(r->sum) - r->weighted / r->sum;
        c.top = 1 / r->sum;
    } else if (s->key == DULM_KEY_Q)
        c.key = exp((double)r->chosen - (double)r->top) / r->sum;
    else if (s->key == DULM_KEY_MARGIN)
        c.key = (1 - exp((double)r->second - (double)r->top)) / r->sum;
    return c;
}

/* running.c: the running maximum, argmax, log-sum-exp and keys of one position's logits. */
#include "diffusion/running.h"

#include <math.h>

bool dulm_filters(const struct diffulm_sampler *s)
{
    return s->options.sampling == DIFFULM_SAMPLING_CATEGORICAL &&
           (s->options.top_p > 0 || s->options.top_k > 0);
}

size_t dulm_running_units(size_t vocabulary)
{
    return (vocabulary + DULM_RUNNING_UNIT - 1) / DULM_RUNNING_UNIT;
}

bool dulm_runs(const struct diffulm_sampler *s)
{
    if (s->options.sampling == DIFFULM_SAMPLING_ARGMAX)
        return s->key != DULM_KEY_NEGENTROPY;
    /* The other keys are of the tempered distribution. */
    return !dulm_filters(s) && (s->key == DULM_KEY_SCORE || s->key == DULM_KEY_ENTROPY ||
                                s->key == DULM_KEY_ENTROPY_TOP);
}

struct dulm_running dulm_running_begin(struct dulm_weight *units)
{
    return (struct dulm_running){.token = 0,
                                 .top = -INFINITY,
                                 .second = -INFINITY,
                                 .chosen = -INFINITY,
                                 .best = -INFINITY,
                                 .units = units};
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

static size_t where(const float *x, size_t n, float top)
{
    size_t i = 0;
    while (i + 1 < n && x[i] != top)
        i++;
    return i;
}

static void choose_highest(struct dulm_running *r, const float *x, size_t first, size_t n,
                           float top)
{
    r->token = (int32_t)(first + where(x, n, top));
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

static struct dulm_weight weigh(const struct dulm_kernels *k, const struct diffulm_sampler *s,
                                const float *x, size_t n, float top)
{
    struct dulm_weight w = {0, top};
    if (top > -INFINITY)
        w.sum = k->exp_sum(n, x, top, (float)(1 / s->options.temperature));
    return w;
}

static void fold_unit(const struct dulm_kernels *k, const struct diffulm_sampler *s, const float *x,
                      size_t first, size_t n, size_t vocabulary, const struct dulm_draws *draws,
                      size_t position, struct dulm_running *r)
{
    const float top = k->max(n, x);
    if (r->units)
        r->units[first / DULM_RUNNING_UNIT] = weigh(k, s, x, n, top);
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
    r->sum += k->exp_sum(n, x, r->top, 1);
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

bool dulm_runs_apart(const struct diffulm_sampler *s)
{
    return s->options.sampling == DIFFULM_SAMPLING_ARGMAX &&
           (s->key == DULM_KEY_SCORE || s->key == DULM_KEY_Q);
}

void dulm_running_part_of(const struct dulm_kernels *k, const float *x, size_t first, size_t n,
                          float seen, struct dulm_running_part *part)
{
    const float top = k->max(n, x), base = top > seen ? top : seen;
    part->top = top;
    part->token = (int32_t)first;
    if (top > seen)
        part->token += (int32_t)where(x, n, top);
    if (base > -INFINITY)
        part->sum = (float)k->exp_sum(n, x, base, 1);
    else
        part->sum = has_nan(x, n) ? NAN : 0;
}

void dulm_running_join(const struct dulm_running_part *part, float seen, struct dulm_running *r)
{
    const float base = part->top > seen ? part->top : seen;
    if (part->top > r->top) {
        r->token = part->token;
        r->chosen = part->top;
        raise(r, part->top);
    }
    r->sum +=
        base < r->top ? (double)part->sum * exp((double)base - (double)r->top) : (double)part->sum;
}

/* The unit's weights to a common scale, that of the highest logit of all. */
static double scale_of(const struct diffulm_sampler *s, const struct dulm_running *r,
                       struct dulm_weight unit)
{
    return exp(((double)unit.top - (double)r->top) / s->options.temperature);
}

size_t dulm_running_unit(const struct diffulm_sampler *s, const struct dulm_running *r,
                         size_t vocabulary, double u, double *rest)
{
    const size_t units = dulm_running_units(vocabulary);
    double total = 0, before = 0;
    for (size_t i = 0; i < units; i++)
        total += r->units[i].sum > 0 ? r->units[i].sum * scale_of(s, r, r->units[i]) : 0;
    size_t drawn = 0;
    for (size_t i = 0; i < units; i++) {
        if (!(r->units[i].sum > 0))
            continue;
        const double scale = scale_of(s, r, r->units[i]), weight = r->units[i].sum * scale;
        drawn = i; /* the last that weighs anything, should rounding leave u behind all */
        *rest = (u * total - before) / scale;
        if (before + weight > u * total)
            return i;
        before += weight;
    }
    return drawn;
}

void dulm_running_draw(const struct diffulm_sampler *s, const float *x, size_t unit, size_t n,
                       double rest, struct dulm_running *r)
{
    double sum = 0;
    for (size_t i = 0; i < n && !(sum > rest); i++) {
        const double w = exp(((double)x[i] - (double)r->units[unit].top) / s->options.temperature);
        sum += w;
        if (w > 0) {
            r->token = (int32_t)(unit * DULM_RUNNING_UNIT + i);
            r->chosen = x[i];
        }
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

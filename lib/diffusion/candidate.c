/* candidate.c: from the logits of one position to its candidate token, its score and its ranking key.
 * The score is the log-probability without temperature or filter. Everything a candidate depends on is
 * in its own row of logits and its own draws. */
#include <math.h>
#include <string.h>

#include "diffusion/running.h"

double dulm_draws_reveal(const struct dulm_draws *d, size_t i)
{
    if (d->reveal)
        return (double)d->reveal[i];
    return dulm_uniform(dulm_draw(d->seed, DULM_STREAM_REVEAL, d->step, d->row, (uint32_t)i, 0));
}

float dulm_draws_gumbel(const struct dulm_draws *d, size_t i)
{
    if (d->gumbel_rank)
        return d->gumbel_rank[i];
    return (float)dulm_gumbel(
        dulm_draw(d->seed, DULM_STREAM_GUMBEL_RANK, d->step, d->row, (uint32_t)i, 0));
}

double dulm_draws_token(const struct dulm_draws *d, size_t i)
{
    if (d->token_sample)
        return (double)d->token_sample[i];
    return dulm_uniform(
        dulm_draw(d->seed, DULM_STREAM_TOKEN_SAMPLE, d->step, d->row, (uint32_t)i, 0));
}

float dulm_draws_token_gumbel(const struct dulm_draws *d, size_t i, size_t v, size_t vocabulary)
{
    if (d->token_sample_gumbel)
        return d->token_sample_gumbel[i * vocabulary + v];
    return (float)dulm_gumbel(
        dulm_draw(d->seed, DULM_STREAM_TOKEN_SAMPLE, d->step, d->row, (uint32_t)i, (uint32_t)v));
}

size_t dulm_logits_position(const struct diffulm_sampler *sampler, size_t i)
{
    return sampler->options.shift_logits && i > 0 ? i - 1 : i;
}

/* A copy of the logits; with filters two more, without them the weights of units. */
size_t dulm_candidate_scratch(const struct diffulm_sampler *sampler, size_t vocabulary)
{
    const size_t plain = (vocabulary + 3) / 4 * 4;
    return dulm_filters(sampler) ? plain + 2 * vocabulary
                                 : plain + dulm_running_units(vocabulary) *
                                               (sizeof(struct dulm_weight) / sizeof(float));
}

static double weight_of(float x, float top, double tau)
{
    return x > -INFINITY ? exp((double)(x - top) / tau) : 0; /* most of a filtered row is -inf */
}

/* The smallest v with w_0 + … + w_v > u sum(w). */
static size_t inverse_cdf(size_t n, const float *x, float top, double tau, double u)
{
    double total = 0, sum = 0;
    for (size_t v = 0; v < n; v++)
        total += weight_of(x[v], top, tau);
    size_t last = 0;
    for (size_t v = 0; v < n; v++) {
        const double w = weight_of(x[v], top, tau);
        sum += w;
        if (sum > u * total)
            return v;
        last = w > 0 ? v : last;
    }
    return last;
}

/* Keys of the distribution q = softmax(x / tau) (x filtered). */
static void key_of_q(enum dulm_key key, size_t n, const float *x, float top, double tau,
                     struct dulm_candidate *c)
{
    double total = 0, entropy = 0, first = 0, second = 0;
    for (size_t v = 0; v < n; v++)
        total += weight_of(x[v], top, tau);
    for (size_t v = 0; v < n; v++) {
        const double q = weight_of(x[v], top, tau) / total;
        entropy += q > 0 ? q * log(q + 1e-10) : 0;
        if (q > first) {
            second = first;
            first = q;
        } else if (q > second)
            second = q;
    }
    if (key == DULM_KEY_Q)
        c->key = weight_of(x[c->token], top, tau) / total;
    else
        c->key = key == DULM_KEY_MARGIN ? first - second : entropy;
}

static void draw(const struct diffulm_sampler *s, size_t n, const float *x, double u,
                 struct dulm_running *all)
{
    double rest = 0;
    const size_t unit = dulm_running_unit(s, all, n, u, &rest), first = unit * DULM_RUNNING_UNIT;
    const size_t count = n - first < DULM_RUNNING_UNIT ? n - first : DULM_RUNNING_UNIT;
    dulm_running_draw(s, x + first, unit, count, rest, all);
}

struct dulm_candidate dulm_candidate_of(const struct dulm_kernels *k,
                                        const struct diffulm_sampler *s, const float *logits,
                                        size_t n, int32_t mask_id, const int32_t *forbidden,
                                        size_t forbidden_count, const struct dulm_draws *draws,
                                        size_t position, float *scratch)
{
    float *x = scratch;
    memcpy(x, logits, n * sizeof *x);
    if (mask_id >= 0 && (size_t)mask_id < n)
        x[mask_id] = -INFINITY;
    for (size_t i = 0; i < forbidden_count; i++)
        x[forbidden[i]] = -INFINITY;
    float *const second = x + (n + 3) / 4 * 4;
    const bool drawn = s->options.sampling == DIFFULM_SAMPLING_CATEGORICAL;
    const double tau = s->options.sampling == DIFFULM_SAMPLING_ARGMAX ? 1 : s->options.temperature;
    struct dulm_running all =
        dulm_running_begin(drawn && !dulm_filters(s) ? (struct dulm_weight *)(void *)second : NULL);
    dulm_running_fold(k, s, x, 0, n, n, draws, position, &all);
    if (!isfinite(dulm_running_end(s, &all).score))
        return dulm_running_end(s, &all);
    float *q = x;
    if (dulm_filters(s)) {
        q = second;
        memcpy(q, x, n * sizeof *q);
        dulm_filter(k, s, n, all.top, q, q + n);
        all.token = (int32_t)inverse_cdf(n, q, all.top, tau, dulm_draws_token(draws, position));
        all.chosen = x[all.token];
    } else if (drawn)
        draw(s, n, x, dulm_draws_token(draws, position), &all);
    struct dulm_candidate c = dulm_running_end(s, &all);
    const bool of_q =
        s->key == DULM_KEY_Q || s->key == DULM_KEY_MARGIN || s->key == DULM_KEY_NEGENTROPY;
    if (of_q && !dulm_runs(s))
        key_of_q(s->key, n, q, all.top, tau, &c);
    return c;
}

/* candidate.c: from the logits of one position to its candidate token, its score and its ranking key.
 * The score is the log-probability without temperature or filter. Everything a candidate depends on is
 * in its own row of logits and its own draws. */
#include <math.h>
#include <stdlib.h>
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

static bool filters(const struct diffulm_sampler *s)
{
    return s->options.sampling == DIFFULM_SAMPLING_CATEGORICAL &&
           (s->options.top_p > 0 || s->options.top_k > 0);
}

/* Two copies of the logits (plain, filtered) and, with filters, an order of ids. */
size_t dulm_candidate_scratch(const struct diffulm_sampler *sampler, size_t vocabulary)
{
    return vocabulary * (filters(sampler) ? 4 : 2);
}

struct entry {
    float logit;
    int32_t id;
};

static int by_logit(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Sets what top_p and then top_k remove to -inf. Probabilities are tempered. */
static void filter(const struct diffulm_sampler *s, size_t n, float *x, float top, double tau,
                   struct entry *order)
{
    double total = 0, before = 0;
    for (size_t v = 0; v < n; v++) {
        order[v] = (struct entry){x[v], (int32_t)v};
        total += exp((double)(x[v] - top) / tau);
    }
    qsort(order, n, sizeof *order, by_logit);
    size_t kept = n;
    for (size_t r = 0; s->options.top_p > 0 && r < n; r++) {
        if (r > 0 && before / total > s->options.top_p) {
            kept = r;
            break;
        }
        before += exp((double)(order[r].logit - top) / tau);
    }
    const size_t k = (size_t)s->options.top_k;
    if (k > 0 && k < kept) {
        const float last = order[k - 1].logit;
        while (kept > k && order[kept - 1].logit < last)
            kept--;
    }
    for (size_t r = kept; r < n; r++)
        x[order[r].id] = -INFINITY;
}

/* The smallest v with w_0 + … + w_v > u sum(w). */
static size_t inverse_cdf(size_t n, const float *x, float top, double tau, double u)
{
    double total = 0, sum = 0;
    for (size_t v = 0; v < n; v++)
        total += exp((double)(x[v] - top) / tau);
    size_t last = 0;
    for (size_t v = 0; v < n; v++) {
        const double w = exp((double)(x[v] - top) / tau);
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
        total += exp((double)(x[v] - top) / tau);
    for (size_t v = 0; v < n; v++) {
        const double q = exp((double)(x[v] - top) / tau) / total;
        entropy += q * log(q + 1e-10);
        if (q > first) {
            second = first;
            first = q;
        } else if (q > second)
            second = q;
    }
    if (key == DULM_KEY_Q)
        c->key = exp((double)(x[c->token] - top) / tau) / total;
    else
        c->key = key == DULM_KEY_MARGIN ? first - second : entropy;
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
    struct dulm_running all = dulm_running_begin();
    dulm_running_fold(k, s, x, 0, n, n, draws, position, &all);
    struct dulm_candidate c = dulm_running_end(s, &all);
    if (dulm_runs(s) || !isfinite(c.score))
        return c;
    const double tau = s->options.sampling == DIFFULM_SAMPLING_ARGMAX ? 1 : s->options.temperature;
    float *q = x;
    if (filters(s)) {
        q = x + n;
        memcpy(q, x, n * sizeof *q);
        filter(s, n, q, all.top, tau, (struct entry *)(void *)(x + 2 * n));
    }
    if (s->options.sampling == DIFFULM_SAMPLING_CATEGORICAL) {
        c.token = (int32_t)inverse_cdf(n, q, all.top, tau, dulm_draws_token(draws, position));
        c.score = (float)((double)x[c.token] - (double)all.top - log(all.sum));
    }
    if (s->key == DULM_KEY_SCORE)
        c.key = (double)c.score;
    else if (s->key != DULM_KEY_ENTROPY && s->key != DULM_KEY_ENTROPY_TOP)
        key_of_q(s->key, n, q, all.top, tau, &c);
    return c;
}

/* filter.c: top_p and top_k. What they keep is a prefix of the tokens in order of falling logits, lower ids first among equals;
 * where it ends is found by partitions, without sorting a vocabulary whose most logits are nearly equal. */
#include <math.h>
#include <string.h>

#include "diffusion/running.h"

/* A part of the logits, in any order, of which the prefix's last is one; what is above all of them. */
struct part {
    float *x;
    size_t n, above;
    double mass; /* of those above */
};

static void swap(float *a, float *b)
{
    const float t = *a;
    *a = *b;
    *b = t;
}

static float middle_of(const struct part *p)
{
    const float a = p->x[0], b = p->x[p->n / 2], c = p->x[p->n - 1];
    const float low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Greater than the pivot, equal to it, less: *greater and *equal are counts. */
static void partition(const struct part *p, float pivot, size_t *greater, size_t *equal)
{
    size_t g = 0, i = 0, end = p->n;
    while (i < end) {
        if (p->x[i] > pivot)
            swap(&p->x[g++], &p->x[i++]);
        else if (p->x[i] < pivot)
            swap(&p->x[i], &p->x[--end]);
        else
            i++;
    }
    *greater = g;
    *equal = end - g;
}

/* Where a prefix ends: all above `limit`, and the first `ties` of those equal to it. */
struct end {
    float limit;
    size_t ties;
};

static struct end end_of_count(size_t n, float *x, size_t most)
{
    struct part p = {x, n, 0, 0};
    for (;;) {
        size_t greater, equal;
        const float pivot = middle_of(&p);
        partition(&p, pivot, &greater, &equal);
        if (p.above + greater >= most)
            p.n = greater;
        else if (p.above + greater + equal >= most)
            return (struct end){pivot, SIZE_MAX}; /* ties stay */
        else {
            p.above += greater + equal;
            p.x += greater + equal;
            p.n -= greater + equal;
        }
    }
}

struct scale {
    const struct dulm_kernels *kernels;
    float top;
    double tau, total;
};

/* The prefix's last is the first at which the mass up to it exceeds `share` of the total. */
static struct end end_of_mass(size_t n, float *x, double share, const struct scale *s)
{
    struct part p = {x, n, 0, 0};
    while (p.n) {
        size_t greater, equal;
        const float pivot = middle_of(&p);
        partition(&p, pivot, &greater, &equal);
        const double above =
            p.mass + s->kernels->exp_sum(greater, p.x, s->top, (float)(1 / s->tau));
        const double each = exp(((double)pivot - (double)s->top) / s->tau);
        if (greater && above / s->total > share)
            p.n = greater;
        else if ((above + (double)equal * each) / s->total > share) {
            const double before = (share * s->total - above) / each;
            return (struct end){pivot, before < 0 ? 1 : (size_t)before + 1};
        } else {
            p.mass = above + (double)equal * each;
            p.x += greater + equal;
            p.n -= greater + equal;
        }
    }
    return (struct end){-INFINITY, SIZE_MAX};
}

static void cut(size_t n, float *x, struct end end)
{
    size_t ties = 0;
    for (size_t v = 0; v < n; v++)
        if (x[v] < end.limit || (x[v] == end.limit && ties++ >= end.ties))
            x[v] = -INFINITY;
}

void dulm_filter(const struct dulm_kernels *kernels, const struct diffulm_sampler *sampler,
                 size_t n, float top, float *x, float *scratch)
{
    const struct diffulm_sampler_options *o = &sampler->options;
    struct scale s = {kernels, top, o->temperature, 0};
    if (o->top_p > 0) {
        s.total = kernels->exp_sum(n, x, top, (float)(1 / s.tau));
        memcpy(scratch, x, n * sizeof *x);
        cut(n, x, end_of_mass(n, scratch, o->top_p, &s));
    }
    if (o->top_k > 0 && (size_t)o->top_k < n) {
        memcpy(scratch, x, n * sizeof *x);
        cut(n, x, end_of_count(n, scratch, (size_t)o->top_k));
    }
}

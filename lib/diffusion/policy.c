/* policy.c: the table of policies, what they share, and the life of a sampler. */
#include "diffusion/policy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"

static const struct dulm_policy *const policies[] = {
    &dulm_policy_reparam, &dulm_policy_cmlm, &dulm_policy_ar, &dulm_policy_llada,
    &dulm_policy_dream,   &dulm_policy_fast, &dulm_policy_eb, &dulm_policy_mdlm};
#define POLICIES (sizeof policies / sizeof *policies)

const char *diffulm_sampler_policy(size_t index)
{
    return index < POLICIES ? policies[index]->name : NULL;
}

void dulm_commit(struct dulm_row *row, size_t i)
{
    row->tokens[i] = row->candidate[i].token;
    row->scores[i] = row->candidate[i].score;
    row->noisy[i] = 0;
}

static int by_rank(const void *a, const void *b)
{
    const struct dulm_ranked *x = a, *y = b;
    if (x->key != y->key)
        return x->key > y->key ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

void dulm_rank(struct dulm_ranked *ranked, size_t count)
{
    qsort(ranked, count, sizeof *ranked, by_rank);
}

void dulm_needs_noisy(const struct diffulm_sampler *s, const struct dulm_row *row,
                      const struct dulm_draws *draws, int32_t k, uint8_t *wanted)
{
    (void)s, (void)draws, (void)k;
    memcpy(wanted, row->noisy, row->length);
}

size_t dulm_count_noisy(const struct dulm_row *row)
{
    size_t count = 0;
    for (size_t i = 0; i < row->length; i++)
        count += row->noisy[i];
    return count;
}

static void fill_defaults(struct diffulm_sampler_options *o)
{
    o->steps = o->steps == 0 ? 10 : o->steps;
    o->temperature = o->temperature == 0 ? 1 : o->temperature;
    o->eps = o->eps == 0 ? 1e-3 : o->eps;
    o->threshold = o->threshold == 0 ? 0.9 : o->threshold;
    o->factor = o->factor == 0 ? 1 : o->factor;
}

static diffulm_status check_options(const struct diffulm_sampler_options *o)
{
    const struct {
        const char *name;
        double value, low, high;
    } ranges[] = {{"steps", o->steps, 1, 1 << 20},
                  {"sampling", o->sampling, 0, 2},
                  {"temperature", o->temperature, 1e-6, 1e6},
                  {"top_p", o->top_p, 0, 1},
                  {"top_k", o->top_k, 0, INT32_MAX},
                  {"shift_logits", o->shift_logits, 0, 1},
                  {"block_length", o->block_length, 0, INT32_MAX},
                  {"steps_per_block", o->steps_per_block, 0, 1 << 20},
                  {"eps", o->eps, 0, 1},
                  {"alg_temp", o->alg_temp, 0, 1e6},
                  {"threshold", o->threshold, 0, 1e6},
                  {"factor", o->factor, 0, 1e6},
                  {"gamma", o->gamma, 0, 1e9},
                  {"order", o->order, 0, 1}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            return dulm_fail(DIFFULM_E_ARGUMENT, "sampler options: %s is %g, expected %g to %g",
                             ranges[i].name, ranges[i].value, ranges[i].low, ranges[i].high);
    return DIFFULM_OK;
}

void diffulm_sampler_options_init(struct diffulm_sampler_options *options, size_t struct_size)
{
    const struct diffulm_sampler_options defaults = DIFFULM_SAMPLER_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

diffulm_status diffulm_sampler_create(const char *policy,
                                      const struct diffulm_sampler_options *options,
                                      diffulm_sampler **out)
{
    dulm_error_clear();
    struct diffulm_sampler s = {.options = DIFFULM_SAMPLER_OPTIONS_INIT};
    if (!out || (options && !dulm_struct_read(&s.options, sizeof s.options, options)))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "sampler create: out is NULL, or struct_size is not %zu", sizeof *options);
    fill_defaults(&s.options);
    diffulm_status rc = check_options(&s.options);
    if (rc < 0)
        return rc;
    policy = policy ? policy : "reparam-uncond-deterministic-cosine";
    for (size_t i = 0; i < POLICIES && !s.policy; i++) {
        s.key = policies[i]->key;
        if (strlen(policy) < sizeof s.name && policies[i]->parse(policy, &s))
            s.policy = policies[i];
    }
    if (!s.policy)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "unknown policy %.60s: expected for example "
                         "reparam-uncond-deterministic-cosine, cmlm, ar, llada-low_confidence",
                         policy);
    snprintf(s.name, sizeof s.name, "%s", policy);
    struct diffulm_sampler *sampler = dulm_alloc(1, sizeof *sampler);
    if (!sampler)
        return dulm_fail_memory();
    *sampler = s;
    dulm_refcount_init(&sampler->refs);
    *out = sampler;
    return DIFFULM_OK;
}

diffulm_sampler *diffulm_sampler_ref(diffulm_sampler *sampler)
{
    if (sampler)
        dulm_refcount_take(&sampler->refs);
    return sampler;
}

void diffulm_sampler_unref(diffulm_sampler *sampler)
{
    if (sampler && dulm_refcount_drop(&sampler->refs))
        dulm_free(sampler);
}

const char *diffulm_sampler_name(const diffulm_sampler *sampler)
{
    return sampler->name;
}

int32_t diffulm_sampler_steps(const diffulm_sampler *sampler)
{
    return sampler->options.steps;
}

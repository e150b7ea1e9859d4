/* schedules.c: noise schedules in continuous and discrete time, and how many masks each policy
 * takes away in a step when nothing ties (diffusion/schedules.json). */
#include <diffulm/error.h>
#include <diffulm/schedule.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "areas.h"
#include "tensors.h"
#include "values.h"

#define AREA "schedules"

static void run_continuous(const json_t *root)
{
    const json_t *continuous = json_object_get(root, "continuous");
    size_t n, seen = 0;
    double *times = golden_doubles(root, "times", &n);
    const char *name;
    for (size_t k = 0; (name = diffulm_schedule_known(k)); k++) {
        const json_t *want = json_object_get(continuous, name);
        double *alpha = golden_doubles(want, "alpha", NULL);
        double *rate = golden_doubles(want, "mask_rate", NULL);
        double *weight = golden_doubles(want, "weight", NULL);
        diffulm_schedule *s = NULL;
        bool right = want && n > 0 && diffulm_schedule_create(name, NULL, &s) == DIFFULM_OK;
        for (size_t i = 0; right && i < n; i++) {
            double a = -1, r = -1, w = -1;
            right = diffulm_schedule_at_time(s, times[i], &a, &r, &w) == DIFFULM_OK &&
                    golden_close(a, alpha[i], GOLDEN_FORMULA) &&
                    golden_close(r, rate[i], GOLDEN_FORMULA) &&
                    golden_close(w, weight[i], GOLDEN_FORMULA);
            if (!right)
                golden_fail(AREA, "%s at %g: %.17g %.17g %.17g", name, times[i], a, r, w);
        }
        if (right)
            golden_pass(AREA, "continuous %s", name);
        seen += right;
        diffulm_schedule_unref(s);
        free(alpha);
        free(rate);
        free(weight);
    }
    if (seen != json_object_size(continuous))
        golden_fail(AREA, "continuous: %zu schedules, expected %zu", seen,
                    json_object_size(continuous));
    free(times);
}

static void run_discrete(const json_t *item)
{
    static const struct {
        const char *name;
        int32_t weight;
    } weights[] = {{"linear", DIFFULM_WEIGHT_LINEAR},
                   {"constant", DIFFULM_WEIGHT_CONSTANT},
                   {"mdlm", DIFFULM_WEIGHT_MDLM}};
    size_t n, m;
    double *rates = golden_doubles(item, "mask_rate", &n);
    for (size_t k = 0; k < 3; k++) {
        struct diffulm_schedule_options o = DIFFULM_SCHEDULE_OPTIONS_INIT;
        o.timesteps = golden_int(item, "T");
        o.weight = weights[k].weight;
        double *want = golden_doubles(item, weights[k].name, &m);
        diffulm_schedule *s = NULL;
        bool right = n == (size_t)o.timesteps && m == n &&
                     diffulm_schedule_create("linear", &o, &s) == DIFFULM_OK;
        for (int32_t t = 1; right && t <= o.timesteps; t++) {
            double rate = -1, weight = -1;
            right = diffulm_schedule_mask_rate(s, t, &rate) == DIFFULM_OK &&
                    diffulm_schedule_loss_weight(s, t, &weight) == DIFFULM_OK &&
                    golden_close(rate, rates[t - 1], GOLDEN_FORMULA) &&
                    golden_close(weight, want[t - 1], GOLDEN_FORMULA);
        }
        if (right)
            golden_pass(AREA, "T = %d, %s", o.timesteps, weights[k].name);
        else
            golden_fail(AREA, "T = %d, %s differs", o.timesteps, weights[k].name);
        diffulm_schedule_unref(s);
        free(want);
    }
    free(rates);
}

enum { V = 4, MASK = 3, MOST = 512 };

/* A row of masks, and a network that never changes its mind: no two confidences are alike. */
struct row {
    int32_t tokens[MOST];
    float scores[MOST], logits[MOST * V];
    uint8_t noisy[MOST], generated[MOST];
    struct diffulm_sampler_state state;
};

static void row_start(struct row *row, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        row->tokens[i] = MASK;
        row->scores[i] = 0;
        row->noisy[i] = row->generated[i] = 1;
        /* 521 is prime and above MOST: every position has a rank of its own, out of order. */
        const float rank = (float)(i * 521 % n + 1) / (float)n;
        const float logits[V] = {0, 6 * rank, 0, 9};
        memcpy(row->logits + i * V, logits, sizeof logits);
    }
    row->state = (struct diffulm_sampler_state){.struct_size = sizeof row->state,
                                                .length = n,
                                                .tokens = row->tokens,
                                                .scores = row->scores,
                                                .noisy = row->noisy,
                                                .generated = row->generated,
                                                .mask_id = MASK};
}

static size_t masks_left(const struct row *row)
{
    size_t count = 0;
    for (size_t i = 0; i < row->state.length; i++)
        count += row->noisy[i];
    return count;
}

static diffulm_sampler *sampler_of(const char *policy, int32_t steps, double eps)
{
    struct diffulm_sampler_options o = DIFFULM_SAMPLER_OPTIONS_INIT;
    o.steps = steps;
    o.eps = eps;
    diffulm_sampler *sampler = NULL;
    if (diffulm_sampler_create(policy, &o, &sampler) < 0)
        golden_fail(AREA, "%s: %s", policy, diffulm_error_message());
    return sampler;
}

/* Masks that each of K steps takes from n, against the file. */
static bool reveals(const diffulm_sampler *sampler, struct row *row, size_t n, const json_t *want)
{
    const size_t steps = json_array_size(want);
    if (n > MOST || steps != (size_t)diffulm_sampler_steps(sampler))
        return false;
    row_start(row, n);
    for (size_t k = 1; k <= steps; k++) {
        const size_t before = masks_left(row);
        if (diffulm_sampler_transition(sampler, &row->state, (int32_t)k, row->logits, V) < 0)
            return false;
        if ((json_int_t)before - (json_int_t)masks_left(row) !=
            json_integer_value(json_array_get(want, k - 1)))
            return false;
    }
    return true;
}

static void run_policy(const json_t *root, const char *key, const char *policy, struct row *row)
{
    size_t count;
    int32_t *n = golden_ints(root, "n", &count);
    const json_t *entries = json_object_get(json_object_get(root, "revealed_per_step"), key);
    if (json_array_size(entries) == 0 || count == 0)
        golden_fail(AREA, "revealed per step: %s is missing", key);
    for (size_t e = 0; e < json_array_size(entries); e++) {
        const json_t *entry = json_array_get(entries, e), *all = json_object_get(entry, "per_step");
        const int32_t steps = golden_int(entry, "K");
        diffulm_sampler *sampler = sampler_of(policy, steps, golden_number(root, "dream_eps"));
        size_t right = 0;
        while (sampler && right < count && json_array_size(all) == count &&
               reveals(sampler, row, (size_t)n[right], json_array_get(all, right)))
            right++;
        if (right == count)
            golden_pass(AREA, "%s in %d steps", policy, steps);
        else
            golden_fail(AREA, "%s in %d steps: differs at n = %d", policy, steps, n[right]);
        diffulm_sampler_unref(sampler);
    }
    free(n);
}

/* From all noise, a reparam step leaves exactly its cut. */
static void run_cut(const json_t *item, struct row *row)
{
    const char *schedule = json_string_value(json_object_get(item, "schedule"));
    char policy[64];
    snprintf(policy, sizeof policy, "reparam-uncond-deterministic-%s", schedule ? schedule : "");
    const size_t n = (size_t)golden_int(item, "n");
    const int32_t k = golden_int(item, "k");
    diffulm_sampler *sampler = sampler_of(policy, golden_int(item, "K"), 0);
    bool right = sampler && n > 0 && n <= MOST;
    if (right) {
        row_start(row, n);
        right = diffulm_sampler_transition(sampler, &row->state, k, row->logits, V) == DIFFULM_OK &&
                masks_left(row) == (size_t)golden_int(item, "cut");
    }
    if (right)
        golden_pass(AREA, "cut of %zu at step %d", n, k);
    else
        golden_fail(AREA, "cut of %zu at step %d of %d differs", n, k, golden_int(item, "K"));
    diffulm_sampler_unref(sampler);
}

void golden_schedules(const char *folder)
{
    static const char *const policies[][2] = {
        {"reparam-linear", "reparam-uncond-deterministic-linear"},
        {"reparam-cosine", "reparam-uncond-deterministic-cosine"},
        {"llada", "llada-low_confidence"},
        {"dream", "dream-maskgit_plus"},
        {"mdlm-linear", "mdlm-counts-linear"},
        {"mdlm-cosine", "mdlm-counts-cosine"},
        {"ar", "ar"}};
    if (!golden_exists(folder, "diffusion/schedules.json"))
        return;
    char *path = golden_path(folder, "diffusion/schedules.json");
    json_t *root = golden_json(AREA, path);
    struct row *row = calloc(1, sizeof *row);
    if (root && row) {
        run_continuous(root);
        const json_t *discrete = json_object_get(root, "discrete");
        for (size_t i = 0; i < json_array_size(discrete); i++)
            run_discrete(json_array_get(discrete, i));
        for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
            run_policy(root, policies[i][0], policies[i][1], row);
        const json_t *cuts = json_object_get(root, "cut_single_precision");
        for (size_t i = 0; i < json_array_size(cuts); i++)
            run_cut(json_array_get(cuts, i), row);
    }
    free(row);
    json_decref(root);
    free(path);
}

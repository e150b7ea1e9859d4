/* sampler.c: one denoising transition on logits that the host supplies. */
#include <diffulm/sampler.h>

#include <math.h>
#include <string.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "diffusion/policy.h"
#include "nn/runtime.h"

static diffulm_status view(const diffulm_sampler *sampler,
                           const struct diffulm_sampler_state *given, int32_t k,
                           struct diffulm_sampler_state *state, struct dulm_row *row,
                           struct dulm_draws *draws)
{
    *state = (struct diffulm_sampler_state){0};
    if (!sampler || !given || !dulm_struct_read(state, sizeof *state, given) || !state->tokens ||
        !state->scores || !state->noisy || !state->generated)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "sampler state: struct_size must be %zu and no array NULL", sizeof *state);
    if (k < 1 || k > sampler->options.steps)
        return dulm_fail(DIFFULM_E_ARGUMENT, "step %d, expected 1 to %d", k,
                         sampler->options.steps);
    *row = (struct dulm_row){.length = state->length,
                             .mask_id = state->mask_id,
                             .tokens = state->tokens,
                             .scores = state->scores,
                             .noisy = state->noisy,
                             .generated = state->generated};
    for (size_t i = 0; i < row->length; i++) {
        if (state->generated[i] > 1 || state->noisy[i] > state->generated[i] ||
            isnan(state->scores[i]))
            return dulm_fail(
                DIFFULM_E_ARGUMENT,
                "sampler state: position %zu: generated is %d, noisy %d, the score %g; "
                "expected flags 0 or 1, noisy only where generated, and no NaN",
                i, state->generated[i], state->noisy[i], (double)state->scores[i]);
        row->generated_count += state->generated[i];
    }
    if (state->quota > state->length)
        return dulm_fail(DIFFULM_E_ARGUMENT, "sampler state: quota %zu in a row of %zu positions",
                         state->quota, state->length);
    *draws = (struct dulm_draws){state->seed, (uint32_t)k, state->row_number, 0, 0, 0, 0};
    return DIFFULM_OK;
}

diffulm_status diffulm_sampler_needs(const diffulm_sampler *sampler,
                                     const struct diffulm_sampler_state *state, int32_t k,
                                     uint8_t *wanted)
{
    dulm_error_clear();
    struct diffulm_sampler_state known;
    struct dulm_row row;
    struct dulm_draws draws;
    diffulm_status rc = view(sampler, state, k, &known, &row, &draws);
    if (rc < 0 || !wanted)
        return rc < 0 ? rc : dulm_fail(DIFFULM_E_ARGUMENT, "wanted is NULL");
    sampler->policy->needs(sampler, &row, &draws, k, wanted);
    return DIFFULM_OK;
}

diffulm_status diffulm_sampler_transition(const diffulm_sampler *sampler,
                                          struct diffulm_sampler_state *state, int32_t k,
                                          const float *logits, size_t vocabulary)
{
    dulm_error_clear();
    struct diffulm_sampler_state known;
    struct dulm_row row;
    struct dulm_draws draws;
    diffulm_status rc = view(sampler, state, k, &known, &row, &draws);
    if (rc == DIFFULM_OK && (!logits || vocabulary == 0))
        rc = dulm_fail(DIFFULM_E_ARGUMENT, "logits are NULL, or the vocabulary is empty");
    if (rc < 0)
        return rc;
    const struct dulm_kernels *kernels = dulm_kernels_choose(DIFFULM_ISA_AUTO);
    uint8_t *wanted = dulm_alloc(row.length, 1);
    struct dulm_candidate *candidates = dulm_alloc_zero(row.length, sizeof *candidates);
    float *scratch =
        dulm_alloc_tensor(dulm_candidate_scratch(sampler, vocabulary), sizeof *scratch);
    row.ranked = dulm_alloc(row.length, sizeof *row.ranked);
    if (wanted && candidates && scratch && row.ranked) {
        row.candidate = candidates;
        row.quota = &known.quota;
        sampler->policy->needs(sampler, &row, &draws, k, wanted);
        for (size_t i = 0; rc == DIFFULM_OK && i < row.length; i++) {
            if (!wanted[i])
                continue;
            candidates[i] = dulm_candidate_of(
                kernels, sampler, logits + dulm_logits_position(sampler, i) * vocabulary,
                vocabulary, known.mask_id, NULL, 0, &draws, i, scratch);
            if (!isfinite(candidates[i].score))
                rc = dulm_fail(DIFFULM_E_NUMERIC,
                               "position %zu: its logits are not finite, or leave no token", i);
        }
        if (rc == DIFFULM_OK) {
            sampler->policy->step(sampler, &row, &draws, k);
            dulm_struct_write(state, sizeof known, &known);
        }
    } else
        rc = dulm_fail_memory();
    dulm_free(wanted);
    dulm_free(candidates);
    dulm_free(scratch);
    dulm_free(row.ranked);
    return rc;
}

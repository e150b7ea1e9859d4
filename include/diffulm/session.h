/* session.h: denoising under the host's control. A session holds a batch of canvases: rows of token
 * positions, each given, masked or editable. One step at a time:
 *
 *   diffulm_session_create(model, sampler, NULL, &session);
 *   diffulm_session_add(session, tokens, length, roles, NULL, &row);
 *   while ((rc = diffulm_session_step(session, &report)) == DIFFULM_AGAIN)
 *       draw(&report);
 *   diffulm_session_tokens(session, row, out, capacity, &length);
 */
#ifndef DIFFULM_SESSION_H
#define DIFFULM_SESSION_H

#include <diffulm/common.h>
#include <diffulm/model.h>
#include <diffulm/sampler.h>

DIFFULM_BEGIN_DECLS

/* All mutable state of one batch. One thread at a time; only diffulm_session_cancel may be called from
 * any thread. Since 0.1. */
typedef struct diffulm_session diffulm_session;

#define DIFFULM_ROLE_GIVEN 0    /* never changes */
#define DIFFULM_ROLE_MASKED 1   /* to be generated: the token given is ignored */
#define DIFFULM_ROLE_EDITABLE 2 /* holds a token that the policy may revise */

struct diffulm_session_options {
    size_t struct_size;
    int32_t mask_id;    /* the absorbing token; -1: from config.json */
    int32_t attention;  /* DIFFULM_ATTENTION_… */
    int32_t newline_id; /* ends a block (blockwise) */
    uint64_t seed;      /* of every draw */
    /* A row is done when it holds this token, such as eos, with no mask left before it; -1: off. What stands
     * behind it stays mask. Policies that may take tokens back (reparam) do not stop for it. */
    int32_t stop_id;
    /* Under causal and prefix_lm attention the keys and values of positions that see nothing new are kept from step
     * to step: 8 bytes for each of them, layer and feature. Under argmax a row that a step has not changed keeps its
     * scores for the next. 1: all is computed again, to the same results. */
    int32_t recompute;
    /* Approximate, under full attention: keys and values of a row's source are computed at every source_refresh-th of its
     * steps and used as they are by those between, so a step computes the rest of the row alone. 0 or 1: at every step,
     * exact. docs/performance.md has what it changes. Memory as above. A restored snapshot computes them anew. */
    int64_t source_refresh;
};
#define DIFFULM_SESSION_OPTIONS_INIT                                                               \
    {                                                                                              \
        sizeof(struct diffulm_session_options), -1, 0, -1, 0, -1, 0, 0                             \
    }
DIFFULM_API void diffulm_session_options_init(struct diffulm_session_options *options,
                                              size_t struct_size);

/* The session keeps references to model and sampler. On success *out is the caller's (destroy). Errors:
 * E_ARGUMENT, E_UNSUPPORTED for a model without a head, E_OUT_OF_MEMORY. Since 0.1. */
DIFFULM_API diffulm_status diffulm_session_create(diffulm_model *model, diffulm_sampler *sampler,
                                                  const struct diffulm_session_options *options,
                                                  diffulm_session **out) DIFFULM_MUST_USE;
DIFFULM_API void diffulm_session_destroy(diffulm_session *session); /* NULL is allowed */

struct diffulm_row_options {
    size_t struct_size;
    int64_t
        source_length;  /* leading source tokens (prefix_lm, blockwise); 0: the leading given ones;
                              negative: none */
    int64_t row_number; /* names the row's random draws; 0: its index. Rows with the same number,
                              seed and canvas get the same draws in any batch. */
};
#define DIFFULM_ROW_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(struct diffulm_row_options), 0, 0                                                   \
    }
DIFFULM_API void diffulm_row_options_init(struct diffulm_row_options *options, size_t struct_size);

/* Adds a canvas. tokens, roles: [length] (DIFFULM_ROLE_…), copied. *row is its index. It starts at its
 * own first step, whatever the other rows have done. Errors name the position. Since 0.1. */
DIFFULM_API diffulm_status diffulm_session_add(diffulm_session *session, const int32_t *tokens,
                                               size_t length, const uint8_t *roles,
                                               const struct diffulm_row_options *options,
                                               size_t *row) DIFFULM_MUST_USE;

#define DIFFULM_CHANGE_REVEALED 1 /* mask became a token */
#define DIFFULM_CHANGE_REMASKED 2 /* a token went back to the mask */
#define DIFFULM_CHANGE_REVISED 3  /* a token became another token */

struct diffulm_change {
    size_t row, position;
    int32_t token; /* after the step */
    int32_t kind;  /* DIFFULM_CHANGE_… */
    float score;   /* log-probability of the token; -inf for a mask */
};

struct diffulm_step_report {
    size_t struct_size;
    const struct diffulm_change *changes; /* owned by the session, valid until its next call */
    size_t change_count;
    size_t active_rows; /* rows that still have steps to do */
    size_t scored;      /* positions whose logits were computed */
    int64_t steps_done; /* by the whole session */
};

/* One denoising step of every unfinished row. DIFFULM_AGAIN: more steps remain; DIFFULM_DONE: none.
 * report may be NULL. On failure (E_CANCELLED too) no canvas has changed and the step can be repeated.
 * Since 0.1. */
DIFFULM_API diffulm_status
diffulm_session_step(diffulm_session *session, struct diffulm_step_report *report) DIFFULM_MUST_USE;
/* Steps until all rows are done: DIFFULM_DONE. Since 0.1. */
DIFFULM_API diffulm_status diffulm_session_run(diffulm_session *session) DIFFULM_MUST_USE;
/* Steps until `microseconds` have passed, but at least one: AGAIN or DONE. Since 0.1. */
DIFFULM_API diffulm_status diffulm_session_run_for(diffulm_session *session,
                                                   int64_t microseconds) DIFFULM_MUST_USE;
/* Makes the step in progress, or the next one, fail with E_CANCELLED. Any thread. Since 0.1. */
DIFFULM_API void diffulm_session_cancel(diffulm_session *session);

/* Copies the tokens (masks included) or scores of a row; *length is always set. BUFFER_TOO_SMALL if
 * capacity is less. Since 0.1. */
DIFFULM_API diffulm_status diffulm_session_tokens(const diffulm_session *session, size_t row,
                                                  int32_t *out, size_t capacity,
                                                  size_t *length) DIFFULM_MUST_USE;
DIFFULM_API diffulm_status diffulm_session_scores(const diffulm_session *session, size_t row,
                                                  float *out, size_t capacity,
                                                  size_t *length) DIFFULM_MUST_USE;
/* Mean score over the generated positions that hold a token other than bos, eos, pad and mask (by
 * config.json); -inf if there is none. Since 0.1. */
DIFFULM_API diffulm_status diffulm_session_row_score(const diffulm_session *session, size_t row,
                                                     float *score) DIFFULM_MUST_USE;
DIFFULM_API size_t diffulm_session_rows(const diffulm_session *session);

/* Masks positions [begin, end) again and starts the row's steps anew; every other position becomes
 * given. Since 0.1. */
DIFFULM_API diffulm_status diffulm_session_edit(diffulm_session *session, size_t row, size_t begin,
                                                size_t end) DIFFULM_MUST_USE;
/* Sets a position to a token for good. Since 0.1. */
DIFFULM_API diffulm_status diffulm_session_pin(diffulm_session *session, size_t row,
                                               size_t position, int32_t token) DIFFULM_MUST_USE;
/* Forbids a token at a position, or with position SIZE_MAX at every position of the row. Since 0.1. */
DIFFULM_API diffulm_status diffulm_session_forbid(diffulm_session *session, size_t row,
                                                  size_t position, int32_t token) DIFFULM_MUST_USE;

/* Writes the whole state (not model, sampler, options) into the buffer; *length is always set. Since
 * 0.1. */
DIFFULM_API diffulm_status diffulm_session_snapshot(const diffulm_session *session, void *buffer,
                                                    size_t capacity,
                                                    size_t *length) DIFFULM_MUST_USE;
/* Replaces the state by a snapshot; every byte is checked, and a bad one changes nothing. Since 0.1. */
DIFFULM_API diffulm_status diffulm_session_restore(diffulm_session *session, const void *buffer,
                                                   size_t length) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif

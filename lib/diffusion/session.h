/* session.h: a batch of canvases and what one denoising step needs. */
#ifndef DULM_DIFFUSION_SESSION_H
#define DULM_DIFFUSION_SESSION_H

#include <diffulm/session.h>

#include "arch/score.h"
#include "diffusion/running.h"

struct dulm_forbidden {
    size_t position; /* SIZE_MAX: everywhere */
    int32_t token;
};

struct dulm_known {
    int32_t given; /* the token that stood at this position; -1: nothing is known */
    struct dulm_candidate candidate; /* of the canvas of these tokens; token -1: not computed */
};

/* One canvas. Arrays have `length` entries and live in one block. */
struct dulm_canvas {
    size_t length;
    int32_t *tokens;
    float *scores;
    uint8_t *noisy, *generated, *wanted;
    size_t source_length;
    uint32_t row_number;
    int32_t k; /* the next step, from 1; past the sampler's steps: done */
    size_t quota;
    size_t first_candidate; /* this row's place in the step's arrays */
    void *memory;
    struct dulm_forbidden *forbidden;
    size_t forbidden_count, forbidden_capacity;
    /* cache.c: keys and values of the first kept_count positions, which were computed from kept_tokens. */
    float *kept;
    int32_t *kept_tokens; /* [kept_capacity] */
    size_t kept_count, kept_capacity;
    size_t kept_next;         /* kept_count once the step in progress succeeds */
    int32_t kept_at;          /* the step that computed all of them */
    struct dulm_known *known; /* known.c: [length]; NULL: none are kept */
};

/* Buffers of a step; they grow to the batch and are reused. */
struct dulm_step_buffers {
    int32_t *tokens, *positions, *before;
    uint8_t *source;
    struct dulm_key_cache *cache; /* [rows] */
    size_t *offsets, *wanted, *active;
    struct {
        size_t canvas, position;
    } * places;                        /* of each wanted position */
    struct dulm_candidate *candidates; /* [tokens] */
    struct dulm_ranked *ranked;
    struct diffulm_change *changes;
    size_t tokens_capacity, rows_capacity;
    float *logits, *scratch;
    size_t logits_capacity, scratch_capacity;
    struct dulm_running *running; /* of the positions of a block */
    struct dulm_weight *units;    /* of each of them, for categorical draws */
    size_t units_capacity;
    int32_t *banned; /* forbidden ids of one position, per thread */
    size_t banned_capacity;
};

struct diffulm_session {
    struct diffulm_model *model;
    struct diffulm_sampler *sampler;
    struct diffulm_session_options options;
    struct dulm_workspace *workspace;
    struct dulm_canvas *canvas;
    size_t count, capacity;
    struct dulm_step_buffers step;
    atomic_int cancel;
    int64_t steps_done;
    size_t change_count, scored;
};

diffulm_status dulm_canvas_init(struct dulm_canvas *canvas, size_t length) DIFFULM_MUST_USE;
void dulm_canvas_release(struct dulm_canvas *canvas);
/* Whether steps remain for this row. */
bool dulm_canvas_active(const struct diffulm_session *session, const struct dulm_canvas *canvas);

/* cache.c: whether keys and values are kept: under causal and prefix_lm attention, unless the host says no; under full, if it asks. */
bool dulm_cache_is_used(const struct diffulm_session *session);
/* How many leading positions need not be computed again, at most `most`; 0 where none are kept. Memory for what the step will add is there when it returns. */
diffulm_status dulm_cache_begin(const struct diffulm_session *session, struct dulm_canvas *canvas,
                                size_t most, size_t *start) DIFFULM_MUST_USE;
/* The cache of a step that computes positions [start, end). */
struct dulm_key_cache dulm_cache_of(const struct diffulm_session *session,
                                    struct dulm_canvas *canvas, size_t start, size_t end);
/* The step succeeded: what it added counts. */
void dulm_cache_commit(struct dulm_canvas *canvas);
void dulm_cache_release(struct dulm_canvas *canvas);

/* share.c: computes once what canvases of one source need of it. After `reserve` of the step. */
diffulm_status dulm_share_sources(struct diffulm_session *session) DIFFULM_MUST_USE;

/* known.c: memory for candidates, where they are kept: under argmax, unless the host says no. */
diffulm_status dulm_known_reserve(const struct diffulm_session *session,
                                  struct dulm_canvas *canvas) DIFFULM_MUST_USE;
/* Whether all wanted candidates are known; then take() gives them. */
bool dulm_known_serves(const struct dulm_canvas *canvas);
void dulm_known_take(const struct dulm_canvas *canvas, struct dulm_candidate *candidates);
/* Before the transition: the candidates of the tokens that stand there. */
void dulm_known_keep(struct dulm_canvas *canvas, const struct dulm_candidate *candidates);
/* What they depend on besides tokens has changed. */
void dulm_known_forget(struct dulm_canvas *canvas);
void dulm_known_release(struct dulm_canvas *canvas);

/* What a canvas draws in its next step. */
struct dulm_draws dulm_draws_of(const struct diffulm_session *session,
                                const struct dulm_canvas *canvas);
/* choose.c: memory for the candidates of so many wanted positions; and those candidates, from the encoder's last states. */
diffulm_status dulm_choose_reserve(struct diffulm_session *session, size_t wanted) DIFFULM_MUST_USE;
diffulm_status dulm_choose(struct diffulm_session *session, size_t wanted) DIFFULM_MUST_USE;

/* One step of every active row; see diffulm_session_step. */
diffulm_status dulm_session_step(struct diffulm_session *session) DIFFULM_MUST_USE;
size_t dulm_session_active(const struct diffulm_session *session);
void dulm_step_buffers_release(struct dulm_step_buffers *buffers);

#endif

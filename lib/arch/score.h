/* score.h: the forward pass on packed ragged batches, for scoring. */
#ifndef DULM_ARCH_SCORE_H
#define DULM_ARCH_SCORE_H

#include <stdatomic.h>

#include "arch/model.h"
#include "nn/attention.h"
#include "nn/packed.h"

struct dulm_batch {
    size_t rows;
    const size_t *offsets;    /* [rows + 1] */
    const int32_t *tokens;    /* [total] */
    const int32_t *positions; /* [total] position ids, or NULL for the family's rule */
    const uint8_t *source;    /* [total] 1: source token, or NULL */
    const uint8_t *attended;  /* [total] 0: no query attends to it, or NULL */
    enum dulm_attention attention;
    int32_t newline_id;
    const struct dulm_key_cache *cache; /* [rows] of positions before each row's, or NULL */
    /* Packed positions, ascending, whose last states are needed; NULL: all. The last layer's output is computed for these. */
    const size_t *wanted;
    size_t wanted_count;
};

/* Buffers of a forward pass; they grow to the largest batch seen and are reused. One thread at a
 * time. */
struct dulm_workspace;
diffulm_status dulm_workspace_create(struct dulm_workspace **out) DIFFULM_MUST_USE;
void dulm_workspace_destroy(struct dulm_workspace *workspace);
/* The model's own, which calls that keep nothing use in turn, so that their memory need not be cleared by the kernel each time;
 * another where it is taken. Any thread. */
diffulm_status dulm_workspace_take(const struct diffulm_model *model,
                                   struct dulm_workspace **out) DIFFULM_MUST_USE;
void dulm_workspace_give(const struct diffulm_model *model, struct dulm_workspace *workspace);

/* Runs the encoder; its last states stay in the workspace until the next call. `cancel` (or NULL) is
 * looked at between layers: non-zero gives E_CANCELLED. */
diffulm_status dulm_encode(struct dulm_workspace *workspace, const struct diffulm_model *model,
                           const struct dulm_batch *batch,
                           const atomic_int *cancel) DIFFULM_MUST_USE;
/* [total, d], or [wanted_count, d] of batch->wanted; valid until the next dulm_encode. */
const float *dulm_encoded(const struct dulm_workspace *workspace);

/* The head goes by tiles: at most so many positions, so many logits, and of the vocabulary a multiple of the unit. */
#define DULM_HEAD_ROWS ((size_t)512)
#define DULM_HEAD_TILE ((size_t)1 << 19)
#define DULM_HEAD_UNIT ((size_t)1024)
/* Tokens of a tile for so many positions. */
size_t dulm_head_width(const struct diffulm_model *model, size_t count);

/* What the output matrix is applied to, [count, d], of chosen rows of the last states, or from `first` on where `chosen` is NULL; valid
 * until the next call. Then logits [count, tokens] of `tokens` tokens from `token` on. */
diffulm_status dulm_head_states(struct dulm_workspace *workspace, const struct diffulm_model *model,
                                const size_t *chosen, size_t first, size_t count,
                                const float **states) DIFFULM_MUST_USE;
diffulm_status dulm_head_logits(const struct dulm_workspace *workspace,
                                const struct diffulm_model *model, const float *states,
                                size_t count, size_t token, size_t tokens,
                                float *logits) DIFFULM_MUST_USE;
/* Whether logits can be had by parts where they are computed, without a matrix of them: DULM_PACKED_TILE at a time, or what is left at
 * the vocabulary's end. `token` is a multiple of that. */
bool dulm_head_comes_apart(const struct dulm_workspace *workspace);
diffulm_status dulm_head_taken(const struct dulm_workspace *workspace,
                               const struct diffulm_model *model, const float *states, size_t count,
                               size_t token, size_t tokens,
                               const struct dulm_taker *taker) DIFFULM_MUST_USE;
/* Both, of any number of positions: logits [count, vocabulary]. */
diffulm_status dulm_head(struct dulm_workspace *workspace, const struct diffulm_model *model,
                         const size_t *chosen, size_t first, size_t count,
                         float *logits) DIFFULM_MUST_USE;

#endif

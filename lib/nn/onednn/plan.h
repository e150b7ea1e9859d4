/* plan.h: how oneDNN multiplies by one packed tile: the order of the tile, and code for some numbers of rows of activations. */
#ifndef DULM_NN_ONEDNN_PLAN_H
#define DULM_NN_ONEDNN_PLAN_H

#include "nn/packed.h"

/* Each number of rows has code of its own, compiled when it is first needed: products of any number are put together from these. */
enum { DULM_HEIGHTS = 6 };
extern const size_t dulm_heights[DULM_HEIGHTS];

/* A tile [n, k] of words of 4 bytes: word j of row i is at row_word[i] + column_word[j]. */
struct dulm_plan {
    struct dulm_plan *next;
    enum dulm_packed_type type;
    size_t n, k;
    size_t bytes;   /* of a packed tile */
    size_t scratch; /* bytes that a product needs besides */
    uint32_t *row_word, *column_word;
    struct dulm_plan_code *code;
};

/* The runtime's plan for tiles of this shape, made by the first call and kept as long as the runtime. *out is NULL where oneDNN has
 * no kernel that gains from packing, or its sums are not exact. n and k are multiples of 64. */
diffulm_status dulm_onednn_plan(const struct diffulm_runtime *rt, enum dulm_packed_type type,
                                size_t n, size_t k, const struct dulm_plan **out) DIFFULM_MUST_USE;
void dulm_onednn_plans_destroy(struct dulm_plan *plans);

/* What one thread needs to use a plan, to be cleared before its first product and released after the last. */
struct dnnl_memory;
struct dnnl_stream;
struct dulm_hand {
    struct dnnl_stream *stream;
    struct dnnl_memory *memory[DULM_HEIGHTS][4];
};
void dulm_onednn_hand_release(struct dulm_hand *hand);

/* sums [dulm_heights[height], n] = activations [.., k] tile^T, inside dulm_onednn_enter(1): without an error message, for there
 * is one for each thread. */
diffulm_status dulm_onednn_multiply_tile(const struct dulm_plan *plan, struct dulm_hand *hand,
                                         size_t height, const void *activations, const void *tile,
                                         void *sums, void *scratch) DIFFULM_MUST_USE;

#endif

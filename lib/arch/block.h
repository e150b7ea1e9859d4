/* block.h: one transformer block, forward and backward, for every family; and the pieces around the
 * stack (embeddings, head). Used by scoring with one shared set of buffers and by training with one
 * set per layer. T: packed tokens, d: hidden size, f: FFN size, u: f or, gated, 2 f. */
#ifndef DULM_ARCH_BLOCK_H
#define DULM_ARCH_BLOCK_H

#include "arch/score.h"

/* What a block computes on the way and its backward pass needs. */
struct dulm_block_state {
    float *normed;   /* [T, d] pre-norm families: input of the attention */
    float *qkv;      /* [3, T, d] after rotary positions */
    float *context;  /* [T, d] */
    float *attn_sum; /* [T, d] residual sum after attention */
    float *attn_out; /* [T, d] post-norm: its norm; pre-norm: the same memory as attn_sum */
    float *normed2;  /* [T, d] pre-norm: input of the FFN */
    float *up;       /* [T, u] */
    float *act;      /* [T, f] not gated: the same memory as up where no backward pass follows */
    float *ffn_sum;  /* [T, d] residual sum after the FFN */
    float *out;      /* [T, d] post-norm: its norm; pre-norm: the same memory as ffn_sum */
};

struct dulm_dropout {
    bool on;
    uint64_t seed;
    uint32_t step;
    const uint32_t *row_number; /* [rows] */
};

/* Everything a pass over one batch shares. */
struct dulm_pass {
    const struct diffulm_runtime *rt;
    const struct dulm_config *config;
    const struct dulm_family *family;
    const struct dulm_weights *weights;
    const struct dulm_batch *batch;
    size_t tokens;
    const int32_t *positions;  /* [T] resolved */
    const int32_t *block;      /* [T] newlines before the token */
    const uint32_t *token_row; /* [T] row of each token; only with dropout */
    const uint32_t *token_at;  /* [T] index in its row; only with dropout */
    struct dulm_attention_shape shape;
    struct dulm_dropout dropout;
    float *scratch;                         /* attention, and [T, d] twice */
    float *adapter_scratch;                 /* [T, rank]; only with adapters */
    const struct dulm_copies *copies;       /* of frozen weights; NULL: none are kept */
    const struct dulm_quantized *quantized; /* likewise */
};

/* y[rows, out] (ldy) = then(x W^T + b) by rows [first, first + out) of W, which is in 8 or 16 bits, or of its copy where there is one.
 * b may be NULL; it begins at `first` as well. */
diffulm_status dulm_multiply(const struct dulm_pass *pass, int layer, int weight_slot, size_t first,
                             size_t rows, size_t in, size_t out, const float *x, const float *b,
                             enum dulm_activation then, float *y, size_t ldy) DIFFULM_MUST_USE;
/* The same, taken part by part, where it comes so: `first` and the columns of parts are multiples of DULM_PACKED_TILE. */
bool dulm_multiply_comes_apart(const struct dulm_pass *pass, int layer, int weight_slot);
diffulm_status dulm_multiply_taken(const struct dulm_pass *pass, int layer, int weight_slot,
                                   size_t first, size_t rows, size_t in, size_t out, const float *x,
                                   const float *b, const struct dulm_taker *taker) DIFFULM_MUST_USE;
/* dx[rows, in] (+)= dy[rows, out] (lddy) W by the same rows, of weights that are not in 8 bits. */
diffulm_status dulm_multiply_back(const struct dulm_pass *pass, int layer, int weight_slot,
                                  size_t first, size_t rows, size_t in, size_t out, const float *dy,
                                  size_t lddy, bool accumulate, float *dx) DIFFULM_MUST_USE;
/* y[T, out] (ldy) = x W^T + b, plus the slot's adapter. bias slot = weight slot + 1. */
diffulm_status dulm_linear(const struct dulm_pass *pass, int layer, int weight_slot, size_t in,
                           size_t out, const float *x, float *y, size_t ldy) DIFFULM_MUST_USE;
/* Queries, keys and values, [3, T, d], of x: one product where their matrices are packed. */
diffulm_status dulm_query_key_value(const struct dulm_pass *pass, int layer, const float *x,
                                    float *qkv) DIFFULM_MUST_USE;
/* dulm_linear without gaps in y, activated. */
diffulm_status dulm_linear_activated(const struct dulm_pass *pass, int layer, int weight_slot,
                                     size_t in, size_t out, const float *x,
                                     enum dulm_activation kind, float *y) DIFFULM_MUST_USE;
/* dx (+)= dy W (skipped when NULL); weight and bias gradients += where grads has them; likewise the
 * adapter's. */
diffulm_status dulm_linear_backward(const struct dulm_pass *pass, const struct dulm_weights *grads,
                                    int layer, int weight_slot, size_t in, size_t out,
                                    const float *x, const float *dy, size_t lddy, bool accumulate,
                                    float *dx) DIFFULM_MUST_USE;

/* Whether that reads x. */
bool dulm_linear_backward_reads(const struct dulm_weights *grads, int layer, int weight_slot);

/* x *= keep / (1 - rate) on [T, d], the same draws at every call. site tells places apart. */
void dulm_dropout_apply(const struct dulm_pass *pass, float rate, uint32_t site, float *x);
/* Sites: 0 the embeddings; layer l has 1 + 3 l (probabilities), + 1 (attention), + 2 (FFN). */
struct dulm_attention_dropout dulm_attention_dropout_of(const struct dulm_pass *pass, int layer);
/* Whether the draws of all sites fit the generator's 2^26 per position. */
bool dulm_dropout_fits(const struct dulm_config *config);

/* x: [T, d] = sum of embeddings, normed where the family does; `sum` keeps the sum (may be x when it
 * is not needed). */
void dulm_embed(const struct dulm_pass *pass, float *sum, float *x);

diffulm_status dulm_block_forward(const struct dulm_pass *pass, int layer, const float *x,
                                  struct dulm_block_state *state) DIFFULM_MUST_USE;
/* Its two halves: what the tokens see of each other, up to state->context; and the rest, which takes x and context of
 * pass->tokens tokens, that may be fewer then, each by itself. */
diffulm_status dulm_block_context(const struct dulm_pass *pass, int layer, const float *x,
                                  struct dulm_block_state *state) DIFFULM_MUST_USE;
diffulm_status dulm_block_output(const struct dulm_pass *pass, int layer, const float *x,
                                 struct dulm_block_state *state) DIFFULM_MUST_USE;

struct dulm_backward_scratch {
    float *wide;   /* [T, max(3 d, u)] */
    float *wide2;  /* [T, max(d, f)] */
    float *narrow; /* [T, d] */
    float *attn;   /* [T, d] */
    float *stats;  /* [2 T] */
};
/* dx = gradient of the block's input, given dout, which is used up. Gradients of parameters are added
 * where grads has them. */
diffulm_status dulm_block_backward(const struct dulm_pass *pass, const struct dulm_weights *grads,
                                   int layer, const float *x, const struct dulm_block_state *state,
                                   float *dout, float *dx,
                                   const struct dulm_backward_scratch *scratch) DIFFULM_MUST_USE;

/* Scatter of dx (gradient of the embeddings' sum) into the tables. */
void dulm_embed_backward(const struct dulm_pass *pass, const struct dulm_weights *grads,
                         const float *dsum);

/* The head's transform on gathered rows: dense -> act -> norm. Each [count, d]; dense and act may be one
 * buffer when no backward follows. */
diffulm_status dulm_head_transform(const struct dulm_pass *pass, size_t count, const float *x,
                                   float *dense, float *act, float *normed) DIFFULM_MUST_USE;

#endif

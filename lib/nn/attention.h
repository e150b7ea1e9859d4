/* attention.h: multi-head attention over a packed ragged batch. */
#ifndef DULM_NN_ATTENTION_H
#define DULM_NN_ATTENTION_H

#include "nn/runtime.h"

enum dulm_attention {
    DULM_ATTENTION_FULL,
    DULM_ATTENTION_PREFIX_LM,
    DULM_ATTENTION_CAUSAL,
    DULM_ATTENTION_BLOCKWISE
};

/* Who sees whom (design: diffusion, section 6). Per-token arrays cover the packed batch. */
struct dulm_visibility {
    enum dulm_attention kind;
    const uint8_t *source;   /* 1: source token; NULL: none */
    const uint8_t *attended; /* 0: no query attends to it; NULL: all are */
    const int32_t *block;    /* newlines before the token in its row; for blockwise only */
    size_t window;           /* |i - j| <= window; 0: no limit */
};

/* Dropout of attention probabilities; rate 0 switches it off. */
struct dulm_attention_dropout {
    float rate;
    uint64_t seed;
    uint32_t step;
    const uint32_t *row_number; /* [rows] row numbers in the whole update */
    uint32_t first_draw;        /* j of head 0, key 0; head h, key k: + h * stride + k */
    uint32_t stride;
};

/* Keys and values of positions that stand before those of a row and were computed earlier. They are seen by every
 * token of the row, but for the window. Forward only. */
struct dulm_key_cache {
    float *memory; /* layer l at memory + l * layer_stride: [count + keep, 2 d], keys then values */
    size_t layer_stride; /* floats */
    size_t count;        /* positions held */
    size_t keep;         /* how many of the row's own positions are written behind them */
};

struct dulm_attention_shape {
    size_t rows;
    const size_t *offsets; /* [rows + 1] */
    size_t heads, head_size;
    size_t longest;                     /* keys of a row, cached ones too */
    const struct dulm_key_cache *cache; /* [rows], or NULL */
    size_t layer;                       /* of the cache */
    /* Factors are rounded to bfloat16 (head.h), where the head's size allows it. Forward without dropout only. */
    bool rounded;
};

/* Floats of scratch needed: per thread two score matrices of longest x longest, or a rounded head, and with a cache the keys and values
 * of a head. */
size_t dulm_attention_scratch(const struct diffulm_runtime *rt,
                              const struct dulm_attention_shape *shape);

/* qkv: [3, T, d] holds queries, keys, values; context: [T, d]. */
diffulm_status dulm_attention_forward(const struct diffulm_runtime *rt,
                                      const struct dulm_attention_shape *shape,
                                      const struct dulm_visibility *visible,
                                      const struct dulm_attention_dropout *dropout,
                                      const float *qkv, float *context,
                                      float *scratch) DIFFULM_MUST_USE;

/* dqkv: [3, T, d] = the gradient of all three; probabilities are computed again. */
diffulm_status dulm_attention_backward(const struct diffulm_runtime *rt,
                                       const struct dulm_attention_shape *shape,
                                       const struct dulm_visibility *visible,
                                       const struct dulm_attention_dropout *dropout,
                                       const float *qkv, const float *dcontext, float *dqkv,
                                       float *scratch) DIFFULM_MUST_USE;

/* Rotary positions (Su et al. 2021), halves rotated: x[j], x[j + h/2] by position * theta^(-2j/h), on
 * queries and keys of qkv. inverse: the transpose, for gradients. */
void dulm_rotary(const struct diffulm_runtime *rt, size_t tokens, size_t heads, size_t head_size,
                 const int32_t *positions, float theta, bool inverse, float *qkv);

#endif

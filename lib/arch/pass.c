/* pass.c: checking a batch and preparing what every layer needs. */
#include "arch/pass.h"

#include "base/alloc.h"
#include "base/error.h"

diffulm_status dulm_reserve(float **block, size_t *capacity, size_t needed)
{
    if (needed <= *capacity)
        return DIFFULM_OK;
    float *grown = dulm_alloc_tensor(needed, sizeof *grown);
    if (!grown)
        return dulm_fail_memory();
    dulm_free(*block);
    *block = grown;
    *capacity = needed;
    return DIFFULM_OK;
}

void dulm_pass_buffers_release(struct dulm_pass_buffers *b)
{
    dulm_free(b->positions);
    dulm_free(b->block);
    dulm_free(b->token_row);
    dulm_free(b->token_at);
    dulm_free(b->scratch);
    dulm_free(b->adapter);
    *b = (struct dulm_pass_buffers){0};
}

static diffulm_status check_batch(const struct dulm_config *c, const struct dulm_batch *b,
                                  size_t *longest)
{
    if (b->rows == 0 || b->offsets[0] != 0)
        return dulm_fail(DIFFULM_E_ARGUMENT, "batch: no rows, or offsets do not start at 0");
    *longest = 0;
    for (size_t r = 0; r < b->rows; r++) {
        if (b->offsets[r + 1] < b->offsets[r])
            return dulm_fail(DIFFULM_E_ARGUMENT, "batch: offsets fall at row %zu", r);
        const size_t length = b->offsets[r + 1] - b->offsets[r];
        const size_t limit = b->positions ? SIZE_MAX : dulm_config_longest_row(c);
        if (length > limit)
            return dulm_fail(DIFFULM_E_LIMIT,
                             "batch: row %zu has %zu tokens, the model takes at most %zu", r,
                             length, limit);
        const size_t keys = length + (b->cache ? b->cache[r].count : 0);
        *longest = keys > *longest ? keys : *longest;
        for (size_t i = b->offsets[r]; i < b->offsets[r + 1]; i++)
            if (b->tokens[i] < 0 || b->tokens[i] >= c->vocabulary)
                return dulm_fail(
                    DIFFULM_E_ARGUMENT,
                    "batch: row %zu, position %zu: token %d is outside the vocabulary of %lld", r,
                    i - b->offsets[r], b->tokens[i], (long long)c->vocabulary);
    }
    const size_t total = b->offsets[b->rows];
    for (size_t i = 0; b->positions && i < total; i++)
        if (b->positions[i] < 0 || b->positions[i] >= c->positions)
            return dulm_fail(DIFFULM_E_ARGUMENT,
                             "batch: position id %d at token %zu is outside the table of %lld",
                             b->positions[i], i, (long long)c->positions);
    return DIFFULM_OK;
}

static diffulm_status reserve(struct dulm_pass_buffers *b, size_t tokens)
{
    if (tokens <= b->capacity)
        return DIFFULM_OK;
    int32_t *positions = dulm_alloc(tokens, 4), *block = dulm_alloc(tokens, 4);
    uint32_t *row = dulm_alloc(tokens, 4), *at = dulm_alloc(tokens, 4);
    if (!positions || !block || !row || !at) {
        dulm_free(positions);
        dulm_free(block);
        dulm_free(row);
        dulm_free(at);
        return dulm_fail_memory();
    }
    dulm_free(b->positions);
    dulm_free(b->block);
    dulm_free(b->token_row);
    dulm_free(b->token_at);
    b->positions = positions;
    b->block = block;
    b->token_row = row;
    b->token_at = at;
    b->capacity = tokens;
    return DIFFULM_OK;
}

/* The family's rule: BERT and rotary count from 0; the others give pads pad_id and count the rest. */
static void resolve(const struct dulm_config *c, const struct dulm_batch *b,
                    struct dulm_pass_buffers *out)
{
    const bool plain = dulm_family_of(c->family)->bert_positions;
    for (size_t r = 0; r < b->rows; r++) {
        int32_t seen = 0, newlines = 0;
        for (size_t i = b->offsets[r]; i < b->offsets[r + 1]; i++) {
            const bool pad = !plain && b->tokens[i] == c->pad_id;
            seen += !pad;
            if (b->positions)
                out->positions[i] = b->positions[i];
            else if (plain)
                out->positions[i] = (int32_t)(i - b->offsets[r]);
            else
                out->positions[i] = pad ? c->pad_id : c->pad_id + seen;
            out->block[i] = newlines;
            newlines += b->attention == DULM_ATTENTION_BLOCKWISE && b->tokens[i] == b->newline_id;
            out->token_row[i] = (uint32_t)r;
            out->token_at[i] = (uint32_t)(i - b->offsets[r]);
        }
    }
}

static size_t adapter_rank(const struct dulm_config *c, const struct dulm_weights *w)
{
    size_t most = 0;
    for (int64_t i = 0; w->adapter && i < c->layers * DULM_LAYER_SLOTS; i++)
        most = w->adapter[i].rank > most ? w->adapter[i].rank : most;
    return most;
}

diffulm_status dulm_pass_prepare(const struct diffulm_runtime *rt, const struct dulm_config *config,
                                 const struct dulm_weights *weights, const struct dulm_batch *batch,
                                 bool rounded, struct dulm_pass_buffers *buffers,
                                 struct dulm_pass *pass)
{
    size_t longest = 0;
    diffulm_status rc = check_batch(config, batch, &longest);
    if (rc < 0)
        return rc;
    const size_t tokens = batch->offsets[batch->rows];
    struct dulm_pass p = {.rt = rt,
                          .config = config,
                          .weights = weights,
                          .batch = batch,
                          .family = dulm_family_of(config->family),
                          .tokens = tokens};
    p.shape = (struct dulm_attention_shape){batch->rows,
                                            batch->offsets,
                                            (size_t)config->heads,
                                            (size_t)(config->hidden / config->heads),
                                            longest,
                                            batch->cache,
                                            0,
                                            rounded};
    rc = reserve(buffers, tokens);
    if (rc == DIFFULM_OK)
        rc = dulm_reserve(&buffers->scratch, &buffers->scratch_capacity,
                          dulm_attention_scratch(rt, &p.shape));
    if (rc == DIFFULM_OK)
        rc = dulm_reserve(&buffers->adapter, &buffers->adapter_capacity,
                          tokens * adapter_rank(config, weights));
    if (rc < 0)
        return rc;
    resolve(config, batch, buffers);
    p.positions = buffers->positions;
    p.block = buffers->block;
    p.token_row = buffers->token_row;
    p.token_at = buffers->token_at;
    p.scratch = buffers->scratch;
    p.adapter_scratch = buffers->adapter;
    *pass = p;
    return DIFFULM_OK;
}

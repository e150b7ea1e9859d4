/* batches.c: the order of rows in training, and how many make an update. */
#include "batches.h"

#include <stdlib.h>
#include <string.h>

void batch_take(struct batch *u, const struct rows *rows, size_t row)
{
    const size_t begin = rows->offsets[row], length = rows->offsets[row + 1] - begin;
    const size_t at = u->rows ? u->offsets[u->rows] : 0;
    if (u->rows + 2 > u->row_capacity) {
        u->row_capacity = 2 * u->row_capacity + 64;
        u->offsets = cli_grow(u->offsets, u->row_capacity, sizeof(size_t));
        u->sources = cli_grow(u->sources, u->row_capacity, sizeof(size_t));
        u->offsets[0] = 0;
    }
    if (at + length > u->token_capacity) {
        u->token_capacity = 2 * u->token_capacity + length;
        u->tokens = cli_grow(u->tokens, u->token_capacity, sizeof(int32_t));
    }
    memcpy(u->tokens + at, rows->tokens.ids + begin, length * sizeof(int32_t));
    u->sources[u->rows++] = rows->source_lengths[row];
    u->offsets[u->rows] = at + length;
}

void batch_release(struct batch *u)
{
    free(u->tokens);
    free(u->offsets);
    free(u->sources);
}

diffulm_status walk_go_to(struct walk *w, uint32_t epoch, size_t position)
{
    if (!w->order)
        w->order = cli_alloc(w->rows->count, sizeof *w->order);
    const diffulm_status rc =
        epoch ? diffulm_shuffle(w->seed, epoch - 1, w->rows->count, w->order) : DIFFULM_OK;
    if (rc < 0)
        return rc;
    w->epoch = epoch;
    w->position = position;
    return DIFFULM_OK;
}

diffulm_status walk_next(struct walk *w, size_t tokens, struct batch *batch)
{
    batch->rows = 0;
    do {
        if (w->epoch == 0 || w->position == w->rows->count) {
            const diffulm_status rc = walk_go_to(w, w->epoch + 1, 0);
            if (rc < 0)
                return rc;
        }
        batch_take(batch, w->rows, w->order[w->position++]);
    } while (batch->offsets[batch->rows] < tokens);
    return DIFFULM_OK;
}

void walk_release(struct walk *w)
{
    free(w->order);
}

/* batches.h: rows drawn epoch after epoch, packed into the batches of a training run. */
#ifndef DIFFULM_CLI_BATCHES_H
#define DIFFULM_CLI_BATCHES_H

#include "rows.h"

/* The rows of one update, packed; zeroed at first. */
struct batch {
    int32_t *tokens;
    size_t *offsets, *sources, rows, row_capacity, token_capacity;
};

/* Appends a row. */
void batch_take(struct batch *batch, const struct rows *rows, size_t row);
void batch_release(struct batch *batch);

/* A walk through the rows, each epoch in its own order; rows and seed are set, the rest zero. */
struct walk {
    const struct rows *rows;
    uint64_t seed;
    size_t *order, position; /* position: of the next row in the order */
    uint32_t epoch;          /* of the epoch after this one: 0 before the first */
};

/* The batch becomes the next rows: as many as have at least `tokens` tokens. */
diffulm_status walk_next(struct walk *walk, size_t tokens, struct batch *batch);
/* Goes where another walk through the same rows with the same seed stands. */
diffulm_status walk_go_to(struct walk *walk, uint32_t epoch, size_t position);
void walk_release(struct walk *walk);

#endif

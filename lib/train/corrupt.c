/* corrupt.c: corrupted training batches from clean ones, and the arrays they live in. What is
 * masked in a row is decided by diffusion/corrupt.c. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "diffusion/corrupt.h"
#include "train/trainer.h"

void dulm_row_buffers_release(struct dulm_row_buffers *b)
{
    void *const blocks[] = {b->x_t,    b->x_0,       b->t,       b->target,         b->maskable,
                            b->masked, b->source,    b->offsets, b->source_lengths, b->position,
                            b->d_ce,   b->d_uniform, b->ce,      b->uniform_ce,     b->row_number};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        dulm_free(blocks[i]);
    *b = (struct dulm_row_buffers){0};
}

diffulm_status dulm_row_buffers_reserve(struct dulm_row_buffers *b, size_t tokens, size_t rows)
{
    if (tokens <= b->tokens && rows <= b->rows)
        return DIFFULM_OK;
    const size_t n = tokens > b->tokens ? tokens : b->tokens, r = rows > b->rows ? rows : b->rows;
    dulm_row_buffers_release(b);
    struct dulm_row_buffers fresh = {.x_t = dulm_alloc(n, 4),
                                     .x_0 = dulm_alloc(n, 4),
                                     .t = dulm_alloc(r, 4),
                                     .target = dulm_alloc(n, 4),
                                     .maskable = dulm_alloc(n, 1),
                                     .masked = dulm_alloc(n, 1),
                                     .source = dulm_alloc(n, 1),
                                     .offsets = dulm_alloc(r + 1, sizeof(size_t)),
                                     .source_lengths = dulm_alloc(r, sizeof(size_t)),
                                     .position = dulm_alloc(n, sizeof(size_t)),
                                     .d_ce = dulm_alloc(n, 4),
                                     .d_uniform = dulm_alloc(n, 4),
                                     .ce = dulm_alloc(n, 8),
                                     .uniform_ce = dulm_alloc(n, 8),
                                     .row_number = dulm_alloc(r, 4),
                                     .tokens = n,
                                     .rows = r};
    *b = fresh;
    if (b->x_t && b->x_0 && b->t && b->target && b->maskable && b->masked && b->source &&
        b->offsets && b->source_lengths && b->position && b->d_ce && b->d_uniform && b->ce &&
        b->uniform_ce && b->row_number)
        return DIFFULM_OK;
    dulm_row_buffers_release(b);
    return dulm_fail_memory();
}

diffulm_status dulm_rows_check(size_t rows, const size_t *offsets, const size_t *source_lengths)
{
    if (!offsets || offsets[0] != 0)
        return dulm_fail(DIFFULM_E_ARGUMENT, "rows: offsets are NULL or do not start at 0");
    for (size_t r = 0; r < rows; r++) {
        if (offsets[r + 1] < offsets[r])
            return dulm_fail(DIFFULM_E_ARGUMENT, "rows: offsets fall at row %zu", r);
        const size_t length = offsets[r + 1] - offsets[r];
        if (source_lengths && source_lengths[r] > length)
            return dulm_fail(DIFFULM_E_ARGUMENT, "rows: row %zu has %zu tokens but a source of %zu",
                             r, length, source_lengths[r]);
    }
    return DIFFULM_OK;
}

/* Tokens of row `r` of the clean batch as row `to` of the buffers, whose masks are set. */
static void write_row(const struct diffulm_rows *clean, size_t r, int32_t mask_id, size_t source,
                      size_t to, size_t at, struct dulm_row_buffers *b)
{
    const size_t first = clean->offsets[r], length = clean->offsets[r + 1] - first;
    for (size_t i = 0; i < length; i++) {
        b->x_0[at + i] = clean->tokens[first + i];
        b->x_t[at + i] = b->masked[at + i] ? mask_id : clean->tokens[first + i];
    }
    b->source_lengths[to] = source;
    b->offsets[to + 1] = at + length;
}

/* Nothing is masked: `masked` marks the targets, which are never the first of a row. */
static void mark_targets(const struct diffulm_trainer *t, uint32_t first_row,
                         const struct diffulm_rows *clean)
{
    const struct diffulm_trainer_options *o = &t->options;
    struct dulm_row_buffers *b = t->buffers;
    for (size_t r = 0; r < clean->rows; r++) {
        const size_t at = clean->offsets[r], length = clean->offsets[r + 1] - at;
        const size_t source = clean->source_lengths ? clean->source_lengths[r] : 0;
        const size_t given = o->mask_on_source || source == 0 ? 1 : source;
        for (size_t i = 0; i < length; i++) {
            b->maskable[at + i] = b->masked[at + i] = i >= given;
            b->x_0[at + i] = b->x_t[at + i] = clean->tokens[at + i];
        }
        b->t[r] = 1;
        b->row_number[r] = first_row + (uint32_t)r;
        b->source_lengths[r] = source;
        b->offsets[r + 1] = at + length;
    }
}

diffulm_status dulm_corrupt_batch(const struct diffulm_trainer *t, uint64_t seed, uint32_t step,
                                  uint32_t first_row, const struct diffulm_rows *clean,
                                  size_t *rows)
{
    const struct diffulm_trainer_options *o = &t->options;
    struct dulm_row_buffers *b = t->buffers;
    const bool causal = o->objective == DIFFULM_OBJECTIVE_CAUSAL;
    const bool pair = !causal && o->corruption != DIFFULM_CORRUPTION_SINGLE;
    const size_t n = clean->rows;
    diffulm_status rc = dulm_rows_check(n, clean->offsets, clean->source_lengths);
    const size_t total = rc == DIFFULM_OK ? clean->offsets[n] : 0;
    if (rc == DIFFULM_OK)
        rc = dulm_row_buffers_reserve(b, total * (pair ? 2 : 1), n * (pair ? 2 : 1));
    if (rc < 0)
        return rc;
    b->offsets[0] = 0;
    *rows = pair ? 2 * n : n;
    if (causal) {
        mark_targets(t, first_row, clean);
        return DIFFULM_OK;
    }
    for (size_t r = 0; r < n; r++) {
        const size_t at = clean->offsets[r], length = clean->offsets[r + 1] - at;
        const size_t source =
            o->mask_on_source || !clean->source_lengths ? 0 : clean->source_lengths[r];
        const uint32_t number = first_row + (uint32_t)r;
        const struct dulm_timesteps k = dulm_draw_timesteps(t->schedule, seed, step, number);
        const struct dulm_uniforms draws = {seed, step, number, NULL, NULL};
        for (size_t i = 0; i < length; i++)
            b->maskable[at + i] = i >= source;
        dulm_mask_row(t->schedule, k, &draws, length, b->maskable + at, b->masked + at,
                      pair ? b->masked + total + at : NULL);
        b->t[r] = k.t1 > k.t2 ? k.t1 : k.t2;
        b->row_number[r] = number;
        write_row(clean, r, o->mask_id, source, r, at, b);
        if (!pair)
            continue;
        b->t[n + r] = k.t1 > k.t2 ? k.t2 : k.t1;
        /* Dropout draws: the halves of a pair differ, however the update is cut into batches. */
        b->row_number[n + r] = number | 0x80000000u;
        memcpy(b->maskable + total + at, b->maskable + at, length);
        write_row(clean, r, o->mask_id, source, n + r, total + at, b);
    }
    return DIFFULM_OK;
}

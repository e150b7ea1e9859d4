/* corrupt.c: corrupted training rows from clean ones (diffusion, sections 1, 2 and 8), and the arrays
 * they live in. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "train/trainer.h"

void dulm_row_buffers_release(struct dulm_row_buffers *b)
{
    void *const blocks[] = {b->x_t,     b->x_0,    b->t,       b->target,         b->maskable,
                            b->masked,  b->source, b->offsets, b->source_lengths, b->position,
                            b->d_ce,    b->d_uniform, b->ce,   b->uniform_ce,     b->row_number};
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
    struct dulm_row_buffers fresh = {
        .x_t = dulm_alloc(n, 4), .x_0 = dulm_alloc(n, 4), .t = dulm_alloc(r, 4),
        .target = dulm_alloc(n, 4), .maskable = dulm_alloc(n, 1), .masked = dulm_alloc(n, 1),
        .source = dulm_alloc(n, 1), .offsets = dulm_alloc(r + 1, sizeof(size_t)),
        .source_lengths = dulm_alloc(r, sizeof(size_t)), .position = dulm_alloc(n, sizeof(size_t)),
        .d_ce = dulm_alloc(n, 4), .d_uniform = dulm_alloc(n, 4), .ce = dulm_alloc(n, 8),
        .uniform_ce = dulm_alloc(n, 8), .row_number = dulm_alloc(r, 4), .tokens = n, .rows = r};
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
            return dulm_fail(DIFFULM_E_ARGUMENT,
                             "rows: row %zu has %zu tokens but a source of %zu", r, length,
                             source_lengths[r]);
    }
    return DIFFULM_OK;
}

struct draw {
    uint64_t seed;
    uint32_t step, row;
    int32_t timesteps, hi, lo;
};

static struct draw timesteps_of(const struct diffulm_trainer_options *o, uint64_t seed,
                                uint32_t step, uint32_t row)
{
    struct draw d = {seed, step, row, o->timesteps, 0, 0};
    const uint32_t n = (uint32_t)o->timesteps;
    if (o->corruption == DIFFULM_CORRUPTION_FIXED) {
        d.hi = d.lo = (int32_t)ceil(o->mask_ratio * (double)o->timesteps);
        return d;
    }
    const int32_t t1 =
        1 + (int32_t)dulm_below(dulm_draw(seed, DULM_STREAM_TIMESTEP, step, row, 0, 0), n);
    const int32_t t2 =
        1 + (int32_t)dulm_below(dulm_draw(seed, DULM_STREAM_TIMESTEP, step, row, 0, 1), n);
    d.hi = o->corruption == DIFFULM_CORRUPTION_SINGLE || t1 > t2 ? t1 : t2;
    d.lo = o->corruption == DIFFULM_CORRUPTION_SINGLE || t1 < t2 ? t1 : t2;
    return d;
}

static bool masked_hi(const struct draw *d, uint32_t i)
{
    const double u =
        dulm_uniform(dulm_draw(d->seed, DULM_STREAM_CORRUPTION_HI, d->step, d->row, i, 0));
    return u * d->timesteps < d->hi;
}

static bool masked_lo(const struct draw *d, uint32_t i, bool hi)
{
    const double u =
        dulm_uniform(dulm_draw(d->seed, DULM_STREAM_CORRUPTION_LO, d->step, d->row, i, 0));
    if (d->hi == d->lo)
        return u * d->timesteps < d->lo;
    return hi && u * d->hi < d->lo;
}

/* Row `r` of the clean batch becomes row `to` of the buffers, from packed position `at` on. */
static void corrupt_row(const struct diffulm_trainer_options *o, const struct draw *d, bool low,
                        const struct diffulm_rows *clean, size_t r, size_t to, size_t at,
                        struct dulm_row_buffers *b)
{
    const size_t first = clean->offsets[r], length = clean->offsets[r + 1] - first;
    const size_t source =
        o->mask_on_source || !clean->source_lengths ? 0 : clean->source_lengths[r];
    for (size_t i = 0; i < length; i++) {
        const bool maskable = i >= source, hi = maskable && masked_hi(d, (uint32_t)i);
        const bool masked = maskable && (low ? masked_lo(d, (uint32_t)i, hi) : hi);
        b->x_0[at + i] = clean->tokens[first + i];
        b->x_t[at + i] = masked ? o->mask_id : clean->tokens[first + i];
        b->maskable[at + i] = maskable;
        b->masked[at + i] = masked;
    }
    b->t[to] = low ? d->lo : d->hi;
    /* Dropout draws: the two halves of a pair differ, however the update is cut into batches. */
    b->row_number[to] = d->row | (low ? 0x80000000u : 0);
    b->source_lengths[to] = source;
    b->offsets[to + 1] = at + length;
}

diffulm_status dulm_corrupt_batch(const struct diffulm_trainer_options *o, uint64_t seed,
                                  uint32_t step, uint32_t first_row,
                                  const struct diffulm_rows *clean, struct dulm_row_buffers *b,
                                  size_t *rows)
{
    const bool pair = o->corruption != DIFFULM_CORRUPTION_SINGLE;
    const size_t n = clean->rows;
    diffulm_status rc = dulm_rows_check(n, clean->offsets, clean->source_lengths);
    const size_t total = rc == DIFFULM_OK ? clean->offsets[n] : 0;
    if (rc == DIFFULM_OK)
        rc = dulm_row_buffers_reserve(b, total * (pair ? 2 : 1), n * (pair ? 2 : 1));
    if (rc < 0)
        return rc;
    b->offsets[0] = 0;
    for (size_t r = 0; r < n; r++) {
        const struct draw d = timesteps_of(o, seed, step, first_row + (uint32_t)r);
        corrupt_row(o, &d, false, clean, r, r, clean->offsets[r], b);
        if (pair) {
            b->offsets[n] = total;
            corrupt_row(o, &d, true, clean, r, n + r, total + clean->offsets[r], b);
        }
    }
    *rows = pair ? 2 * n : n;
    return DIFFULM_OK;
}

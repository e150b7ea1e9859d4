/* loss.c: forward, loss and backward of one corrupted batch. What each cross entropy weighs is in
 * diffusion/loss.c. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "diffusion/loss.h"
#include "train/trainer.h"

/* The causal objective weighs the n targets of a row alike, as one timestep of one would. */
static struct dulm_loss_share share_of(const struct diffulm_trainer *t, size_t rows, int32_t time,
                                       size_t n)
{
    const double smoothing = t->options.label_smoothing;
    if (t->options.objective == DIFFULM_OBJECTIVE_DIFFUSION)
        return dulm_loss_share_of(t->schedule, smoothing, rows, time, n);
    const double share = n ? 1.0 / ((double)n * (double)rows) : 0;
    return (struct dulm_loss_share){(1 - smoothing) * share, smoothing * share};
}

/* Lists the targets with the derivative of the loss by each of their cross entropies. */
static void list_targets(const struct diffulm_trainer *t, const struct diffulm_corrupted_rows *rows,
                         struct dulm_row_buffers *b, struct dulm_targets *targets)
{
    const size_t back = t->options.objective == DIFFULM_OBJECTIVE_CAUSAL;
    size_t count = 0;
    for (size_t r = 0; r < rows->rows; r++) {
        size_t n = 0;
        for (size_t i = rows->offsets[r]; i < rows->offsets[r + 1]; i++)
            n += rows->maskable[i];
        const struct dulm_loss_share share = share_of(t, rows->rows, rows->t[r], n);
        for (size_t i = rows->offsets[r]; i < rows->offsets[r + 1]; i++) {
            if (!rows->masked[i])
                continue;
            b->position[count] = i - back; /* causal: never the first of its row */
            b->target[count] = rows->x_0[i];
            b->d_ce[count] = (float)share.d_ce;
            b->d_uniform[count++] = (float)share.d_uniform;
        }
    }
    *targets = (struct dulm_targets){count,        b->position, b->target,    b->d_ce,
                                     b->d_uniform, b->ce,       b->uniform_ce};
}

static diffulm_status check(const struct diffulm_trainer *t,
                            const struct diffulm_corrupted_rows *rows)
{
    for (size_t r = 0; r < rows->rows; r++)
        if (rows->t[r] < 1 || rows->t[r] > t->options.timesteps)
            return dulm_fail(DIFFULM_E_ARGUMENT, "rows: row %zu has timestep %d, expected 1 to %d",
                             r, rows->t[r], t->options.timesteps);
    for (size_t i = 0; i < rows->offsets[rows->rows]; i++)
        if (rows->x_0[i] < 0 || rows->x_0[i] >= t->config.vocabulary)
            return dulm_fail(DIFFULM_E_ARGUMENT, "rows: token %d at %zu is outside the vocabulary",
                             rows->x_0[i], i);
    return DIFFULM_OK;
}

/* Names the first row whose loss is not finite by its number in the update, which a coupled pair shares. */
static diffulm_status name_row(const struct diffulm_trainer *t,
                               const struct diffulm_corrupted_rows *rows,
                               const struct dulm_targets *targets)
{
    size_t i = 0, r = 0;
    while (i + 1 < targets->count && isfinite(targets->ce[i]) && isfinite(targets->uniform_ce[i]))
        i++;
    while (targets->position[i] >= rows->offsets[r + 1])
        r++;
    return dulm_fail(DIFFULM_E_NUMERIC,
                     "update %lld: the loss of row %u, position %zu, is not finite",
                     (long long)t->step, (unsigned)(t->buffers->row_number[r] & 0x7fffffffu),
                     targets->position[i] - rows->offsets[r]);
}

diffulm_status dulm_trainer_pass(struct diffulm_trainer *t,
                                 const struct diffulm_corrupted_rows *rows, bool gradients,
                                 double *loss, double *cross_entropy, size_t *masked)
{
    diffulm_status rc = check(t, rows);
    if (rc < 0)
        return rc;
    const size_t total = rows->offsets[rows->rows];
    struct dulm_row_buffers *b = t->buffers;
    memset(b->source, 0, total);
    for (size_t r = 0; rows->source_lengths && r < rows->rows; r++)
        memset(b->source + rows->offsets[r], 1, rows->source_lengths[r]);
    const struct dulm_batch batch = {.rows = rows->rows,
                                     .offsets = rows->offsets,
                                     .tokens = rows->x_t,
                                     .source = b->source,
                                     .attention = (enum dulm_attention)t->options.attention,
                                     .newline_id = t->options.newline_id};
    const struct dulm_dropout dropout = {gradients && t->options.dropout, t->options.seed,
                                         (uint32_t)t->step, b->row_number};
    struct dulm_targets targets;
    list_targets(t, rows, b, &targets);
    const struct dulm_weights *weights = t->averages && !gradients ? &t->averaged : &t->weights;
    rc = dulm_tape_forward(t->tape, t->base->runtime, &t->config, weights, &batch, &dropout,
                           gradients ? &t->grads : NULL);
    if (rc == DIFFULM_OK)
        rc = dulm_tape_loss(t->tape, &targets, gradients ? &t->grads : NULL);
    if (rc < 0)
        return rc;
    double sum = 0, ce = 0;
    for (size_t i = 0; i < targets.count; i++) {
        sum += (double)b->d_ce[i] * b->ce[i] + (double)b->d_uniform[i] * b->uniform_ce[i];
        ce += b->ce[i];
    }
    if (!isfinite(sum))
        return name_row(t, rows, &targets);
    *loss = sum;
    *cross_entropy = targets.count ? ce / (double)targets.count : 0;
    *masked = targets.count;
    return gradients ? dulm_tape_backward(t->tape, &t->grads) : DIFFULM_OK;
}

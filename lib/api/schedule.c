/* schedule.c: the parts of diffusion training on the host's own arrays: arguments are checked here,
 * the mathematics is in diffusion/{schedule,row,corrupt,loss}.c. */
#include <diffulm/schedule.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "diffusion/corrupt.h"
#include "diffusion/loss.h"
#include "diffusion/row.h"

/* Fails for NULL, and for a struct whose size or tail this library does not know; reads it into `to`. */
static diffulm_status read_struct(const char *what, const void *s, void *to, size_t known)
{
    if (!s)
        return dulm_fail(DIFFULM_E_ARGUMENT, "%s is NULL", what);
    if (!dulm_struct_read(to, known, s))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "%s: struct_size is %zu, expected %zu, or more with zeros at the end",
                         what, *(const size_t *)s, known);
    return DIFFULM_OK;
}

static diffulm_status check_timestep(const diffulm_schedule *s, int32_t t)
{
    if (!s)
        return dulm_fail(DIFFULM_E_ARGUMENT, "schedule is NULL");
    if (t < 1 || t > s->options.timesteps)
        return dulm_fail(DIFFULM_E_ARGUMENT, "timestep %d, expected 1 to %d", t,
                         s->options.timesteps);
    return DIFFULM_OK;
}

void diffulm_schedule_options_init(struct diffulm_schedule_options *options, size_t struct_size)
{
    const struct diffulm_schedule_options defaults = DIFFULM_SCHEDULE_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

void diffulm_training_row_options_init(struct diffulm_training_row_options *options,
                                       size_t struct_size)
{
    const struct diffulm_training_row_options defaults = DIFFULM_TRAINING_ROW_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

diffulm_status diffulm_schedule_create(const char *name,
                                       const struct diffulm_schedule_options *options,
                                       diffulm_schedule **out)
{
    dulm_error_clear();
    if (!out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "schedule create: out is NULL");
    struct diffulm_schedule_options o = DIFFULM_SCHEDULE_OPTIONS_INIT;
    diffulm_status rc = DIFFULM_OK;
    if (options)
        rc = read_struct("schedule options", options, &o, sizeof o);
    return rc < 0 ? rc : dulm_schedule_create(name, &o, out);
}

diffulm_schedule *diffulm_schedule_ref(diffulm_schedule *schedule)
{
    if (schedule)
        dulm_refcount_take(&schedule->refs);
    return schedule;
}

void diffulm_schedule_unref(diffulm_schedule *schedule)
{
    dulm_schedule_release(schedule);
}

const char *diffulm_schedule_name(const diffulm_schedule *schedule)
{
    return schedule->alpha->name;
}

int32_t diffulm_schedule_timesteps(const diffulm_schedule *schedule)
{
    return schedule->options.timesteps;
}

const char *diffulm_schedule_known(size_t index)
{
    const struct dulm_alpha *alpha = dulm_alpha_at(index);
    return alpha ? alpha->name : NULL;
}

diffulm_status diffulm_schedule_mask_rate(const diffulm_schedule *s, int32_t t, double *rate)
{
    dulm_error_clear();
    diffulm_status rc = check_timestep(s, t);
    if (rc == DIFFULM_OK && !rate)
        rc = dulm_fail(DIFFULM_E_ARGUMENT, "rate is NULL");
    if (rc == DIFFULM_OK)
        *rate = dulm_noise_level(s, t) / dulm_noise_level_full(s);
    return rc;
}

diffulm_status diffulm_schedule_loss_weight(const diffulm_schedule *s, int32_t t, double *weight)
{
    dulm_error_clear();
    diffulm_status rc = check_timestep(s, t);
    if (rc == DIFFULM_OK && !weight)
        rc = dulm_fail(DIFFULM_E_ARGUMENT, "weight is NULL");
    if (rc == DIFFULM_OK)
        *weight = dulm_loss_weight(s, t);
    return rc;
}

diffulm_status diffulm_schedule_at_time(const diffulm_schedule *s, double time, double *alpha,
                                        double *mask_rate, double *weight)
{
    dulm_error_clear();
    if (!s)
        return dulm_fail(DIFFULM_E_ARGUMENT, "schedule is NULL");
    if (!(time >= 0 && time <= 1) || (weight && time == 0))
        return dulm_fail(DIFFULM_E_ARGUMENT, "time %g, expected 0 to 1, and above 0 for a weight",
                         time);
    if (alpha)
        *alpha = s->alpha->alpha(time);
    if (mask_rate)
        *mask_rate = s->alpha->mask_rate(time);
    if (weight)
        *weight = s->alpha->weight(time);
    return DIFFULM_OK;
}

static diffulm_status check_build(const struct diffulm_pair *pair,
                                  const struct diffulm_training_row *row)
{
    if ((!pair->source && pair->source_length) || (!pair->target && pair->target_length) ||
        (!row->tokens && row->capacity))
        return dulm_fail(DIFFULM_E_ARGUMENT, "training row: source, target or tokens is NULL");
    size_t sum;
    if (!dulm_add(pair->source_length, pair->target_length, &sum) || sum > INT32_MAX)
        return dulm_fail(DIFFULM_E_ARGUMENT, "pair: more than 2^31 - 1 tokens");
    return DIFFULM_OK;
}

static diffulm_status build_row(const struct diffulm_pair *pair,
                                const struct diffulm_training_row_options *o,
                                struct diffulm_training_row *row)
{
    const struct dulm_row_plan plan = dulm_plan_row(pair, o->max_length);
    const size_t length = plan.source_length + plan.target_length;
    const size_t padded = o->pad_to ? o->pad_to : length;
    if (padded < length || (padded > length && pair->pad_id < 0))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "training row: %zu tokens cannot be padded to %zu with pad id %d", length,
                         padded, pair->pad_id);
    row->length = length;
    row->padded = padded;
    row->source_length = plan.source_length;
    row->length_class = plan.target_length > 2 ? (int32_t)(plan.target_length - 2) : 0;
    if (row->capacity < padded)
        return DIFFULM_BUFFER_TOO_SMALL;
    dulm_write_row(pair, &plan, o, padded, row);
    return DIFFULM_OK;
}

diffulm_status diffulm_training_row_build(const struct diffulm_pair *pair,
                                          const struct diffulm_training_row_options *options,
                                          struct diffulm_training_row *row)
{
    dulm_error_clear();
    struct diffulm_pair p = {0};
    struct diffulm_training_row_options o = DIFFULM_TRAINING_ROW_OPTIONS_INIT;
    struct diffulm_training_row r = {0};
    diffulm_status rc = read_struct("pair", pair, &p, sizeof p);
    if (rc == DIFFULM_OK && options)
        rc = read_struct("training row options", options, &o, sizeof o);
    if (rc == DIFFULM_OK)
        rc = read_struct("training row", row, &r, sizeof r);
    if (rc == DIFFULM_OK)
        rc = check_build(&p, &r);
    if (rc == DIFFULM_OK)
        rc = build_row(&p, &o, &r);
    if (rc >= 0)
        dulm_struct_write(row, sizeof r, &r);
    return rc;
}

diffulm_status diffulm_schedule_draw_timesteps(const diffulm_schedule *s, uint64_t seed,
                                               uint32_t step, uint32_t row, int32_t *t1,
                                               int32_t *t2)
{
    dulm_error_clear();
    if (!s || !t1 || !t2)
        return dulm_fail(DIFFULM_E_ARGUMENT, "schedule, t1 or t2 is NULL");
    const struct dulm_timesteps t = dulm_draw_timesteps(s, seed, step, row);
    *t1 = t.t1;
    *t2 = t.t2;
    return DIFFULM_OK;
}

static diffulm_status check_uniforms(const char *name, const double *u, size_t length)
{
    for (size_t i = 0; u && i < length; i++)
        if (!(u[i] >= 0 && u[i] < 1))
            return dulm_fail(DIFFULM_E_ARGUMENT, "%s is %g at position %zu, expected [0, 1)", name,
                             u[i], i);
    return DIFFULM_OK;
}

static diffulm_status check_corrupt(const diffulm_schedule *s, const struct diffulm_clean_row *row,
                                    const struct diffulm_corrupted_pair *out)
{
    if (!row->tokens && row->length)
        return dulm_fail(DIFFULM_E_ARGUMENT, "clean row: tokens is NULL");
    if (s->options.corruption == DIFFULM_CORRUPTION_SINGLE && (out->x_lo || out->masked_lo))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "corrupted pair: single corruption makes no x_lo; it must be NULL");
    if (row->length > UINT32_MAX)
        return dulm_fail(DIFFULM_E_ARGUMENT, "clean row: %zu positions, at most 2^32 - 1",
                         row->length);
    diffulm_status rc = check_uniforms("u_hi", row->u_hi, row->length);
    return rc < 0 ? rc : check_uniforms("u_lo", row->u_lo, row->length);
}

static void write_copy(const struct diffulm_clean_row *row, const uint8_t *masked, int32_t *x,
                       uint8_t *out)
{
    for (size_t i = 0; i < row->length; i++) {
        if (x)
            x[i] = masked[i] ? row->mask_id : row->tokens[i];
        if (out)
            out[i] = masked[i];
    }
}

diffulm_status diffulm_schedule_corrupt(const diffulm_schedule *s,
                                        const struct diffulm_clean_row *clean, int32_t t1,
                                        int32_t t2, struct diffulm_corrupted_pair *copies)
{
    dulm_error_clear();
    struct diffulm_clean_row known = {0}, *row = &known;
    struct diffulm_corrupted_pair wanted = {0}, *out = &wanted;
    if (s && s->options.corruption == DIFFULM_CORRUPTION_SINGLE)
        t2 = t1;
    diffulm_status rc = check_timestep(s, t1);
    if (rc == DIFFULM_OK)
        rc = check_timestep(s, t2);
    if (rc == DIFFULM_OK)
        rc = read_struct("clean row", clean, row, sizeof *row);
    if (rc == DIFFULM_OK)
        rc = read_struct("corrupted pair", copies, out, sizeof *out);
    if (rc == DIFFULM_OK)
        rc = check_corrupt(s, row, out);
    if (rc < 0)
        return rc;
    const bool low = out->x_lo || out->masked_lo;
    uint8_t *hi = dulm_alloc(row->length, 2), *lo = hi ? hi + row->length : NULL;
    if (!hi)
        return dulm_fail_memory();
    const struct dulm_uniforms uniforms = {row->seed, row->step, row->row, row->u_hi, row->u_lo};
    dulm_mask_row(s, (struct dulm_timesteps){t1, t2}, &uniforms, row->length, row->maskable, hi,
                  low ? lo : NULL);
    write_copy(row, hi, out->x_hi, out->masked_hi);
    if (low)
        write_copy(row, lo, out->x_lo, out->masked_lo);
    dulm_free(hi);
    return DIFFULM_OK;
}

static diffulm_status read_rows(const diffulm_schedule *s, const struct diffulm_loss_rows *given,
                                struct diffulm_loss_rows *rows)
{
    if (!s)
        return dulm_fail(DIFFULM_E_ARGUMENT, "schedule is NULL");
    diffulm_status rc = read_struct("loss rows", given, rows, sizeof *rows);
    if (rc < 0)
        return rc;
    if (rows->rows == 0 || !rows->t || !rows->maskable)
        return dulm_fail(DIFFULM_E_ARGUMENT, "loss rows: none, or t or maskable is NULL");
    if (!(rows->label_smoothing >= 0 && rows->label_smoothing <= 1))
        return dulm_fail(DIFFULM_E_ARGUMENT, "loss rows: label_smoothing is %g, expected 0 to 1",
                         rows->label_smoothing);
    for (size_t r = 0; r < rows->rows; r++)
        if (rows->t[r] < 1 || rows->t[r] > s->options.timesteps)
            return dulm_fail(DIFFULM_E_ARGUMENT,
                             "loss rows: row %zu has timestep %d, expected 1 to %d", r, rows->t[r],
                             s->options.timesteps);
    return DIFFULM_OK;
}

diffulm_status diffulm_schedule_loss_coefficients(const diffulm_schedule *s,
                                                  const struct diffulm_loss_rows *given,
                                                  double *d_ce, double *d_uniform_ce)
{
    dulm_error_clear();
    struct diffulm_loss_rows known = {0}, *rows = &known;
    diffulm_status rc = read_rows(s, given, rows);
    if (rc == DIFFULM_OK && (!d_ce || !d_uniform_ce))
        rc = dulm_fail(DIFFULM_E_ARGUMENT, "d_ce or d_uniform_ce is NULL");
    for (size_t r = 0; rc == DIFFULM_OK && r < rows->rows; r++) {
        const struct dulm_loss_share share =
            dulm_loss_share_of(s, rows->label_smoothing, rows->rows, rows->t[r], rows->maskable[r]);
        d_ce[r] = share.d_ce;
        d_uniform_ce[r] = share.d_uniform;
    }
    return rc;
}

static diffulm_status read_logits(const struct diffulm_loss_rows *rows,
                                  const struct diffulm_loss_logits *given,
                                  struct diffulm_loss_logits *in)
{
    diffulm_status rc = read_struct("loss logits", given, in, sizeof *in);
    if (rc < 0)
        return rc;
    size_t elements;
    if (in->vocabulary == 0 || !dulm_mul(in->count, in->vocabulary, &elements) ||
        (in->count && (!in->row || !in->target || !in->logits)))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "loss logits: row, target or logits is NULL, or the vocabulary is empty");
    for (size_t i = 0; i < in->count; i++) {
        if (in->row[i] >= rows->rows || rows->maskable[in->row[i]] == 0)
            return dulm_fail(DIFFULM_E_ARGUMENT,
                             "loss logits: position %zu is in row %zu, expected one of %zu rows "
                             "with maskable positions",
                             i, in->row[i], rows->rows);
        if (in->target[i] < 0 || (size_t)in->target[i] >= in->vocabulary)
            return dulm_fail(DIFFULM_E_ARGUMENT,
                             "loss logits: target %d of position %zu, expected 0 to %zu",
                             in->target[i], i, in->vocabulary - 1);
    }
    return DIFFULM_OK;
}

diffulm_status diffulm_schedule_loss(const diffulm_schedule *s,
                                     const struct diffulm_loss_rows *rows,
                                     const struct diffulm_loss_logits *logits,
                                     struct diffulm_loss *loss, float *d_logits)
{
    dulm_error_clear();
    struct diffulm_loss_rows r = {0};
    struct diffulm_loss_logits l = {0};
    struct diffulm_loss found = {0};
    diffulm_status rc = read_rows(s, rows, &r);
    if (rc == DIFFULM_OK)
        rc = read_logits(&r, logits, &l);
    if (rc == DIFFULM_OK)
        rc = read_struct("loss", loss, &found, sizeof found);
    if (rc == DIFFULM_OK)
        rc = dulm_loss_of_logits(s, &r, &l, &found, d_logits);
    if (rc == DIFFULM_OK)
        dulm_struct_write(loss, sizeof found, &found);
    return rc;
}

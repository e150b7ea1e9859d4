/* diffusion.c: the parts of diffusion training through the public calls: rows, corruption, losses
 * and schedules (diffusion/{rows,corruption,loss,loss_logits,schedules}.json). */
#include <diffulm/error.h>
#include <diffulm/schedule.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "areas.h"
#include "base/rng.h"
#include "tensors.h"
#include "train/trainer.h"
#include "values.h"

#define AREA "diffusion"

static void check(bool right, const char *what, const char *name, size_t i)
{
    if (right)
        golden_pass(AREA, "%s %s %zu", what, name, i);
    else
        golden_fail(AREA, "%s %s %zu differs: %s", what, name, i, diffulm_error_message());
}

static void *room(size_t n, size_t size)
{
    void *block = calloc(n + 1, size);
    if (!block)
        abort();
    return block;
}

static const char *name_of(const json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    return name ? name : "case";
}

static diffulm_schedule *schedule_of(const char *name, int32_t timesteps, int32_t weight,
                                     int32_t corruption, double ratio)
{
    struct diffulm_schedule_options o = DIFFULM_SCHEDULE_OPTIONS_INIT;
    o.timesteps = timesteps;
    o.weight = weight;
    o.corruption = corruption;
    o.mask_ratio = ratio;
    diffulm_schedule *schedule = NULL;
    if (diffulm_schedule_create(name, &o, &schedule) < 0)
        golden_fail(AREA, "schedule %s: %s", name, diffulm_error_message());
    return schedule;
}

/* rows.json */

static bool row_matches(const json_t *want, const struct diffulm_training_row *row)
{
    const size_t n = row->padded;
    uint8_t *pad = room(n, 1);
    for (size_t i = row->length; i < n; i++)
        pad[i] = 1;
    const bool same = golden_same_ints(want, "tokens", n, row->tokens) &&
                      golden_same_flags(want, "frozen", n, row->frozen) &&
                      golden_same_flags(want, "pad", n, pad) &&
                      golden_same_flags(want, "maskable", n, row->maskable) &&
                      golden_same_flags(want, "attended", n, row->attended) &&
                      (size_t)golden_int(want, "n") == row->maskable_count;
    free(pad);
    return same;
}

static void run_row(const json_t *item, const json_t *special, size_t i)
{
    struct diffulm_pair pair = {.struct_size = sizeof pair,
                                .bos_id = golden_int(special, "bos"),
                                .eos_id = golden_int(special, "eos"),
                                .pad_id = golden_int(special, "pad")};
    int32_t *source = golden_ints(item, "source", &pair.source_length);
    int32_t *target = golden_ints(item, "target", &pair.target_length);
    pair.source = source;
    pair.target = target;
    struct diffulm_training_row_options o = DIFFULM_TRAINING_ROW_OPTIONS_INIT;
    o.max_length = (size_t)golden_int(item, "max_length");
    o.pad_to = (size_t)golden_int(item, "pad_to");
    o.mask_on_source = golden_int(item, "mask_on_source");
    o.mask_on_padding = golden_int(item, "mask_on_padding");
    struct diffulm_training_row row = {.struct_size = sizeof row};
    bool right = diffulm_training_row_build(&pair, &o, &row) == DIFFULM_BUFFER_TOO_SMALL &&
                 row.padded == o.pad_to;
    row.capacity = row.padded;
    row.tokens = room(row.padded, sizeof *row.tokens);
    row.frozen = room(row.padded, 1);
    row.maskable = room(row.padded, 1);
    row.attended = room(row.padded, 1);
    right = right && diffulm_training_row_build(&pair, &o, &row) == DIFFULM_OK &&
            row_matches(json_object_get(item, "row"), &row) &&
            row.source_length == (size_t)golden_int(item, "frozen_count") &&
            row.length_class == golden_int(item, "length_class");
    check(right, "row", name_of(item), i);
    free(row.tokens);
    free(row.frozen);
    free(row.maskable);
    free(row.attended);
    free(source);
    free(target);
}

/* corruption.json */

struct masks {
    int32_t *x_hi, *x_lo;
    uint8_t *hi, *lo;
    struct diffulm_corrupted_pair pair;
};

static struct masks masks_open(size_t n)
{
    struct masks m = {.x_hi = room(n, 4), .x_lo = room(n, 4), .hi = room(n, 1), .lo = room(n, 1)};
    m.pair = (struct diffulm_corrupted_pair){sizeof m.pair, m.x_hi, m.x_lo, m.hi, m.lo};
    return m;
}

static void masks_close(struct masks *m)
{
    free(m->x_hi);
    free(m->x_lo);
    free(m->hi);
    free(m->lo);
}

static void run_exact(const json_t *item, const json_t *special, size_t i)
{
    struct diffulm_clean_row row = {.struct_size = sizeof row,
                                    .mask_id = golden_int(special, "mask")};
    int32_t *tokens = golden_ints(item, "x0", &row.length), *maskable;
    size_t n[3];
    maskable = golden_ints(item, "maskable", &n[0]);
    double *u_hi = golden_doubles(item, "u_hi", &n[1]), *u_lo = golden_doubles(item, "u_lo", &n[2]);
    bool right = n[0] == row.length && n[1] == row.length && n[2] == row.length;
    uint8_t *flags = room(n[0], 1);
    for (size_t p = 0; p < n[0]; p++)
        flags[p] = maskable[p] != 0;
    row.tokens = tokens;
    row.maskable = flags;
    row.u_hi = u_hi;
    row.u_lo = u_lo;
    struct masks m = masks_open(row.length);
    diffulm_schedule *s = schedule_of("linear", golden_int(item, "T"), 0, 0, 0);
    right = right &&
            diffulm_schedule_corrupt(s, &row, golden_int(item, "t1"), golden_int(item, "t2"),
                                     &m.pair) == DIFFULM_OK &&
            golden_same_flags(item, "masked_hi", row.length, m.hi) &&
            golden_same_flags(item, "masked_lo", row.length, m.lo) &&
            golden_same_ints(item, "x_hi", row.length, m.x_hi) &&
            golden_same_ints(item, "x_lo", row.length, m.x_lo);
    check(right, "corruption", name_of(item), i);
    diffulm_schedule_unref(s);
    masks_close(&m);
    free(flags);
    free(u_hi);
    free(u_lo);
    free(maskable);
    free(tokens);
}

static void run_fixed(const json_t *item, const json_t *special, size_t i)
{
    (void)special;
    diffulm_schedule *s = schedule_of("linear", golden_int(item, "T"), 0, DIFFULM_CORRUPTION_FIXED,
                                      golden_number(item, "ratio"));
    int32_t t1 = 0, t2 = 0;
    const bool right = diffulm_schedule_draw_timesteps(s, 1, 2, 3, &t1, &t2) == DIFFULM_OK;
    check(right && t1 == golden_int(item, "t") && t2 == t1, "fixed", "ratio", i);
    diffulm_schedule_unref(s);
}

/* The same row as the trainer corrupts it. */
static bool trainer_agrees(const json_t *item, diffulm_schedule *s, size_t length, size_t frozen)
{
    const int32_t t1 = golden_int(item, "t1"), t2 = golden_int(item, "t2");
    int32_t *tokens = room(length, sizeof *tokens);
    const size_t offsets[] = {0, length};
    const struct diffulm_rows clean = {sizeof clean, 1, offsets, tokens, &frozen};
    struct dulm_row_buffers b = {0};
    const struct diffulm_trainer t = {.options = {.mask_id = 7}, .schedule = s, .buffers = &b};
    size_t rows = 0;
    bool right =
        dulm_corrupt_batch(&t, golden_seed(item), (uint32_t)golden_int(item, "step"),
                           (uint32_t)golden_int(item, "row"), &clean, &rows) == DIFFULM_OK &&
        rows == 2 && b.t[0] == (t1 > t2 ? t1 : t2) && b.t[1] == (t1 > t2 ? t2 : t1) &&
        golden_same_flags(item, "masked_hi", length, b.masked) &&
        golden_same_flags(item, "masked_lo", length, b.masked + length);
    for (size_t i = 0; right && i < 2 * length; i++)
        right = b.x_t[i] == (b.masked[i] ? 7 : 0) && b.maskable[i] == (i % length >= frozen);
    dulm_row_buffers_release(&b);
    free(tokens);
    return right;
}

static void run_seeded(const json_t *item, const json_t *special, size_t i)
{
    (void)special;
    const size_t n = (size_t)golden_int(item, "length");
    const size_t frozen = (size_t)golden_int(item, "frozen_count");
    const uint64_t seed = golden_seed(item);
    const uint32_t step = (uint32_t)golden_int(item, "step");
    const uint32_t number = (uint32_t)golden_int(item, "row");
    diffulm_schedule *s = schedule_of("linear", golden_int(item, "T"), 0, 0, 0);
    int32_t t1 = 0, t2 = 0, *tokens = room(n, sizeof *tokens);
    uint8_t *maskable = room(n, 1);
    memset(maskable + frozen, 1, n - frozen);
    double *u_hi = golden_doubles(item, "u_hi", NULL), *u_lo = golden_doubles(item, "u_lo", NULL);
    bool right = diffulm_schedule_draw_timesteps(s, seed, step, number, &t1, &t2) == DIFFULM_OK &&
                 t1 == golden_int(item, "t1") && t2 == golden_int(item, "t2");
    for (size_t p = 0; p < n; p++) {
        const uint32_t at = (uint32_t)p;
        right = right &&
                u_hi[p] ==
                    dulm_uniform(dulm_draw(seed, DULM_STREAM_CORRUPTION_HI, step, number, at, 0)) &&
                u_lo[p] ==
                    dulm_uniform(dulm_draw(seed, DULM_STREAM_CORRUPTION_LO, step, number, at, 0));
    }
    const struct diffulm_clean_row row = {.struct_size = sizeof row,
                                          .length = n,
                                          .tokens = tokens,
                                          .maskable = maskable,
                                          .seed = seed,
                                          .step = step,
                                          .row = number,
                                          .mask_id = 7};
    struct masks m = masks_open(n);
    right = right && diffulm_schedule_corrupt(s, &row, t1, t2, &m.pair) == DIFFULM_OK &&
            golden_same_flags(item, "masked_hi", n, m.hi) &&
            golden_same_flags(item, "masked_lo", n, m.lo);
    check(right, "seeded", "row", i);
    check(trainer_agrees(item, s, n, frozen), "seeded", "batch of the trainer", i);
    masks_close(&m);
    diffulm_schedule_unref(s);
    free(u_hi);
    free(u_lo);
    free(maskable);
    free(tokens);
}

static bool within(const json_t *bounds, size_t count)
{
    return json_array_size(bounds) == 2 &&
           (json_int_t)count >= json_integer_value(json_array_get(bounds, 0)) &&
           (json_int_t)count <= json_integer_value(json_array_get(bounds, 1));
}

static void run_statistical(const json_t *item, const json_t *special, size_t i)
{
    (void)special;
    static const char *const names[] = {"none", "hi_only", "lo_only", "both"};
    const size_t n = (size_t)golden_int(item, "positions");
    diffulm_schedule *s = schedule_of("linear", golden_int(item, "T"), 0, 0, 0);
    int32_t *tokens = room(n, sizeof *tokens);
    const struct diffulm_clean_row row = {
        .struct_size = sizeof row, .length = n, .tokens = tokens, .seed = 20230822 + i};
    struct masks m = masks_open(n);
    size_t counts[4] = {0};
    bool right = n > 0 && diffulm_schedule_corrupt(s, &row, golden_int(item, "t1"),
                                                   golden_int(item, "t2"), &m.pair) == DIFFULM_OK;
    for (size_t p = 0; p < n; p++)
        counts[m.hi[p] + 2 * m.lo[p]]++;
    const json_t *bounds = json_object_get(item, "bounds");
    for (size_t k = 0; k < 4; k++)
        right = right && within(json_object_get(bounds, names[k]), counts[k]);
    check(right, "statistical", "masks", i);
    masks_close(&m);
    diffulm_schedule_unref(s);
    free(tokens);
}

static void run_timesteps(const json_t *item)
{
    const size_t draws = (size_t)golden_int(item, "draws"), t = (size_t)golden_int(item, "T");
    const json_t *bounds = json_object_get(item, "bounds_of_each");
    diffulm_schedule *s = schedule_of("linear", (int32_t)t, 0, 0, 0);
    size_t *first = room(t, sizeof *first), *second = room(t, sizeof *second);
    bool right = draws > 0;
    for (size_t r = 0; r < draws && right; r++) {
        int32_t t1 = 0, t2 = 0;
        right = diffulm_schedule_draw_timesteps(s, 5, 1, (uint32_t)r, &t1, &t2) == DIFFULM_OK &&
                t1 >= 1 && t1 <= (int32_t)t && t2 >= 1 && t2 <= (int32_t)t;
        if (right) {
            first[t1 - 1]++;
            second[t2 - 1]++;
        }
    }
    for (size_t k = 0; k < t; k++)
        check(right && within(bounds, first[k]) && within(bounds, second[k]), "timesteps", "t",
              k + 1);
    free(first);
    free(second);
    diffulm_schedule_unref(s);
}

/* loss.json, loss_logits.json */

static int32_t weight_of(const json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "weighting"));
    return !name                           ? -1
           : strcmp(name, "linear") == 0   ? DIFFULM_WEIGHT_LINEAR
           : strcmp(name, "constant") == 0 ? DIFFULM_WEIGHT_CONSTANT
           : strcmp(name, "mdlm") == 0     ? DIFFULM_WEIGHT_MDLM
                                           : -1;
}

/* t and n of a batch's entries. */
struct batch {
    int32_t *t;
    size_t *n;
    struct diffulm_loss_rows rows;
};

static struct batch batch_open(const json_t *item)
{
    const json_t *entries = json_object_get(item, "batch");
    const size_t count = json_array_size(entries);
    struct batch b = {.t = room(count, sizeof *b.t), .n = room(count, sizeof *b.n)};
    for (size_t r = 0; r < count; r++) {
        b.t[r] = golden_int(json_array_get(entries, r), "t");
        b.n[r] = (size_t)golden_int(json_array_get(entries, r), "n");
    }
    b.rows = (struct diffulm_loss_rows){sizeof b.rows, count, b.t, b.n,
                                        golden_number(item, "label_smoothing")};
    return b;
}

static void batch_close(struct batch *b)
{
    free(b->t);
    free(b->n);
}

/* Sum over the masked positions of share[row] * value, of the named cross entropies. */
static double weigh(const json_t *entries, const char *key, const double *share)
{
    double sum = 0;
    for (size_t r = 0; r < json_array_size(entries); r++) {
        size_t n;
        double *values = golden_doubles(json_array_get(entries, r), key, &n);
        for (size_t i = 0; i < n; i++)
            sum += share[r] * values[i];
        free(values);
    }
    return sum;
}

static bool coefficients_match(const json_t *entries, const diffulm_schedule *s,
                               const struct batch *b, const double *d_ce, const double *d_uniform)
{
    for (size_t r = 0; r < b->rows.rows; r++) {
        const json_t *entry = json_array_get(entries, r);
        double weight = 0;
        if (diffulm_schedule_loss_weight(s, b->t[r], &weight) < 0 ||
            !golden_close(weight, golden_number(entry, "weight"), GOLDEN_FORMULA) ||
            !golden_close(d_ce[r], golden_number(entry, "d_ce"), GOLDEN_FORMULA) ||
            !golden_close(d_uniform[r], golden_number(entry, "d_uniform_ce"), GOLDEN_FORMULA))
            return false;
    }
    return b->rows.rows > 0;
}

static void run_loss(const json_t *item, const json_t *special, size_t i)
{
    (void)special;
    const json_t *entries = json_object_get(item, "batch");
    diffulm_schedule *s = schedule_of("linear", golden_int(item, "T"), weight_of(item), 0, 0);
    struct batch b = batch_open(item);
    double *d_ce = room(b.rows.rows, sizeof *d_ce), *d_uniform = room(b.rows.rows, sizeof *d_ce);
    bool right = diffulm_schedule_loss_coefficients(s, &b.rows, d_ce, d_uniform) == DIFFULM_OK &&
                 coefficients_match(entries, s, &b, d_ce, d_uniform) &&
                 golden_close(weigh(entries, "ce", d_ce) + weigh(entries, "uniform_ce", d_uniform),
                              golden_number(item, "loss"), GOLDEN_FORMULA);
    /* Without smoothing the first term stands alone, with nothing else the second. */
    b.rows.label_smoothing = 0;
    right = right &&
            diffulm_schedule_loss_coefficients(s, &b.rows, d_ce, d_uniform) == DIFFULM_OK &&
            golden_close(weigh(entries, "ce", d_ce), golden_number(item, "weighted_ce"),
                         GOLDEN_FORMULA);
    b.rows.label_smoothing = 1;
    right = right &&
            diffulm_schedule_loss_coefficients(s, &b.rows, d_ce, d_uniform) == DIFFULM_OK &&
            golden_close(weigh(entries, "uniform_ce", d_uniform), golden_number(item, "uniform"),
                         GOLDEN_FORMULA);
    check(right, "loss", name_of(item), i);
    free(d_ce);
    free(d_uniform);
    batch_close(&b);
    diffulm_schedule_unref(s);
}

static const void *case_tensor(const struct dulm_safetensors *file, const json_t *item,
                               const char *what, enum dulm_dtype dtype, size_t *n)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", name_of(item), what);
    return golden_tensor(AREA, file, name, dtype, n);
}

static bool gradient_close(size_t n, const float *have, const float *want)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)have[i] - (double)want[i]) <=
              GOLDEN_D_LOGITS + GOLDEN_D_LOGITS_OF * fabs((double)want[i])))
            return false;
    return true;
}

static void run_loss_logits(const json_t *item, const struct dulm_safetensors *file, size_t i)
{
    size_t n = 0, targets = 0, gradients = 0, count = 0;
    const float *logits = case_tensor(file, item, "logits", DULM_F32, &n);
    const float *want = case_tensor(file, item, "d_logits", DULM_F32, &gradients);
    const int32_t *target = case_tensor(file, item, "target", DULM_I32, &targets);
    int32_t *row_of = golden_ints(item, "batch_of_row", &count);
    size_t *row = room(count, sizeof *row);
    float *have = room(n, sizeof *have);
    for (size_t p = 0; p < count; p++)
        row[p] = (size_t)row_of[p];
    diffulm_schedule *s = schedule_of("linear", golden_int(item, "T"), weight_of(item), 0, 0);
    struct batch b = batch_open(item);
    struct diffulm_loss loss = {.struct_size = sizeof loss}, value = loss;
    const struct diffulm_loss_logits in = {sizeof in, count,  count ? n / count : 0,
                                           row,       target, logits};
    const bool right = count > 0 && count == targets && n == gradients && n % count == 0 &&
                       diffulm_schedule_loss(s, &b.rows, &in, &loss, have) == DIFFULM_OK &&
                       diffulm_schedule_loss(s, &b.rows, &in, &value, NULL) == DIFFULM_OK &&
                       value.loss == loss.loss &&
                       golden_close(loss.loss, golden_number(item, "loss"), GOLDEN_LOSS) &&
                       gradient_close(n, have, want);
    check(right, "loss of logits", name_of(item), i);
    batch_close(&b);
    diffulm_schedule_unref(s);
    free(have);
    free(row);
    free(row_of);
}

/* Runs each case of an array of a file that is open. */
static void each(const json_t *root, const char *key,
                 void (*run)(const json_t *item, const json_t *special, size_t i))
{
    const json_t *array = json_object_get(root, key);
    if (json_array_size(array) == 0)
        golden_fail(AREA, "%s is empty or missing", key);
    for (size_t i = 0; i < json_array_size(array); i++)
        run(json_array_get(array, i), json_object_get(root, "special"), i);
}

static json_t *open_file(const char *folder, const char *name)
{
    char *path = golden_path(folder, name);
    json_t *root = golden_json(AREA, path);
    free(path);
    return root;
}

void golden_diffusion(const char *parent)
{
    char *folder = golden_path(parent, "diffusion");
    json_t *root;
    if (golden_exists(folder, "rows.json") && (root = open_file(folder, "rows.json"))) {
        each(root, "cases", run_row);
        json_decref(root);
    }
    if (golden_exists(folder, "corruption.json") && (root = open_file(folder, "corruption.json"))) {
        each(root, "exact", run_exact);
        each(root, "fixed", run_fixed);
        each(root, "seeded", run_seeded);
        each(root, "statistical", run_statistical);
        run_timesteps(json_object_get(root, "timesteps"));
        json_decref(root);
    }
    if (golden_exists(folder, "loss.json") && (root = open_file(folder, "loss.json"))) {
        each(root, "cases", run_loss);
        json_decref(root);
    }
    if (golden_exists(folder, "loss_logits.json") &&
        (root = open_file(folder, "loss_logits.json"))) {
        struct dulm_safetensors *file = golden_tensors(AREA, folder, "loss_logits.safetensors");
        const json_t *cases = json_object_get(root, "cases");
        if (json_array_size(cases) == 0)
            golden_fail(AREA, "loss_logits.json: cases are missing");
        for (size_t i = 0; file && i < json_array_size(cases); i++)
            run_loss_logits(json_array_get(cases, i), file, i);
        dulm_safetensors_close(file);
        json_decref(root);
    }
    free(folder);
}

/* length_trainer.c: training of the length head on a frozen encoder. */
#include "train/length_trainer.h"

#include <math.h>
#include <string.h>

#include "arch/quantized.h"
#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"

static diffulm_status place(struct diffulm_length_trainer *t, const diffulm_length_head *head)
{
    t->total = head->total;
    t->values = dulm_alloc_tensor(t->total, sizeof(float));
    t->memory = dulm_alloc_tensor(3 * t->total, sizeof(float));
    if (!t->values || !t->memory)
        return dulm_fail_memory();
    memcpy(t->values, head->values, t->total * sizeof(float));
    memset(t->memory, 0, 3 * t->total * sizeof(float));
    size_t at = 0;
    for (int i = 0; i < DULM_LENGTH_SLOTS; i++) {
        const struct dulm_length_parameter *p = &head->parameters[i];
        struct dulm_trainable *x = &t->trainables[i];
        memcpy(x->name, p->name, strlen(p->name) + 1);
        x->values = t->values + at;
        x->gradient = t->memory + at;
        x->m = t->memory + t->total + at;
        x->v = t->memory + 2 * t->total + at;
        x->elements = p->elements;
        x->decays = p->rank == 2;
        at += p->elements;
    }
    return DIFFULM_OK;
}

diffulm_status diffulm_length_trainer_create(const diffulm_length_head *head,
                                             const struct diffulm_trainer_options *options,
                                             diffulm_length_trainer **out)
{
    dulm_error_clear();
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    if (!head || !out || (options && !dulm_struct_read(&o, sizeof o, options)))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "length trainer: head or out is NULL, or struct_size is not %zu",
                         sizeof o);
    diffulm_status rc = dulm_trainer_options_check(&head->model->config, &o);
    if (rc == DIFFULM_OK && o.ema_decay > 0)
        rc = dulm_fail(DIFFULM_E_UNSUPPORTED, "length trainer: ema_decay must be 0");
    if (rc == DIFFULM_OK)
        rc = dulm_can_train(head->model);
    if (rc < 0)
        return rc;
    struct diffulm_length_trainer *t = dulm_alloc_zero(1, sizeof *t);
    if (!t)
        return dulm_fail_memory();
    t->options = o;
    t->model = diffulm_model_ref(head->model);
    rc = place(t, head);
    if (rc == DIFFULM_OK)
        rc = dulm_workspace_create(&t->workspace);
    if (rc == DIFFULM_OK)
        rc = dulm_length_pass_create(&t->model->config, &t->pass);
    if (rc < 0) {
        diffulm_length_trainer_destroy(t);
        return rc;
    }
    *out = t;
    return DIFFULM_OK;
}

void diffulm_length_trainer_destroy(diffulm_length_trainer *t)
{
    if (!t)
        return;
    dulm_workspace_destroy(t->workspace);
    dulm_length_pass_destroy(t->pass);
    dulm_free(t->values);
    dulm_free(t->memory);
    dulm_free(t->logits);
    dulm_free(t->tokens);
    dulm_free(t->offsets);
    diffulm_model_unref(t->model);
    dulm_free(t);
}

/* The sources of the rows, packed. */
static diffulm_status pack(struct diffulm_length_trainer *t, const struct diffulm_rows *rows)
{
    diffulm_status rc = dulm_rows_check(rows->rows, rows->offsets, rows->source_lengths);
    if (rc < 0)
        return rc;
    if (!dulm_grow((void **)&t->offsets, &t->row_capacity, rows->rows + 1, sizeof(size_t)) ||
        !dulm_grow((void **)&t->tokens, &t->token_capacity, rows->offsets[rows->rows] + 1,
                   sizeof(int32_t)))
        return dulm_fail_memory();
    t->offsets[0] = 0;
    for (size_t r = 0; r < rows->rows; r++) {
        const size_t begin = rows->offsets[r], n = rows->source_lengths[r];
        if (n == 0 || n > rows->offsets[r + 1] - begin)
            return dulm_fail(DIFFULM_E_ARGUMENT, "row %zu: source length is %zu, expected 1 to %zu",
                             r, n, rows->offsets[r + 1] - begin);
        memcpy(t->tokens + t->offsets[r], rows->tokens + begin, n * sizeof(int32_t));
        t->offsets[r + 1] = t->offsets[r] + n;
    }
    return dulm_reserve(&t->logits, &t->logits_capacity,
                        rows->rows * (size_t)t->model->config.positions);
}

diffulm_status dulm_length_trainer_gradient(struct diffulm_length_trainer *t,
                                            const struct diffulm_rows *given, double *loss)
{
    struct diffulm_rows known = {0}, *rows = &known;
    if (!given || !dulm_struct_read(rows, sizeof *rows, given) || rows->rows == 0 ||
        !rows->source_lengths)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "rows: none, no source lengths, or struct_size is not %zu", sizeof *rows);
    const size_t classes = (size_t)t->model->config.positions;
    const struct diffulm_runtime *rt = t->model->runtime;
    diffulm_status rc = pack(t, rows);
    const struct dulm_batch batch = {
        .rows = rows->rows, .offsets = t->offsets, .tokens = t->tokens};
    if (rc == DIFFULM_OK)
        rc = dulm_encode(t->workspace, t->model, &batch, NULL);
    if (rc == DIFFULM_OK)
        rc = dulm_length_forward(t->pass, rt, t->values, rows->rows, t->offsets, t->tokens,
                                 dulm_encoded(t->workspace), t->logits);
    if (rc < 0)
        return rc;
    const float share = 1.0f / (float)rows->rows;
    *loss = 0;
    for (size_t r = 0; r < rows->rows; r++) {
        const size_t length = rows->offsets[r + 1] - rows->offsets[r] - rows->source_lengths[r];
        const size_t target = (length < 2 ? 2 : length) - 2;
        double ce, uniform;
        if (target >= classes)
            return dulm_fail(DIFFULM_E_LIMIT, "row %zu: an answer of %zu tokens, at most %zu", r,
                             length, classes + 1);
        rt->kernels->cross_entropy(classes, t->logits + r * classes, target, share, 0, &ce,
                                   &uniform);
        *loss += ce / (double)rows->rows;
    }
    if (!isfinite(*loss))
        return dulm_fail(DIFFULM_E_NUMERIC, "update %lld: the length loss is not finite",
                         (long long)t->step);
    memset(t->memory, 0, t->total * sizeof(float));
    return dulm_length_backward(t->pass, t->logits, t->memory);
}

diffulm_status diffulm_length_trainer_step(diffulm_length_trainer *t,
                                           const struct diffulm_rows *rows,
                                           struct diffulm_trainer_report *report)
{
    dulm_error_clear();
    struct diffulm_trainer_report told = {0};
    if (!t || (report && !dulm_struct_read(&told, sizeof told, report)))
        return dulm_fail(DIFFULM_E_ARGUMENT, "trainer is NULL, or report's struct_size is not %zu",
                         sizeof *report);
    double loss, norm, lr;
    diffulm_status rc = dulm_length_trainer_gradient(t, rows, &loss);
    if (rc == DIFFULM_OK)
        rc = dulm_optimizer_step(t->model->runtime, &t->options, t->trainables, DULM_LENGTH_SLOTS,
                                 t->step, 1, &norm, &lr);
    if (rc < 0)
        return rc;
    t->step++;
    if (report) {
        told.step = t->step;
        told.loss = told.cross_entropy = loss;
        told.grad_norm = norm;
        told.lr = lr;
        told.tokens = (int64_t)t->offsets[rows->rows];
        told.masked = 0;
        dulm_struct_write(report, sizeof told, &told);
    }
    return DIFFULM_OK;
}

diffulm_status diffulm_length_trainer_export(const diffulm_length_trainer *t,
                                             diffulm_length_head **out)
{
    dulm_error_clear();
    if (!t || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "trainer or out is NULL");
    return dulm_length_head_from_memory(t->model, t->values, out);
}

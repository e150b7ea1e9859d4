/* session.c: public face of sessions: checks, then calls into diffusion/. */
#include <diffulm/session.h>

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "diffusion/session.h"

void diffulm_session_options_init(struct diffulm_session_options *options, size_t struct_size)
{
    const struct diffulm_session_options defaults = DIFFULM_SESSION_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

void diffulm_row_options_init(struct diffulm_row_options *options, size_t struct_size)
{
    const struct diffulm_row_options defaults = DIFFULM_ROW_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

static diffulm_status check_create(const diffulm_model *model, const diffulm_sampler *sampler,
                                   struct diffulm_session_options *o)
{
    if (!model || !sampler)
        return dulm_fail(DIFFULM_E_ARGUMENT, "session create: model or sampler is NULL");
    const struct dulm_config *c = &model->config;
    if (!c->has_head)
        return dulm_fail(DIFFULM_E_UNSUPPORTED,
                         "this model has no language-model head; open it with a fresh one");
    o->mask_id = o->mask_id < 0 ? c->mask_id : o->mask_id;
    if (o->mask_id < 0 || o->mask_id >= c->vocabulary)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "session options: mask_id is %d, expected 0 to %lld (config.json does not "
                         "say which token is the mask)",
                         o->mask_id, (long long)c->vocabulary - 1);
    if (o->stop_id < -1 || o->stop_id >= c->vocabulary || o->recompute < 0 || o->recompute > 1)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "session options: stop_id is %d, expected -1 to %lld; recompute is %d, "
                         "expected 0 or 1",
                         o->stop_id, (long long)c->vocabulary - 1, o->recompute);
    if (o->source_refresh < 0 || o->source_refresh > 1 << 20 ||
        (o->source_refresh > 1 && (o->attention != DIFFULM_ATTENTION_FULL || o->recompute)))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "session options: source_refresh is %lld, expected 0 to %d, and above 1 "
                         "only under full "
                         "attention without recompute",
                         (long long)o->source_refresh, 1 << 20);
    if (o->attention < 0 || o->attention > DIFFULM_ATTENTION_BLOCKWISE)
        return dulm_fail(DIFFULM_E_ARGUMENT, "session options: attention is %d, expected 0 to 3",
                         o->attention);
    return DIFFULM_OK;
}

diffulm_status diffulm_session_create(diffulm_model *model, diffulm_sampler *sampler,
                                      const struct diffulm_session_options *options,
                                      diffulm_session **out)
{
    dulm_error_clear();
    struct diffulm_session_options o = DIFFULM_SESSION_OPTIONS_INIT;
    if (options && !dulm_struct_read(&o, sizeof o, options))
        return dulm_fail(
            DIFFULM_E_ARGUMENT,
            "session options: struct_size is %zu, expected %zu, or more with zeros at the end",
            options->struct_size, sizeof o);
    diffulm_status rc = out ? check_create(model, sampler, &o)
                            : dulm_fail(DIFFULM_E_ARGUMENT, "session create: out is NULL");
    if (rc < 0)
        return rc;
    struct diffulm_session *s = dulm_alloc_zero(1, sizeof *s);
    if (!s)
        return dulm_fail_memory();
    rc = dulm_workspace_create(&s->workspace);
    if (rc < 0) {
        dulm_free(s);
        return rc;
    }
    s->model = diffulm_model_ref(model);
    s->sampler = diffulm_sampler_ref(sampler);
    s->options = o;
    atomic_init(&s->cancel, 0);
    *out = s;
    return DIFFULM_OK;
}

void diffulm_session_destroy(diffulm_session *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        dulm_canvas_release(&s->canvas[i]);
    dulm_free(s->canvas);
    dulm_step_buffers_release(&s->step);
    dulm_workspace_destroy(s->workspace);
    diffulm_sampler_unref(s->sampler);
    diffulm_model_unref(s->model);
    dulm_free(s);
}

static diffulm_status check_row(const diffulm_session *s, const int32_t *tokens, size_t length,
                                const uint8_t *roles)
{
    const struct dulm_config *c = &s->model->config;
    const size_t longest = dulm_config_longest_row(c);
    if (length == 0 || length > longest)
        return dulm_fail(DIFFULM_E_LIMIT, "row of %zu tokens, expected 1 to %zu", length, longest);
    for (size_t i = 0; i < length; i++) {
        if (roles[i] > DIFFULM_ROLE_EDITABLE)
            return dulm_fail(DIFFULM_E_ARGUMENT, "position %zu: role %d, expected 0 to 2", i,
                             roles[i]);
        if (roles[i] != DIFFULM_ROLE_MASKED && (tokens[i] < 0 || tokens[i] >= c->vocabulary))
            return dulm_fail(DIFFULM_E_ARGUMENT,
                             "position %zu: token %d is outside the vocabulary of %lld", i,
                             tokens[i], (long long)c->vocabulary);
    }
    return DIFFULM_OK;
}

static size_t source_of(const struct diffulm_row_options *o, const uint8_t *roles, size_t length)
{
    if (o->source_length < 0)
        return 0;
    if (o->source_length > 0)
        return (size_t)o->source_length;
    size_t leading = 0;
    while (leading < length && roles[leading] == DIFFULM_ROLE_GIVEN)
        leading++;
    return leading;
}

diffulm_status diffulm_session_add(diffulm_session *s, const int32_t *tokens, size_t length,
                                   const uint8_t *roles, const struct diffulm_row_options *options,
                                   size_t *row)
{
    dulm_error_clear();
    struct diffulm_row_options o = DIFFULM_ROW_OPTIONS_INIT;
    if (options && !dulm_struct_read(&o, sizeof o, options))
        return dulm_fail(
            DIFFULM_E_ARGUMENT,
            "row options: struct_size is %zu, expected %zu, or more with zeros at the end",
            options->struct_size, sizeof o);
    if (!s || !tokens || !roles || !row)
        return dulm_fail(DIFFULM_E_ARGUMENT, "session add: an argument is NULL");
    if (o.source_length > (int64_t)length || o.row_number < 0 || o.row_number > UINT32_MAX)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "row options: source_length %lld of %zu tokens, row_number %lld",
                         (long long)o.source_length, length, (long long)o.row_number);
    diffulm_status rc = check_row(s, tokens, length, roles);
    if (rc < 0)
        return rc;
    if (!dulm_grow((void **)&s->canvas, &s->capacity, s->count + 1, sizeof *s->canvas))
        return dulm_fail_memory();
    struct dulm_canvas *c = &s->canvas[s->count];
    rc = dulm_canvas_init(c, length);
    if (rc < 0)
        return rc;
    c->source_length = source_of(&o, roles, length);
    c->row_number = o.row_number ? (uint32_t)o.row_number : (uint32_t)s->count;
    for (size_t i = 0; i < length; i++) {
        c->noisy[i] = roles[i] == DIFFULM_ROLE_MASKED;
        c->generated[i] = roles[i] != DIFFULM_ROLE_GIVEN;
        c->tokens[i] = c->noisy[i] ? s->options.mask_id : tokens[i];
    }
    *row = s->count++;
    return DIFFULM_OK;
}

static void fill_report(const diffulm_session *s, struct diffulm_step_report *report)
{
    if (!report)
        return;
    const struct diffulm_step_report told = {.struct_size = sizeof told,
                                             .changes = s->step.changes,
                                             .change_count = s->change_count,
                                             .active_rows = dulm_session_active(s),
                                             .scored = s->scored,
                                             .steps_done = s->steps_done};
    dulm_struct_write(report, sizeof told, &told);
}

diffulm_status diffulm_session_step(diffulm_session *s, struct diffulm_step_report *report)
{
    dulm_error_clear();
    if (!s || (report && !dulm_struct_fits(report, sizeof *report)))
        return dulm_fail(DIFFULM_E_ARGUMENT, "session is NULL, or report's struct_size is not %zu",
                         sizeof *report);
    diffulm_status rc = DIFFULM_OK;
    s->change_count = s->scored = 0;
    if (dulm_session_active(s))
        rc = dulm_session_step(s);
    if (rc < 0)
        return rc;
    fill_report(s, report);
    return dulm_session_active(s) ? DIFFULM_AGAIN : DIFFULM_DONE;
}

diffulm_status diffulm_session_run(diffulm_session *s)
{
    diffulm_status rc;
    while ((rc = diffulm_session_step(s, NULL)) == DIFFULM_AGAIN) {
    }
    return rc;
}

static int64_t now_microseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

diffulm_status diffulm_session_run_for(diffulm_session *s, int64_t microseconds)
{
    const int64_t start = now_microseconds();
    diffulm_status rc;
    do
        rc = diffulm_session_step(s, NULL);
    while (rc == DIFFULM_AGAIN && now_microseconds() - start < microseconds);
    return rc;
}

void diffulm_session_cancel(diffulm_session *s)
{
    if (s)
        atomic_store(&s->cancel, 1);
}

static diffulm_status find_row(const diffulm_session *s, size_t row, struct dulm_canvas **out)
{
    if (!s || row >= s->count)
        return dulm_fail(DIFFULM_E_ARGUMENT, "row %zu of a session with %zu rows", row,
                         s ? s->count : 0);
    *out = &s->canvas[row];
    return DIFFULM_OK;
}

static diffulm_status copy_out(const struct dulm_canvas *c, const void *from, void *out,
                               size_t capacity, size_t *length)
{
    if (!length || (!out && capacity))
        return dulm_fail(DIFFULM_E_ARGUMENT, "out or length is NULL");
    *length = c->length;
    if (capacity < c->length)
        return DIFFULM_BUFFER_TOO_SMALL;
    memcpy(out, from, c->length * 4);
    return DIFFULM_OK;
}

diffulm_status diffulm_session_tokens(const diffulm_session *s, size_t row, int32_t *out,
                                      size_t capacity, size_t *length)
{
    dulm_error_clear();
    struct dulm_canvas *c = NULL;
    diffulm_status rc = find_row(s, row, &c);
    return rc < 0 ? rc : copy_out(c, c->tokens, out, capacity, length);
}

diffulm_status diffulm_session_scores(const diffulm_session *s, size_t row, float *out,
                                      size_t capacity, size_t *length)
{
    dulm_error_clear();
    struct dulm_canvas *c = NULL;
    diffulm_status rc = find_row(s, row, &c);
    return rc < 0 ? rc : copy_out(c, c->scores, out, capacity, length);
}

diffulm_status diffulm_session_row_score(const diffulm_session *s, size_t row, float *score)
{
    dulm_error_clear();
    struct dulm_canvas *c = NULL;
    diffulm_status rc = find_row(s, row, &c);
    if (rc < 0 || !score)
        return rc < 0 ? rc : dulm_fail(DIFFULM_E_ARGUMENT, "score is NULL");
    const struct dulm_config *config = &s->model->config;
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < c->length; i++) {
        const int32_t t = c->tokens[i];
        if (!c->generated[i] || t == config->bos_id || t == config->eos_id || t == config->pad_id ||
            t == s->options.mask_id)
            continue;
        sum += (double)c->scores[i];
        count++;
    }
    *score = count ? (float)(sum / (double)count) : -INFINITY;
    return DIFFULM_OK;
}

size_t diffulm_session_rows(const diffulm_session *s)
{
    return s ? s->count : 0;
}

diffulm_status diffulm_session_edit(diffulm_session *s, size_t row, size_t begin, size_t end)
{
    dulm_error_clear();
    struct dulm_canvas *c = NULL;
    diffulm_status rc = find_row(s, row, &c);
    if (rc < 0)
        return rc;
    if (begin >= end || end > c->length)
        return dulm_fail(DIFFULM_E_ARGUMENT, "edit: span %zu to %zu of a row of %zu tokens", begin,
                         end, c->length);
    for (size_t i = 0; i < c->length; i++) {
        const bool inside = i >= begin && i < end;
        c->generated[i] = c->noisy[i] = inside;
        if (inside) {
            c->tokens[i] = s->options.mask_id;
            c->scores[i] = 0;
        }
    }
    c->k = 1;
    c->quota = 0;
    return DIFFULM_OK;
}

static diffulm_status check_token(const diffulm_session *s, const struct dulm_canvas *c,
                                  size_t position, int32_t token)
{
    if (position >= c->length)
        return dulm_fail(DIFFULM_E_ARGUMENT, "position %zu of a row of %zu tokens", position,
                         c->length);
    if (token < 0 || token >= s->model->config.vocabulary)
        return dulm_fail(DIFFULM_E_ARGUMENT, "token %d is outside the vocabulary of %lld", token,
                         (long long)s->model->config.vocabulary);
    return DIFFULM_OK;
}

diffulm_status diffulm_session_pin(diffulm_session *s, size_t row, size_t position, int32_t token)
{
    dulm_error_clear();
    struct dulm_canvas *c = NULL;
    diffulm_status rc = find_row(s, row, &c);
    if (rc == DIFFULM_OK)
        rc = check_token(s, c, position, token);
    if (rc < 0)
        return rc;
    c->tokens[position] = token;
    c->generated[position] = c->noisy[position] = 0;
    return DIFFULM_OK;
}

diffulm_status diffulm_session_forbid(diffulm_session *s, size_t row, size_t position,
                                      int32_t token)
{
    dulm_error_clear();
    struct dulm_canvas *c = NULL;
    diffulm_status rc = find_row(s, row, &c);
    if (rc == DIFFULM_OK)
        rc = check_token(s, c, position == SIZE_MAX ? 0 : position, token);
    if (rc < 0)
        return rc;
    if (!dulm_grow((void **)&c->forbidden, &c->forbidden_capacity, c->forbidden_count + 1,
                   sizeof *c->forbidden))
        return dulm_fail_memory();
    c->forbidden[c->forbidden_count++] = (struct dulm_forbidden){position, token};
    dulm_known_forget(c);
    return DIFFULM_OK;
}

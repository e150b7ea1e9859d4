/* canvas.c: memory of one canvas, and when it is done. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "diffusion/session.h"

diffulm_status dulm_canvas_init(struct dulm_canvas *canvas, size_t length)
{
    char *memory = dulm_alloc_zero(length, 4 + 4 + 3);
    if (!memory)
        return dulm_fail_memory();
    *canvas = (struct dulm_canvas){.length = length, .memory = memory, .k = 1};
    canvas->tokens = (int32_t *)(void *)memory;
    canvas->scores = (float *)(void *)(memory + 4 * length);
    canvas->noisy = (uint8_t *)memory + 8 * length;
    canvas->generated = canvas->noisy + length;
    canvas->wanted = canvas->generated + length;
    return DIFFULM_OK;
}

void dulm_canvas_release(struct dulm_canvas *canvas)
{
    dulm_free(canvas->memory);
    dulm_free(canvas->forbidden);
    dulm_cache_release(canvas);
    dulm_known_release(canvas);
    *canvas = (struct dulm_canvas){0};
}

/* Whether the stop token is settled: no mask stands before it. */
static bool stopped(const struct diffulm_session *session, const struct dulm_canvas *canvas)
{
    const int32_t stop = session->options.stop_id;
    for (size_t i = 0; stop >= 0 && i < canvas->length && !canvas->noisy[i]; i++)
        if (canvas->generated[i] && canvas->tokens[i] == stop)
            return true;
    return false;
}

/* A policy that only reveals has nothing to do once no mask is left; reparam may still revise. */
bool dulm_canvas_active(const struct diffulm_session *session, const struct dulm_canvas *canvas)
{
    if (canvas->k > session->sampler->options.steps)
        return false;
    const bool revises = session->sampler->policy == &dulm_policy_reparam;
    const uint8_t *left = revises ? canvas->generated : canvas->noisy;
    return memchr(left, 1, canvas->length) != NULL && (revises || !stopped(session, canvas));
}

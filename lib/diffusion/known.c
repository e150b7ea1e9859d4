/* known.c: candidates of a canvas that no step has changed since (exact): the same tokens have the same logits, and the best
 * token does not depend on draws. With more steps than positions most steps change nothing. */
#include "base/alloc.h"
#include "base/error.h"
#include "diffusion/session.h"

void dulm_known_release(struct dulm_canvas *c)
{
    dulm_free(c->known);
    c->known = NULL;
}

void dulm_known_forget(struct dulm_canvas *c)
{
    for (size_t i = 0; c->known && i < c->length; i++)
        c->known[i].given = -1;
}

diffulm_status dulm_known_reserve(const struct diffulm_session *s, struct dulm_canvas *c)
{
    if (c->known || s->options.recompute || s->sampler->options.sampling != DIFFULM_SAMPLING_ARGMAX)
        return DIFFULM_OK;
    c->known = dulm_alloc(c->length, sizeof *c->known);
    if (!c->known)
        return dulm_fail_memory();
    dulm_known_forget(c);
    return DIFFULM_OK;
}

bool dulm_known_serves(const struct dulm_canvas *c)
{
    if (!c->known)
        return false;
    for (size_t i = 0; i < c->length; i++)
        if (c->known[i].given != c->tokens[i] || (c->wanted[i] && c->known[i].candidate.token < 0))
            return false;
    return true;
}

void dulm_known_take(const struct dulm_canvas *c, struct dulm_candidate *candidates)
{
    for (size_t i = 0; i < c->length; i++)
        if (c->wanted[i])
            candidates[i] = c->known[i].candidate;
}

void dulm_known_keep(struct dulm_canvas *c, const struct dulm_candidate *candidates)
{
    for (size_t i = 0; c->known && i < c->length; i++) {
        c->known[i] = (struct dulm_known){.given = c->tokens[i], .candidate = {.token = -1}};
        if (c->wanted[i])
            c->known[i].candidate = candidates[i];
    }
}

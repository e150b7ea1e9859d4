/* prune.h: tokenizer.json with fewer pieces; see diffulm_tokenizer_prune. */
#ifndef DULM_TEXT_PRUNE_H
#define DULM_TEXT_PRUNE_H

#include <jansson.h>

#include "text/tokenizer.h"

/* Marks in keep [vocabulary] what must stay beside the ids marked already. */
diffulm_status dulm_prune_close(const struct diffulm_tokenizer *tok, const json_t *root,
                                uint8_t *keep) DIFFULM_MUST_USE;
/* Takes out of the JSON what `place` does not keep: place[id] is the new id, or -1. */
diffulm_status dulm_prune_json(const struct diffulm_tokenizer *tok, json_t *root, const char *path,
                               const int32_t *place) DIFFULM_MUST_USE;

#endif

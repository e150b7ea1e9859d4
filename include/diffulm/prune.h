/* prune.h: a smaller vocabulary for a task (Ye et al. 2023, section 4: task models keep the tokens of the task's
 * dictionary): the tokenizer without the pieces that its texts never use, and the model without their rows.
 *
 *   used ids of the task's texts -> diffulm_tokenizer_prune (writes tokenizer.json, says which ids stay)
 *                                -> diffulm_model_prune (the same ids) */
#ifndef DIFFULM_PRUNE_H
#define DIFFULM_PRUNE_H

#include <diffulm/common.h>
#include <diffulm/model.h>

DIFFULM_BEGIN_DECLS

/* Writes `to`, a tokenizer.json, from the tokenizer.json `from`, replaced atomically. What stays: the ids in `used`
 * (any order), added tokens, ids of templates and the unknown token, byte pieces, the characters of byte-level
 * models, and what the merges of a kept piece are made of. A text all of whose tokens are in `used` is cut into the
 * same pieces as before.
 * kept: the old id of each new one, ascending, `capacity` entries; *count is set. BUFFER_TOO_SMALL when capacity is less:
 * nothing is written then. Errors: E_ARGUMENT names an id outside the vocabulary; E_UNSUPPORTED when added tokens are not
 * numbered behind the others; those of reading and writing. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_tokenizer_prune(const char *from, const char *to,
                                                   const int32_t *used, size_t used_count,
                                                   int32_t *kept, size_t capacity,
                                                   size_t *count) DIFFULM_MUST_USE;

/* A model with the embedding and head rows of `kept` (ascending old ids) alone; row i is that of kept[i]. The special
 * ids of its configuration are numbered anew. On success *out is the caller's (unref). Errors: E_ARGUMENT names an
 * entry that does not ascend or is outside the vocabulary, and a special id that is not kept; E_UNSUPPORTED when the pad id,
 * which position ids count from, would change. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_model_prune(const diffulm_model *model, const int32_t *kept,
                                               size_t count, diffulm_model **out) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif

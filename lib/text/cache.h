/* cache.h: words that a tokenizer has met and their pieces, for any number of threads without locks. */
#ifndef DULM_TEXT_CACHE_H
#define DULM_TEXT_CACHE_H

#include "text/subword.h"

enum {
    DULM_CACHE_LONGEST = 64, /* bytes of a word */
    DULM_CACHE_BYTES =
        1 << 20, /* of all words and their pieces, in blocks that are allocated as they fill */
    DULM_CACHE_BLOCK = 1 << 16
};

struct dulm_cache;
diffulm_status dulm_cache_create(struct dulm_cache **out) DIFFULM_MUST_USE;
void dulm_cache_free(struct dulm_cache *cache);
/* Appends the tokens of a word; false: it is not known. */
bool dulm_cache_find(const struct dulm_cache *cache, const char *word, size_t length,
                     struct dulm_tokens *out);
/* Remembers the tokens of a word, all known (ids >= 0), that dulm_cache_find did not find. Does nothing where there is no room
 * or no memory: no word is ever replaced. */
void dulm_cache_add(struct dulm_cache *cache, const char *word, size_t length,
                    const struct dulm_token *tokens, size_t count);
/* How many words are remembered. */
size_t dulm_cache_count(const struct dulm_cache *cache);

#endif

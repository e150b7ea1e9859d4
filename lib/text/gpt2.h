/* gpt2.h: GPT-2's pattern, matched by hand. */
#ifndef DULM_TEXT_GPT2_H
#define DULM_TEXT_GPT2_H

#include <diffulm/common.h>
#include <stdbool.h>

extern const char dulm_gpt2_pattern[];

/* The classes of characters, immutable. */
struct dulm_gpt2;
diffulm_status dulm_gpt2_create(struct dulm_gpt2 **out) DIFFULM_MUST_USE;
void dulm_gpt2_free(struct dulm_gpt2 *gpt2);
/* The match at text[at], which there always is, at < length; returns its end. 0: a character beyond U+FFFF is in the way, which
 * the pattern itself has to match. */
size_t dulm_gpt2_match(const struct dulm_gpt2 *gpt2, const char *text, size_t length, size_t at);

#endif

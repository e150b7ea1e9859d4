/* pretokenize.h: pre-tokenizers: cut the splits of a doc further. */
#ifndef DULM_TEXT_PRETOKENIZE_H
#define DULM_TEXT_PRETOKENIZE_H

#include "text/normalize.h"

struct dulm_pretokenizer;
diffulm_status dulm_pretokenizer_read(const json_t *json, const char *path,
                                      struct dulm_pretokenizer **out) DIFFULM_MUST_USE;
void dulm_pretokenizer_free(struct dulm_pretokenizer *pretokenizer);
/* As dulm_normalize. */
diffulm_status dulm_pretokenize(const struct dulm_pretokenizer *pretokenizer, struct dulm_doc **doc,
                                struct dulm_doc **spare) DIFFULM_MUST_USE;

#endif

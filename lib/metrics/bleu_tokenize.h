/* bleu_tokenize.h: the tokenizers of BLEU. */
#ifndef DULM_METRICS_BLEU_TOKENIZE_H
#define DULM_METRICS_BLEU_TOKENIZE_H

#include "metrics/words.h"

/* Right-stripped, lower-cased when asked, and tokenized: its words are the tokens. */
diffulm_status dulm_bleu_text(const struct diffulm_bleu_options *options,
                              const struct diffulm_string *text, const char *what,
                              struct dulm_strbuf *out) DIFFULM_MUST_USE;

#endif

/* bleu.h: corpus BLEU (Papineni et al. 2002) with up to four words, case kept, no smoothing. Words are
 * split at spaces, and . , ? ! : ; stand alone, as mteval's 13a tokenization does for such text. */
#ifndef DIFFULM_CLI_BLEU_H
#define DIFFULM_CLI_BLEU_H

#include <stddef.h>

struct bleu {
    size_t match[4], total[4], words, reference_words;
};
void bleu_add(struct bleu *bleu, const char *text, const char *reference);
double bleu_score(const struct bleu *bleu); /* 0 to 100 */

#endif

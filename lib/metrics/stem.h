/* stem.h: English stems. */
#ifndef DULM_METRICS_STEM_H
#define DULM_METRICS_STEM_H

#include <stddef.h>

/* Porter's algorithm (1980) on lower-case ASCII letters and digits, with the extensions that NLTK and rouge_score use; word is
 * changed in place and has room for one byte more. Returns its new length. */
size_t dulm_stem(char *word, size_t length);

#endif

/* words.h: texts as words, and the n-grams of several lists of words counted together. */
#ifndef DULM_METRICS_WORDS_H
#define DULM_METRICS_WORDS_H

#include <diffulm/metrics.h>
#include <stdbool.h>

#include "base/strbuf.h"

/* White space as Python's str.split takes it: Unicode's, and U+001C to U+001F. */
bool dulm_is_space(int32_t c);
/* Checks that data and UTF-8 are there; `what` names the text in messages. */
diffulm_status dulm_string_check(const struct diffulm_string *text,
                                 const char *what) DIFFULM_MUST_USE;
/* The text in lower case as Python's str.lower has it, with final sigma. */
void dulm_lower_text(const char *text, size_t length, struct dulm_strbuf *out);
/* Without white space at the right (and, with both, at the left) end. */
struct diffulm_string dulm_strip(const char *text, size_t length, bool both);

/* Words in order; each is `length` bytes at text.data + begin. Failure (out of memory) is sticky. */
struct dulm_words {
    struct dulm_strbuf text;
    size_t *begin, *length;
    size_t count, capacity;
    bool failed;
};
void dulm_words_add(struct dulm_words *words, const char *word, size_t length);
/* Adds the words between white space. */
void dulm_words_split(struct dulm_words *words, const char *text, size_t length);
void dulm_words_release(struct dulm_words *words);
const char *dulm_word(const struct dulm_words *words, size_t index);

/* Lists of numbers that stand for words (equal words: equal numbers), or for n-grams of them. */
struct dulm_ids {
    int32_t *id;
    size_t count;
};
struct dulm_grams {
    struct dulm_ids *list;  /* [lists] n-grams of the present order */
    struct dulm_ids *words; /* [lists] order 1 */
    size_t lists;
    int32_t distinct; /* numbers run from 0 to distinct - 1 */
    int32_t *counts;  /* [2, distinct] scratch */
    size_t counts_capacity;
};
/* Order 1 of the lists. */
diffulm_status dulm_grams_begin(const struct dulm_words *words, size_t lists,
                                struct dulm_grams *out) DIFFULM_MUST_USE;
/* The next order. */
diffulm_status dulm_grams_extend(struct dulm_grams *grams) DIFFULM_MUST_USE;
/* How many n-grams of list `a` stand in `b` as well, each as often as in the less rich of both; with b = lists, against the
 * richest of all lists but a. */
int64_t dulm_grams_matched(const struct dulm_grams *grams, size_t a, size_t b);
void dulm_grams_release(struct dulm_grams *grams);

#endif

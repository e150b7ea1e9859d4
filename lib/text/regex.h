/* regex.h: Hugging Face's patterns (Oniguruma syntax) on PCRE2. */
#ifndef DULM_TEXT_REGEX_H
#define DULM_TEXT_REGEX_H

#include <diffulm/common.h>
#include <stdbool.h>

/* Immutable once compiled: any number of threads. */
struct dulm_regex;
diffulm_status dulm_regex_compile(const char *pattern, size_t length, const char *what,
                                  struct dulm_regex **out) DIFFULM_MUST_USE;
/* A pattern that is the text itself. */
diffulm_status dulm_regex_literal(const char *text, size_t length,
                                  struct dulm_regex **out) DIFFULM_MUST_USE;
void dulm_regex_free(struct dulm_regex *regex);

/* One search after another over text; zeroed to begin with. */
struct dulm_matcher {
    void *data, *context; /* PCRE2's, once they are needed */
    size_t last_empty;    /* end of the last match, plus 1; an empty match may not touch it */
};
void dulm_matcher_release(struct dulm_matcher *matcher);
/* The next match at or after *at: true with its range; *at moves past it. *rc tells of failures (a match
 * limit, memory). Empty matches are found once each. */
bool dulm_matcher_next(struct dulm_matcher *matcher, const struct dulm_regex *regex,
                       const char *text, size_t length, size_t *at, size_t *begin, size_t *end,
                       diffulm_status *rc);

#endif

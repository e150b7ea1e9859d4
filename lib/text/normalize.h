/* normalize.h: normalizers: each turns the splits of a doc into those of another. */
#ifndef DULM_TEXT_NORMALIZE_H
#define DULM_TEXT_NORMALIZE_H

#include <jansson.h>

#include "text/regex.h"
#include "text/utf8.h"

struct dulm_normalizer;
/* From its JSON; null gives NULL. `path` is for messages. */
diffulm_status dulm_normalizer_read(const json_t *json, const char *path,
                                    struct dulm_normalizer **out) DIFFULM_MUST_USE;
/* A precompiled charsmap, as SentencePiece stores it. */
diffulm_status dulm_normalizer_charsmap(const void *bytes, size_t size, const char *path,
                                        struct dulm_normalizer **out) DIFFULM_MUST_USE;
void dulm_normalizer_free(struct dulm_normalizer *normalizer);

/* Normalises every text split; uses a and b in turn, the result is in *doc (a or b). NULL does nothing. */
diffulm_status dulm_normalize(const struct dulm_normalizer *normalizer, struct dulm_doc **doc,
                              struct dulm_doc **spare) DIFFULM_MUST_USE;

/* {"String": …} or {"Regex": …}. */
diffulm_status dulm_pattern_read(const json_t *json, const char *path,
                                 struct dulm_regex **out) DIFFULM_MUST_USE;
/* Copies [begin, end) with every match replaced. */
diffulm_status dulm_doc_replace(const struct dulm_regex *pattern, const char *content,
                                size_t content_length, const struct dulm_doc *in, size_t begin,
                                size_t end, struct dulm_doc *out) DIFFULM_MUST_USE;
/* Copies [begin, end) with every byte written as its printable character. */
void dulm_doc_bytes(const struct dulm_doc *in, size_t begin, size_t end, struct dulm_doc *out);

/* Darts double array and its strings. */
struct dulm_charsmap {
    uint32_t *units;
    size_t unit_count;
    char *strings;
    size_t strings_length;
};
diffulm_status dulm_charsmap_read(const void *bytes, size_t size, const char *path,
                                  struct dulm_charsmap *out) DIFFULM_MUST_USE;
/* The replacement of the shortest prefix of key that has one; NULL: none. */
const char *dulm_charsmap_find(const struct dulm_charsmap *map, const char *key, size_t length);

/* A string as a list of changes: each character replaces one old character (change 0), is inserted after
 * it (1), or also removes -change following ones. The ranges of what it replaces go with it. */
struct dulm_change {
    int32_t c, change;
};
struct dulm_changes {
    struct dulm_change *list;
    size_t count, capacity;
    bool failed;
};
void dulm_changes_add(struct dulm_changes *changes, int32_t c, int32_t change);
/* Applies them to bytes [begin, end) of `in`, appending to `out`. */
void dulm_changes_apply(const struct dulm_changes *changes, const struct dulm_doc *in, size_t begin,
                        size_t end, struct dulm_doc *out);
/* Canonical or compatibility decomposition, or composition, of a range. */
void dulm_changes_unicode(struct dulm_changes *changes, const char *text, size_t length,
                          bool compatible, bool compose);
/* Precompiled, over extended grapheme clusters. */
void dulm_changes_charsmap(struct dulm_changes *changes, const struct dulm_charsmap *map,
                           const char *text, size_t length);

#endif

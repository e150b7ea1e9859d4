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

/* Runs one pass over every text split, as dulm_normalize. */
typedef void dulm_pass_function(const struct dulm_doc *in, size_t begin, size_t end,
                                struct dulm_doc *out);
diffulm_status dulm_normalize_pass(dulm_pass_function *pass, struct dulm_doc **doc,
                                   struct dulm_doc **spare) DIFFULM_MUST_USE;
void dulm_doc_swap(struct dulm_doc **doc, struct dulm_doc **spare);

/* bert.c: BertNormalizer. */
struct dulm_bert_options {
    bool clean, chinese, accents, lowercase;
};
struct dulm_bert;
diffulm_status dulm_bert_create(const struct dulm_bert_options *options,
                                struct dulm_bert **out) DIFFULM_MUST_USE;
void dulm_bert_free(struct dulm_bert *bert);
/* As dulm_normalize. */
diffulm_status dulm_bert_normalize(const struct dulm_bert *bert, struct dulm_doc **doc,
                                   struct dulm_doc **spare) DIFFULM_MUST_USE;
/* The same, step after step as it is defined; what dulm_bert_normalize falls back on and is tested against. */
diffulm_status dulm_bert_passes(const struct dulm_bert *bert, struct dulm_doc **doc,
                                struct dulm_doc **spare) DIFFULM_MUST_USE;

/* {"String": …} or {"Regex": …}. */
diffulm_status dulm_pattern_read(const json_t *json, const char *path,
                                 struct dulm_regex **out) DIFFULM_MUST_USE;
/* Copies [begin, end) with every match replaced. */
diffulm_status dulm_doc_replace(const struct dulm_regex *pattern, const char *content,
                                size_t content_length, const struct dulm_doc *in, size_t begin,
                                size_t end, struct dulm_doc *out) DIFFULM_MUST_USE;
/* Copies the characters of [begin, end) that are to be kept. */
typedef bool dulm_keep_function(int32_t c);
void dulm_doc_filter(const struct dulm_doc *in, size_t begin, size_t end, dulm_keep_function *keep,
                     struct dulm_doc *out);
/* Copies [begin, end) with each character replaced by what map gives. */
void dulm_doc_map(const struct dulm_doc *in, size_t begin, size_t end, int32_t (*map)(int32_t),
                  struct dulm_doc *out);
/* Copies [begin, end) decomposed, or composed. */
void dulm_doc_unicode(const struct dulm_doc *in, size_t begin, size_t end, bool compatible,
                      bool compose, struct dulm_doc *out);
/* Copies [begin, end) with every byte written as its printable character. */
void dulm_doc_bytes(const struct dulm_doc *in, size_t begin, size_t end, struct dulm_doc *out);

/* Darts double array and its strings. */
struct dulm_charsmap {
    uint32_t *units;
    size_t unit_count;
    char *strings;
    size_t strings_length;
    uint8_t *
        inert; /* a bit for each character up to U+FFFF: alone among others of its kind it stays what it is */
};
diffulm_status dulm_charsmap_read(const void *bytes, size_t size, const char *path,
                                  struct dulm_charsmap *out) DIFFULM_MUST_USE;
void dulm_charsmap_release(struct dulm_charsmap *map);
/* The length of the inert characters that a text begins with. */
size_t dulm_charsmap_inert(const struct dulm_charsmap *map, const char *text, size_t length);
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
/* What a character decomposes to, fully; returns how many. */
enum { DULM_PARTS = 64 };
size_t dulm_decompose(int32_t c, bool compatible, int32_t parts[DULM_PARTS]);
/* Canonical or compatibility decomposition, or composition, of a range. */
void dulm_changes_unicode(struct dulm_changes *changes, const char *text, size_t length,
                          bool compatible, bool compose);
/* Copies [begin, end) with the charsmap applied; the changes of what is not inert alone are listed. */
void dulm_doc_charsmap(const struct dulm_charsmap *map, const struct dulm_doc *in, size_t begin,
                       size_t end, struct dulm_doc *out);
/* Precompiled, over extended grapheme clusters. */
void dulm_changes_charsmap(struct dulm_changes *changes, const struct dulm_charsmap *map,
                           const char *text, size_t length);

#endif

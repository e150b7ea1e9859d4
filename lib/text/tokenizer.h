/* tokenizer.h: the frozen tokenizer: added tokens, normalizer, pre-tokenizer, model, post-processor,
 * decoder, in the order a text meets them. */
#ifndef DULM_TEXT_TOKENIZER_H
#define DULM_TEXT_TOKENIZER_H

#include <diffulm/tokenizer.h>

#include "base/refcount.h"
#include "base/strbuf.h"
#include "io/place.h"
#include "text/cache.h"
#include "text/pretokenize.h"

struct dulm_added {
    char *content; /* as written */
    char *matched; /* what is looked for: normalised when `normalized` */
    size_t length, matched_length;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
};

/* One element of a template: an id, or a text. */
struct dulm_template_item {
    int32_t sequence; /* 0, 1: text; -1: the ids */
    int32_t type;
    int32_t *ids;
    size_t count;
};
struct dulm_template {
    struct dulm_template_item *item;
    size_t count;
};

struct dulm_decoder;

struct diffulm_tokenizer {
    dulm_refcount refs;
    struct dulm_added *added;
    size_t added_count, added_capacity;
    uint8_t first[2][256]; /* [normalized][byte]: some added token begins with it */
    struct dulm_normalizer *normalizer;
    struct dulm_pretokenizer *pretokenizer;
    struct dulm_subword model;
    struct dulm_cache *cache;      /* of the model's tokens; NULL: none */
    bool trims, trim_prefix_space; /* ByteLevel and Roberta post-processors */
    bool has_template;
    struct dulm_template single, pair;
    struct dulm_decoder *decoder;
    struct diffulm_special_ids special;
    size_t vocabulary; /* largest id + 1 */
};

/* added.c */
diffulm_status dulm_added_add(struct diffulm_tokenizer *tok,
                              const struct dulm_added *token) DIFFULM_MUST_USE; /* copies content */
diffulm_status dulm_added_read(struct diffulm_tokenizer *tok, const json_t *json,
                               const char *path) DIFFULM_MUST_USE;
/* Normalises contents; call once everything is loaded. */
diffulm_status dulm_added_finish(struct diffulm_tokenizer *tok) DIFFULM_MUST_USE;
/* Cuts every text split at the added tokens that are (or are not) normalised. */
diffulm_status dulm_added_extract(const struct diffulm_tokenizer *tok, bool normalized,
                                  struct dulm_doc *doc) DIFFULM_MUST_USE;
const struct dulm_added *dulm_added_of(const struct diffulm_tokenizer *tok, int32_t id);
/* The text of an id, added or of the model; NULL: there is none. */
const char *dulm_token_text(const struct diffulm_tokenizer *tok, int32_t id, size_t *length);
int32_t dulm_token_find(const struct diffulm_tokenizer *tok, const char *text, size_t length);

/* postprocess.c */
diffulm_status dulm_postprocessor_read(struct diffulm_tokenizer *tok, const json_t *json,
                                       const char *path) DIFFULM_MUST_USE;
/* Appends ids to a template; sequence as in dulm_template_item. */
diffulm_status dulm_template_add(struct dulm_template *t, int32_t sequence, int32_t type,
                                 const int32_t *ids, size_t count) DIFFULM_MUST_USE;
void dulm_template_release(struct dulm_template *t);

/* decode.c */
diffulm_status dulm_decoder_read(const json_t *json, const char *path,
                                 struct dulm_decoder **out) DIFFULM_MUST_USE;
void dulm_decoder_free(struct dulm_decoder *decoder);
diffulm_status dulm_decode(const struct diffulm_tokenizer *tok, const int32_t *ids, size_t count,
                           bool skip_special, struct dulm_strbuf *out) DIFFULM_MUST_USE;

/* encode.c: tokens of one text with byte ranges of the input. */
struct dulm_encoded {
    int32_t *ids;
    size_t *begin, *end;
    size_t count, capacity;
};
diffulm_status dulm_encode_text(const struct diffulm_tokenizer *tok, const char *text,
                                size_t length, struct dulm_encoded *out) DIFFULM_MUST_USE;
void dulm_encoded_release(struct dulm_encoded *encoded);

/* Loaders; each fills a zeroed tokenizer. */
diffulm_status dulm_load_json(struct diffulm_tokenizer *tok, const void *bytes, size_t size,
                              const char *path) DIFFULM_MUST_USE;
diffulm_status dulm_load_sentencepiece(struct diffulm_tokenizer *tok, const void *bytes,
                                       size_t size, const char *path) DIFFULM_MUST_USE;
diffulm_status dulm_load_wordpiece(struct diffulm_tokenizer *tok, const char *bytes, size_t size,
                                   bool lowercase, const char *path) DIFFULM_MUST_USE;
/* merges.txt is looked for beside `vocab`. */
diffulm_status dulm_load_bpe(struct diffulm_tokenizer *tok, const struct dulm_place *place,
                             const struct dulm_file *vocab) DIFFULM_MUST_USE;
/* Parts of the pipeline that a file implies, as JSON (NULL: none); the references are given away. */
diffulm_status dulm_load_parts(struct diffulm_tokenizer *tok, json_t *normalizer, json_t *pre,
                               json_t *post, json_t *decoder, const char *path) DIFFULM_MUST_USE;
void dulm_tokenizer_free(struct diffulm_tokenizer *tok);

#endif

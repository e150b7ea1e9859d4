/* tokenizer.h: text to token ids and back, equal to Hugging Face's tokenizers. */
#ifndef DIFFULM_TOKENIZER_H
#define DIFFULM_TOKENIZER_H

#include <diffulm/common.h>

DIFFULM_BEGIN_DECLS

/* Frozen and reference-counted; used from any number of threads. Since 0.1. */
typedef struct diffulm_tokenizer diffulm_tokenizer;

struct diffulm_tokenizer_options {
    size_t struct_size;
    /* 1: the mask token takes the spaces in front of it, as published XLM-R tokenizers have it; a
     * sentencepiece.bpe.model does not say. 0: as the file says, else it does not. */
    int32_t mask_lstrip;
};
#define DIFFULM_TOKENIZER_OPTIONS_INIT                                                             \
    {                                                                                              \
        sizeof(struct diffulm_tokenizer_options), 0                                                \
    }
DIFFULM_API void diffulm_tokenizer_options_init(struct diffulm_tokenizer_options *options,
                                                size_t struct_size);

/* Opens a folder (tokenizer.json, else sentencepiece.bpe.model read as XLM-R's, else vocab.txt as
 * WordPiece, else vocab.json with merges.txt as byte-level BPE) or one such file by its suffix. On
 * success *out is the caller's (unref). Errors name the file and what is wrong. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_tokenizer_open(const char *path,
                                                  const struct diffulm_tokenizer_options *options,
                                                  diffulm_tokenizer **out) DIFFULM_MUST_USE;
/* A tokenizer.json in memory. Since 0.1. */
DIFFULM_API diffulm_status diffulm_tokenizer_open_memory(
    const void *bytes, size_t size, const struct diffulm_tokenizer_options *options,
    diffulm_tokenizer **out) DIFFULM_MUST_USE;
DIFFULM_API diffulm_tokenizer *diffulm_tokenizer_ref(diffulm_tokenizer *tokenizer);
DIFFULM_API void diffulm_tokenizer_unref(diffulm_tokenizer *tokenizer); /* NULL is allowed */

struct diffulm_encode_options {
    size_t struct_size;
    int32_t no_special; /* 1: leave out bos, eos and the like */
};
#define DIFFULM_ENCODE_OPTIONS_INIT                                                                \
    {                                                                                              \
        sizeof(struct diffulm_encode_options), 0                                                   \
    }
DIFFULM_API void diffulm_encode_options_init(struct diffulm_encode_options *options,
                                             size_t struct_size);

/* The caller's arrays, `capacity` entries each; any may be NULL. count is always set. */
struct diffulm_encoding {
    size_t struct_size;
    size_t capacity;
    int32_t *ids;
    size_t *begins, *ends; /* bytes of the text the token stands for; 0, 0 for special tokens */
    int32_t *sequences;    /* 0: text, 1: pair, -1: special */
    int32_t *types;        /* token type ids */
    size_t count;
};

/* Encodes `length` bytes of UTF-8 (NUL not needed), with `pair` (may be NULL) as a second text.
 * BUFFER_TOO_SMALL when count > capacity: nothing but count was written. Errors: E_UTF8 names the byte.
 * Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_tokenizer_encode(
    const diffulm_tokenizer *tokenizer, const char *text, size_t length, const char *pair,
    size_t pair_length, const struct diffulm_encode_options *options,
    struct diffulm_encoding *encoding) DIFFULM_MUST_USE;

/* Text of ids, UTF-8 with a NUL if it fits. *length (without NUL) is always set; BUFFER_TOO_SMALL when
 * capacity is not more than it. E_ARGUMENT names position and id when an id is out of range. Any thread.
 * Since 0.1. */
DIFFULM_API diffulm_status diffulm_tokenizer_decode(const diffulm_tokenizer *tokenizer,
                                                    const int32_t *ids, size_t count,
                                                    int32_t skip_special, char *buffer,
                                                    size_t capacity,
                                                    size_t *length) DIFFULM_MUST_USE;

/* The piece of an id as the vocabulary writes it; lives as long as the tokenizer; NULL if there is none.
 * Since 0.1. */
DIFFULM_API const char *diffulm_tokenizer_piece(const diffulm_tokenizer *tokenizer, int32_t id,
                                                size_t *length);
/* The id of a piece, -1 if there is none. Since 0.1. */
DIFFULM_API int32_t diffulm_tokenizer_id(const diffulm_tokenizer *tokenizer, const char *piece,
                                         size_t length);
/* Largest id + 1. Since 0.1. */
DIFFULM_API size_t diffulm_tokenizer_vocabulary(const diffulm_tokenizer *tokenizer);

/* -1: the tokenizer has none. */
struct diffulm_special_ids {
    size_t struct_size;
    int32_t bos, eos, pad, unk, mask;
};
/* By the usual names: <s> [CLS], </s> [SEP], <pad> [PAD], <unk> [UNK], <mask> [MASK]. Since 0.1. */
DIFFULM_API diffulm_status diffulm_tokenizer_special_ids(
    const diffulm_tokenizer *tokenizer, struct diffulm_special_ids *out) DIFFULM_MUST_USE;

/* Replaces each maximal ill-formed sequence by U+FFFD, as WHATWG decoders do: *repaired bytes, without a
 * NUL. BUFFER_TOO_SMALL when capacity is less than that. Since 0.1. */
DIFFULM_API diffulm_status diffulm_utf8_repair(const char *text, size_t length, char *buffer,
                                               size_t capacity, size_t *repaired) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif

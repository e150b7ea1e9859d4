/* subword.h: the models that turn a pre-token into ids: Unigram, BPE, WordPiece, WordLevel. */
#ifndef DULM_TEXT_SUBWORD_H
#define DULM_TEXT_SUBWORD_H

#include <jansson.h>

#include "text/trie.h"

enum dulm_subword_kind { DULM_UNIGRAM, DULM_BPE, DULM_WORDPIECE, DULM_WORDLEVEL };

struct dulm_merge {
    int32_t left, right, rank, result;
};

struct dulm_subword {
    enum dulm_subword_kind kind;
    struct dulm_vocab vocab;
    int32_t unk_id; /* -1: none */
    bool byte_fallback, fuse_unk, ignore_merges;
    int32_t byte_id[256]; /* ids of <0x00> … <0xFF>, -1: absent */
    /* Unigram */
    double *score; /* by id */
    double lowest;
    struct dulm_trie trie;
    /* BPE */
    struct dulm_merge *merge; /* hash table by (left, right); rank -1: empty */
    size_t merge_size;
    char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix; NULL: none */
    size_t prefix_length, suffix_length;
    /* WordPiece */
    size_t max_characters;
};

/* A token of a pre-token: bytes [begin, end) of it. */
struct dulm_token {
    int32_t id;
    size_t begin, end;
};
struct dulm_tokens {
    struct dulm_token *list;
    size_t count, capacity;
    void *scratch; /* the models' own, kept from one pre-token to the next */
    size_t scratch_size;
    bool failed;
};
void dulm_tokens_release(struct dulm_tokens *tokens);
void dulm_tokens_add(struct dulm_tokens *tokens, int32_t id, size_t begin, size_t end);
/* Scratch of at least that size, NULL: out of memory, and failed is set. */
void *dulm_tokens_scratch(struct dulm_tokens *tokens, size_t count, size_t size);

/* Appends the tokens of `text`. */
diffulm_status dulm_subword_encode(const struct dulm_subword *model, const char *text,
                                   size_t length, struct dulm_tokens *out) DIFFULM_MUST_USE;
void dulm_unigram_encode(const struct dulm_subword *model, const char *text, size_t length,
                         struct dulm_tokens *out);
void dulm_bpe_encode(const struct dulm_subword *model, const char *text, size_t length,
                     struct dulm_tokens *out);

/* Finishing what the loaders filled in: tables that depend on the whole vocabulary. */
diffulm_status dulm_unigram_finish(struct dulm_subword *model, const char *path) DIFFULM_MUST_USE;
diffulm_status dulm_bpe_add_merges(struct dulm_subword *model, size_t count) DIFFULM_MUST_USE;
diffulm_status dulm_bpe_merge(struct dulm_subword *model, const char *left, size_t left_length,
                              const char *right, size_t right_length, int32_t rank,
                              const char *path) DIFFULM_MUST_USE;
void dulm_subword_find_bytes(struct dulm_subword *model);

/* tokenizer.json's "model". */
diffulm_status dulm_subword_read(const json_t *json, const char *path,
                                 struct dulm_subword *out) DIFFULM_MUST_USE;
void dulm_subword_release(struct dulm_subword *model);

#endif

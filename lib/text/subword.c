/* subword.c: WordPiece and WordLevel, and what the models share. */
#include "text/subword.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/utf8.h"

void dulm_tokens_add(struct dulm_tokens *tokens, int32_t id, size_t begin, size_t end)
{
    if (tokens->failed || !dulm_grow((void **)&tokens->list, &tokens->capacity, tokens->count + 1,
                                     sizeof *tokens->list)) {
        tokens->failed = true;
        return;
    }
    tokens->list[tokens->count++] = (struct dulm_token){id, begin, end};
}

void *dulm_tokens_scratch(struct dulm_tokens *tokens, size_t count, size_t size)
{
    size_t bytes;
    if (!dulm_mul(count, size, &bytes) ||
        !dulm_grow(&tokens->scratch, &tokens->scratch_size, bytes ? bytes : 1, 1)) {
        tokens->failed = true;
        return NULL;
    }
    return tokens->scratch;
}

void dulm_tokens_release(struct dulm_tokens *tokens)
{
    dulm_free(tokens->list);
    dulm_free(tokens->scratch);
    *tokens = (struct dulm_tokens){0};
}

void dulm_subword_find_bytes(struct dulm_subword *m)
{
    for (int b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        m->byte_id[b] = dulm_vocab_find(&m->vocab, name, 6);
    }
}

void dulm_subword_release(struct dulm_subword *m)
{
    dulm_vocab_release(&m->vocab);
    dulm_free(m->score);
    dulm_trie_release(&m->trie);
    dulm_free(m->merge);
    dulm_free(m->prefix);
    dulm_free(m->suffix);
    *m = (struct dulm_subword){0};
}

/* The end of the longest piece that text[begin..] starts with, and its id; begin: there is none. key: the text from `begin` on
 * behind the prefix; state: room for the hash of each of its beginnings. */
static size_t longest_piece(const struct dulm_subword *m, const char *key, size_t prefix,
                            size_t length, uint64_t *state, int32_t *id)
{
    const size_t most = prefix + length < m->vocab.longest ? prefix + length : m->vocab.longest;
    uint64_t hash = dulm_vocab_hash(DULM_VOCAB_HASH, key, prefix);
    for (size_t i = prefix; i < most; i++)
        state[i] = hash = dulm_vocab_hash(hash, key + i, 1);
    for (size_t end = most; end > prefix; end--) {
        if (end < prefix + length && dulm_utf8_continues(key[end]))
            continue;
        *id = dulm_vocab_find_hashed(&m->vocab, state[end - 1], key, end);
        if (*id >= 0)
            return end - prefix;
    }
    return 0;
}

/* The longest piece first (Wu et al. 2016); a word with a hole is unknown as a whole. */
static void wordpiece(const struct dulm_subword *m, const char *text, size_t length,
                      struct dulm_tokens *out)
{
    const size_t before = out->count, prefix = m->prefix_length;
    size_t characters = 0;
    for (size_t i = 0; i < length; i++)
        characters += !dulm_utf8_continues(text[i]);
    bool known = characters <= m->max_characters;
    uint64_t *state = known ? dulm_tokens_scratch(out, prefix + length, sizeof *state + 1) : NULL;
    if (known && !state)
        return;
    char *work = state ? (char *)(state + prefix + length) : NULL;
    if (known)
        memcpy(work + prefix, text, length);
    for (size_t begin = 0, n; known && begin < length; begin += n) {
        int32_t id = -1;
        /* What comes before has been used up, and makes room for the prefix. */
        if (begin && prefix)
            memcpy(work + begin, m->prefix, prefix);
        n = begin ? longest_piece(m, work + begin, prefix, length - begin, state, &id)
                  : longest_piece(m, work + prefix, 0, length, state, &id);
        known = n > 0;
        if (known)
            dulm_tokens_add(out, id, begin, begin + n);
    }
    if (!known && length) {
        out->count = before;
        dulm_tokens_add(out, m->unk_id, 0, length);
    }
}

diffulm_status dulm_subword_encode(const struct dulm_subword *m, const char *text, size_t length,
                                   struct dulm_tokens *out)
{
    if (length == 0)
        return DIFFULM_OK;
    int32_t id;
    switch (m->kind) {
    case DULM_UNIGRAM:
        dulm_unigram_encode(m, text, length, out);
        break;
    case DULM_BPE:
        dulm_bpe_encode(m, text, length, out);
        break;
    case DULM_WORDPIECE:
        wordpiece(m, text, length, out);
        break;
    case DULM_WORDLEVEL:
        id = dulm_vocab_find(&m->vocab, text, length);
        if (id < 0)
            id = m->unk_id;
        if (id < 0)
            return dulm_fail(DIFFULM_E_FORMAT,
                             "the word %.40s is unknown and there is no unk_token", text);
        dulm_tokens_add(out, id, 0, length);
        break;
    }
    return out->failed ? dulm_fail_memory() : DIFFULM_OK;
}

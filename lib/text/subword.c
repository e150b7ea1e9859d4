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

/* The longest piece first (Wu et al. 2016); a word with a hole is unknown as a whole. */
static void wordpiece(const struct dulm_subword *m, const char *text, size_t length,
                      struct dulm_tokens *out)
{
    const size_t before = out->count;
    size_t characters = 0;
    for (size_t i = 0; i < length; i++)
        characters += ((unsigned char)text[i] & 0xC0) != 0x80;
    char *work =
        characters <= m->max_characters ? dulm_alloc(length + m->prefix_length + 1, 1) : NULL;
    bool known = work != NULL;
    if (characters <= m->max_characters && !work)
        out->failed = true;
    for (size_t begin = 0; known && begin < length;) {
        const size_t prefix = begin ? m->prefix_length : 0;
        size_t end = length;
        int32_t id = -1;
        if (prefix)
            memcpy(work, m->prefix, prefix);
        memcpy(work + prefix, text + begin, length - begin);
        while (end > begin && (id = dulm_vocab_find(&m->vocab, work, prefix + end - begin)) < 0) {
            do
                end--;
            while (end > begin && ((unsigned char)text[end] & 0xC0) == 0x80);
        }
        known = id >= 0;
        if (known)
            dulm_tokens_add(out, id, begin, end);
        begin = end;
    }
    dulm_free(work);
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

/* text.h: text into sessions and out of them. */
#ifndef DIFFULM_TEXT_H
#define DIFFULM_TEXT_H

#include <diffulm/common.h>
#include <diffulm/length.h>
#include <diffulm/session.h>
#include <diffulm/tokenizer.h>

DIFFULM_BEGIN_DECLS

struct diffulm_text_options {
    size_t struct_size;
    int64_t length;                   /* tokens to generate; 0: predicted by length_head */
    diffulm_length_head *length_head; /* of the session's model; borrowed for the call */
    int32_t infill;     /* 1: nothing is appended, the text's own mask tokens are the gaps */
    int64_t row_number; /* as in diffulm_row_options */
};
#define DIFFULM_TEXT_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(struct diffulm_text_options), 0, 0, 0, 0                                            \
    }
DIFFULM_API void diffulm_text_options_init(struct diffulm_text_options *options,
                                           size_t struct_size);

/* Adds a canvas from `length` bytes of UTF-8. A prompt becomes [bos] text [newline] masks [eos], where
 * newline is the tokenizer's token "\n" if it has one, left out after an empty prompt; with infill,
 * [bos] text [eos], and each mask token in the text is a position to generate; what stands before and
 * behind its first newline is encoded apart, as prompt and answer are. *row is its index. Errors:
 * E_ARGUMENT when no length is known or no gap is in the text, E_UTF8, E_LIMIT; the session is unchanged
 * then. The session's thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_session_add_text(diffulm_session *session,
                                                    const diffulm_tokenizer *tokenizer,
                                                    const char *text, size_t length,
                                                    const struct diffulm_text_options *options,
                                                    size_t *row) DIFFULM_MUST_USE;

/* Text of a row, UTF-8 with a NUL if it fits: the generated positions (whole: all of them) without
 * special tokens. *length (without NUL) is always set; BUFFER_TOO_SMALL when capacity is not more than
 * it. Since 0.1. */
DIFFULM_API diffulm_status diffulm_session_text(const diffulm_session *session,
                                                const diffulm_tokenizer *tokenizer, size_t row,
                                                int32_t whole, char *buffer, size_t capacity,
                                                size_t *length) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif

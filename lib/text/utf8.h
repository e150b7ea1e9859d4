/* utf8.h: code points, their classes, and strings that remember where their bytes came from. */
#ifndef DULM_TEXT_UTF8_H
#define DULM_TEXT_UTF8_H

#include <diffulm/common.h>
#include <stdbool.h>

/* Length of the first ill-formed sequence's maximal subpart at *offset; 0 if all is well-formed. */
size_t dulm_utf8_invalid(const char *text, size_t length, size_t *offset);
/* E_UTF8 naming the byte, or OK. */
diffulm_status dulm_utf8_check(const char *text, size_t length, const char *what) DIFFULM_MUST_USE;
/* The code point at text (well-formed), *length its bytes. */
int32_t dulm_utf8_decode(const char *text, size_t *length);
/* Bytes written to out (at most 4). */
size_t dulm_utf8_encode(int32_t c, char out[4]);

bool dulm_is_white_space(int32_t c); /* Unicode White_Space */
bool dulm_is_word(int32_t c);        /* \w: alphabetic, mark, digit, connector */
bool dulm_is_punctuation(int32_t c); /* ASCII punctuation or category P */
bool dulm_is_numeric(int32_t c);     /* category N */
bool dulm_is_mark(int32_t c);        /* category M */
bool dulm_is_nonspacing(int32_t c);  /* category Mn */
bool dulm_is_other(int32_t c);       /* Cc, Cf, Co */

/* 8: in Unicode 8 or older; 9: new in Unicode 9; 10: newer than that. */
int dulm_unicode_age(int32_t c);
int dulm_combining_class(int32_t c); /* canonical; 0 for marks newer than Unicode 9 */
int32_t dulm_lower(int32_t c);       /* U+0130 gives i: its dot is the caller's */

/* A text cut into splits. Each byte knows the range of the input that it stands for. Failure (out of
 * memory) is sticky. */
struct dulm_split {
    size_t begin, end; /* bytes of the doc */
    size_t origin;     /* where in the input the split was cut */
    int32_t id;        /* an added token, or -1: text still to be encoded */
};
struct dulm_doc {
    char *text;
    size_t *from, *to; /* per byte: range in the input */
    size_t length, capacity;
    struct dulm_split *split;
    size_t splits, split_capacity;
    bool failed;
};
void dulm_doc_clear(struct dulm_doc *doc);
void dulm_doc_release(struct dulm_doc *doc);
/* Appends bytes that all stand for [from, to). */
void dulm_doc_put(struct dulm_doc *doc, const char *bytes, size_t n, size_t from, size_t to);
/* Appends bytes [begin, end) of another doc with their ranges. */
void dulm_doc_copy(struct dulm_doc *doc, const struct dulm_doc *in, size_t begin, size_t end);
/* Closes the split that started at `begin` and ends here. */
void dulm_doc_close(struct dulm_doc *doc, size_t begin, size_t origin, int32_t id);
/* Copies [begin, end) as a split of its own whose origin is the first byte's; nothing if empty. */
void dulm_doc_slice(struct dulm_doc *doc, const struct dulm_doc *in, size_t begin, size_t end);

/* The 256 printable characters that byte-level models write bytes as (GPT-2). */
int32_t dulm_byte_character(unsigned char byte);
int dulm_character_byte(int32_t c); /* -1: none */

#endif

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
static inline int32_t dulm_utf8_decode(const char *text, size_t *length)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) {
        *length = 1;
        return s[0];
    }
    if (s[0] < 0xE0) {
        *length = 2;
        return (s[0] & 31) << 6 | (s[1] & 63);
    }
    if (s[0] < 0xF0) {
        *length = 3;
        return (s[0] & 15) << 12 | (s[1] & 63) << 6 | (s[2] & 63);
    }
    *length = 4;
    return (s[0] & 7) << 18 | (s[1] & 63) << 12 | (s[2] & 63) << 6 | (s[3] & 63);
}
/* Bytes of the character that begins with this byte. */
static inline size_t dulm_utf8_length(char first)
{
    const unsigned char c = (unsigned char)first;
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}
/* Whether the byte goes on with a character that began before it. */
static inline bool dulm_utf8_continues(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}
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
    const char *text;
    /* The text is the input itself, lent, and each byte stands for the character it is part of: from and to say nothing.
     * Most texts stay so through the normalizer, and need no bookkeeping until then. */
    bool plain;
    char *buffer; /* what text is, unless plain */
    size_t *from,
        *to; /* per byte: range in the input; read them by dulm_doc_from and dulm_doc_to */
    size_t length, capacity;
    struct dulm_split *split, *cut; /* cut: the splits of the pass under way */
    size_t splits, split_capacity, cuts, cut_capacity;
    bool failed;
};
void dulm_doc_clear(struct dulm_doc *doc);
void dulm_doc_release(struct dulm_doc *doc);
/* Makes an empty doc that text, as one split. */
void dulm_doc_lend(struct dulm_doc *doc, const char *text, size_t length);
/* Makes room for n more bytes; false: failed. */
bool dulm_doc_reserve(struct dulm_doc *doc, size_t n);
/* Appends bytes that all stand for [from, to). */
void dulm_doc_put(struct dulm_doc *doc, const char *bytes, size_t n, size_t from, size_t to);
/* Appends bytes [begin, end) of another doc with their ranges. */
void dulm_doc_copy(struct dulm_doc *doc, const struct dulm_doc *in, size_t begin, size_t end);
/* Closes the split that started at `begin` and ends here. */
void dulm_doc_close(struct dulm_doc *doc, size_t begin, size_t origin, int32_t id);
/* Appends a split over bytes that are there. */
void dulm_doc_split(struct dulm_doc *doc, size_t begin, size_t end, size_t origin, int32_t id);

/* Cutting in place: a pass over the splits appends what they become; dulm_doc_recut puts that in their place. */
void dulm_doc_keep(struct dulm_doc *doc, const struct dulm_split *split);
/* A split of its own whose origin is the first byte's; nothing if empty. */
void dulm_doc_slice(struct dulm_doc *doc, size_t begin, size_t end);
void dulm_doc_recut(struct dulm_doc *doc);

/* The range of the input that byte i stands for. */
static inline size_t dulm_doc_from(const struct dulm_doc *doc, size_t i)
{
    if (!doc->plain)
        return doc->from[i];
    while (i > 0 && dulm_utf8_continues(doc->text[i]))
        i--;
    return i;
}
static inline size_t dulm_doc_to(const struct dulm_doc *doc, size_t i)
{
    if (!doc->plain)
        return doc->to[i];
    do
        i++;
    while (i < doc->length && dulm_utf8_continues(doc->text[i]));
    return i;
}

/* The 256 printable characters that byte-level models write bytes as (GPT-2). */
int32_t dulm_byte_character(unsigned char byte);
int dulm_character_byte(int32_t c); /* -1: none */

#endif

/* utf8.c: code points and their classes. Categories come from utf8proc. */
#include "text/utf8.h"

#include <string.h>
#include <utf8proc.h>

#include "base/error.h"

/* Well-formed byte ranges: Unicode, table 3-7. */
static size_t sequence(const unsigned char *s, size_t left, bool *valid)
{
    const unsigned char a = s[0];
    *valid = false;
    if (a < 0x80) {
        *valid = true;
        return 1;
    }
    if (a < 0xC2 || a > 0xF4)
        return 1;
    const size_t need = a < 0xE0 ? 2 : a < 0xF0 ? 3 : 4;
    const unsigned char low = a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : 0xBF;
    for (size_t i = 1; i < need; i++) {
        const unsigned char lo = i == 1 ? low : 0x80, hi = i == 1 ? high : 0xBF;
        if (i >= left || s[i] < lo || s[i] > hi)
            return i;
    }
    *valid = true;
    return need;
}

size_t dulm_utf8_invalid(const char *text, size_t length, size_t *offset)
{
    bool valid;
    for (size_t i = 0; i < length;) {
        uint64_t eight = UINT64_MAX;
        if (length - i >= sizeof eight)
            memcpy(&eight, text + i, sizeof eight);
        if (!(eight & 0x8080808080808080u)) { /* ASCII, which most of a text is */
            i += sizeof eight;
            continue;
        }
        const size_t n = sequence((const unsigned char *)text + i, length - i, &valid);
        if (!valid) {
            *offset = i;
            return n;
        }
        i += n;
    }
    return 0;
}

diffulm_status dulm_utf8_check(const char *text, size_t length, const char *what)
{
    size_t offset;
    if (dulm_utf8_invalid(text, length, &offset))
        return dulm_fail(DIFFULM_E_UTF8, "%s: not valid UTF-8 at byte %zu", what, offset);
    return DIFFULM_OK;
}

size_t dulm_utf8_encode(int32_t c, char out[4])
{
    return (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)out);
}

bool dulm_is_white_space(int32_t c)
{
    if (c < 0x80)
        return c == ' ' || (c >= 9 && c <= 13);
    if (c == 0x85)
        return true;
    const utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_ZS || k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP;
}

bool dulm_is_word(int32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               c == '_';
    /* Joiners, and the enclosed letters that are alphabetic symbols. */
    if (c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) ||
        (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
        (c >= 0x1F170 && c <= 0x1F189))
        return true;
    const utf8proc_category_t k = utf8proc_category(c);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NL) || k == UTF8PROC_CATEGORY_PC;
}

/* Hugging Face's categories for BERT and punctuation are those of Unicode 8, its normalisation and
 * accents those of Unicode 9: newer characters have no category there, decompose and combine nowhere. A
 * few old ones have changed category since. */
int dulm_combining_class(int32_t c)
{
    return c < 0x300 || dulm_unicode_age(c) > 9 ? 0 : utf8proc_get_property(c)->combining_class;
}

bool dulm_is_punctuation(int32_t c)
{
    if (c < 0x80)
        return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
               (c >= 123 && c <= 126);
    const utf8proc_category_t k = utf8proc_category(c);
    if (c == 0x166D || c == 0x111C9)
        return true;
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO && dulm_unicode_age(c) <= 8;
}

bool dulm_is_numeric(int32_t c)
{
    static const int32_t newest[][2] = {/* Unicode 16 and 17, where utf8proc may be older */
                                        {0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9},
                                        {0x11DE0, 0x11DE9}, {0x16130, 0x16139}, {0x16D70, 0x16D79},
                                        {0x16FF4, 0x16FF6}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA}};
    for (size_t i = 0; c >= newest[0][0] && i < sizeof newest / sizeof *newest; i++)
        if (c >= newest[i][0] && c <= newest[i][1])
            return true;
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

bool dulm_is_mark(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    if (c == 0x1CF2 || c == 0x1CF3 || c == 0x111C9)
        return c != 0x111C9;
    return k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME && dulm_unicode_age(c) <= 9;
}

bool dulm_is_nonspacing(int32_t c)
{
    if (c == 0x1734 || c == 0x1171E)
        return true;
    if (c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9)
        return false;
    return utf8proc_category(c) == UTF8PROC_CATEGORY_MN && dulm_unicode_age(c) <= 8;
}

bool dulm_is_other(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CO ||
           (k == UTF8PROC_CATEGORY_CF && dulm_unicode_age(c) <= 8);
}

static bool is_printable_byte(int b)
{
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
}

/* Printable bytes stand for themselves, the others (0 to 32, 127 to 160, 173) for U+0100 on, in order. */
int32_t dulm_byte_character(unsigned char byte)
{
    if (is_printable_byte(byte))
        return byte;
    return 256 + (byte <= 32 ? byte : byte <= 160 ? byte - 127 + 33 : 67);
}

int dulm_character_byte(int32_t c)
{
    if (c < 256)
        return is_printable_byte(c) ? c : -1;
    if (c >= 256 + 68)
        return -1;
    for (int b = 0, next = 256; b < 256; b++)
        if (!is_printable_byte(b) && next++ == c)
            return b;
    return -1;
}

/* Lower case as of Unicode 17, where utf8proc may be older. */
int32_t dulm_lower(int32_t c)
{
    if (c == 0x130)
        return 'i';
    if (c >= 0x10D50 && c <= 0x10D65)
        return c + 0x20;
    if (c >= 0x16EA0 && c <= 0x16EB8)
        return c + 0x1B;
    switch (c) {
    case 0xA7CB:
        return 0x264;
    case 0xA7CC:
        return 0xA7CD;
    case 0xA7CE:
    case 0xA7D2:
    case 0xA7D4:
        return c + 1;
    case 0xA7DA:
        return 0xA7DB;
    case 0xA7DC:
        return 0x19B;
    case 0x1C89:
        return 0x1C8A;
    default:
        return utf8proc_tolower(c);
    }
}

/* utf8.c: code points and their classes. Categories come from utf8proc. */
#include "text/utf8.h"

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

int32_t dulm_utf8_decode(const char *text, size_t *length)
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

bool dulm_is_punctuation(int32_t c)
{
    if (c < 0x80)
        return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
               (c >= 123 && c <= 126);
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

bool dulm_is_numeric(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

bool dulm_is_mark(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME;
}

bool dulm_is_nonspacing(int32_t c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_MN;
}

bool dulm_is_other(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CO;
}

static bool is_printable_byte(int b)
{
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
}

/* Printable bytes stand for themselves, the others for U+0100 on, in order. */
int32_t dulm_byte_character(unsigned char byte)
{
    if (is_printable_byte(byte))
        return byte;
    int32_t next = 256;
    for (int b = 0; b < byte; b++)
        next += !is_printable_byte(b);
    return next;
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

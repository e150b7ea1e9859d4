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

/* Hugging Face's category tables are those of Unicode 8: newer characters have no category there. Pairs of
 * first and last. */
static bool in_ranges(int32_t c, const int32_t (*ranges)[2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

static bool is_new_punctuation(int32_t c)
{
    static const int32_t ranges[][2] = {
        {0x61D, 0x61D},     {0x9FD, 0x9FD},     {0xC77, 0xC77},     {0xC84, 0xC84},
        {0x1B7D, 0x1B7E},   {0x2E43, 0x2E5D},   {0x10EAD, 0x10EAD}, {0x10F55, 0x10F59},
        {0x10F86, 0x10F89}, {0x1144B, 0x1144F}, {0x1145A, 0x1145D}, {0x11660, 0x1166C},
        {0x116B9, 0x116B9}, {0x1183B, 0x1183B}, {0x11944, 0x11946}, {0x119E2, 0x119E2},
        {0x11A3F, 0x11A46}, {0x11A9A, 0x11AA2}, {0x11C41, 0x11C45}, {0x11C70, 0x11C71},
        {0x11EF7, 0x11EF8}, {0x11FFF, 0x11FFF}, {0x12FF1, 0x12FF2}, {0x16E97, 0x16E9A},
        {0x16FE2, 0x16FE2}, {0x1E95E, 0x1E95F}};
    return in_ranges(c, ranges, sizeof ranges / sizeof *ranges);
}

static bool is_new_mark(int32_t c)
{
    static const int32_t ranges[][2] = {
        {0x898, 0x89F},     {0x8CA, 0x8D2},     {0xC3C, 0xC3C},     {0x180F, 0x180F},
        {0x1AC1, 0x1ACE},   {0x1DFA, 0x1DFA},   {0x10F82, 0x10F85}, {0x11070, 0x11070},
        {0x11073, 0x11074}, {0x110C2, 0x110C2}, {0x1CF00, 0x1CF46}, {0x1E2AE, 0x1E2AE}};
    return in_ranges(c, ranges, sizeof ranges / sizeof *ranges);
}

/* The normalisation tables are older still: marks since Unicode 9 do not combine. */
static bool combines_only_since_9(int32_t c)
{
    static const int32_t ranges[][2] = {
        {0x8D3, 0x8E1},     {0x9FE, 0x9FE},     {0xEBA, 0xEBA},     {0x1ABF, 0x1AC0},
        {0x1DF6, 0x1DF9},   {0x1DFB, 0x1DFB},   {0x10EAB, 0x10EAC}, {0x10F46, 0x10F50},
        {0x1133B, 0x1133B}, {0x11442, 0x11442}, {0x11446, 0x11446}, {0x1145E, 0x1145E},
        {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34},
        {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11C3F, 0x11C3F}, {0x11D42, 0x11D45},
        {0x11D97, 0x11D97}, {0x1E000, 0x1E02A}, {0x1E130, 0x1E136}, {0x1E2EC, 0x1E2EF},
        {0x1E944, 0x1E94A}};
    return in_ranges(c, ranges, sizeof ranges / sizeof *ranges);
}

int dulm_combining_class(int32_t c)
{
    if (c < 0x300 || combines_only_since_9(c) || is_new_mark(c))
        return 0;
    return utf8proc_get_property(c)->combining_class;
}

bool dulm_is_punctuation(int32_t c)
{
    if (c < 0x80)
        return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
               (c >= 123 && c <= 126);
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO && !is_new_punctuation(c);
}

bool dulm_is_numeric(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

bool dulm_is_mark(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME && !is_new_mark(c);
}

bool dulm_is_nonspacing(int32_t c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_MN && !is_new_mark(c) &&
           !combines_only_since_9(c);
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

/* Lower case as of Unicode 16, where utf8proc may be older. */
int32_t dulm_lower(int32_t c)
{
    if (c == 0x130)
        return 'i';
    if (c >= 0x10D50 && c <= 0x10D65)
        return c + 0x20;
    switch (c) {
    case 0xA7CB:
        return 0x264;
    case 0xA7CC:
        return 0xA7CD;
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

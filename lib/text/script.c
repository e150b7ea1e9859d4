/* script.c: one regex with a group for each script; the group that matches is the script's number.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/script.h"

#include <pcre2.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "text/utf8.h"

/* clang-format off */
static const char *const scripts_known[] = {
    "Han", "Common", "Latin", "Greek", "Cyrillic", "Armenian", "Hebrew", "Arabic", "Syriac",
    "Thaana", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu",
    "Kannada", "Malayalam", "Sinhala", "Thai", "Lao", "Tibetan", "Myanmar", "Georgian", "Hangul",
    "Ethiopic", "Cherokee", "Canadian_Aboriginal", "Ogham", "Runic", "Khmer", "Mongolian",
    "Hiragana", "Katakana", "Bopomofo", "Yi", "Old_Italic", "Gothic", "Deseret", "Inherited",
    "Tagalog", "Hanunoo", "Buhid", "Tagbanwa", "Limbu", "Tai_Le", "Linear_B", "Ugaritic",
    "Shavian", "Osmanya", "Cypriot", "Braille", "Buginese", "Coptic", "New_Tai_Lue", "Glagolitic",
    "Tifinagh", "Syloti_Nagri", "Old_Persian", "Kharoshthi", "Balinese", "Cuneiform", "Phoenician",
    "Phags_Pa", "Nko", "Sundanese", "Lepcha", "Ol_Chiki", "Vai", "Saurashtra", "Kayah_Li",
    "Rejang", "Lycian", "Carian", "Lydian", "Cham", "Tai_Tham", "Tai_Viet", "Avestan",
    "Egyptian_Hieroglyphs", "Samaritan", "Lisu", "Bamum", "Javanese", "Meetei_Mayek",
    "Imperial_Aramaic", "Old_South_Arabian", "Inscriptional_Parthian", "Inscriptional_Pahlavi",
    "Old_Turkic", "Kaithi", "Batak", "Brahmi", "Mandaic", "Chakma", "Meroitic_Cursive",
    "Meroitic_Hieroglyphs", "Miao", "Sharada", "Sora_Sompeng", "Takri", "Bassa_Vah",
    "Caucasian_Albanian", "Duployan", "Elbasan", "Grantha", "Khojki", "Khudawadi", "Linear_A",
    "Mahajani", "Manichaean", "Mende_Kikakui", "Modi", "Mro", "Nabataean", "Old_North_Arabian",
    "Old_Permic", "Pahawh_Hmong", "Palmyrene", "Pau_Cin_Hau", "Psalter_Pahlavi", "Siddham",
    "Tirhuta", "Warang_Citi", "Ahom", "Anatolian_Hieroglyphs", "Hatran", "Multani",
    "Old_Hungarian", "SignWriting", "Adlam", "Bhaiksuki", "Marchen", "Newa", "Osage", "Tangut"};
/* clang-format on */
#define SCRIPTS (sizeof scripts_known / sizeof *scripts_known)

struct dulm_scripts {
    pcre2_code *code;
};

diffulm_status dulm_scripts_create(struct dulm_scripts **out)
{
    struct dulm_strbuf text = {0};
    for (size_t i = 0; i < SCRIPTS; i++)
        dulm_strbuf_printf(&text, "%s(\\p{sc:%s})", i ? "|" : "", scripts_known[i]);
    struct dulm_scripts *s = dulm_alloc_zero(1, sizeof *s);
    int code = 0;
    PCRE2_SIZE at;
    if (s && !text.failed)
        s->code = pcre2_compile((PCRE2_SPTR)text.data, text.length, PCRE2_UTF | PCRE2_ANCHORED,
                                &code, &at, NULL);
    dulm_strbuf_release(&text);
    if (!s || !s->code) {
        dulm_scripts_free(s);
        return code ? dulm_fail(DIFFULM_E_UNSUPPORTED,
                                "UnicodeScripts needs PCRE2 10.40 or later (error %d)", code)
                    : dulm_fail_memory();
    }
    *out = s;
    return DIFFULM_OK;
}

void dulm_scripts_free(struct dulm_scripts *s)
{
    if (!s)
        return;
    pcre2_code_free(s->code);
    dulm_free(s);
}

/* Hugging Face's table is that of Unicode 9: newer characters have no script there. */
int dulm_script_of(const struct dulm_scripts *s, const char *text, size_t *length)
{
    const int32_t c = dulm_utf8_decode(text, length);
    if (c == ' ' || dulm_unicode_age(c) > 9)
        return DULM_SCRIPT_ANY;
    if (c == 0x30FC) /* the sound mark goes with Han and kana */
        return 1;
    if (c == 0x589 || c == 0x61C) /* Common in Unicode 9 */
        return 2;
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(s->code, NULL);
    int group = DULM_SCRIPT_ANY;
    if (data &&
        pcre2_match(s->code, (PCRE2_SPTR)text, *length, 0, PCRE2_NO_UTF_CHECK, data, NULL) > 0) {
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(data);
        for (size_t i = 1; i <= SCRIPTS && group == DULM_SCRIPT_ANY; i++)
            if (range[2 * i] != PCRE2_UNSET)
                group = (int)i;
    }
    pcre2_match_data_free(data);
    const char *name = group ? scripts_known[group - 1] : "";
    return strcmp(name, "Hiragana") == 0 || strcmp(name, "Katakana") == 0 ? 1 : group;
}

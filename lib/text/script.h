/* script.h: the Unicode script of a character, through PCRE2's tables. */
#ifndef DULM_TEXT_SCRIPT_H
#define DULM_TEXT_SCRIPT_H

#include <diffulm/common.h>

#define DULM_SCRIPT_ANY 0 /* a space, or no known script: joins its neighbours */

struct dulm_scripts;
diffulm_status dulm_scripts_create(struct dulm_scripts **out) DIFFULM_MUST_USE;
void dulm_scripts_free(struct dulm_scripts *scripts);
/* A number for the script of the character at text; *length its bytes. Hiragana, Katakana and the long
 * vowel sign count as Han, as in tokenizer.json's UnicodeScripts. */
int dulm_script_of(const struct dulm_scripts *scripts, const char *text, size_t *length);

#endif

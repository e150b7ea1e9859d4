/* bleu_tokenize.c: mteval-v13a, mteval-v14 international, characters, white space. Each rule of the first two is a pass
 * over the text that puts spaces around what it finds, left to right, as a substitution by a regular expression
 * does: what one match took is not looked at again by the same rule. */
#include "metrics/bleu_tokenize.h"

#include <string.h>
#include <utf8proc.h>

#include "base/error.h"
#include "text/utf8.h"

/* A rule looks at one character, or at two neighbours (both true then). */
typedef bool test_function(int32_t c);
enum place { AROUND, BETWEEN_AND_AFTER, BEFORE_AND_BETWEEN };

static void apply(enum place place, test_function *first, test_function *second,
                  const struct dulm_strbuf *in, struct dulm_strbuf *out)
{
    size_t n, m;
    out->length = 0;
    for (size_t i = 0; i < in->length; i += n) {
        const int32_t c = dulm_utf8_decode(in->data + i, &n);
        const bool pair = second && i + n < in->length;
        const bool hit =
            first(c) && (!second || (pair && second(dulm_utf8_decode(in->data + i + n, &m))));
        if (hit && place != BETWEEN_AND_AFTER)
            dulm_strbuf_append(out, " ", 1);
        dulm_strbuf_append(out, in->data + i, n);
        if (!hit)
            continue;
        dulm_strbuf_append(out, " ", 1);
        if (!second)
            continue;
        dulm_strbuf_append(out, in->data + i + n, m);
        if (place == BETWEEN_AND_AFTER)
            dulm_strbuf_append(out, " ", 1);
        n += m;
    }
    out->failed |= in->failed;
}

static bool is_digit(int32_t c)
{
    return c >= '0' && c <= '9';
}
static bool is_no_digit(int32_t c)
{
    return !is_digit(c);
}
static bool is_point(int32_t c)
{
    return c == '.' || c == ',';
}
static bool is_dash(int32_t c)
{
    return c == '-';
}
/* ASCII signs but apostrophe, comma, dash, point and digits. */
static bool is_13a_sign(int32_t c)
{
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
           (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}
static bool in_category(int32_t c, utf8proc_category_t low, utf8proc_category_t high)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= low && k <= high;
}
static bool is_number(int32_t c)
{
    return in_category(c, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}
static bool is_no_number(int32_t c)
{
    return !is_number(c);
}
static bool is_sign(int32_t c)
{
    return in_category(c, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}
static bool is_symbol(int32_t c)
{
    return in_category(c, UTF8PROC_CATEGORY_SM, UTF8PROC_CATEGORY_SO);
}

static void replace(struct dulm_strbuf *text, struct dulm_strbuf *spare, const char *what,
                    const char *by)
{
    const size_t n = strlen(what);
    size_t i = 0;
    spare->length = 0;
    while (i < text->length) {
        const bool hit = text->length - i >= n && memcmp(text->data + i, what, n) == 0;
        dulm_strbuf_append(spare, hit ? by : text->data + i, hit ? strlen(by) : 1);
        i += hit ? n : 1;
    }
    spare->failed |= text->failed;
    const struct dulm_strbuf swap = *text;
    *text = *spare;
    *spare = swap;
}

static void tokenize_13a(struct dulm_strbuf *text, struct dulm_strbuf *spare)
{
    static const char *const pairs[][2] = {{"<skipped>", ""}, {"-\n", ""},    {"\n", " "},
                                           {"&quot;", "\""},  {"&amp;", "&"}, {"&lt;", "<"},
                                           {"&gt;", ">"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        replace(text, spare, pairs[i][0], pairs[i][1]);
    spare->length = 0;
    dulm_strbuf_append(spare, " ", 1);
    dulm_strbuf_append(spare, text->data ? text->data : "", text->length);
    dulm_strbuf_append(spare, " ", 1);
    apply(AROUND, is_13a_sign, NULL, spare, text);
    apply(BETWEEN_AND_AFTER, is_no_digit, is_point, text, spare);
    apply(BEFORE_AND_BETWEEN, is_point, is_no_digit, spare, text);
    apply(BETWEEN_AND_AFTER, is_digit, is_dash, text, spare);
}

static void tokenize_intl(struct dulm_strbuf *text, struct dulm_strbuf *spare)
{
    apply(BETWEEN_AND_AFTER, is_no_number, is_sign, text, spare);
    apply(BEFORE_AND_BETWEEN, is_sign, is_no_number, spare, text);
    apply(AROUND, is_symbol, NULL, text, spare);
}

/* What the marked text's words give with one space between them. */
static void join_words(const struct dulm_strbuf *marked, struct dulm_strbuf *out)
{
    struct dulm_words words = {.failed = marked->failed};
    dulm_words_split(&words, marked->data ? marked->data : "", marked->length);
    for (size_t i = 0; i < words.count; i++) {
        dulm_strbuf_append(out, " ", i > 0);
        dulm_strbuf_append(out, dulm_word(&words, i), words.length[i]);
    }
    out->failed |= words.failed;
    dulm_words_release(&words);
}

/* Every character, white space too, with a space between two. */
static void join_characters(const struct dulm_strbuf *text, struct dulm_strbuf *out)
{
    size_t n;
    for (size_t i = 0; i < text->length; i += n) {
        dulm_utf8_decode(text->data + i, &n);
        dulm_strbuf_append(out, " ", i > 0);
        dulm_strbuf_append(out, text->data + i, n);
    }
    out->failed |= text->failed;
}

diffulm_status dulm_bleu_text(const struct diffulm_bleu_options *o,
                              const struct diffulm_string *text, const char *what,
                              struct dulm_strbuf *out)
{
    struct dulm_strbuf one = {0}, two = {0};
    diffulm_status rc = dulm_string_check(text, what);
    if (rc < 0)
        return rc;
    if (o->lowercase)
        dulm_lower_text(text->data, text->length, &two);
    else
        dulm_strbuf_append(&two, text->data ? text->data : "", text->length);
    const struct diffulm_string kept = dulm_strip(two.data ? two.data : "", two.length, false);
    dulm_strbuf_append(&one, kept.data, kept.length);
    one.failed |= two.failed;
    if (o->tokenizer == DIFFULM_BLEU_13A)
        tokenize_13a(&one, &two);
    else if (o->tokenizer == DIFFULM_BLEU_INTL)
        tokenize_intl(&one, &two);
    if (o->tokenizer <= DIFFULM_BLEU_INTL)
        join_words(&two, out);
    else if (o->tokenizer == DIFFULM_BLEU_CHAR)
        join_characters(&one, out);
    else
        dulm_strbuf_append(out, one.data ? one.data : "", one.length);
    out->failed |= one.failed || two.failed;
    dulm_strbuf_release(&one);
    dulm_strbuf_release(&two);
    return out->failed ? dulm_fail_memory() : DIFFULM_OK;
}

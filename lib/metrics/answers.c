/* answers.c: equal answers, and the last number of an answer. */
#include <string.h>

#include "base/error.h"
#include "metrics/words.h"
#include "text/utf8.h"

static bool is_ascii_sign(int32_t c)
{
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
}

/* Lower case, no ASCII punctuation, no articles, one space between words. */
static void normalise_squad(const struct diffulm_string *text, struct dulm_strbuf *out)
{
    struct dulm_strbuf lower = {0}, plain = {0};
    struct dulm_words words = {0};
    size_t n;
    dulm_lower_text(text->data ? text->data : "", text->length, &lower);
    for (size_t i = 0; i < lower.length; i += n)
        if (!is_ascii_sign(dulm_utf8_decode(lower.data + i, &n)))
            dulm_strbuf_append(&plain, lower.data + i, n);
    /* An article is a whole word between characters that are no word characters: white space is not the only one. */
    struct dulm_strbuf bare = {0};
    for (size_t i = 0; i < plain.length;) {
        size_t length = 0;
        while (i + length < plain.length &&
               dulm_is_word(dulm_utf8_decode(plain.data + i + length, &n)))
            length += n;
        const char *w = plain.data + i;
        const bool article = (length == 1 && *w == 'a') ||
                             (length == 2 && memcmp(w, "an", 2) == 0) ||
                             (length == 3 && memcmp(w, "the", 3) == 0);
        if (length == 0)
            dulm_utf8_decode(w, &n);
        dulm_strbuf_append(&bare, article ? " " : w, article ? 1 : length ? length : n);
        i += length ? length : n;
    }
    dulm_words_split(&words, bare.data ? bare.data : "", bare.length);
    for (size_t i = 0; i < words.count; i++) {
        dulm_strbuf_append(out, " ", i > 0);
        dulm_strbuf_append(out, dulm_word(&words, i), words.length[i]);
    }
    out->failed |= lower.failed || plain.failed || bare.failed || words.failed;
    dulm_strbuf_release(&lower);
    dulm_strbuf_release(&plain);
    dulm_strbuf_release(&bare);
    dulm_words_release(&words);
}

static bool same(const char *a, size_t n, const char *b, size_t m)
{
    return n == m && (n == 0 || memcmp(a, b, n) == 0);
}

diffulm_status diffulm_match(int32_t kind, const struct diffulm_string *a,
                             const struct diffulm_string *b, int32_t *equal)
{
    dulm_error_clear();
    if (kind < 0 || kind > DIFFULM_MATCH_SQUAD || !equal)
        return dulm_fail(DIFFULM_E_ARGUMENT, "match: kind is %d, expected 0 or 1, or equal is NULL",
                         kind);
    diffulm_status rc = dulm_string_check(a, "first text");
    if (rc == DIFFULM_OK)
        rc = dulm_string_check(b, "second text");
    if (rc < 0)
        return rc;
    if (kind == DIFFULM_MATCH_EXACT) {
        const struct diffulm_string x = dulm_strip(a->data, a->length, true);
        const struct diffulm_string y = dulm_strip(b->data, b->length, true);
        *equal = same(x.data, x.length, y.data, y.length);
        return DIFFULM_OK;
    }
    struct dulm_strbuf x = {0}, y = {0};
    normalise_squad(a, &x);
    normalise_squad(b, &y);
    if (x.failed || y.failed)
        rc = dulm_fail_memory();
    else
        *equal = same(x.data, x.length, y.data, y.length);
    dulm_strbuf_release(&x);
    dulm_strbuf_release(&y);
    return rc;
}

/* A number found: bytes [begin, end) of digits, commas and one point. */
struct number {
    size_t begin, end;
    bool negative, found;
};

static bool digit_at(const struct diffulm_string *t, size_t i)
{
    return i < t->length && t->data[i] >= '0' && t->data[i] <= '9';
}

/* d{1,3}(,ddd)+ not followed by a digit, or a plain run; the end, or i when there is none. */
static size_t integer_part(const struct diffulm_string *t, size_t i)
{
    size_t run = i;
    while (digit_at(t, run))
        run++;
    size_t end = run;
    if (run == i || run - i > 3)
        return run;
    while (end < t->length && t->data[end] == ',' && digit_at(t, end + 1) && digit_at(t, end + 2) &&
           digit_at(t, end + 3))
        end += 4;
    /* A group may not be followed by a digit: give the last back until that holds. */
    while (end > run && digit_at(t, end))
        end -= 4;
    return end;
}

static size_t minus_length(const struct diffulm_string *t, size_t i)
{
    if (i < t->length && t->data[i] == '-')
        return 1;
    return t->length - i >= 3 && memcmp(t->data + i, "\xe2\x88\x92", 3) == 0 ? 3 : 0;
}

static size_t currency_length(const struct diffulm_string *t, size_t i)
{
    if (i < t->length && t->data[i] == '$')
        return 1;
    if (t->length - i >= 2 && memcmp(t->data + i, "\xc2\xa3", 2) == 0)
        return 2;
    return t->length - i >= 3 && memcmp(t->data + i, "\xe2\x82\xac", 3) == 0 ? 3 : 0;
}

/* Whether a sign or a leading point may stand at i: at the start, or after certain characters. */
static bool may_begin(const struct diffulm_string *t, size_t i)
{
    if (i == 0)
        return true;
    const char c = t->data[i - 1];
    if (strchr(" \t\n\v\f\r([{=:<>~$", c) && c)
        return true;
    return (i >= 2 && (memcmp(t->data + i - 2, "\xc2\xa0", 2) == 0 ||
                       memcmp(t->data + i - 2, "\xc2\xa3", 2) == 0)) ||
           (i >= 3 && memcmp(t->data + i - 3, "\xe2\x82\xac", 3) == 0);
}

/* A number whose first character, sign included, stands at i; the place behind it, or i. */
static size_t number_at(const struct diffulm_string *t, size_t i, struct number *out)
{
    const size_t minus = may_begin(t, i) ? minus_length(t, i) : 0;
    size_t at = i + minus;
    at += currency_length(t, at);
    size_t end = integer_part(t, at);
    const bool pointed = end == at && at < t->length && t->data[at] == '.' && digit_at(t, at + 1);
    if (end == at && !(pointed && (minus || may_begin(t, at))))
        return i;
    if (end < t->length && t->data[end] == '.' && digit_at(t, end + 1))
        for (end++; digit_at(t, end);)
            end++;
    *out = (struct number){at, end, minus > 0, true};
    return end;
}

static void find_number(const struct diffulm_string *t, struct number *out)
{
    for (size_t i = 0; i < t->length;) {
        const size_t end = number_at(t, i, out);
        i = end > i ? end : i + dulm_utf8_length(t->data[i]);
    }
}

/* [0-9]+(,[0-9]+)* */
static void find_integer(const struct diffulm_string *t, struct number *out)
{
    for (size_t i = 0; i < t->length;) {
        size_t end = i;
        while (digit_at(t, end) || (end > i && t->data[end] == ',' && digit_at(t, end + 1)))
            end++;
        if (end > i)
            *out = (struct number){i, end, false, true};
        i = end > i ? end : i + 1;
    }
}

/* Without commas, leading zeros and a fraction's trailing zeros; -0 is 0. */
static void write_number(const struct diffulm_string *t, const struct number *number,
                         struct dulm_strbuf *out)
{
    struct dulm_strbuf digits = {0};
    size_t point = 0;
    bool fraction = false;
    for (size_t i = number->begin; i < number->end; i++) {
        if (t->data[i] == ',')
            continue;
        if (t->data[i] == '.') {
            fraction = true;
            point = digits.length;
            continue;
        }
        dulm_strbuf_append(&digits, t->data + i, 1);
    }
    point = fraction ? point : digits.length;
    size_t begin = 0, end = digits.length;
    while (begin < point && digits.data[begin] == '0')
        begin++;
    while (end > point && digits.data[end - 1] == '0')
        end--;
    const bool zero = begin == point && end == point;
    if (number->negative && !zero)
        dulm_strbuf_append(out, "-", 1);
    if (begin == point)
        dulm_strbuf_append(out, "0", 1);
    else
        dulm_strbuf_append(out, digits.data + begin, point - begin);
    if (end > point) {
        dulm_strbuf_append(out, ".", 1);
        dulm_strbuf_append(out, digits.data + point, end - point);
    }
    out->failed |= digits.failed;
    dulm_strbuf_release(&digits);
}

diffulm_status diffulm_last_number(int32_t kind, const struct diffulm_string *text, char *buffer,
                                   size_t capacity, size_t *length)
{
    dulm_error_clear();
    if (kind < 0 || kind > DIFFULM_LAST_NUMBER || !length || (!buffer && capacity))
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "last number: kind is %d, expected 0 or 1, or length or buffer is NULL",
                         kind);
    struct number number = {0};
    struct dulm_strbuf out = {0};
    diffulm_status rc = dulm_string_check(text, "text");
    if (rc < 0)
        return rc;
    if (kind == DIFFULM_LAST_INTEGER)
        find_integer(text, &number);
    else
        find_number(text, &number);
    if (number.found)
        write_number(text, &number, &out);
    if (out.failed)
        rc = dulm_fail_memory();
    else if (capacity <= (*length = out.length))
        rc = DIFFULM_BUFFER_TOO_SMALL;
    else {
        memcpy(buffer, out.data ? out.data : "", out.length);
        buffer[out.length] = '\0';
    }
    dulm_strbuf_release(&out);
    return rc;
}

/* regex.c: patterns on PCRE2. Hugging Face's are Oniguruma's, in Ruby's syntax: ^ and $ stand at every line,
 * \u1234 is a character, \h a hexadecimal digit, and \s, \w and \b follow Unicode's White_Space and Word. What
 * differs is spelled out; what PCRE2 would silently read otherwise is refused. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "text/gpt2.h"
#include "text/utf8.h"

struct dulm_regex {
    pcre2_code *code;
    char *literal;
    size_t literal_length;
    struct dulm_gpt2 *gpt2; /* the pattern is GPT-2's */
};

#define SPACE "\\t-\\r\\x{85}\\p{Z}"
#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
/* Outside of a class Oniguruma counts the digits and fractions of Latin-1 as well. */
#define WORD_ALONE WORD "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"

struct named {
    const char *name, *members;
};
/* Oniguruma's names of sets that PCRE2 lacks or takes more narrowly: [:name:] and \p{name}. */
static const struct named sets[] = {{"alpha", "\\p{Alphabetic}"},
                                    {"alnum", "\\p{Alphabetic}\\p{Nd}"},
                                    {"upper", "\\p{Uppercase}"},
                                    {"lower", "\\p{Lowercase}"},
                                    {"punct", "\\p{P}\\p{S}"},
                                    {"space", SPACE},
                                    {"word", WORD},
                                    {"digit", "\\p{Nd}"},
                                    {"letter", "\\p{L}"},
                                    {"mark", "\\p{M}"},
                                    {"number", "\\p{N}"},
                                    {"punctuation", "\\p{P}"},
                                    {"symbol", "\\p{S}"},
                                    {"separator", "\\p{Z}"},
                                    {"other", "\\p{C}"}};

static const char *set_of(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (strlen(sets[i].name) == length && strncasecmp(sets[i].name, name, length) == 0)
            return sets[i].members;
    return NULL;
}

static bool is_script(const char *name, size_t length)
{
    char pattern[64];
    int code;
    PCRE2_SIZE at;
    if (length < 3 || length > 40 || memchr(name, ':', length) || memchr(name, '=', length))
        return false;
    const int n = snprintf(pattern, sizeof pattern, "\\p{sc:%.*s}", (int)length, name);
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)pattern, (PCRE2_SIZE)n, PCRE2_UTF, &code, &at, NULL);
    const bool known = compiled != NULL;
    pcre2_code_free(compiled);
    return known;
}

/* A set outside of a class, as one of its own; inside, as members; its complement cannot stand there and
 * goes to `others` as a class of its own. */
static void spell_set(const char *members, bool negated, bool inside, struct dulm_strbuf *out,
                      struct dulm_strbuf *others)
{
    if (inside && !negated)
        dulm_strbuf_printf(out, "%s", members);
    else
        dulm_strbuf_printf(inside ? others : out, "%s[%s%s]", inside && others->length ? "|" : "",
                           negated ? "^" : "", members);
}

/* \p{name}: sets by their members, and scripts as the script itself, which PCRE2 takes with extensions.
 * Returns the length read, 0: an ordinary property, left to PCRE2. */
static size_t spell_property(const char *p, size_t left, bool inside, struct dulm_strbuf *out,
                             struct dulm_strbuf *others)
{
    const char *end = left > 3 && p[2] == '{' ? memchr(p + 3, '}', left - 3) : NULL;
    if (!end)
        return 0;
    const bool caret = p[3] == '^', negated = caret != (p[1] == 'P');
    const char *name = p + 3 + caret;
    const size_t length = (size_t)(end - name);
    const char *members = set_of(name, length);
    if (length == 5 &&
        strncasecmp(name, "punct", 5) == 0) /* the property has no symbols, [:punct:] has */
        members = "\\p{P}";
    if (members)
        spell_set(members, negated, inside, out, others);
    else if (is_script(name, length))
        dulm_strbuf_printf(out, "\\%c{sc:%.*s}", negated ? 'P' : 'p', (int)length, name);
    else
        return 0;
    return (size_t)(end - p) + 1;
}

/* Writes the escape p[0..2) (or more), inside or outside of a class. Returns its length. */
static size_t spell_escape(const char *p, size_t left, bool inside, struct dulm_strbuf *out,
                           struct dulm_strbuf *others)
{
    static const struct named classes[] = {
        {"s", SPACE}, {"w", WORD}, {"h", "0-9a-fA-F"}, {"d", "\\p{Nd}"}};
    const char c = p[1];
    const size_t length = c == 'p' || c == 'P' ? spell_property(p, left, inside, out, others) : 0;
    if (length)
        return length;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if ((c | 32) == classes[i].name[0]) {
            const char *members = (c | 32) == 'w' && !inside ? WORD_ALONE : classes[i].members;
            spell_set(members, c < 'a', inside, out, others);
            return 2;
        }
    static const char word[] = "[" WORD_ALONE "]";
    if (!inside && c == 'b')
        dulm_strbuf_printf(out, "(?:(?<=%s)(?!%s)|(?<!%s)(?=%s))", word, word, word, word);
    else if (!inside && c == 'B')
        dulm_strbuf_printf(out, "(?:(?<=%s)(?=%s)|(?<!%s)(?!%s))", word, word, word, word);
    else if (c == 'u' && left >= 6 && strspn(p + 2, "0123456789abcdefABCDEF") >= 4) {
        dulm_strbuf_printf(out, "\\x{%.4s}", p + 2);
        return 6;
    } else
        dulm_strbuf_append(out, p, 2);
    return 2;
}

/* A POSIX bracket such as [:alpha:] at p, or 0. */
static size_t posix_length(const char *p, size_t left)
{
    if (left < 4 || p[1] != ':')
        return 0;
    const char *end = memmem(p + 2, left - 2, ":]", 2);
    return end && end - p < 16 ? (size_t)(end - p) + 2 : 0;
}

/* Writes a POSIX bracket by the property Oniguruma gives it. */
static void spell_posix(const char *p, size_t length, struct dulm_strbuf *out)
{
    const char *members = set_of(p + 2, length - 4);
    if (members)
        dulm_strbuf_printf(out, "%s", members);
    else
        dulm_strbuf_append(out, p, length);
}

/* The members of the class whose '[' or '[^' ends at p: what PCRE2 can say goes to `rest`, complements to
 * `others`. Returns the length up to its ']'; 0: it nests or intersects, or is not closed. */
static size_t spell_members(const char *p, size_t n, struct dulm_strbuf *rest,
                            struct dulm_strbuf *others)
{
    for (size_t i = 0; i < n;) {
        size_t length;
        if (p[i] == ']' && i > 0)
            return i;
        if (p[i] == '\\' && i + 1 < n) {
            i += spell_escape(p + i, n - i, true, rest, others);
            continue;
        }
        if (p[i] == '[') {
            length = posix_length(p + i, n - i);
            if (length == 0)
                return 0;
            spell_posix(p + i, length, rest);
            i += length;
            continue;
        }
        if (p[i] == '&' && i + 1 < n && p[i + 1] == '&')
            return 0;
        dulm_strbuf_append(rest, p + i, 1);
        i++;
    }
    return 0;
}

/* The class that begins at p[0] = '['. [a\W] is written as (?:[a]|[^word]), and [^a\W] as one character
 * before which (?:[a]|[^word]) does not match. Returns its length, 0 as spell_members. */
static size_t spell_class(const char *p, size_t n, struct dulm_strbuf *out)
{
    struct dulm_strbuf rest = {0}, others = {0};
    const bool negated = n > 1 && p[1] == '^';
    const size_t begin = 1 + negated, length = spell_members(p + begin, n - begin, &rest, &others);
    const int size = (int)rest.length;
    const char *own = rest.data ? rest.data : "", *more = others.data ? others.data : "";
    if (length && !others.length)
        dulm_strbuf_printf(out, "[%s%.*s]", negated ? "^" : "", size, own);
    else if (length && size)
        dulm_strbuf_printf(out, negated ? "(?:(?!%s|[%.*s])[\\s\\S])" : "(?:%s|[%.*s])", more, size,
                           own);
    else if (length)
        dulm_strbuf_printf(out, negated ? "(?:(?!%s)[\\s\\S])" : "(?:%s)", more);
    out->failed |= rest.failed || others.failed;
    dulm_strbuf_release(&rest);
    dulm_strbuf_release(&others);
    return length ? begin + length + 1 : 0;
}

static bool spell_out(const char *p, size_t n, struct dulm_strbuf *out)
{
    for (size_t i = 0; i < n;) {
        size_t length = 1;
        if (p[i] == '\\' && i + 1 < n)
            length = spell_escape(p + i, n - i, false, out, NULL);
        else if (p[i] == '[') {
            length = spell_class(p + i, n - i, out);
            if (length == 0)
                return false;
        } else
            dulm_strbuf_append(out, p + i, 1);
        i += length;
    }
    return true;
}

diffulm_status dulm_regex_compile(const char *pattern, size_t length, const char *what,
                                  struct dulm_regex **out)
{
    struct dulm_strbuf text = {0};
    struct dulm_regex *regex = dulm_alloc_zero(1, sizeof *regex);
    diffulm_status rc = DIFFULM_OK;
    if (!spell_out(pattern, length, &text)) {
        rc = dulm_fail(
            DIFFULM_E_UNSUPPORTED,
            "%s: regex pattern %.60s has a class inside a class, an intersection, or no ]", what,
            pattern);
        goto done;
    }
    if (!regex || text.failed) {
        rc = dulm_fail_memory();
        goto done;
    }
    int code;
    PCRE2_SIZE at;
    regex->code = pcre2_compile((PCRE2_SPTR)(text.data ? text.data : ""), text.length,
                                PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                &code, &at, NULL);
    if (!regex->code) {
        char message[128];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
        rc = dulm_fail(DIFFULM_E_FORMAT, "%s: regex pattern %.60s does not compile: %s", what,
                       pattern, message);
        goto done;
    }
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    if (length == strlen(dulm_gpt2_pattern) && memcmp(pattern, dulm_gpt2_pattern, length) == 0)
        rc = dulm_gpt2_create(&regex->gpt2);
    if (rc < 0)
        goto done;
    *out = regex;
    regex = NULL;
done:
    dulm_regex_free(regex);
    dulm_strbuf_release(&text);
    return rc;
}

diffulm_status dulm_regex_literal(const char *text, size_t length, struct dulm_regex **out)
{
    struct dulm_regex *regex = dulm_alloc_zero(1, sizeof *regex);
    if (regex)
        regex->literal = dulm_strndup(text, length);
    if (!regex || !regex->literal) {
        dulm_regex_free(regex);
        return dulm_fail_memory();
    }
    regex->literal_length = length;
    *out = regex;
    return DIFFULM_OK;
}

void dulm_regex_free(struct dulm_regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    dulm_gpt2_free(regex->gpt2);
    dulm_free(regex->literal);
    dulm_free(regex);
}

static diffulm_status make_ready(struct dulm_matcher *m, const struct dulm_regex *regex)
{
    if (m->context)
        return DIFFULM_OK;
    m->data = pcre2_match_data_create_from_pattern(regex->code, NULL);
    m->context = pcre2_match_context_create(NULL);
    if (!m->data || !m->context) {
        dulm_matcher_release(m);
        return dulm_fail_memory();
    }
    pcre2_set_match_limit(m->context, 50000000);
    return DIFFULM_OK;
}

void dulm_matcher_release(struct dulm_matcher *m)
{
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    *m = (struct dulm_matcher){0};
}

static bool next_literal(const struct dulm_regex *regex, const char *text, size_t length,
                         size_t *at, size_t *begin, size_t *end)
{
    if (!regex->literal_length || *at > length)
        return false;
    const char *hit = memmem(text + *at, length - *at, regex->literal, regex->literal_length);
    if (!hit)
        return false;
    *begin = (size_t)(hit - text);
    *at = *end = *begin + regex->literal_length;
    return true;
}

/* Compiled code has a small stack; what outgrows it is interpreted on the heap. */
static int match(struct dulm_matcher *m, const pcre2_code *code, const char *text, size_t length,
                 size_t at)
{
    const int n =
        pcre2_match(code, (PCRE2_SPTR)text, length, at, PCRE2_NO_UTF_CHECK, m->data, m->context);
    if (n != PCRE2_ERROR_JIT_STACKLIMIT)
        return n;
    return pcre2_match(code, (PCRE2_SPTR)text, length, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                       m->data, m->context);
}

bool dulm_matcher_next(struct dulm_matcher *m, const struct dulm_regex *regex, const char *text,
                       size_t length, size_t *at, size_t *begin, size_t *end, diffulm_status *rc)
{
    if (regex->literal)
        return next_literal(regex, text, length, at, begin, end);
    if (regex->gpt2 && *at < length) {
        const size_t by_hand = dulm_gpt2_match(regex->gpt2, text, length, *at);
        if (by_hand) {
            *begin = *at;
            *at = *end = by_hand;
            m->last_empty = *end + 1;
            return true;
        }
    }
    *rc = make_ready(m, regex);
    if (*rc < 0)
        return false;
    while (*at <= length && length > 0) { /* nothing matches in nothing, as in Hugging Face */
        const int n = match(m, regex->code, text, length, *at);
        if (n == PCRE2_ERROR_NOMATCH)
            return false;
        if (n < 0) {
            *rc = dulm_fail(DIFFULM_E_LIMIT, "a pattern gave up on this text at byte %zu", *at);
            return false;
        }
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(m->data);
        *begin = range[0];
        *end = range[1];
        if (*end > *begin) {
            *at = *end;
            m->last_empty = *end + 1;
            return true;
        }
        const bool touches = m->last_empty == *end + 1;
        size_t step = 1;
        if (*end < length)
            dulm_utf8_decode(text + *end, &step);
        *at = *end + step;
        m->last_empty = *end + 1;
        if (!touches)
            return true;
    }
    return false;
}

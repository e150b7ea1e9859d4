/* regex.c: patterns on PCRE2. \s, \S and \w are spelled out, since Oniguruma takes them from Unicode's
 * White_Space and word properties and PCRE2 does not quite. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "text/utf8.h"

struct dulm_regex {
    pcre2_code *code;
    char *literal;
    size_t literal_length;
};

struct dulm_matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
    size_t last_empty; /* end of the last match, plus 1; an empty match may not touch it */
};

static void spell_out(const char *p, size_t n, struct dulm_strbuf *out)
{
    static const char space[] = "\\t-\\r\\x{85}\\p{Z}", word[] = "\\p{L}\\p{M}\\p{N}\\p{Pc}";
    int depth = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\\' && i + 1 < n) {
            const char c = p[++i];
            const char *class = c == 's' || c == 'S' ? space : c == 'w' || c == 'W' ? word : NULL;
            if (class && depth && (c == 's' || c == 'w'))
                dulm_strbuf_printf(out, "%s", class);
            else if (class && !depth)
                dulm_strbuf_printf(out, "[%s%s]", c == 'S' || c == 'W' ? "^" : "", class);
            else
                dulm_strbuf_append(out, p + i - 1, 2);
            continue;
        }
        if (p[i] == '[' && !depth)
            depth = 1;
        else if (p[i] == ']' && depth)
            depth = 0;
        dulm_strbuf_append(out, p + i, 1);
    }
}

diffulm_status dulm_regex_compile(const char *pattern, size_t length, const char *what,
                                  struct dulm_regex **out)
{
    struct dulm_strbuf text = {0};
    struct dulm_regex *regex = dulm_alloc_zero(1, sizeof *regex);
    spell_out(pattern, length, &text);
    diffulm_status rc = DIFFULM_OK;
    if (!regex || text.failed) {
        rc = dulm_fail_memory();
        goto done;
    }
    int code;
    PCRE2_SIZE at;
    regex->code = pcre2_compile((PCRE2_SPTR)(text.data ? text.data : ""), text.length,
                                PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (!regex->code) {
        char message[128];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
        rc = dulm_fail(DIFFULM_E_FORMAT, "%s: regex pattern %.60s does not compile: %s", what,
                       pattern, message);
        goto done;
    }
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
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
    dulm_free(regex->literal);
    dulm_free(regex);
}

diffulm_status dulm_matcher_create(const struct dulm_regex *regex, struct dulm_matcher **out)
{
    struct dulm_matcher *m = dulm_alloc_zero(1, sizeof *m);
    if (m && regex->code) {
        m->data = pcre2_match_data_create_from_pattern(regex->code, NULL);
        m->context = pcre2_match_context_create(NULL);
    }
    if (!m || (regex->code && (!m->data || !m->context))) {
        dulm_matcher_free(m);
        return dulm_fail_memory();
    }
    if (m->context)
        pcre2_set_match_limit(m->context, 50000000);
    *out = m;
    return DIFFULM_OK;
}

void dulm_matcher_free(struct dulm_matcher *m)
{
    if (!m)
        return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    dulm_free(m);
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

bool dulm_matcher_next(struct dulm_matcher *m, const struct dulm_regex *regex, const char *text,
                       size_t length, size_t *at, size_t *begin, size_t *end, diffulm_status *rc)
{
    if (regex->literal)
        return next_literal(regex, text, length, at, begin, end);
    while (*at <= length) {
        const int n = pcre2_match(regex->code, (PCRE2_SPTR)text, length, *at, PCRE2_NO_UTF_CHECK,
                                  m->data, m->context);
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

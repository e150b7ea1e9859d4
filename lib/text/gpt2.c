/* gpt2.c: GPT-2's pattern by hand: its alternatives begin with different characters, and each takes a run of one class. The
 * classes are asked of the pattern's own engine, so that the two agree whatever Unicode it knows. */
#include "text/gpt2.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/regex.h"
#include "text/utf8.h"

const char dulm_gpt2_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

enum kind { OTHER, LETTER, NUMBER, SPACE, FAR, END };
enum { NEAR = 0x10000 };

struct dulm_gpt2 {
    uint8_t kind[NEAR];
};

void dulm_gpt2_free(struct dulm_gpt2 *gpt2)
{
    dulm_free(gpt2);
}

/* Marks what a pattern matches among all characters, written one after another. */
static diffulm_status mark(struct dulm_gpt2 *g, const char *pattern, enum kind kind,
                           const char *all, size_t length)
{
    struct dulm_regex *regex;
    struct dulm_matcher matcher = {0};
    size_t at = 0, begin, end, n;
    diffulm_status rc = dulm_regex_compile(pattern, strlen(pattern), "classes", &regex);
    if (rc < 0)
        return rc;
    while (dulm_matcher_next(&matcher, regex, all, length, &at, &begin, &end, &rc))
        for (; begin < end; begin += n)
            g->kind[dulm_utf8_decode(all + begin, &n)] = (uint8_t)kind;
    dulm_matcher_release(&matcher);
    dulm_regex_free(regex);
    return rc;
}

diffulm_status dulm_gpt2_create(struct dulm_gpt2 **out)
{
    struct dulm_gpt2 *g = dulm_alloc_zero(1, sizeof *g);
    char *all = dulm_alloc(3 * NEAR, 1);
    size_t length = 0;
    diffulm_status rc = g && all ? DIFFULM_OK : dulm_fail_memory();
    for (int32_t c = 0; rc == DIFFULM_OK && c < NEAR; c++)
        if (c < 0xD800 || c > 0xDFFF)
            length += dulm_utf8_encode(c, all + length);
    if (rc == DIFFULM_OK)
        rc = mark(g, "\\p{L}+", LETTER, all, length);
    if (rc == DIFFULM_OK)
        rc = mark(g, "\\p{N}+", NUMBER, all, length);
    if (rc == DIFFULM_OK)
        rc = mark(g, "\\s+", SPACE, all, length);
    dulm_free(all);
    if (rc < 0)
        dulm_gpt2_free(g);
    else
        *out = g;
    return rc;
}

static enum kind kind_at(const struct dulm_gpt2 *g, const char *text, size_t length, size_t at,
                         size_t *n)
{
    if (at >= length)
        return END;
    const int32_t c = dulm_utf8_decode(text + at, n);
    return c < NEAR ? (enum kind)g->kind[c] : FAR;
}

/* Bytes of what follows an apostrophe in the first alternatives; 0: nothing of theirs. */
static size_t contraction(const char *text, size_t left)
{
    static const char two[][3] = {"re", "ve", "ll"};
    if (left >= 1 && (*text == 's' || *text == 't' || *text == 'm' || *text == 'd'))
        return 1;
    for (size_t i = 0; i < 3 && left >= 2; i++)
        if (memcmp(text, two[i], 2) == 0)
            return 2;
    return 0;
}

size_t dulm_gpt2_match(const struct dulm_gpt2 *g, const char *text, size_t length, size_t at)
{
    size_t n = 0, last;
    if (text[at] == '\'') {
        const size_t more = contraction(text + at + 1, length - at - 1);
        if (more)
            return at + 1 + more;
    }
    size_t end = at + (text[at] == ' ');
    enum kind now = kind_at(g, text, length, end, &n);
    if (now == LETTER || now == NUMBER || now == OTHER) {
        const enum kind run = now;
        do
            end += n;
        while ((now = kind_at(g, text, length, end, &n)) == run);
        return now == FAR ? 0 : end;
    }
    /* White space up to the end, or all but the last of it, which goes with what follows or stands alone. */
    end = last = at;
    while ((now = kind_at(g, text, length, end, &n)) == SPACE) {
        last = end;
        end += n;
    }
    if (now == FAR)
        return 0;
    return now == END || last == at ? end : last;
}

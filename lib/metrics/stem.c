/* stem.c: Porter's stemmer (An algorithm for suffix stripping, 1980), step by step as in the paper. What NLTK adds: a list of
 * irregular words, -ies and -ied of short words, y after any consonant, -alli first, -fulli and -logi. */
#include "metrics/stem.h"

#include <stdbool.h>
#include <string.h>

struct word {
    char *c;
    size_t n;
};

static bool is_consonant(const char *c, size_t i)
{
    bool consonant = true;
    /* y is what the letter before it is not: walk up the run of ys that ends here. */
    size_t first = i;
    while (first > 0 && c[first] == 'y')
        first--;
    consonant = !strchr("aeiou", c[first]);
    for (size_t k = first; k < i; k++)
        consonant = !consonant;
    return consonant;
}

/* m of [C](VC)^m[V] for the first n letters. */
static int measure(const char *c, size_t n)
{
    int m = 0;
    bool before = true, consonant = true;
    for (size_t i = 0; i < n; i++) {
        consonant = c[i] == 'y' ? i == 0 || !before : !strchr("aeiou", c[i]);
        m += i > 0 && consonant && !before;
        before = consonant;
    }
    return m;
}

static bool has_vowel(const char *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_consonant(c, i))
            return true;
    return false;
}

static bool ends_double(const char *c, size_t n)
{
    return n >= 2 && c[n - 1] == c[n - 2] && is_consonant(c, n - 1);
}

static bool ends_cvc(const char *c, size_t n)
{
    if (n == 2)
        return !is_consonant(c, 0) && is_consonant(c, 1);
    return n >= 3 && is_consonant(c, n - 3) && !is_consonant(c, n - 2) && is_consonant(c, n - 1) &&
           !strchr("wxy", c[n - 1]);
}

static bool ends(const struct word *w, const char *suffix)
{
    const size_t n = strlen(suffix);
    return w->n >= n && memcmp(w->c + w->n - n, suffix, n) == 0;
}

static void put(struct word *w, size_t stem, const char *end)
{
    memcpy(w->c + stem, end, strlen(end));
    w->n = stem + strlen(end);
}

struct rule {
    const char *suffix, *by;
};

/* The first rule whose suffix the word has applies if what is left measures more than `above`; no other is tried. */
static void apply(struct word *w, const struct rule *rules, size_t count, int above)
{
    for (size_t i = 0; i < count; i++)
        if (ends(w, rules[i].suffix)) {
            const size_t stem = w->n - strlen(rules[i].suffix);
            if (measure(w->c, stem) > above)
                put(w, stem, rules[i].by);
            return;
        }
}
#define APPLY(w, rules, above) apply(w, rules, sizeof rules / sizeof *rules, above)

static void step_1a(struct word *w)
{
    if (ends(w, "ies") && w->n == 4)
        w->n -= 1;
    else if (ends(w, "sses") || ends(w, "ies"))
        w->n -= 2;
    else if (ends(w, "s") && !ends(w, "ss"))
        w->n -= 1;
}

/* After -ed or -ing went: at, bl, iz get their e back, doubles become single, short stems get an e. */
static void mend(struct word *w)
{
    if (ends(w, "at") || ends(w, "bl") || ends(w, "iz"))
        put(w, w->n, "e");
    else if (ends_double(w->c, w->n))
        w->n -= !strchr("lsz", w->c[w->n - 1]);
    else if (measure(w->c, w->n) == 1 && ends_cvc(w->c, w->n))
        put(w, w->n, "e");
}

static void step_1b(struct word *w)
{
    if (ends(w, "ied")) {
        w->n -= w->n == 4 ? 1 : 2;
        return;
    }
    if (ends(w, "eed")) {
        w->n -= measure(w->c, w->n - 3) > 0;
        return;
    }
    for (int i = 0; i < 2; i++) {
        const char *suffix = i ? "ing" : "ed";
        const size_t n = strlen(suffix);
        if (ends(w, suffix) && has_vowel(w->c, w->n - n)) {
            w->n -= n;
            mend(w);
            return;
        }
    }
}

static void step_1c(struct word *w)
{
    if (ends(w, "y") && w->n > 2 && is_consonant(w->c, w->n - 2))
        w->c[w->n - 1] = 'i';
}

static void step_2(struct word *w)
{
    static const struct rule rules[] = {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},
                                        {"anci", "ance"},   {"izer", "ize"},    {"bli", "ble"},
                                        {"alli", "al"},     {"entli", "ent"},   {"eli", "e"},
                                        {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
                                        {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"},
                                        {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},
                                        {"iviti", "ive"},   {"biliti", "ble"},  {"fulli", "ful"}};
    while (ends(w, "alli") && measure(w->c, w->n - 4) > 0)
        w->n -= 2;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (ends(w, rules[i].suffix)) {
            APPLY(w, rules, 0);
            return;
        }
    if (ends(w, "logi") && measure(w->c, w->n - 3) > 0) /* the l belongs to the stem */
        w->n -= 1;
}

static void step_3(struct word *w)
{
    static const struct rule rules[] = {{"icate", "ic"}, {"ative", ""},  {"alize", "al"},
                                        {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""},
                                        {"ness", ""}};
    APPLY(w, rules, 0);
}

static void step_4(struct word *w)
{
    static const struct rule before[] = {{"al", ""},    {"ance", ""}, {"ence", ""}, {"er", ""},
                                         {"ic", ""},    {"able", ""}, {"ible", ""}, {"ant", ""},
                                         {"ement", ""}, {"ment", ""}, {"ent", ""}};
    static const struct rule after[] = {{"ou", ""},  {"ism", ""}, {"ate", ""}, {"iti", ""},
                                        {"ous", ""}, {"ive", ""}, {"ize", ""}};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        if (ends(w, before[i].suffix)) {
            APPLY(w, before, 1);
            return;
        }
    if (ends(w, "ion")) {
        if (w->n > 3 && measure(w->c, w->n - 3) > 1 && strchr("st", w->c[w->n - 4]))
            w->n -= 3;
        return;
    }
    APPLY(w, after, 1);
}

static void step_5(struct word *w)
{
    if (ends(w, "e")) {
        const int m = measure(w->c, w->n - 1);
        if (m > 1 || (m == 1 && !ends_cvc(w->c, w->n - 1)))
            w->n -= 1;
    }
    if (ends(w, "ll") && measure(w->c, w->n - 1) > 1)
        w->n -= 1;
}

size_t dulm_stem(char *word, size_t length)
{
    static const struct rule irregular[] = {
        {"sky", "sky"},        {"skies", "sky"},        {"dying", "die"},
        {"lying", "lie"},      {"tying", "tie"},        {"news", "news"},
        {"innings", "inning"}, {"inning", "inning"},    {"outings", "outing"},
        {"outing", "outing"},  {"cannings", "canning"}, {"canning", "canning"},
        {"howe", "howe"},      {"proceed", "proceed"},  {"exceed", "exceed"},
        {"succeed", "succeed"}};
    struct word w = {word, length};
    for (size_t i = 0; i < sizeof irregular / sizeof *irregular; i++)
        if (strlen(irregular[i].suffix) == length && ends(&w, irregular[i].suffix)) {
            put(&w, 0, irregular[i].by);
            return w.n;
        }
    if (length <= 2)
        return length;
    step_1a(&w);
    step_1b(&w);
    step_1c(&w);
    step_2(&w);
    step_3(&w);
    step_4(&w);
    step_5(&w);
    return w.n;
}

/* bleu.c: see bleu.h. Sentences are short: n-grams are compared one by one. */
#include "bleu.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cli.h"

#define MAX_WORDS 1024

struct words {
    const char *begin[MAX_WORDS];
    size_t length[MAX_WORDS], count;
};

static void split(const char *text, struct words *out)
{
    out->count = 0;
    while (*text && out->count < MAX_WORDS) {
        size_t n = strcspn(text, " .,?!:;");
        if (n == 0 && *text != ' ')
            n = 1;
        if (n) {
            out->begin[out->count] = text;
            out->length[out->count++] = n;
        }
        text += n ? n : 1;
    }
}

static bool same(const struct words *a, size_t i, const struct words *b, size_t j, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (a->length[i + k] != b->length[j + k] ||
            memcmp(a->begin[i + k], b->begin[j + k], a->length[i + k]) != 0)
            return false;
    return true;
}

void bleu_add(struct bleu *bleu, const char *text, const char *reference)
{
    static struct words a, b; /* the program is single-threaded here */
    bool used[MAX_WORDS];
    split(text, &a);
    split(reference, &b);
    bleu->words += a.count;
    bleu->reference_words += b.count;
    for (size_t n = 1; n <= 4; n++) {
        memset(used, 0, sizeof used);
        for (size_t i = 0; i + n <= a.count; i++) {
            bleu->total[n - 1]++;
            for (size_t j = 0; j + n <= b.count; j++)
                if (!used[j] && same(&a, i, &b, j, n)) {
                    used[j] = true;
                    bleu->match[n - 1]++;
                    break;
                }
        }
    }
}

double bleu_score(const struct bleu *bleu)
{
    double sum = 0;
    for (int n = 0; n < 4; n++) {
        if (bleu->match[n] == 0)
            return 0;
        sum += log((double)bleu->match[n] / (double)bleu->total[n]) / 4;
    }
    const double ratio = (double)bleu->reference_words / (double)bleu->words;
    return 100 * exp(sum + (ratio > 1 ? 1 - ratio : 0));
}

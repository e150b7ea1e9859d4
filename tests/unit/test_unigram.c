/* test_unigram.c: the Unigram model's segmentation (Kudo 2018) against a search over all pieces, on random vocabularies written
 * here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <diffulm/diffulm.h>

enum { PIECES = 400, LONGEST = 12, TEXT = 200, UNKNOWN = 0 };

struct vocabulary {
    size_t count;
    char piece[PIECES][LONGEST * 3 + 1];
    double score[PIECES];
};

static uint32_t state;

static uint32_t draw(uint32_t below)
{
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
}

/* Letters of one, two and three bytes; the last two are in no piece. */
static const char *const letters[] = {"a", "b",       "c", "d",        "e",        "f",
                                      "g", "h",       "i", "\xC3\xA9", "\xC3\xA8", "\xE6\xBC\xA2",
                                      "z", "\xC3\xBF"};
enum { KNOWN = 12, LETTERS = 14 };

static void append_letters(char *text, size_t count, uint32_t of)
{
    for (size_t i = 0; i < count; i++)
        strcat(text, letters[draw(of)]);
}

static bool has_piece(const struct vocabulary *v, const char *piece)
{
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->piece[i], piece) == 0)
            return true;
    return false;
}

/* Single letters (nine and more children under one node), short pieces that share beginnings, and long ones of which the
 * last letter alone differs. */
static void make_vocabulary(struct vocabulary *v, uint32_t seed)
{
    memset(v, 0, sizeof *v);
    state = seed;
    strcpy(v->piece[v->count++], "<unk>");
    for (size_t i = 0; i < KNOWN - 1; i++)
        strcpy(v->piece[v->count++], letters[i]);
    while (v->count < PIECES) {
        char piece[LONGEST * 3 + 1] = "";
        if (v->count % 8 == 0) {
            append_letters(piece, LONGEST - 1, 3);
            for (int twin = 0; twin < 2 && v->count < PIECES; twin++) {
                snprintf(v->piece[v->count], sizeof *v->piece, "%s%s", piece, letters[twin + 3]);
                v->count += !has_piece(v, v->piece[v->count]);
            }
            continue;
        }
        append_letters(piece, 2 + draw(5), KNOWN);
        if (!has_piece(v, piece))
            strcpy(v->piece[v->count++], piece);
    }
    for (size_t i = 0; i < v->count; i++)
        v->score[i] = -1.0 - draw(100000) / 8192.0 - (double)i / (1 << 20);
}

static diffulm_tokenizer *open_vocabulary(const struct vocabulary *v)
{
    static char json[PIECES * 100];
    size_t n = (size_t)snprintf(json, sizeof json,
                                "{\"normalizer\":null,\"pre_tokenizer\":null,\"model\":{\"type\":"
                                "\"Unigram\",\"unk_id\":%d,\"vocab\":[",
                                UNKNOWN);
    for (size_t i = 0; i < v->count; i++)
        n += (size_t)snprintf(json + n, sizeof json - n, "%s[\"%s\",%.17g]", i ? "," : "",
                              v->piece[i], v->score[i]);
    n += (size_t)snprintf(json + n, sizeof json - n, "]}}");
    assert_true(n < sizeof json);
    diffulm_tokenizer *tok = NULL;
    assert_int_equal(diffulm_tokenizer_open_memory(json, n, NULL, &tok), DIFFULM_OK);
    return tok;
}

static size_t letter_length(const char *text)
{
    const unsigned char first = (unsigned char)*text;
    return first < 0x80 ? 1 : first < 0xE0 ? 2 : 3;
}

struct span {
    double score;
    size_t begin;
    int32_t id;
    bool reached;
};

static void reach(struct span *at, double score, size_t begin, int32_t id)
{
    if (!at->reached || score > at->score)
        *at = (struct span){score, begin, id, true};
}

/* Every piece at every place. An unknown letter costs 10 more than the worst piece; neighbouring ones are one token. */
static size_t search(const struct vocabulary *v, const char *text, int32_t *ids, size_t *ends)
{
    static struct span best[TEXT * 3 + 1];
    const size_t length = strlen(text);
    double lowest = 0;
    for (size_t i = 0; i < v->count; i++)
        lowest = v->score[i] < lowest ? v->score[i] : lowest;
    memset(best, 0, sizeof best);
    best[0].reached = true;
    for (size_t at = 0; at < length; at += letter_length(text + at)) {
        if (!best[at].reached)
            continue;
        const size_t letter = letter_length(text + at);
        bool single = false;
        for (size_t i = 0; i < v->count; i++) {
            const size_t n = strlen(v->piece[i]);
            if (n > length - at || memcmp(v->piece[i], text + at, n) != 0)
                continue;
            single = single || n == letter;
            reach(&best[at + n], best[at].score + v->score[i], at, (int32_t)i);
        }
        if (!single)
            reach(&best[at + letter], best[at].score + lowest - 10, at, UNKNOWN);
    }
    size_t count = 0;
    for (size_t end = length; end > 0; count++) {
        ids[count] = best[end].id;
        ends[count] = end;
        end = best[end].begin;
        while (ids[count] == UNKNOWN && end > 0 && best[end].id == UNKNOWN)
            end = best[end].begin;
    }
    for (size_t i = 0; i < count / 2; i++) {
        const int32_t id = ids[i];
        const size_t end = ends[i];
        ids[i] = ids[count - 1 - i], ids[count - 1 - i] = id;
        ends[i] = ends[count - 1 - i], ends[count - 1 - i] = end;
    }
    return count;
}

static void check_text(const diffulm_tokenizer *tok, const struct vocabulary *v, const char *text)
{
    static int32_t ids[TEXT], expected[TEXT];
    static size_t ends[TEXT], expected_ends[TEXT];
    const size_t count = search(v, text, expected, expected_ends);
    struct diffulm_encoding e = {sizeof e, TEXT, ids, NULL, ends, NULL, NULL, 0};
    assert_int_equal(diffulm_tokenizer_encode(tok, text, strlen(text), NULL, 0, NULL, &e),
                     DIFFULM_OK);
    if (e.count != count || memcmp(ids, expected, count * sizeof *ids) != 0 ||
        memcmp(ends, expected_ends, count * sizeof *ends) != 0)
        fail_msg("\"%s\": %zu tokens, expected %zu, or others", text, e.count, count);
}

static void segmentation_is_the_best_over_all_pieces(void **unused)
{
    (void)unused;
    static struct vocabulary v;
    for (uint32_t seed = 1; seed <= 5; seed++) {
        make_vocabulary(&v, seed);
        diffulm_tokenizer *tok = open_vocabulary(&v);
        for (int i = 0; i < 300; i++) {
            char text[TEXT * 3 + 1] = "";
            append_letters(text, 1 + draw(20), i % 3 ? KNOWN : LETTERS);
            /* A piece, and a piece with its last letter lost: ends of long pieces are tried and missed. */
            strcat(text, v.piece[1 + draw((uint32_t)v.count - 1)]);
            append_letters(text, draw(3), LETTERS);
            const char *cut = v.piece[1 + draw((uint32_t)v.count - 1)];
            size_t kept = 0;
            while (kept + letter_length(cut + kept) < strlen(cut))
                kept += letter_length(cut + kept);
            strncat(text, cut, kept);
            append_letters(text, draw(2), 5);
            check_text(tok, &v, text);
        }
        diffulm_tokenizer_unref(tok);
    }
}

static void a_rest_that_differs_or_ends_early_is_not_the_piece(void **unused)
{
    (void)unused;
    static struct vocabulary v;
    static const char *const pieces[] = {"<unk>", "a", "b", "c", "abcabcabc"};
    memset(&v, 0, sizeof v);
    for (; v.count < 5; v.count++) {
        strcpy(v.piece[v.count], pieces[v.count]);
        v.score[v.count] = -1.0 - (double)v.count / 8;
    }
    diffulm_tokenizer *tok = open_vocabulary(&v);
    check_text(tok, &v, "abcabcabc");
    check_text(tok, &v, "abcabcabb");
    check_text(tok, &v, "abcabcab");
    check_text(tok, &v, "abcabcabcabcabcab");
    check_text(tok, &v, "zzabcabcabcz\xC3\xBFz");
    diffulm_tokenizer_unref(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segmentation_is_the_best_over_all_pieces),
        cmocka_unit_test(a_rest_that_differs_or_ends_early_is_not_the_piece),
    };
    return cmocka_run_group_tests_name("unigram", tests, NULL, NULL);
}

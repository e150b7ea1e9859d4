/* test_subword.c: BPE (Sennrich et al. 2016) and WordPiece (Wu et al. 2016) against their definitions, on random vocabularies
 * written here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <diffulm/diffulm.h>

enum { PIECES = 300, LONGEST = 32, TEXT = 128 };

/* A vocabulary; of BPE, piece i > LETTERS is what merge i - LETTERS - 1 gives. */
struct vocabulary {
    size_t count, left[PIECES], right[PIECES];
    char piece[PIECES][LONGEST + 1];
};
static const char *const letters[] = {"a", "b", "c", "\xC3\xA9", "\xE6\xBC\xA2"};
enum { LETTERS = 5 };

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static int find(const struct vocabulary *v, const char *text, size_t length)
{
    for (size_t i = 0; i < v->count; i++)
        if (strlen(v->piece[i]) == length && memcmp(v->piece[i], text, length) == 0)
            return (int)i;
    return -1;
}

static void make_bpe(struct vocabulary *v)
{
    memset(v, 0, sizeof *v);
    strcpy(v->piece[v->count++], "?");
    for (size_t i = 0; i < LETTERS; i++)
        strcpy(v->piece[v->count++], letters[i]);
    while (v->count < 60) {
        const size_t a = 1 + draw((uint32_t)v->count - 1), b = 1 + draw((uint32_t)v->count - 1);
        char joined[2 * LONGEST + 1];
        snprintf(joined, sizeof joined, "%s%s", v->piece[a], v->piece[b]);
        if (strlen(joined) > LONGEST || find(v, joined, strlen(joined)) >= 0)
            continue;
        strcpy(v->piece[v->count], joined);
        v->left[v->count] = a;
        v->right[v->count++] = b;
    }
}

static diffulm_tokenizer *open_model(const struct vocabulary *v, bool bpe)
{
    static char json[PIECES * 200];
    size_t n = (size_t)snprintf(json, sizeof json,
                                "{\"model\":{\"type\":\"%s\",\"unk_token\":\"?\",\"vocab\":{",
                                bpe ? "BPE" : "WordPiece");
    for (size_t i = 0; i < v->count; i++)
        n += (size_t)snprintf(json + n, sizeof json - n, "%s\"%s\":%zu", i ? "," : "", v->piece[i],
                              i);
    n += (size_t)snprintf(json + n, sizeof json - n, bpe ? "},\"merges\":[" : "}");
    for (size_t i = LETTERS + 1; bpe && i < v->count; i++)
        n += (size_t)snprintf(json + n, sizeof json - n, "%s\"%s %s\"", i > LETTERS + 1 ? "," : "",
                              v->piece[v->left[i]], v->piece[v->right[i]]);
    n += (size_t)snprintf(json + n, sizeof json - n, bpe ? "]}}" : "}}");
    assert_true(n < sizeof json);
    diffulm_tokenizer *tok = NULL;
    if (diffulm_tokenizer_open_memory(json, n, NULL, &tok) < 0)
        fail_msg("%s", diffulm_error_message());
    return tok;
}

/* Each time the first merge in the list that is anywhere, where it is first. */
static size_t merge(const struct vocabulary *v, const char *text, int32_t *ids, size_t *ends)
{
    size_t count = 0, at = 0;
    for (size_t n; text[at]; at += n) {
        n = (unsigned char)text[at] < 0x80 ? 1 : (unsigned char)text[at] < 0xE0 ? 2 : 3;
        ids[count] = find(v, text + at, n);
        ends[count++] = at + n;
    }
    for (size_t i = LETTERS + 1; i < v->count; i++)
        for (size_t k = 0; k + 1 < count; k++) {
            if (ids[k] != (int32_t)v->left[i] || ids[k + 1] != (int32_t)v->right[i])
                continue;
            ids[k] = (int32_t)i;
            ends[k] = ends[k + 1];
            count--;
            memmove(ids + k + 1, ids + k + 2, (count - k - 1) * sizeof *ids);
            memmove(ends + k + 1, ends + k + 2, (count - k - 1) * sizeof *ends);
            i = LETTERS; /* from the first on */
            break;
        }
    return count;
}

static void check(const diffulm_tokenizer *tok, const char *text, const int32_t *expected,
                  const size_t *expected_ends, size_t count)
{
    static int32_t ids[TEXT * 3];
    static size_t ends[TEXT * 3];
    struct diffulm_encoding e = {sizeof e, TEXT * 3, ids, NULL, ends, NULL, NULL, 0};
    assert_int_equal(diffulm_tokenizer_encode(tok, text, strlen(text), NULL, 0, NULL, &e),
                     DIFFULM_OK);
    if (e.count != count || memcmp(ids, expected, count * sizeof *ids) != 0 ||
        memcmp(ends, expected_ends, count * sizeof *ends) != 0)
        fail_msg("\"%s\": %zu tokens, expected %zu, or others", text, e.count, count);
}

/* Words shorter and longer than what is merged without a heap. */
static void bpe_merges_the_first_of_its_list_wherever_it_is(void **unused)
{
    (void)unused;
    static struct vocabulary v;
    static int32_t ids[TEXT];
    static size_t ends[TEXT];
    for (seed = 1; seed < 8;) {
        const uint32_t next = seed + 1;
        make_bpe(&v);
        diffulm_tokenizer *tok = open_model(&v, true);
        for (int i = 0; i < 400; i++) {
            char text[TEXT * 3 + 1] = "";
            for (uint32_t left = 1 + draw(i % 2 ? 12 : 80); left > 0; left--)
                strcat(text, letters[draw(LETTERS)]);
            check(tok, text, ids, ends, merge(&v, text, ids, ends));
        }
        diffulm_tokenizer_unref(tok);
        seed = next;
    }
}

/* The longest piece at each place; ## in front of it unless that is the beginning. */
static size_t search(const struct vocabulary *v, const char *text, int32_t *ids, size_t *ends)
{
    const size_t length = strlen(text);
    size_t count = 0, characters = 0;
    for (size_t i = 0; i < length; i++)
        characters += ((unsigned char)text[i] & 0xC0) != 0x80;
    for (size_t begin = 0; begin < length && characters <= 100;) {
        char key[TEXT * 3 + 3];
        size_t end = length;
        int id = -1;
        for (; end > begin && id < 0; end -= id < 0) {
            const int n = snprintf(key, sizeof key, "%s%.*s", begin ? "##" : "", (int)(end - begin),
                                   text + begin);
            id = find(v, key, (size_t)n);
        }
        if (id < 0)
            break;
        ids[count] = id;
        ends[count++] = begin = end;
    }
    if (count && ends[count - 1] == length)
        return count;
    ids[0] = 0;
    ends[0] = length;
    return 1;
}

static void wordpiece_takes_the_longest_piece(void **unused)
{
    (void)unused;
    static struct vocabulary v;
    static int32_t ids[TEXT];
    static size_t ends[TEXT];
    for (seed = 1; seed < 8;) {
        const uint32_t next = seed + 1;
        memset(&v, 0, sizeof v);
        strcpy(v.piece[v.count++], "?");
        strcpy(v.piece[v.count++], "##a");
        while (v.count < 60) {
            char piece[LONGEST + 1] = "";
            strcpy(piece, draw(3) ? "##" : "");
            for (uint32_t left = 1 + draw(5); left > 0; left--)
                strcat(piece, letters[draw(LETTERS)]);
            if (find(&v, piece, strlen(piece)) < 0)
                strcpy(v.piece[v.count++], piece);
        }
        diffulm_tokenizer *tok = open_model(&v, false);
        for (int i = 0; i < 1000; i++) {
            char text[TEXT * 3 + 1] = "";
            if (draw(20) == 0)
                for (uint32_t left = 95 + draw(10); left > 0; left--)
                    strcat(text, "a");
            for (uint32_t left = 1 + draw(6); left > 0; left--) {
                const char *piece = v.piece[1 + draw((uint32_t)v.count - 1)];
                strcat(text, piece[0] == '#' ? piece + 2 : piece);
            }
            text[TEXT * 2] = '\0';
            if (strlen(text) < TEXT * 2)
                check(tok, text, ids, ends, search(&v, text, ids, ends));
        }
        diffulm_tokenizer_unref(tok);
        seed = next;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bpe_merges_the_first_of_its_list_wherever_it_is),
        cmocka_unit_test(wordpiece_takes_the_longest_piece),
    };
    return cmocka_run_group_tests_name("subword", tests, NULL, NULL);
}

/* test_fast_paths.c: what the tokenizers do by tables and by hand against the same done step by step, over all characters and
 * over drawn strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "text/gpt2.h"
#include "text/normalize.h"

enum { TEXT = 256, LAST = 0x10FFFF };

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static bool is_character(int32_t c)
{
    return c < 0xD800 || c > 0xDFFF;
}

/* Characters on which stages differ: spaces, marks, joiners, parts of clusters, apostrophes. */
static int32_t draw_character(void)
{
    static const int32_t special[] = {
        ' ',    ' ',     '\t',    '\r',    '\n',   '\'',    's',     'l',     'r',    'e',
        0xA0,   0x85,    0x300,   0x301,   0x323,  0x308,   0x200D,  0x3000,  0x600,  0x130,
        0x344,  0xF73,   0x94D,   0x915,   0x1100, 0x1161,  0x11A8,  0xAC01,  0xFB01, 0xFF21,
        0x2026, 0x4E00,  0xF900,  0x660,   0x2160, 0x1F1E6, 0x1F468, 0x1F3FD, 0xFE0F, 0,
        0xFFFD, 0x7F,    0x1D15E, 0x1D16E, 0x1E9B, 0x3A3,   0x2028,  0xE000,  0x2B5,  0x1E00,
        0x958,  0x1D165, 0xB5,    0x212B,  0x110BA};
    int32_t c;
    switch (draw(8)) {
    case 0:
    case 1:
        return 'a' + (int32_t)draw(26);
    case 2:
        return (int32_t)draw(0x80);
    case 3:
        return (int32_t)draw(0x800);
    case 4:
        do
            c = (int32_t)draw(LAST);
        while (!is_character(c));
        return c;
    default:
        return special[draw(sizeof special / sizeof *special)];
    }
}

static size_t draw_text(char text[TEXT], uint32_t most)
{
    size_t n = 0;
    for (uint32_t left = draw(most); left > 0; left--)
        n += dulm_utf8_encode(draw_character(), text + n);
    return n;
}

/* Every step-th of all characters, and every one below U+3400; beyond U+32000 there are next to none. */
static int32_t next_character(int32_t c, int32_t step)
{
    c += c < 0x3400 ? 1 : c < 0x32000 || c / 0x1000 == 0xE0 ? step : 61;
    return is_character(c) ? c : 0xE000;
}

/* A character alone, and between letters. */
static size_t place(int32_t c, bool alone, char text[TEXT])
{
    size_t n = 0;
    if (!alone)
        text[n++] = 'e';
    n += dulm_utf8_encode(c, text + n);
    if (!alone)
        text[n++] = 'B';
    return n;
}

static void assert_docs_equal(const struct dulm_doc *a, const struct dulm_doc *b, const char *what)
{
    bool same = !a->failed && !b->failed && a->length == b->length && a->splits == b->splits;
    for (size_t i = 0; same && i < a->length; i++)
        same = a->text[i] == b->text[i] && dulm_doc_from(a, i) == dulm_doc_from(b, i) &&
               dulm_doc_to(a, i) == dulm_doc_to(b, i);
    for (size_t i = 0; same && i < a->splits; i++)
        same = a->split[i].begin == b->split[i].begin && a->split[i].end == b->split[i].end &&
               a->split[i].origin == b->split[i].origin;
    if (!same)
        fail_msg("%s: \"%.*s\" and \"%.*s\", or their ranges, differ", what, (int)a->length,
                 a->text, (int)b->length, b->text);
}

/* One of two ways to do the same. */
typedef diffulm_status way(const void *with, struct dulm_doc **doc, struct dulm_doc **spare);

static void compare(way *fast, way *slow, const void *with, const char *text, size_t length,
                    const char *what)
{
    struct dulm_doc docs[4] = {{0}}, *a = &docs[0], *b = &docs[1], *c = &docs[2], *d = &docs[3];
    dulm_doc_lend(a, text, length);
    dulm_doc_lend(c, text, length);
    assert_int_equal(fast(with, &a, &b), DIFFULM_OK);
    assert_int_equal(slow(with, &c, &d), DIFFULM_OK);
    assert_docs_equal(a, c, what);
    for (size_t i = 0; i < 4; i++)
        dulm_doc_release(&docs[i]);
}

static void compare_all(way *fast, way *slow, const void *with, int32_t step, const char *what)
{
    char text[TEXT];
    for (int32_t c = 0; c <= LAST; c = next_character(c, step))
        for (int alone = 0; alone < 2; alone++)
            compare(fast, slow, with, text, place(c, alone, text), what);
    for (int i = 0; i < 20000; i++)
        compare(fast, slow, with, text, draw_text(text, i % 4 ? 8 : 40), what);
}

static diffulm_status bert_fast(const void *with, struct dulm_doc **doc, struct dulm_doc **spare)
{
    return dulm_bert_normalize(with, doc, spare);
}
static diffulm_status bert_slow(const void *with, struct dulm_doc **doc, struct dulm_doc **spare)
{
    return dulm_bert_passes(with, doc, spare);
}

static void bert_by_table_is_bert_step_by_step(void **state)
{
    (void)state;
    for (unsigned on = 0; on < 16; on++) {
        const struct dulm_bert_options options = {on & 1, on >> 1 & 1, on >> 2 & 1, on >> 3 & 1};
        struct dulm_bert *bert;
        seed = on;
        assert_int_equal(dulm_bert_create(&options, &bert), DIFFULM_OK);
        compare_all(bert_fast, bert_slow, bert, on == 15 ? 1 : 53, "BertNormalizer");
        dulm_bert_free(bert);
    }
}

static struct dulm_normalizer *read_normalizer(const char *json)
{
    struct dulm_normalizer *n;
    json_t *root = json_loads(json, 0, NULL);
    assert_int_equal(dulm_normalizer_read(root, "test", &n), DIFFULM_OK);
    json_decref(root);
    return n;
}

/* Which Unicode form, by its place in the names below. */
static int form;

static void form_pass(const struct dulm_doc *in, size_t begin, size_t end, struct dulm_doc *out)
{
    dulm_doc_unicode(in, begin, end, form >= 2, form % 2 == 0, out);
}
static diffulm_status form_slow(const void *with, struct dulm_doc **doc, struct dulm_doc **spare)
{
    (void)with;
    return dulm_normalize_pass(form_pass, doc, spare);
}
static diffulm_status normalize_fast(const void *with, struct dulm_doc **doc,
                                     struct dulm_doc **spare)
{
    return dulm_normalize(with, doc, spare);
}

static void a_unicode_form_leaves_alone_only_what_it_would_not_change(void **state)
{
    (void)state;
    static const char *const names[] = {"NFC", "NFD", "NFKC", "NFKD"};
    for (form = 0; form < 4; form++) {
        char json[32];
        snprintf(json, sizeof json, "{\"type\":\"%s\"}", names[form]);
        struct dulm_normalizer *n = read_normalizer(json);
        compare_all(normalize_fast, form_slow, n, 7, names[form]);
        dulm_normalizer_free(n);
    }
    for (int32_t c = 0; c < 0x300; c++) /* so StripAccents has nothing to take */
        assert_false(dulm_is_mark(c));
}

/* A Darts double array over a few strings, written here: a unit for each node, children at base ^ byte. */
struct array {
    uint32_t unit[4096];
    bool used[4096];
};
struct rule {
    const char *from, *to;
};
/* By rising bytes. What becomes nothing removes the character before it, and displaces all if there is none. */
static const struct rule rules[] = {{"\x01", ""},
                                    {" \xCC\x81", "'"},
                                    {"A", "a"},
                                    {"\x7F", ""},
                                    {"\xC2\xA0", " "},
                                    {"\xCC\xA3", ""},
                                    {"\xE2\x80\xA6", "..."},
                                    {"\xEA\xB0\x81", "g"},
                                    {"\xEF\xAC\x81", "fi"},
                                    {"\xEF\xBC\xA1", "A"}};
enum { RULES = sizeof rules / sizeof *rules };

static void add_nodes(struct array *a, size_t node, size_t low, size_t high, size_t depth,
                      const uint32_t *value)
{
    size_t base = 1;
    for (size_t i = low; i < high;) {
        if (a->used[base] || a->used[base ^ (unsigned char)rules[i].from[depth]]) {
            base++;
            i = low;
        } else
            i++;
    }
    const uint32_t offset = (uint32_t)(node ^ base);
    assert_true(base < 4096 - 256 && offset < 1 << 21);
    a->unit[node] |= offset << 10;
    for (size_t i = low; i < high; i++)
        a->used[base ^ (unsigned char)rules[i].from[depth]] = true;
    for (size_t i = low, end; i < high; i = end) {
        const unsigned char byte = (unsigned char)rules[i].from[depth];
        for (end = i + 1; end < high && (unsigned char)rules[end].from[depth] == byte;)
            end++;
        if (byte == 0) {
            a->unit[base] = 1u << 31 | value[i];
            a->unit[node] |= 1u << 8;
            continue;
        }
        a->unit[base ^ byte] = byte;
        add_nodes(a, base ^ byte, i, end, depth + 1, value);
    }
}

static struct dulm_charsmap make_charsmap(void)
{
    static struct array a;
    static unsigned char bytes[4 + sizeof a.unit + 256];
    const uint32_t size = sizeof a.unit;
    uint32_t value[RULES];
    char *strings = (char *)bytes + 4 + size;
    size_t length = 0;
    struct dulm_charsmap map;
    memset(&a, 0, sizeof a);
    for (size_t i = 0; i < RULES; i++) {
        value[i] = (uint32_t)length;
        memcpy(strings + length, rules[i].to, strlen(rules[i].to) + 1);
        length += strlen(rules[i].to) + 1;
    }
    a.used[0] = true;
    add_nodes(&a, 0, 0, RULES, 0, value);
    for (size_t i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(size >> 8 * i);
    for (size_t i = 0; i < size; i++)
        bytes[4 + i] = (unsigned char)(a.unit[i / 4] >> 8 * (i % 4));
    assert_int_equal(dulm_charsmap_read(bytes, 4 + size + length, "test", &map), DIFFULM_OK);
    return map;
}

static const struct dulm_charsmap *charsmap;

static void charsmap_parts(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    dulm_doc_charsmap(charsmap, in, b, e, out);
}
static void charsmap_whole(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    struct dulm_changes changes = {0};
    dulm_changes_charsmap(&changes, charsmap, in->text + b, e - b);
    dulm_changes_apply(&changes, in, b, e, out);
    dulm_free(changes.list);
}
static diffulm_status charsmap_fast(const void *with, struct dulm_doc **doc,
                                    struct dulm_doc **spare)
{
    (void)with;
    return dulm_normalize_pass(charsmap_parts, doc, spare);
}
static diffulm_status charsmap_slow(const void *with, struct dulm_doc **doc,
                                    struct dulm_doc **spare)
{
    (void)with;
    return dulm_normalize_pass(charsmap_whole, doc, spare);
}

static void a_charsmap_in_parts_is_the_charsmap_over_the_whole(void **state)
{
    (void)state;
    struct dulm_charsmap map = make_charsmap();
    charsmap = &map;
    for (size_t i = 0; i < RULES; i++)
        assert_string_equal(dulm_charsmap_find(&map, rules[i].from, strlen(rules[i].from)),
                            rules[i].to);
    compare_all(charsmap_fast, charsmap_slow, NULL, 7, "Precompiled");
    for (int i = 0; i < 50000; i++) { /* its own strings, among letters and marks */
        char text[TEXT];
        size_t n = 0;
        for (uint32_t left = draw(12); left > 0; left--) {
            const char *piece = draw(2) ? rules[draw(RULES)].from : draw(2) ? "e" : "\xCC\x88";
            memcpy(text + n, piece, strlen(piece));
            n += strlen(piece);
        }
        compare(charsmap_fast, charsmap_slow, NULL, text, n, "Precompiled");
        if (dulm_charsmap_inert(&map, text, n) == n) {
            struct dulm_doc in = {0}, out = {0};
            dulm_doc_lend(&in, text, n);
            charsmap_whole(&in, 0, n, &out);
            assert_int_equal(out.length, n);
            assert_memory_equal(out.text ? out.text : "", text, n);
            dulm_doc_release(&in);
            dulm_doc_release(&out);
        }
    }
    dulm_charsmap_release(&map);
}

static void compare_matches(const struct dulm_regex *hand, const struct dulm_regex *engine,
                            const char *text, size_t length)
{
    struct dulm_matcher a = {0}, b = {0};
    size_t at = 0, there = 0, begin, end, first, last;
    diffulm_status rc = DIFFULM_OK;
    bool more;
    do {
        more = dulm_matcher_next(&a, hand, text, length, &at, &begin, &end, &rc);
        if (dulm_matcher_next(&b, engine, text, length, &there, &first, &last, &rc) != more ||
            (more && (begin != first || end != last)))
            fail_msg("\"%.*s\": a match of %zu to %zu, the engine's is %zu to %zu", (int)length,
                     text, begin, end, first, last);
    } while (more);
    assert_int_equal(rc, DIFFULM_OK);
    dulm_matcher_release(&a);
    dulm_matcher_release(&b);
}

static void gpt2_s_pattern_by_hand_matches_what_the_engine_does(void **state)
{
    (void)state;
    struct dulm_regex *hand, *engine;
    char text[TEXT], group[256];
    struct dulm_gpt2 *classes;
    const int n = snprintf(group, sizeof group, "(?:%s)", dulm_gpt2_pattern); /* not recognised */
    assert_int_equal(dulm_regex_compile(dulm_gpt2_pattern, strlen(dulm_gpt2_pattern), "", &hand),
                     DIFFULM_OK);
    assert_int_equal(dulm_regex_compile(group, (size_t)n, "", &engine), DIFFULM_OK);
    seed = 3;
    for (int32_t c = 0; c <= LAST; c = next_character(c, 1))
        for (int alone = 0; alone < 2; alone++)
            compare_matches(hand, engine, text, place(c, alone, text));
    for (int i = 0; i < 200000; i++)
        compare_matches(hand, engine, text, draw_text(text, i % 4 ? 8 : 40));
    dulm_regex_free(hand);
    dulm_regex_free(engine);
    assert_int_equal(dulm_gpt2_create(&classes), DIFFULM_OK);
    assert_int_equal(dulm_gpt2_match(classes, "they'll  go", 11, 4), 7);
    assert_int_equal(dulm_gpt2_match(classes, "they'll  go", 11, 7), 8);
    assert_int_equal(dulm_gpt2_match(classes, "a\xF0\x9F\x98\x80", 5, 0), 0);
    dulm_gpt2_free(classes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bert_by_table_is_bert_step_by_step),
        cmocka_unit_test(a_unicode_form_leaves_alone_only_what_it_would_not_change),
        cmocka_unit_test(a_charsmap_in_parts_is_the_charsmap_over_the_whole),
        cmocka_unit_test(gpt2_s_pattern_by_hand_matches_what_the_engine_does),
    };
    return cmocka_run_group_tests_name("fast paths", tests, NULL, NULL);
}

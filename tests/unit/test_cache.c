/* test_cache.c: the words a tokenizer remembers: the same tokens as without, from many threads, within a bound. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <diffulm/diffulm.h>

#include "base/alloc.h"
#include "text/tokenizer.h"

static uint32_t draw(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % below;
}

static const char bpe[] =
    "{\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"model\":{\"type\":\"BPE\",\"unk_token\":"
    "\"?\",\"fuse_unk\":true,\"vocab\":{\"?\":0,\"a\":1,\"b\":2,\"c\":3,\"ab\":4,\"ca\":5,\"abca\":"
    "6},\"merges\":[\"a b\",\"c a\",\"ab ca\"]}}";

static diffulm_tokenizer *open_bpe(void)
{
    diffulm_tokenizer *tok = NULL;
    assert_int_equal(diffulm_tokenizer_open_memory(bpe, sizeof bpe - 1, NULL, &tok), DIFFULM_OK);
    return tok;
}

enum { ROOM = 512 };
struct tokens {
    int32_t ids[ROOM];
    size_t begins[ROOM], ends[ROOM], count;
};

static diffulm_status encode(const diffulm_tokenizer *tok, const char *text, struct tokens *out)
{
    struct diffulm_encoding e = {.struct_size = sizeof e,
                                 .capacity = ROOM,
                                 .ids = out->ids,
                                 .begins = out->begins,
                                 .ends = out->ends};
    const diffulm_status rc = diffulm_tokenizer_encode(tok, text, strlen(text), NULL, 0, NULL, &e);
    out->count = e.count;
    return rc;
}

static bool equal(const struct tokens *a, const struct tokens *b)
{
    return a->count == b->count && memcmp(a->ids, b->ids, a->count * sizeof *a->ids) == 0 &&
           memcmp(a->begins, b->begins, a->count * sizeof *a->begins) == 0 &&
           memcmp(a->ends, b->ends, a->count * sizeof *a->ends) == 0;
}

/* Words of letters that the model knows, knows in part and does not know; some longer than what is remembered. */
static void draw_words(uint32_t *seed, char text[ROOM])
{
    size_t n = 0;
    for (uint32_t words = 1 + draw(seed, 8); words > 0; words--) {
        for (uint32_t left = draw(seed, 30) ? draw(seed, 6) : 60 + draw(seed, 10); left > 0; left--)
            text[n++] = "abcabcz"[draw(seed, 7)];
        if (n + 80 > ROOM)
            break;
        text[n++] = ' ';
    }
    text[n] = '\0';
}

static void a_remembered_word_has_the_tokens_it_had(void **state)
{
    (void)state;
    uint32_t seed = 1;
    diffulm_tokenizer *tok = open_bpe();
    for (int i = 0; i < 3000; i++) {
        static struct tokens first, again, alone;
        char text[ROOM];
        draw_words(&seed, text);
        assert_int_equal(encode(tok, text, &first), DIFFULM_OK);
        assert_int_equal(encode(tok, text, &again), DIFFULM_OK);
        assert_true(equal(&first, &again));
        if (i % 30 == 0) { /* one that remembers nothing yet */
            diffulm_tokenizer *fresh = open_bpe();
            assert_int_equal(encode(fresh, text, &alone), DIFFULM_OK);
            assert_true(equal(&first, &alone));
            diffulm_tokenizer_unref(fresh);
        }
    }
    assert_in_range(dulm_cache_count(tok->cache), 1000, 10000);
    diffulm_tokenizer_unref(tok);
    assert_int_equal(diffulm_memory_blocks(), 0);
}

static void a_word_without_a_token_stays_an_error(void **state)
{
    (void)state;
    static const char json[] = "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]]}}";
    diffulm_tokenizer *tok = NULL;
    static struct tokens tokens;
    assert_int_equal(diffulm_tokenizer_open_memory(json, sizeof json - 1, NULL, &tok), DIFFULM_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(encode(tok, "az", &tokens), DIFFULM_E_FORMAT);
        assert_non_null(strstr(diffulm_error_message(), "no unknown token"));
    }
    assert_int_equal(dulm_cache_count(tok->cache), 0);
    diffulm_tokenizer_unref(tok);
}

static void a_full_cache_keeps_what_it_has_and_takes_no_more(void **state)
{
    (void)state;
    struct dulm_cache *cache;
    struct dulm_tokens found = {0};
    struct dulm_token token = {0, 0, 3};
    enum { WORDS = 200000 };
    char word[16];
    size_t known = 0, blocks;
    assert_int_equal(dulm_cache_create(&cache), DIFFULM_OK);
    for (token.id = 0; token.id < WORDS; token.id++)
        dulm_cache_add(cache, word, (size_t)snprintf(word, sizeof word, "word %d", token.id),
                       &token, 1);
    blocks = diffulm_memory_blocks();
    assert_true(blocks <= 1 + DULM_CACHE_BYTES / DULM_CACHE_BLOCK);
    for (int i = 0; i < WORDS; i++) {
        const size_t n = (size_t)snprintf(word, sizeof word, "word %d", i);
        found.count = 0;
        if (!dulm_cache_find(cache, word, n, &found)) {
            dulm_cache_add(cache, word, n, &token, 1);
            continue;
        }
        known++;
        assert_int_equal(found.count, 1);
        assert_int_equal(found.list[0].id, i); /* also of the words whose hashes are alike */
        assert_int_equal(found.list[0].end, 3);
    }
    assert_int_equal(known, dulm_cache_count(cache));
    /* Some 24 bytes a word; but a bucket may be full before the cache is. */
    assert_in_range(known, DULM_CACHE_BYTES / 40, DULM_CACHE_BYTES / 20);
    dulm_tokens_release(&found);
    dulm_cache_free(cache);
    assert_int_equal(diffulm_memory_blocks(), 0);
}

static void *take(void *user, size_t bytes, size_t alignment)
{
    int *left = user;
    void *block = NULL;
    return (*left)-- > 0 && posix_memalign(&block, alignment, bytes) == 0 ? block : NULL;
}

static void give(void *user, void *block, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(block);
}

static void without_memory_nothing_is_remembered(void **state)
{
    (void)state;
    int left = 1; /* the table; not the first block */
    const struct diffulm_allocator allocator = {sizeof allocator, &left, take, give};
    const struct dulm_token token = {7, 0, 1};
    struct dulm_cache *cache;
    struct dulm_tokens found = {0};
    assert_int_equal(diffulm_set_allocator(&allocator), DIFFULM_OK);
    assert_int_equal(dulm_cache_create(&cache), DIFFULM_OK);
    dulm_cache_add(cache, "a", 1, &token, 1);
    assert_false(dulm_cache_find(cache, "a", 1, &found));
    left = 10;
    dulm_cache_add(cache, "a", 1, &token, 1);
    assert_true(dulm_cache_find(cache, "a", 1, &found));
    dulm_tokens_release(&found);
    dulm_cache_free(cache);
    assert_int_equal(diffulm_memory_blocks(), 0);
    assert_int_equal(diffulm_set_allocator(NULL), DIFFULM_OK);
}

enum { THREADS = 4, TEXTS = 2000 };
struct crowd {
    const diffulm_tokenizer *tok;
    uint64_t sum; /* of all that came out */
};

static uint64_t added(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 0x9E3779B97F4A7C15u;
}

/* The same texts in every thread, so that they meet at the same slots. */
static void *encode_texts(void *user)
{
    struct crowd *c = user;
    uint32_t seed = 5;
    for (int i = 0; i < TEXTS; i++) {
        char text[ROOM];
        struct tokens tokens;
        draw_words(&seed, text);
        if (encode(c->tok, text, &tokens) != DIFFULM_OK)
            return NULL;
        for (size_t k = 0; k < tokens.count; k++)
            c->sum = added(added(added(c->sum, (uint64_t)tokens.ids[k]), tokens.begins[k]),
                           tokens.ends[k]);
    }
    return c;
}

static void threads_share_a_cache(void **state)
{
    (void)state;
    diffulm_tokenizer *alone = open_bpe(), *shared = open_bpe();
    struct crowd one = {alone, 1}, crowd[THREADS];
    pthread_t thread[THREADS];
    assert_non_null(encode_texts(&one));
    for (int i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){shared, 1};
        assert_int_equal(pthread_create(&thread[i], NULL, encode_texts, &crowd[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *done;
        assert_int_equal(pthread_join(thread[i], &done), 0);
        assert_non_null(done);
        assert_true(crowd[i].sum == one.sum);
    }
    assert_true(dulm_cache_count(shared->cache) >= dulm_cache_count(alone->cache));
    diffulm_tokenizer_unref(alone);
    diffulm_tokenizer_unref(shared);
    assert_int_equal(diffulm_memory_blocks(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_remembered_word_has_the_tokens_it_had),
        cmocka_unit_test(a_word_without_a_token_stays_an_error),
        cmocka_unit_test(a_full_cache_keeps_what_it_has_and_takes_no_more),
        cmocka_unit_test(without_memory_nothing_is_remembered),
        cmocka_unit_test(threads_share_a_cache),
    };
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}

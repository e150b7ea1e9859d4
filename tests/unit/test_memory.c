/* test_memory.c: memory from the host: aligned, given back with its size, and every allocation that fails is an error that leaves
 * nothing behind. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tiny.h"

enum { LENGTH = 8 };
static const int32_t tokens[LENGTH] = {TINY_BOS,  7,         9,         4,
                                       TINY_MASK, TINY_MASK, TINY_MASK, TINY_EOS};
static const size_t offsets[2] = {0, LENGTH}, sources[1] = {4};
static const char tokenizer_json[] = "{\"model\": {\"type\": \"WordPiece\", \"unk_token\": "
                                     "\"[UNK]\", \"vocab\": {\"[UNK]\": 0, \"a\": 1, \"b\": 2,"
                                     " \"##b\": 3}}, \"pre_tokenizer\": {\"type\": \"Whitespace\"},"
                                     " \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": "
                                     "[{\"type\": \"NFKC\"}, {\"type\": \"Lowercase\"}]}}";

/* What a host's heap knows of itself. `left`: allocations until one fails; negative: none does. */
struct heap {
    atomic_size_t bytes, blocks;
    atomic_long left;
};

static void *take(void *user, size_t bytes, size_t alignment)
{
    struct heap *h = user;
    void *block = NULL;
    assert_true(bytes > 0 && (alignment == 16 || alignment == 64));
    if (atomic_load(&h->left) >= 0 && atomic_fetch_sub(&h->left, 1) <= 0) {
        atomic_store(&h->left, 0);
        return NULL;
    }
    if (posix_memalign(&block, alignment, bytes))
        return NULL;
    memset(block, 0xa5, bytes); /* nobody may count on zeros */
    atomic_fetch_add(&h->bytes, bytes);
    atomic_fetch_add(&h->blocks, 1);
    return block;
}

static void give(void *user, void *block, size_t bytes)
{
    struct heap *h = user;
    memset(block, 0x5a, bytes); /* what is read after it shows */
    atomic_fetch_sub(&h->bytes, bytes);
    atomic_fetch_sub(&h->blocks, 1);
    free(block);
}

static struct diffulm_allocator of(struct heap *h)
{
    return (struct diffulm_allocator){sizeof(struct diffulm_allocator), h, take, give};
}

struct work {
    diffulm_runtime *runtime;
    diffulm_model *model;
    diffulm_tokenizer *tokenizer;
    diffulm_length_head *head;
    diffulm_sampler *sampler;
    diffulm_session *session;
    diffulm_trainer *trainer;
    diffulm_model *trained;
};

static diffulm_status denoise(struct work *w, int32_t out[LENGTH])
{
    static const uint8_t roles[LENGTH] = {0, 0, 0, 0, 1, 1, 1, 0};
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    size_t row, length;
    so.steps = 3;
    diffulm_status rc = diffulm_sampler_create(NULL, &so, &w->sampler);
    if (rc == DIFFULM_OK)
        rc = diffulm_session_create(w->model, w->sampler, NULL, &w->session);
    if (rc == DIFFULM_OK)
        rc = diffulm_session_add(w->session, tokens, LENGTH, roles, NULL, &row);
    if (rc == DIFFULM_OK)
        rc = diffulm_session_run(w->session);
    return rc < 0 ? rc : diffulm_session_tokens(w->session, 0, out, LENGTH, &length);
}

static diffulm_status train(struct work *w)
{
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    const struct diffulm_rows rows = {sizeof rows, 1, offsets, tokens, sources};
    o.mask_id = TINY_MASK;
    o.lora_rank = 2;
    diffulm_status rc = diffulm_trainer_create(w->model, &o, &w->trainer);
    if (rc == DIFFULM_OK)
        rc = diffulm_trainer_accumulate(w->trainer, &rows, NULL);
    if (rc == DIFFULM_OK)
        rc = diffulm_trainer_apply(w->trainer, NULL);
    return rc < 0 ? rc : diffulm_trainer_export(w->trainer, &w->trained);
}

static diffulm_status encode(struct work *w)
{
    int32_t ids[8];
    struct diffulm_encoding encoding = {.struct_size = sizeof encoding, .capacity = 8, .ids = ids};
    diffulm_status rc =
        diffulm_tokenizer_open_memory(tokenizer_json, strlen(tokenizer_json), NULL, &w->tokenizer);
    if (rc == DIFFULM_OK)
        rc = diffulm_tokenizer_encode(w->tokenizer, "a Ab b", 6, NULL, 0, NULL, &encoding);
    return rc;
}

/* Ways to compute: plainly, and by packed matrices where this build and CPU have them. */
static const struct kind {
    int32_t backend, precision, pack_weights;
} kinds[] = {
    {DIFFULM_BACKEND_REFERENCE, DIFFULM_PRECISION_F32, 0},
    {DIFFULM_BACKEND_REFERENCE, DIFFULM_PRECISION_BF16, 0},
    {DIFFULM_BACKEND_REFERENCE, DIFFULM_PRECISION_INT8, 0},
    {DIFFULM_BACKEND_AUTO, DIFFULM_PRECISION_F32, 1},
    {DIFFULM_BACKEND_AUTO, DIFFULM_PRECISION_INT8, 0},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static diffulm_status open_model(struct work *w, const struct kind *kind)
{
    static const char config[] =
        "{\"model_type\": \"modernbert\", \"vocab_size\": 24, \"hidden_size\": 12, "
        "\"num_hidden_layers\": 2,"
        " \"num_attention_heads\": 3, \"intermediate_size\": 20, \"max_position_embeddings\": 30,"
        " \"mask_token_id\": 23, \"local_attention\": 6, \"global_attn_every_n_layers\": 2}";
    struct diffulm_runtime_options ro = DIFFULM_RUNTIME_OPTIONS_INIT;
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    ro.backend = kind->backend;
    ro.threads = 1;
    ro.precision = kind->precision;
    ro.pack_weights = kind->pack_weights;
    diffulm_status rc = diffulm_runtime_create(&ro, &w->runtime);
    mo.runtime = w->runtime;
    mo.seed = 3;
    if (rc == DIFFULM_OK)
        rc = diffulm_model_create(config, strlen(config), &mo, &w->model);
    return rc < 0 ? rc : diffulm_length_head_create(w->model, 1, &w->head);
}

static void release(struct work *w)
{
    diffulm_model_unref(w->trained);
    diffulm_trainer_destroy(w->trainer);
    diffulm_session_destroy(w->session);
    diffulm_sampler_unref(w->sampler);
    diffulm_length_head_unref(w->head);
    diffulm_tokenizer_unref(w->tokenizer);
    diffulm_model_unref(w->model);
    diffulm_runtime_unref(w->runtime);
}

/* Everything once. */
static diffulm_status everything(const struct kind *kind, int32_t out[LENGTH])
{
    struct work w = {0};
    diffulm_status rc = open_model(&w, kind);
    if (rc == DIFFULM_OK)
        rc = encode(&w);
    if (rc == DIFFULM_OK)
        rc = denoise(&w, out);
    if (rc == DIFFULM_OK && kind->precision != DIFFULM_PRECISION_INT8)
        rc = train(&w);
    release(&w);
    return rc;
}

static void a_host_s_memory_gives_the_same_results_and_comes_back(void **state)
{
    (void)state;
    struct heap h = {.left = -1};
    const struct diffulm_allocator allocator = of(&h);
    for (const struct kind *kind = kinds; kind < kinds + KINDS; kind++) {
        int32_t want[LENGTH], have[LENGTH];
        assert_int_equal(everything(kind, want), DIFFULM_OK);
        assert_int_equal(diffulm_memory_blocks(), 0);
        assert_int_equal(diffulm_set_allocator(&allocator), DIFFULM_OK);
        assert_int_equal(everything(kind, have), DIFFULM_OK);
        assert_memory_equal(want, have, sizeof want);
        assert_int_equal(diffulm_memory_blocks(), 0);
        assert_int_equal(atomic_load(&h.blocks), 0);
        assert_int_equal(atomic_load(&h.bytes), 0);
        assert_int_equal(diffulm_set_allocator(NULL), DIFFULM_OK);
    }
}

/* The first, the second, … allocation fails, and all after it. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct heap h = {.left = -1};
    const struct diffulm_allocator allocator = of(&h);
    for (const struct kind *kind = kinds; kind < kinds + KINDS; kind++) {
        long n = 0;
        diffulm_status rc = DIFFULM_E_OUT_OF_MEMORY;
        assert_int_equal(diffulm_set_allocator(&allocator), DIFFULM_OK);
        for (; rc == DIFFULM_E_OUT_OF_MEMORY; n++) {
            int32_t out[LENGTH];
            assert_true(n < 5000);
            atomic_store(&h.left, n);
            rc = everything(kind, out);
            atomic_store(&h.left, -1);
            if (diffulm_memory_blocks() != 0)
                fail_msg("%zu blocks are left when allocation %ld fails", diffulm_memory_blocks(),
                         n);
            assert_int_equal(atomic_load(&h.bytes), 0);
        }
        if (rc != DIFFULM_OK)
            fail_msg("status %d when allocation %ld fails: %s", rc, n - 1, diffulm_error_message());
        assert_true(n > 50);
        assert_int_equal(diffulm_set_allocator(NULL), DIFFULM_OK);
    }
}

static void a_block_of_the_host_s_grows_with_what_it_holds(void **state)
{
    (void)state;
    struct heap h = {.left = -1};
    const struct diffulm_allocator allocator = of(&h);
    int *numbers = NULL;
    size_t capacity = 0;
    assert_int_equal(diffulm_set_allocator(&allocator), DIFFULM_OK);
    for (int i = 0; i < 1000; i++) {
        assert_true(dulm_grow((void **)&numbers, &capacity, (size_t)i + 1, sizeof *numbers));
        numbers[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], i);
    assert_int_equal(atomic_load(&h.blocks), 1);
    dulm_free(numbers);
    assert_int_equal(atomic_load(&h.bytes), 0);
    assert_int_equal(diffulm_set_allocator(NULL), DIFFULM_OK);
}

static void it_changes_only_while_nothing_is_in_use(void **state)
{
    (void)state;
    struct heap h = {.left = -1};
    struct diffulm_allocator allocator = of(&h);
    diffulm_runtime *rt = tiny_runtime(DIFFULM_BACKEND_REFERENCE, 1);
    assert_int_equal(diffulm_set_allocator(&allocator), DIFFULM_E_STATE);
    assert_message_names("blocks of memory are in use");
    diffulm_runtime_unref(rt);
    allocator.release = NULL;
    assert_int_equal(diffulm_set_allocator(&allocator), DIFFULM_E_ARGUMENT);
    allocator = of(&h);
    allocator.struct_size = 8;
    assert_int_equal(diffulm_set_allocator(&allocator), DIFFULM_E_ARGUMENT);
    assert_int_equal(atomic_load(&h.blocks), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_s_memory_gives_the_same_results_and_comes_back),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_block_of_the_host_s_grows_with_what_it_holds),
        cmocka_unit_test(it_changes_only_while_nothing_is_in_use),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}

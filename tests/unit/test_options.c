/* test_options.c: the two ways of filling an options struct agree; structs of older and newer headers are
 * taken, and such as no header has are refused. */
#include <stdbool.h>
#include <string.h>

#include "tiny.h"

static const struct diffulm_runtime_options runtime_options = DIFFULM_RUNTIME_OPTIONS_INIT;
static const struct diffulm_model_options model_options = DIFFULM_MODEL_OPTIONS_INIT;
static const struct diffulm_sampler_options sampler_options = DIFFULM_SAMPLER_OPTIONS_INIT;
static const struct diffulm_session_options session_options = DIFFULM_SESSION_OPTIONS_INIT;
static const struct diffulm_row_options row_options = DIFFULM_ROW_OPTIONS_INIT;
static const struct diffulm_encode_options encode_options = DIFFULM_ENCODE_OPTIONS_INIT;
static const struct diffulm_text_options text_options = DIFFULM_TEXT_OPTIONS_INIT;
static const struct diffulm_bleu_options bleu_options = DIFFULM_BLEU_OPTIONS_INIT;
static const struct diffulm_chrf_options chrf_options = DIFFULM_CHRF_OPTIONS_INIT;
static const struct diffulm_likelihood_options likelihood_options = DIFFULM_LIKELIHOOD_OPTIONS_INIT;
static const struct diffulm_tokenizer_options tokenizer_options = DIFFULM_TOKENIZER_OPTIONS_INIT;
static const struct diffulm_schedule_options schedule_options = DIFFULM_SCHEDULE_OPTIONS_INIT;
static const struct diffulm_training_row_options line_options = DIFFULM_TRAINING_ROW_OPTIONS_INIT;
static const struct diffulm_dataset_options dataset_options = DIFFULM_DATASET_OPTIONS_INIT;
static const struct diffulm_reader_options reader_options = DIFFULM_READER_OPTIONS_INIT;
static const struct diffulm_trainer_options trainer_options = DIFFULM_TRAINER_OPTIONS_INIT;

/* Fields that `size` bytes of a struct hold before an 8-byte border: the rest is padding. */
#define AFTER(type, field) (offsetof(struct type, field) + 4)

/* Fills *options by its function over bytes of 0x00 and of 0xff. Outside the padding (four bytes
 * from each of `gaps`, 0: no more) both must equal the static initialiser, which holds its own size. */
#define CHECK(type, object, ...)                                                                   \
    do {                                                                                           \
        const size_t gaps[] = {__VA_ARGS__, 0};                                                    \
        struct type filled;                                                                        \
        for (int fill = 0; fill < 256; fill += 255) {                                              \
            memset(&filled, fill, sizeof filled);                                                  \
            type##_init(&filled, sizeof filled);                                                   \
            assert_equal_outside(&filled, &object, sizeof filled, gaps);                           \
        }                                                                                          \
        assert_int_equal(object.struct_size, sizeof filled);                                       \
    } while (0)

static void assert_equal_outside(const void *filled, const void *object, size_t size,
                                 const size_t *gaps)
{
    const unsigned char *a = filled, *b = object;
    for (size_t i = 0; i < size; i++) {
        bool padding = false;
        for (const size_t *g = gaps; *g; g++)
            padding |= i >= *g && i < *g + 4;
        if (!padding && a[i] != b[i])
            fail_msg("byte %zu of %zu is %d by the function and %d by the initialiser", i, size,
                     a[i], b[i]);
    }
}

static void initialisers_equal_functions_byte_for_byte(void **state)
{
    (void)state;
    CHECK(diffulm_runtime_options, runtime_options, AFTER(diffulm_runtime_options, pack_weights));
    CHECK(diffulm_model_options, model_options, AFTER(diffulm_model_options, head));
    CHECK(diffulm_sampler_options, sampler_options, AFTER(diffulm_sampler_options, order));
    CHECK(diffulm_session_options, session_options, AFTER(diffulm_session_options, newline_id));
    CHECK(diffulm_row_options, row_options, 0);
    CHECK(diffulm_encode_options, encode_options, AFTER(diffulm_encode_options, no_special));
    CHECK(diffulm_bleu_options, bleu_options, AFTER(diffulm_bleu_options, max_order));
    CHECK(diffulm_chrf_options, chrf_options, AFTER(diffulm_chrf_options, eps_smoothing));
    CHECK(diffulm_likelihood_options, likelihood_options,
          AFTER(diffulm_likelihood_options, newline_id));
    CHECK(diffulm_text_options, text_options, AFTER(diffulm_text_options, infill));
    CHECK(diffulm_tokenizer_options, tokenizer_options,
          AFTER(diffulm_tokenizer_options, mask_lstrip));
    CHECK(diffulm_schedule_options, schedule_options, AFTER(diffulm_schedule_options, corruption));
    CHECK(diffulm_training_row_options, line_options, 0);
    CHECK(diffulm_dataset_options, dataset_options, 0);
    CHECK(diffulm_reader_options, reader_options, AFTER(diffulm_reader_options, order));
    CHECK(diffulm_trainer_options, trainer_options, AFTER(diffulm_trainer_options, lr_schedule),
          AFTER(diffulm_trainer_options, corruption), AFTER(diffulm_trainer_options, dropout),
          AFTER(diffulm_trainer_options, lora_rank),
          AFTER(diffulm_trainer_options, checkpoint_activations));
}

/* Of a later version with something asked for in it, of a broken number of words, of a pointer's size, never
 * initialised; and of a later version with nothing in what we do not know, which is taken. */
enum attempt { ASKS_MORE, BROKEN, POINTER, UNSET, REFUSED, ASKS_NOTHING_MORE = REFUSED };

/* A copy of a struct of `size` bytes that claims to be so; valid until the eighth call after it. */
static void *as(enum attempt kind, const void *object, size_t size)
{
    static uint64_t copies[8][64];
    static size_t calls;
    uint64_t *copy = copies[calls++ % 8];
    assert_true(size + 8 <= sizeof *copies);
    memset(copy, 0, sizeof *copies);
    memcpy(copy, object, size);
    copy[size / 8] = kind == ASKS_MORE;
    const size_t claimed[] = {size + 8, size - 4, 8, 0, size + 8};
    memcpy(copy, &claimed[kind], sizeof *claimed);
    return copy;
}
#define AS(kind, object) as(kind, &(object), sizeof(object))

static void runtime_model_and_sampler_refuse_other_sizes(void **state)
{
    (void)state;
    for (enum attempt i = 0; i < REFUSED; i++) {
        struct diffulm_runtime_options r = runtime_options;
        struct diffulm_model_options m = model_options;
        struct diffulm_sampler_options s = sampler_options;
        diffulm_runtime *runtime = NULL;
        diffulm_model *model = NULL;
        diffulm_sampler *sampler = NULL;
        assert_int_equal(diffulm_runtime_create(AS(i, r), &runtime), DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        assert_int_equal(diffulm_model_create("{}", 2, AS(i, m), &model), DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        assert_int_equal(diffulm_model_open("/nonexistent", AS(i, m), &model), DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        assert_int_equal(diffulm_sampler_create("ar", AS(i, s), &sampler), DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        assert_true(!runtime && !model && !sampler);
    }
}

static void sampler_state_of_another_size_is_refused(void **state)
{
    (void)state;
    diffulm_sampler *sampler = NULL;
    int32_t tokens[1] = {3};
    float scores[1] = {0}, logits[4] = {0, 1, 0, 0};
    uint8_t noisy[1] = {1}, generated[1] = {1}, wanted[1];
    assert_int_equal(diffulm_sampler_create("ar", NULL, &sampler), DIFFULM_OK);
    for (enum attempt i = 0; i < REFUSED; i++) {
        struct diffulm_sampler_state s = {sizeof s,  1, tokens, scores, noisy,
                                          generated, 0, 3,      0,      0};
        assert_int_equal(diffulm_sampler_needs(sampler, AS(i, s), 1, wanted), DIFFULM_E_ARGUMENT);
        assert_int_equal(diffulm_sampler_transition(sampler, AS(i, s), 1, logits, 4),
                         DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        assert_int_equal(tokens[0], 3);
    }
    diffulm_sampler_unref(sampler);
}

static void session_refuses_other_sizes(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 1);
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL, *none = NULL;
    assert_int_equal(diffulm_sampler_create("ar", NULL, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_session_create(model, sampler, NULL, &session), DIFFULM_OK);
    for (enum attempt i = 0; i < REFUSED; i++) {
        struct diffulm_session_options o = session_options;
        struct diffulm_row_options r = row_options;
        struct diffulm_step_report report = {.struct_size = sizeof report};
        const int32_t tokens[1] = {3};
        const uint8_t roles[1] = {DIFFULM_ROLE_MASKED};
        size_t row;
        assert_int_equal(diffulm_session_create(model, sampler, AS(i, o), &none),
                         DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        assert_int_equal(diffulm_session_add(session, tokens, 1, roles, AS(i, r), &row),
                         DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        assert_int_equal(diffulm_session_step(session, AS(i, report)), DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
    }
    assert_null(none);
    assert_int_equal(diffulm_session_rows(session), 0);
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    diffulm_model_unref(model);
}

static void model_calls_refuse_other_sizes(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 1);
    const size_t offsets[2] = {0, 1};
    const int32_t tokens[1] = {3};
    float out[TINY_VOCABULARY];
    for (enum attempt i = 0; i < REFUSED; i++) {
        struct diffulm_model_info info = {.struct_size = sizeof info};
        const struct diffulm_batch batch = {
            .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
        assert_int_equal(diffulm_model_get_info(model, AS(i, info)), DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        assert_int_equal(diffulm_model_logits(model, AS(i, batch), NULL, 1, out),
                         DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        assert_int_equal(diffulm_model_hidden(model, AS(i, batch), out), DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
    }
    diffulm_model_unref(model);
}

/* No more than the size can be read of a struct that is shorter than expected. */
static void structs_shorter_than_their_fields_are_not_read(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 1);
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL, *none = NULL;
    const int32_t tokens[1] = {3};
    const uint8_t roles[1] = {DIFFULM_ROLE_MASKED};
    size_t row, *only_size = test_malloc(sizeof *only_size);
    const void *options = only_size;
    *only_size = sizeof *only_size;
    assert_int_equal(diffulm_sampler_create("ar", options, &sampler), DIFFULM_E_ARGUMENT);
    assert_int_equal(diffulm_sampler_create("ar", NULL, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_session_create(model, sampler, options, &none), DIFFULM_E_ARGUMENT);
    assert_message_names("struct_size is 8");
    assert_int_equal(diffulm_session_create(model, sampler, NULL, &session), DIFFULM_OK);
    assert_int_equal(diffulm_session_add(session, tokens, 1, roles, options, &row),
                     DIFFULM_E_ARGUMENT);
    assert_message_names("struct_size is 8");
    test_free(only_size);
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    diffulm_model_unref(model);
}

/* [UNK] [MASK] a b */
static const char tokenizer_json[] =
    "{\"version\": \"1.0\", \"added_tokens\": [], \"normalizer\": null,"
    " \"pre_tokenizer\": {\"type\": \"Whitespace\"}, \"post_processor\": null, \"decoder\": null,"
    " \"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\","
    " \"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 100,"
    " \"vocab\": {\"[UNK]\": 0, \"[MASK]\": 1, \"a\": 2, \"b\": 3}}}";

static void tokenizer_and_text_refuse_other_sizes(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 1);
    diffulm_tokenizer *tokenizer = NULL;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    assert_int_equal(
        diffulm_tokenizer_open_memory(tokenizer_json, strlen(tokenizer_json), NULL, &tokenizer),
        DIFFULM_OK);
    assert_int_equal(diffulm_sampler_create("ar", NULL, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_session_create(model, sampler, NULL, &session), DIFFULM_OK);
    for (enum attempt i = 0; i < REFUSED; i++) {
        struct diffulm_encode_options o = encode_options;
        struct diffulm_encoding good = {.struct_size = sizeof good};
        struct diffulm_encoding bad = {.struct_size = sizeof bad};
        struct diffulm_special_ids ids = {.struct_size = sizeof ids};
        struct diffulm_text_options t = text_options;
        size_t row;
        assert_int_equal(diffulm_tokenizer_encode(tokenizer, "a", 1, NULL, 0, AS(i, o), &good),
                         DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        assert_int_equal(diffulm_tokenizer_encode(tokenizer, "a", 1, NULL, 0, NULL, AS(i, bad)),
                         DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        assert_int_equal(diffulm_tokenizer_special_ids(tokenizer, AS(i, ids)), DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        t.length = 2;
        assert_int_equal(diffulm_session_add_text(session, tokenizer, "a", 1, AS(i, t), &row),
                         DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
    }
    assert_int_equal(diffulm_session_rows(session), 0);
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    diffulm_tokenizer_unref(tokenizer);
    diffulm_model_unref(model);
}

static void check_trainer_structs(diffulm_trainer *trainer, enum attempt i)
{
    const size_t offsets[2] = {0, 1};
    const int32_t tokens[1] = {3}, t[1] = {1};
    const uint8_t one[1] = {1};
    struct diffulm_trainer_report report = {.struct_size = sizeof report};
    struct diffulm_rows rows = {sizeof rows, 1, offsets, tokens, NULL};
    const struct diffulm_corrupted_rows corrupted = {
        sizeof corrupted, 1, offsets, tokens, tokens, one, one, t, NULL};
    assert_int_equal(diffulm_trainer_accumulate(trainer, AS(i, rows), NULL), DIFFULM_E_ARGUMENT);
    assert_message_names("struct_size");
    assert_int_equal(diffulm_trainer_accumulate_corrupted(trainer, AS(i, corrupted), NULL),
                     DIFFULM_E_ARGUMENT);
    assert_message_names("struct_size");
    assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, AS(i, report)), DIFFULM_E_ARGUMENT);
    assert_message_names("struct_size");
    assert_int_equal(diffulm_trainer_evaluate(trainer, &rows, 1, AS(i, report)),
                     DIFFULM_E_ARGUMENT);
    assert_message_names("struct_size");
    assert_int_equal(diffulm_trainer_apply(trainer, AS(i, report)), DIFFULM_E_ARGUMENT);
    assert_message_names("struct_size");
    assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_E_STATE);
}

static void trainers_refuse_other_sizes(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 1);
    diffulm_trainer *trainer = NULL, *none = NULL;
    diffulm_length_head *head = NULL;
    diffulm_length_trainer *no_length = NULL;
    struct diffulm_trainer_options o = trainer_options;
    o.mask_id = TINY_MASK;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    assert_int_equal(diffulm_length_head_create(model, 1, &head), DIFFULM_OK);
    for (enum attempt i = 0; i < REFUSED; i++) {
        assert_int_equal(diffulm_trainer_create(model, AS(i, o), &none), DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        assert_int_equal(diffulm_length_trainer_create(head, AS(i, o), &no_length),
                         DIFFULM_E_ARGUMENT);
        assert_message_names("struct_size");
        check_trainer_structs(trainer, i);
    }
    assert_true(!none && !no_length);
    diffulm_length_head_unref(head);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
}

/* What a program built against later headers passes that uses nothing of them. */
static void longer_structs_that_ask_for_nothing_more_are_taken(void **state)
{
    (void)state;
    diffulm_runtime *runtime = NULL;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    diffulm_trainer *trainer = NULL;
    struct diffulm_runtime_options r = runtime_options;
    struct diffulm_session_options o = session_options;
    struct diffulm_trainer_options t = trainer_options;
    const size_t offsets[2] = {0, 2};
    const int32_t tokens[2] = {3, 4};
    const uint8_t roles[2] = {DIFFULM_ROLE_GIVEN, DIFFULM_ROLE_MASKED};
    const struct diffulm_rows rows = {sizeof rows, 1, offsets, tokens, NULL};
    const struct diffulm_step_report step = {.struct_size = sizeof step};
    const struct diffulm_model_info info = {.struct_size = sizeof info};
    size_t row;
    assert_int_equal(diffulm_runtime_create(AS(ASKS_NOTHING_MORE, r), &runtime), DIFFULM_OK);
    diffulm_model *model = tiny_model("bert", runtime, 1);
    assert_int_equal(diffulm_sampler_create("ar", AS(ASKS_NOTHING_MORE, sampler_options), &sampler),
                     DIFFULM_OK);
    o.mask_id = TINY_MASK;
    assert_int_equal(diffulm_session_create(model, sampler, AS(ASKS_NOTHING_MORE, o), &session),
                     DIFFULM_OK);
    assert_int_equal(
        diffulm_session_add(session, tokens, 2, roles, AS(ASKS_NOTHING_MORE, row_options), &row),
        DIFFULM_OK);
    assert_int_equal(diffulm_session_step(session, AS(ASKS_NOTHING_MORE, step)), DIFFULM_DONE);
    const struct diffulm_model_info *told = AS(ASKS_NOTHING_MORE, info);
    assert_int_equal(diffulm_model_get_info(model, (void *)(uintptr_t)told), DIFFULM_OK);
    assert_int_equal(told->vocabulary, TINY_VOCABULARY);
    assert_int_equal(told->struct_size, sizeof info + 8);
    t.mask_id = TINY_MASK;
    assert_int_equal(diffulm_trainer_create(model, AS(ASKS_NOTHING_MORE, t), &trainer), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_accumulate(trainer, AS(ASKS_NOTHING_MORE, rows), NULL),
                     DIFFULM_OK);
    diffulm_trainer_destroy(trainer);
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    diffulm_model_unref(model);
    diffulm_runtime_unref(runtime);
}

/* The first `size` bytes of an object, alone in memory, as older headers have it. */
static void *older(const void *object, size_t size)
{
    void *copy = test_malloc(size);
    memcpy(copy, object, size);
    memcpy(copy, &size, sizeof size);
    return copy;
}

/* stop_id came later, and 0, which is a token, is not its default. */
static void options_of_older_headers_have_the_defaults_of_what_they_lack(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 1);
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    const int32_t tokens[3] = {0, 4, 5};
    const uint8_t roles[3] = {DIFFULM_ROLE_EDITABLE, DIFFULM_ROLE_MASKED, DIFFULM_ROLE_MASKED};
    struct diffulm_session_options o = session_options;
    const struct diffulm_sampler_options steps = {.struct_size = sizeof steps, .steps = 2};
    const struct diffulm_step_report report = {.struct_size = sizeof report};
    size_t row;
    o.mask_id = TINY_MASK;
    void *old_options = older(&o, offsetof(struct diffulm_session_options, stop_id));
    void *old_steps = older(&steps, 16);
    struct diffulm_step_report *told = older(&report, offsetof(struct diffulm_step_report, scored));
    assert_int_equal(diffulm_sampler_create("ar", old_steps, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_session_create(model, sampler, old_options, &session), DIFFULM_OK);
    assert_int_equal(diffulm_session_add(session, tokens, 3, roles, NULL, &row), DIFFULM_OK);
    assert_int_equal(diffulm_session_step(session, told), DIFFULM_AGAIN);
    assert_int_equal(told->change_count, 1);
    assert_int_equal(told->active_rows, 1);
    assert_int_equal(told->struct_size, offsetof(struct diffulm_step_report, scored));
    assert_int_equal(diffulm_session_step(session, told), DIFFULM_DONE);
    test_free(old_options);
    test_free(old_steps);
    test_free(told);
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    diffulm_model_unref(model);
}

/* What an older program has room for is filled, and what a newer one has more is 0. */
static void init_functions_fill_the_struct_of_the_caller_s_headers(void **state)
{
    (void)state;
    enum { KNOWN = sizeof(struct diffulm_session_options), OLD = 32, NEW = KNOWN + 16 };
    _Alignas(16) unsigned char bytes[NEW + 8];
    struct diffulm_session_options *o = test_malloc(KNOWN);
    memset(bytes, 0xaa, sizeof bytes);
    memcpy(o, bytes, KNOWN);
    diffulm_session_options_init(o, OLD);
    assert_int_equal(o->struct_size, OLD);
    assert_int_equal(o->mask_id, -1);
    assert_memory_equal((unsigned char *)o + OLD, bytes + OLD, KNOWN - OLD);
    test_free(o);
    diffulm_session_options_init((void *)bytes, NEW);
    assert_int_equal(*(size_t *)(void *)bytes, NEW);
    for (size_t i = KNOWN; i < sizeof bytes; i++)
        assert_int_equal(bytes[i], i < NEW ? 0 : 0xaa);
}

static void results_go_no_further_than_an_older_struct(void **state)
{
    (void)state;
    diffulm_model *model = tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 1);
    diffulm_tokenizer *tokenizer = NULL;
    diffulm_trainer *trainer = NULL;
    const struct diffulm_model_info info = {.struct_size = sizeof info};
    struct diffulm_model_info *told = older(&info, offsetof(struct diffulm_model_info, layers));
    assert_int_equal(diffulm_model_get_info(model, told), DIFFULM_OK);
    assert_int_equal(told->vocabulary, TINY_VOCABULARY);
    const struct diffulm_special_ids ids = {.struct_size = sizeof ids};
    struct diffulm_special_ids *first = older(&ids, 16);
    assert_int_equal(
        diffulm_tokenizer_open_memory(tokenizer_json, strlen(tokenizer_json), NULL, &tokenizer),
        DIFFULM_OK);
    assert_int_equal(diffulm_tokenizer_special_ids(tokenizer, first), DIFFULM_OK);
    assert_int_equal(first->bos, -1);
    const size_t offsets[2] = {0, 2}, sources[1] = {1};
    const int32_t tokens[2] = {3, 4};
    const struct diffulm_rows rows = {sizeof rows, 1, offsets, tokens, sources};
    const struct diffulm_trainer_report report = {.struct_size = sizeof report};
    struct diffulm_trainer_options t = trainer_options;
    t.mask_id = TINY_MASK;
    void *old_options = older(&t, offsetof(struct diffulm_trainer_options, ema_decay));
    void *old_rows = older(&rows, offsetof(struct diffulm_rows, source_lengths));
    struct diffulm_trainer_report *loss =
        older(&report, offsetof(struct diffulm_trainer_report, cross_entropy));
    loss->loss = -1;
    assert_int_equal(diffulm_trainer_create(model, old_options, &trainer), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_accumulate(trainer, old_rows, loss), DIFFULM_OK);
    assert_true(loss->loss >= 0);
    assert_int_equal(diffulm_trainer_apply(trainer, loss), DIFFULM_OK);
    assert_int_equal(loss->step, 1);
    assert_int_equal(diffulm_trainer_evaluate(trainer, old_rows, 1, loss), DIFFULM_OK);
    test_free(told);
    test_free(first);
    test_free(old_options);
    test_free(old_rows);
    test_free(loss);
    diffulm_trainer_destroy(trainer);
    diffulm_tokenizer_unref(tokenizer);
    diffulm_model_unref(model);
}

static void what_is_read_and_written_may_be_older(void **state)
{
    (void)state;
    const struct diffulm_string text = {"a b c", 5};
    const struct diffulm_bleu_statistics counts = {.struct_size = sizeof counts};
    const struct diffulm_bleu score = {.struct_size = sizeof score};
    void *sum = older(&counts, offsetof(struct diffulm_bleu_statistics, reference_length));
    struct diffulm_bleu *bleu = older(&score, 16);
    assert_int_equal(diffulm_bleu_add(NULL, &text, &text, 1, sum), DIFFULM_OK);
    assert_int_equal(((struct diffulm_bleu_statistics *)sum)->hypothesis_length, 3);
    assert_int_equal(diffulm_bleu_score(NULL, sum, bleu), DIFFULM_OK);
    diffulm_sampler *sampler = NULL;
    int32_t tokens[1] = {3};
    float scores[1] = {0}, logits[4] = {0, 1, 0, 0};
    uint8_t noisy[1] = {1}, generated[1] = {1};
    const struct diffulm_sampler_state s = {sizeof s,  1, tokens, scores, noisy,
                                            generated, 0, 3,      0,      0};
    void *old = older(&s, offsetof(struct diffulm_sampler_state, seed));
    assert_int_equal(diffulm_sampler_create("ar", NULL, &sampler), DIFFULM_OK);
    assert_int_equal(diffulm_sampler_transition(sampler, old, 1, logits, 4), DIFFULM_OK);
    assert_int_equal(tokens[0], 1);
    diffulm_tokenizer *tokenizer = NULL;
    assert_int_equal(
        diffulm_tokenizer_open_memory(tokenizer_json, strlen(tokenizer_json), NULL, &tokenizer),
        DIFFULM_OK);
    int32_t ids[2];
    const struct diffulm_encoding room = {.struct_size = sizeof room, .capacity = 2, .ids = ids};
    struct diffulm_encoding *encoding = older(&room, offsetof(struct diffulm_encoding, sequences));
    assert_int_equal(diffulm_tokenizer_encode(tokenizer, "a b", 3, NULL, 0, NULL, encoding),
                     DIFFULM_OK);
    assert_true(ids[0] == 2 && ids[1] == 3);
    test_free(sum);
    test_free(bleu);
    test_free(old);
    test_free(encoding);
    diffulm_sampler_unref(sampler);
    diffulm_tokenizer_unref(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initialisers_equal_functions_byte_for_byte),
        cmocka_unit_test(runtime_model_and_sampler_refuse_other_sizes),
        cmocka_unit_test(sampler_state_of_another_size_is_refused),
        cmocka_unit_test(session_refuses_other_sizes),
        cmocka_unit_test(model_calls_refuse_other_sizes),
        cmocka_unit_test(structs_shorter_than_their_fields_are_not_read),
        cmocka_unit_test(tokenizer_and_text_refuse_other_sizes),
        cmocka_unit_test(trainers_refuse_other_sizes),
        cmocka_unit_test(longer_structs_that_ask_for_nothing_more_are_taken),
        cmocka_unit_test(options_of_older_headers_have_the_defaults_of_what_they_lack),
        cmocka_unit_test(init_functions_fill_the_struct_of_the_caller_s_headers),
        cmocka_unit_test(results_go_no_further_than_an_older_struct),
        cmocka_unit_test(what_is_read_and_written_may_be_older)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

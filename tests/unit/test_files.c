/* Files from the host: what comes through callbacks or memory is what the folder holds, and what callbacks do wrong is said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "tiny.h"

enum { LENGTH = 6, LOGITS = LENGTH * TINY_VOCABULARY, MOST = 12 };
static const int32_t tokens[LENGTH] = {TINY_BOS, 7, 9, 4, 11, TINY_EOS};
static const size_t offsets[2] = {0, LENGTH};

/* An archive that holds whole files in memory, at addresses `misalign` bytes past what malloc gives. */
struct archive {
    struct {
        char name[64];
        unsigned char *block;
        size_t size;
    } file[MOST];
    size_t files, mapped, unmapped, most_read, misalign;
    const char *failing; /* file whose callbacks return 77 */
    int64_t claimed;     /* size of every file as size() has it, -1: the truth */
};

static int find(struct archive *a, const char *name)
{
    for (size_t i = 0; i < a->files; i++)
        if (strcmp(a->file[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int32_t file_size(void *user, const char *name, uint64_t *bytes)
{
    struct archive *a = user;
    const int i = find(a, name);
    if (i < 0)
        return DIFFULM_FILE_ABSENT;
    *bytes = a->claimed < 0 ? a->file[i].size : (uint64_t)a->claimed;
    return 0;
}

static int32_t file_read(void *user, const char *name, uint64_t offset, void *buffer, size_t bytes)
{
    struct archive *a = user;
    const int i = find(a, name);
    if (i < 0 || (a->failing && strcmp(a->failing, name) == 0))
        return 77;
    assert_true(offset + bytes <= a->file[i].size);
    memcpy(buffer, a->file[i].block + a->misalign + offset, bytes);
    if (bytes > a->most_read)
        a->most_read = bytes;
    return 0;
}

static int32_t file_map(void *user, const char *name, const void **data, uint64_t *bytes)
{
    struct archive *a = user;
    const int i = find(a, name);
    if (i < 0)
        return DIFFULM_FILE_ABSENT;
    if (a->failing && strcmp(a->failing, name) == 0)
        return 77;
    a->mapped++;
    *data = a->file[i].block + a->misalign;
    *bytes = a->file[i].size;
    return 0;
}

static void file_unmap(void *user, const void *data, uint64_t bytes)
{
    struct archive *a = user;
    assert_non_null(data);
    assert_true(bytes > 0);
    a->unmapped++;
}

static struct diffulm_files reading(struct archive *a)
{
    return (struct diffulm_files){.struct_size = sizeof(struct diffulm_files),
                                  .label = "game.pak",
                                  .user = a,
                                  .size = file_size,
                                  .read = file_read};
}

static struct diffulm_files mapping(struct archive *a)
{
    return (struct diffulm_files){.struct_size = sizeof(struct diffulm_files),
                                  .user = a,
                                  .map = file_map,
                                  .unmap = file_unmap};
}

static void add(struct archive *a, const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    const size_t size = (size_t)ftell(file), i = a->files++;
    rewind(file);
    snprintf(a->file[i].name, sizeof a->file[i].name, "%s", name);
    a->file[i].size = size;
    a->file[i].block = malloc(size + a->misalign + 1);
    assert_non_null(a->file[i].block);
    assert_int_equal(fread(a->file[i].block + a->misalign, 1, size, file), size);
    fclose(file);
    unlink(path);
}

static void release(struct archive *a)
{
    for (size_t i = 0; i < a->files; i++)
        free(a->file[i].block);
    a->files = 0;
}

/* A model with length head, adapter and WordPiece vocabulary, packed. */
static void pack(struct archive *a, diffulm_model *model, size_t misalign)
{
    char folder[] = "/tmp/diffulm-files-XXXXXX", path[64];
    diffulm_length_head *head = NULL;
    *a = (struct archive){.claimed = -1, .misalign = misalign};
    assert_non_null(mkdtemp(folder));
    assert_int_equal(diffulm_model_save(model, folder, DIFFULM_DTYPE_F32), DIFFULM_OK);
    assert_int_equal(diffulm_length_head_create(model, 3, &head), DIFFULM_OK);
    assert_int_equal(diffulm_length_head_save(head, folder, DIFFULM_DTYPE_F32), DIFFULM_OK);
    diffulm_length_head_unref(head);
    snprintf(path, sizeof path, "%s/vocab.txt", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ndog\nDog\n", file);
    fclose(file);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"do_lower_case\": false}", file);
    fclose(file);
    add(a, folder, "config.json");
    add(a, folder, "model.safetensors");
    add(a, folder, "length_head.safetensors");
    add(a, folder, "vocab.txt");
    add(a, folder, "tokenizer_config.json");
    rmdir(folder);
}

static void logits_of(const diffulm_model *model, float out[LOGITS])
{
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, out), DIFFULM_OK);
}

static void assert_same_model(const diffulm_model *a, const diffulm_model *b)
{
    float x[LOGITS], y[LOGITS];
    logits_of(a, x);
    logits_of(b, y);
    assert_memory_equal(x, y, sizeof x);
}

static diffulm_model *original(void)
{
    return tiny_model_on("bert", DIFFULM_BACKEND_REFERENCE, 1, 5);
}

static diffulm_model *opened(const struct diffulm_files *files)
{
    struct diffulm_model_options options = DIFFULM_MODEL_OPTIONS_INIT;
    diffulm_model *model = NULL;
    options.runtime = tiny_runtime(DIFFULM_BACKEND_REFERENCE, 1);
    assert_int_equal(diffulm_model_open_files(files, &options, &model), DIFFULM_OK);
    diffulm_runtime_unref(options.runtime);
    return model;
}

static void a_model_that_is_read_or_mapped_scores_as_the_one_that_was_saved(void **state)
{
    (void)state;
    diffulm_model *want = original();
    for (size_t misalign = 0; misalign < 2; misalign++) { /* F32 at odd addresses is copied */
        struct archive a;
        pack(&a, want, misalign);
        const struct diffulm_files read = reading(&a), map = mapping(&a);
        diffulm_model *model = opened(&read);
        assert_same_model(want, model);
        diffulm_model_unref(model);
        model = opened(&map);
        assert_same_model(want, model);
        assert_int_equal(a.unmapped,
                         a.mapped - 1); /* the config was given back, the weights are in use */
        diffulm_model_unref(model);
        assert_int_equal(a.unmapped, a.mapped);
        release(&a);
    }
    diffulm_model_unref(want);
}

static void a_model_in_memory_scores_as_the_one_that_was_saved(void **state)
{
    (void)state;
    struct archive a;
    diffulm_model *want = original(), *model = NULL;
    struct diffulm_model_options options = DIFFULM_MODEL_OPTIONS_INIT;
    pack(&a, want, 0);
    options.runtime = tiny_runtime(DIFFULM_BACKEND_REFERENCE, 1);
    assert_int_equal(diffulm_model_open_memory(a.file[0].block, a.file[0].size, a.file[1].block,
                                               a.file[1].size, &options, &model),
                     DIFFULM_OK);
    memset(a.file[0].block, 0, a.file[0].size); /* the config is not borrowed */
    assert_same_model(want, model);
    diffulm_model_unref(model);
    model = NULL;
    assert_int_equal(diffulm_model_open_memory(a.file[0].block, a.file[0].size, a.file[1].block, 7,
                                               &options, &model),
                     DIFFULM_E_FORMAT);
    assert_message_names("memory/config.json");
    diffulm_runtime_unref(options.runtime);
    diffulm_model_unref(want);
    release(&a);
}

static void a_tokenizer_finds_its_settings_through_the_callbacks(void **state)
{
    (void)state;
    struct archive a;
    diffulm_model *model = original();
    pack(&a, model, 0);
    const struct diffulm_files map = mapping(&a);
    diffulm_tokenizer *tokenizer = NULL;
    int32_t ids[8];
    struct diffulm_encoding encoding = {.struct_size = sizeof encoding, .capacity = 8, .ids = ids};
    assert_int_equal(diffulm_tokenizer_open_files(&map, NULL, &tokenizer), DIFFULM_OK);
    assert_int_equal(a.unmapped, a.mapped);
    assert_int_equal(diffulm_tokenizer_encode(tokenizer, "the Dog", 7, NULL, 0, NULL, &encoding),
                     DIFFULM_OK);
    assert_int_equal(encoding.count, 4);
    assert_int_equal(ids[2], 7); /* "Dog": do_lower_case was read */
    diffulm_tokenizer_unref(tokenizer);
    diffulm_model_unref(model);
    release(&a);
}

static void a_length_head_comes_through_the_callbacks(void **state)
{
    (void)state;
    struct archive a;
    diffulm_model *model = original();
    diffulm_length_head *want = NULL, *head = NULL;
    float x[TINY_LONGEST], y[TINY_LONGEST];
    pack(&a, model, 0);
    const struct diffulm_files read = reading(&a);
    assert_int_equal(diffulm_length_head_create(model, 3, &want), DIFFULM_OK);
    assert_int_equal(diffulm_length_head_open_files(model, &read, &head), DIFFULM_OK);
    assert_int_equal(diffulm_length_head_logits(want, 1, offsets, tokens, x), DIFFULM_OK);
    assert_int_equal(diffulm_length_head_logits(head, 1, offsets, tokens, y), DIFFULM_OK);
    assert_memory_equal(x, y, sizeof x);
    diffulm_length_head_unref(want);
    diffulm_length_head_unref(head);
    diffulm_model_unref(model);
    release(&a);
}

static void an_adapter_comes_through_the_callbacks(void **state)
{
    (void)state;
    char folder[] = "/tmp/diffulm-files-XXXXXX";
    struct archive a;
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    const size_t sources[1] = {2};
    const struct diffulm_rows rows = {sizeof rows, 1, offsets, tokens, sources};
    diffulm_model *model = original(), *x = NULL, *y = NULL;
    diffulm_trainer *trainer = NULL;
    diffulm_adapter *want = NULL, *adapter = NULL;
    pack(&a, model, 0);
    o.lr = 0.1;
    o.lora_rank = 2;
    o.mask_id = TINY_MASK;
    assert_int_equal(diffulm_trainer_create(model, &o, &trainer), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_accumulate(trainer, &rows, NULL), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_apply(trainer, NULL), DIFFULM_OK);
    assert_int_equal(diffulm_trainer_export_adapter(trainer, &want), DIFFULM_OK);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(diffulm_adapter_save(want, folder), DIFFULM_OK);
    add(&a, folder, "adapter_config.json");
    add(&a, folder, "adapter_model.safetensors");
    rmdir(folder);
    const struct diffulm_files read = reading(&a);
    assert_int_equal(diffulm_adapter_open_files(model, &read, &adapter), DIFFULM_OK);
    assert_int_equal(diffulm_adapter_attach(want, &x), DIFFULM_OK);
    assert_int_equal(diffulm_adapter_attach(adapter, &y), DIFFULM_OK);
    assert_same_model(x, y);
    diffulm_model_unref(x);
    diffulm_model_unref(y);
    diffulm_adapter_unref(want);
    diffulm_adapter_unref(adapter);
    diffulm_trainer_destroy(trainer);
    diffulm_model_unref(model);
    release(&a);
}

static void an_adapter_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct archive a;
    diffulm_model *model = original();
    diffulm_adapter *adapter = NULL;
    pack(&a, model, 0);
    const struct diffulm_files read = reading(&a);
    assert_int_equal(diffulm_adapter_open_files(model, &read, &adapter), DIFFULM_E_IO);
    assert_message_names("game.pak/adapter_config.json: there is no such file");
    diffulm_model_unref(model);
    release(&a);
}

static void what_a_callback_refuses_is_said_with_its_number(void **state)
{
    (void)state;
    struct archive a;
    diffulm_model *want = original(), *model = NULL;
    pack(&a, want, 0);
    const struct diffulm_files read = reading(&a), map = mapping(&a);
    a.failing = "model.safetensors";
    assert_int_equal(diffulm_model_open_files(&read, NULL, &model), DIFFULM_E_IO);
    assert_message_names("game.pak/model.safetensors: the host's read returned 77 at byte 0");
    assert_int_equal(diffulm_model_open_files(&map, NULL, &model), DIFFULM_E_IO);
    assert_message_names("files/model.safetensors: the host's map returned 77");
    assert_int_equal(a.unmapped, a.mapped);
    a.failing = NULL;
    a.claimed = INT64_MAX;
    assert_int_equal(diffulm_model_open_files(&read, NULL, &model), DIFFULM_E_LIMIT);
    assert_message_names("game.pak/config.json: the host says 9223372036854775807 bytes");
    a.claimed = 5; /* cut short */
    assert_int_equal(diffulm_model_open_files(&read, NULL, &model), DIFFULM_E_FORMAT);
    assert_message_names("game.pak/config.json: line 2");
    assert_null(model);
    diffulm_model_unref(want);
    release(&a);
}

static void files_without_callbacks_are_refused(void **state)
{
    (void)state;
    struct archive a = {.claimed = -1};
    struct diffulm_files files = reading(&a);
    diffulm_model *model = NULL;
    files.size = NULL;
    assert_int_equal(diffulm_model_open_files(&files, NULL, &model), DIFFULM_E_ARGUMENT);
    assert_message_names("the callback map, or both size and read");
    files.struct_size = 8;
    assert_int_equal(diffulm_model_open_files(&files, NULL, &model), DIFFULM_E_ARGUMENT);
    assert_int_equal(diffulm_model_open_files(NULL, NULL, &model), DIFFULM_E_ARGUMENT);
}

/* 20 MB of padding in front of the tensors: the header's length says so. */
static void big_files_are_read_in_pieces(void **state)
{
    (void)state;
    struct archive a;
    diffulm_model *want = original();
    pack(&a, want, 0);
    const size_t extra = 20u << 20, size = a.file[1].size + extra;
    unsigned char *old = a.file[1].block, *block = malloc(size + 1);
    assert_non_null(block);
    uint64_t header = 0;
    for (int i = 7; i >= 0; i--)
        header = header << 8 | old[i];
    const uint64_t longer = header + extra;
    for (int i = 0; i < 8; i++)
        block[i] = (unsigned char)(longer >> 8 * i);
    memcpy(block + 8, old + 8, header);
    memset(block + 8 + header, ' ', extra);
    memcpy(block + 8 + longer, old + 8 + header, a.file[1].size - 8 - header);
    free(old);
    a.file[1].block = block;
    a.file[1].size = size;
    const struct diffulm_files read = reading(&a);
    diffulm_model *model = opened(&read);
    assert_same_model(want, model);
    assert_int_equal(a.most_read, 16u << 20);
    diffulm_model_unref(model);
    diffulm_model_unref(want);
    release(&a);
}

/* From and to the middle of a page, so that neighbours must stay. */
static void a_mapped_file_that_was_let_go_of_still_holds_what_it_held(void **state)
{
    (void)state;
    enum { SIZE = 5 * 4096 + 100 };
    char path[] = "/tmp/diffulm-files-XXXXXX";
    unsigned char written[SIZE];
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < SIZE; i++)
        written[i] = (unsigned char)(i * 7 % 251);
    assert_int_equal(write(fd, written, SIZE), SIZE);
    close(fd);
    struct dulm_file file;
    assert_int_equal(dulm_file_open(path, &file), DIFFULM_OK);
    assert_memory_equal(file.data, written, SIZE);
    dulm_file_let_go(&file, file.data + 1000, SIZE - 1000);
    dulm_file_let_go(&file, file.data + 5000, 10);
    dulm_file_let_go(&file, file.data, 0);
    assert_memory_equal(file.data, written, SIZE);
    dulm_file_close(&file);
    file = (struct dulm_file){.data = written, .size = SIZE, .kind = DULM_FILE_BORROWED};
    dulm_file_let_go(&file, written, SIZE);
    assert_int_equal(written[4096], 4096 * 7 % 251);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_that_is_read_or_mapped_scores_as_the_one_that_was_saved),
        cmocka_unit_test(a_model_in_memory_scores_as_the_one_that_was_saved),
        cmocka_unit_test(a_tokenizer_finds_its_settings_through_the_callbacks),
        cmocka_unit_test(a_length_head_comes_through_the_callbacks),
        cmocka_unit_test(an_adapter_comes_through_the_callbacks),
        cmocka_unit_test(an_adapter_that_is_not_there_is_named),
        cmocka_unit_test(what_a_callback_refuses_is_said_with_its_number),
        cmocka_unit_test(files_without_callbacks_are_refused),
        cmocka_unit_test(big_files_are_read_in_pieces),
        cmocka_unit_test(a_mapped_file_that_was_let_go_of_still_holds_what_it_held),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}

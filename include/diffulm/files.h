/* files.h: a model's files from the host instead of a folder: an archive of a game, memory, a network store. */
#ifndef DIFFULM_FILES_H
#define DIFFULM_FILES_H

#include <diffulm/adapter.h>
#include <diffulm/common.h>
#include <diffulm/length.h>
#include <diffulm/model.h>
#include <diffulm/tokenizer.h>

DIFFULM_BEGIN_DECLS

#define DIFFULM_FILE_ABSENT 1 /* what a callback returns when there is no such file */

/* Where files come from: `map`, or `size` and `read`, or all; `map` is asked first, what it calls absent is read. Names are
 * those of a Hugging Face folder ("config.json"), without any folder. The callbacks return 0, DIFFULM_FILE_ABSENT, or any other
 * number to stop: the call fails with E_IO and that number in its message. They run on the thread of the call that opens, and
 * must not call the library. */
struct diffulm_files {
    size_t struct_size;
    const char *label; /* in front of file names in messages; NULL: "files" */
    void
        *user; /* handed to the callbacks; must live until the last handle opened from it is gone */
    /* The number of bytes of a file. */
    int32_t (*size)(void *user, const char *name, uint64_t *bytes);
    /* Copies `bytes` bytes from `offset` on, at most 16 MiB a call, in order. */
    int32_t (*read)(void *user, const char *name, uint64_t offset, void *buffer, size_t bytes);
    /* The address of a whole file in memory. It is borrowed, unchanged, until unmap; F32 weights at a multiple of 4 bytes are
     * used where they are, without a copy. */
    int32_t (*map)(void *user, const char *name, const void **data, uint64_t *bytes);
    /* Gives a mapped file back, on any thread, at the latest when the last handle that uses it is released; may be NULL. */
    void (*unmap)(void *user, const void *data, uint64_t bytes);
};

/* The like of diffulm_model_open, with the same errors. `files` is copied. Any thread, as long as the callbacks allow it.
 * Since 0.1. */
DIFFULM_API diffulm_status diffulm_model_open_files(const struct diffulm_files *files,
                                                    const struct diffulm_model_options *options,
                                                    diffulm_model **out) DIFFULM_MUST_USE;
/* The like of diffulm_tokenizer_open on a folder. Since 0.1. */
DIFFULM_API diffulm_status diffulm_tokenizer_open_files(
    const struct diffulm_files *files, const struct diffulm_tokenizer_options *options,
    diffulm_tokenizer **out) DIFFULM_MUST_USE;
/* The like of diffulm_length_head_open. Since 0.1. */
DIFFULM_API diffulm_status
diffulm_length_head_open_files(diffulm_model *model, const struct diffulm_files *files,
                               diffulm_length_head **out) DIFFULM_MUST_USE;
/* The like of diffulm_adapter_open. Since 0.1. */
DIFFULM_API diffulm_status diffulm_adapter_open_files(diffulm_model *model,
                                                      const struct diffulm_files *files,
                                                      diffulm_adapter **out) DIFFULM_MUST_USE;

/* A model from the texts of its config.json and its model.safetensors in memory. The weights are borrowed: they must stay
 * unchanged until the last reference to the model is released; the config is not needed after the call. Since 0.1. */
DIFFULM_API diffulm_status diffulm_model_open_memory(const void *config, size_t config_size,
                                                     const void *weights, size_t weights_size,
                                                     const struct diffulm_model_options *options,
                                                     diffulm_model **out) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif

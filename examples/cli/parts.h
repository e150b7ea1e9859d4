/* parts.h: what a recipe names, opened: tokenizer, model and data. */
#ifndef DIFFULM_CLI_PARTS_H
#define DIFFULM_CLI_PARTS_H

#include "batches.h"
#include "recipe.h"

/* Opens tokenizer and model. Returns 0, or prints the place in the recipe and what is wrong and returns an exit
 * code; cli_bundle_close in either case. */
int parts_open_model(const char *command, const struct recipe *recipe, struct cli_bundle *bundle);
/* Opens the data for a walk and reads the validation rows, if the recipe names some. The same on failure; walk_close
 * and rows_release in either case. */
int parts_open_data(const char *command, const struct recipe *recipe,
                    const struct cli_bundle *bundle, struct walk *walk, struct rows *validation);

/* The folder or file of the recipe's tokenizer. */
const char *parts_tokenizer(const struct recipe *recipe);
/* Calls use for each file of a tokenizer, until it does not return 0; returns what it returned last. */
int parts_each_tokenizer_file(const char *source,
                              int (*use)(void *user, const char *path, const char *name),
                              void *user);

/* What a run must find again to go on: crc32 of the bytes of data and tokenizer files and of the settings of data. */
struct data_identity {
    uint32_t data_crc32, settings_crc32, tokenizer_crc32;
};
/* Reads every file once more. Returns 0, or prints and returns an exit code. */
int parts_checksums(const char *command, const struct recipe *recipe, struct data_identity *out);

#endif

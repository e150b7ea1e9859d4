/* datasets.h: the data sets that a recipe or a command line names, opened together. */
#ifndef DIFFULM_CLI_DATASETS_H
#define DIFFULM_CLI_DATASETS_H

#include <stddef.h>
#include <stdint.h>

#include "cli.h"

/* One entry of `data` or `validation`. Fields as in diffulm/dataset.h, NULL and 0: the default there. */
struct data_set {
    char *path;    /* a file, or two parallel ones with a comma between */
    char *where;   /* file:line:column of the recipe; NULL: no recipe names it */
    double weight; /* share of the mixture; < 0: its number of records */
    int64_t form, on_damage, few_shot, gzip_buffer;
    char *source_column, *target_column;
    char *instruction_template, *input_template, *few_shot_template;
    char *system_prefix, *system_suffix;
    char *user_prefix, *user_suffix;
    char *assistant_prefix, *assistant_suffix;
};

struct data_list {
    struct data_set *sets; /* [count] */
    size_t count;
};

/* Appends a data set with the defaults, which is then to be filled. */
struct data_set *data_list_add(struct data_list *list);
void data_list_release(struct data_list *list);

/* Data sets that are open, and a reader of their mixture. */
struct data_source {
    const struct data_list *list; /* borrowed */
    diffulm_dataset **sets;       /* [list->count] */
    diffulm_reader *reader;
    size_t records; /* of all */
};

/* Opens every data set, tells about damaged records left out, and makes a reader. list: must outlive *out. Returns
 * 0, or prints where the data set is named, file:line and what was expected, and returns an exit code. */
int data_open(const char *command, const struct data_list *list,
              const struct diffulm_reader_options *options, struct data_source *out);
/* Share of a data set in the mixture. */
double data_weight(const struct data_source *source, size_t set);
void data_close(struct data_source *source);

/* crc32 of the bytes of every file, and of every setting but the paths. Return 0, or print and return an exit code. */
int data_checksum(const char *command, const struct data_list *list, uint32_t *crc);
uint32_t data_settings_checksum(const struct data_list *list);

/* Adds the bytes of a file to a crc32; 0 where it cannot be read. */
int data_checksum_file(const char *path, uint32_t *crc);

#endif

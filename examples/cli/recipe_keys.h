/* recipe_keys.h: the keys of a recipe, as tables. */
#ifndef DIFFULM_CLI_RECIPE_KEYS_H
#define DIFFULM_CLI_RECIPE_KEYS_H

#include "recipe.h"

enum recipe_kind { RECIPE_TEXT, RECIPE_PATH, RECIPE_INT, RECIPE_REAL, RECIPE_CHOICE, RECIPE_DATA };

struct recipe_key {
    const char *name; /* NULL: past the last */
    enum recipe_kind kind;
    size_t offset;       /* of the char *, int64_t, double or struct data_list */
    double low, high;    /* INT and REAL */
    const char *choices; /* CHOICE: "a|b|c" are 0, 1, 2 */
    const char *meaning; /* the default in brackets */
};

extern const struct recipe_key recipe_keys[];       /* offsets in struct recipe */
extern const struct recipe_key recipe_data_keys[];  /* in struct data_set */
extern const struct recipe_key recipe_stage_keys[]; /* in struct recipe_stage */

#endif

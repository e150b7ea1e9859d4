/* place.h: where the files of a model lie: a folder on disk, or the host's callbacks. */
#ifndef DULM_IO_PLACE_H
#define DULM_IO_PLACE_H

#include <diffulm/files.h>
#include <stdbool.h>

#include "io/file.h"

struct dulm_place {
    const char *folder; /* or NULL: */
    const struct diffulm_files *files;
};

/* How messages call it. */
const char *dulm_place_label(const struct dulm_place *place);

/* Opens a file under its name, without folders. out->name says where it is. Errors name it. */
diffulm_status dulm_place_open(const struct dulm_place *place, const char *name,
                               struct dulm_file *out) DIFFULM_MUST_USE;
/* The same; *found is false and *out untouched where there is no such file. */
diffulm_status dulm_place_find(const struct dulm_place *place, const char *name,
                               struct dulm_file *out, bool *found) DIFFULM_MUST_USE;

/* Reads a host's struct; E_ARGUMENT where it cannot be used. */
diffulm_status dulm_files_read(const struct diffulm_files *given,
                               struct diffulm_files *files) DIFFULM_MUST_USE;

#endif

/* gzip.h: unpacking gzip from a descriptor, front to back (zlib). */
#ifndef DULM_IO_GZIP_H
#define DULM_IO_GZIP_H

#include <diffulm/common.h>
#include <stdbool.h>

struct dulm_inflater;

/* `path` is for messages and must outlive the inflater, as fd must. */
diffulm_status dulm_inflater_create(int fd, const char *path,
                                    struct dulm_inflater **out) DIFFULM_MUST_USE;
void dulm_inflater_destroy(struct dulm_inflater *inflater);
/* Back to the start of the file. */
void dulm_inflater_rewind(struct dulm_inflater *inflater);
/* Up to `room` > 0 unpacked bytes; *got is 0 at the end only. Members that follow one another are one
 * text, as gzip has it. E_FORMAT where the data is damaged or ends early. */
diffulm_status dulm_inflater_read(struct dulm_inflater *inflater, char *out, size_t room,
                                  size_t *got) DIFFULM_MUST_USE;
uint64_t dulm_inflater_used(const struct dulm_inflater *inflater);
size_t dulm_inflater_memory(const struct dulm_inflater *inflater);

#endif

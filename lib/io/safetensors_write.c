/* safetensors_write.c: writing the safetensors format. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "io/file.h"
#include "io/safetensors.h"

static void write_header(struct dulm_strbuf *header, const struct dulm_tensor *tensors,
                         size_t count)
{
    dulm_strbuf_printf(header, "{\"__metadata__\":{\"format\":\"pt\"}");
    size_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        const struct dulm_tensor *t = &tensors[i];
        dulm_strbuf_printf(header, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", t->name,
                           dulm_dtype_name(t->dtype));
        for (int d = 0; d < t->rank; d++)
            dulm_strbuf_printf(header, "%s%lld", d ? "," : "", (long long)t->shape[d]);
        dulm_strbuf_printf(header, "],\"data_offsets\":[%zu,%zu]}", offset, offset + t->bytes);
        offset += t->bytes;
    }
    dulm_strbuf_printf(header, "}");
    while (header->length % 8 && !header->failed)
        dulm_strbuf_append(header, " ", 1);
}

diffulm_status dulm_safetensors_write(const char *path, const struct dulm_tensor *tensors,
                                      size_t count)
{
    struct dulm_strbuf header = {0};
    unsigned char length[8];
    struct dulm_part *parts = dulm_alloc(count + 2, sizeof *parts);
    write_header(&header, tensors, count);
    diffulm_status rc = parts && !header.failed ? DIFFULM_OK : dulm_fail_memory();
    if (rc == DIFFULM_OK) {
        for (int i = 0; i < 8; i++)
            length[i] = (unsigned char)((uint64_t)header.length >> (8 * i));
        parts[0] = (struct dulm_part){length, sizeof length};
        parts[1] = (struct dulm_part){header.data, header.length};
        for (size_t i = 0; i < count; i++)
            parts[2 + i] = (struct dulm_part){tensors[i].data, tensors[i].bytes};
        rc = dulm_file_replace_parts(path, parts, count + 2);
    }
    dulm_free(parts);
    dulm_strbuf_release(&header);
    return rc;
}

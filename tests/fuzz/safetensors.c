/* safetensors.c: a header, and the tensors it speaks of. */
#include "fuzz.h"

#include "base/alloc.h"
#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dulm_safetensors *file = NULL;
    struct dulm_file input = {.data = data, .size = size, .name = dulm_strndup("input", 5)};
    const diffulm_status rc = dulm_safetensors_open(&input, &file);
    CHECK_STATUS(rc);
    CHECK((rc == DIFFULM_OK) == (file != NULL));
    uint64_t sum = 0;
    for (size_t i = 0; file && i < dulm_safetensors_count(file); i++) {
        const struct dulm_tensor *t = dulm_safetensors_at(file, i);
        const uint8_t *bytes = t->data;
        CHECK(bytes >= data && t->bytes <= size && bytes + t->bytes <= data + size);
        CHECK(t->bytes == t->elements * dulm_dtype_size(t->dtype));
        for (size_t b = 0; b < t->bytes; b++)
            sum += bytes[b];
        CHECK(dulm_safetensors_find(file, t->name) != NULL);
    }
    dulm_safetensors_close(file);
    return sum == UINT64_MAX;
}

/* tokenizer.c: a tokenizer.json; when it opens, a fixed text goes through it. */
#include <string.h>

#include "fuzz.h"

static const char text[] = "Hello  World 1234, it's ab ba <mask>!\n\tStra\xc3\x9f"
                           "e \xe4\xbd\xa0\xe5\xa5\xbd e\xcc\x81 \xf0\x9f\x99\x82";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    diffulm_tokenizer *tokenizer = NULL;
    const diffulm_status rc = diffulm_tokenizer_open_memory(data, size, NULL, &tokenizer);
    CHECK_STATUS(rc);
    CHECK((rc == DIFFULM_OK) == (tokenizer != NULL));
    if (!tokenizer)
        return 0;
    struct diffulm_special_ids ids = {.struct_size = sizeof ids};
    CHECK(diffulm_tokenizer_special_ids(tokenizer, &ids) == DIFFULM_OK);
    fuzz_round_trip(tokenizer, text, sizeof text - 1);
    fuzz_round_trip(tokenizer, "", 0);
    diffulm_tokenizer_unref(tokenizer);
    return 0;
}

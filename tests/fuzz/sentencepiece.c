/* sentencepiece.c: a SentencePiece model by the loader that files go through. */
#include "fuzz.h"

#include "base/alloc.h"
#include "text/tokenizer.h"

static const char text[] = "Hello  World 1234, ab ba <mask>!\n\tStra\xc3\x9f"
                           "e \xe4\xbd\xa0\xe5\xa5\xbd e\xcc\x81";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diffulm_tokenizer *tok = dulm_alloc_zero(1, sizeof *tok);
    CHECK(tok);
    dulm_refcount_init(&tok->refs);
    diffulm_status rc = dulm_load_sentencepiece(tok, data, size, "input.model");
    if (rc == DIFFULM_OK)
        rc = dulm_added_finish(tok);
    CHECK_STATUS(rc);
    if (rc == DIFFULM_OK) {
        struct dulm_encoded e = {0};
        struct dulm_strbuf out = {0};
        rc = dulm_encode_text(tok, text, sizeof text - 1, &e);
        CHECK_STATUS(rc);
        for (size_t i = 0; i < e.count; i++) {
            CHECK(dulm_token_text(tok, e.ids[i], &(size_t){0}) != NULL);
            CHECK(e.begin[i] <= e.end[i] && e.end[i] <= sizeof text - 1);
        }
        CHECK_STATUS(dulm_decode(tok, e.ids, e.count, false, &out));
        dulm_strbuf_release(&out);
        dulm_encoded_release(&e);
    }
    dulm_tokenizer_free(tok);
    return 0;
}

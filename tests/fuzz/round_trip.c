/* round_trip.c: bytes to ids and back. */
#include <string.h>

#include "fuzz.h"

static void check_encoding(const struct diffulm_encoding *e, size_t length, size_t vocabulary)
{
    for (size_t i = 0; i < e->count; i++) {
        CHECK(e->ids[i] >= 0 && (size_t)e->ids[i] < vocabulary);
        CHECK(e->begins[i] <= e->ends[i] && e->ends[i] <= length);
        CHECK(e->sequences[i] == 0 || e->sequences[i] == -1);
    }
}

static void decode(const diffulm_tokenizer *tokenizer, const int32_t *ids, size_t count)
{
    for (int32_t skip = 0; skip < 2; skip++) {
        size_t length = 0, again = 0;
        diffulm_status rc = diffulm_tokenizer_decode(tokenizer, ids, count, skip, NULL, 0, &length);
        CHECK_STATUS(rc);
        if (rc < 0)
            continue;
        CHECK(rc == DIFFULM_BUFFER_TOO_SMALL);
        char *text = malloc(length + 1);
        CHECK(text);
        rc = diffulm_tokenizer_decode(tokenizer, ids, count, skip, text, length + 1, &again);
        CHECK(rc == DIFFULM_OK && again == length && text[length] == '\0');
        free(text);
    }
}

void fuzz_round_trip(const diffulm_tokenizer *tokenizer, const char *text, size_t length)
{
    struct diffulm_encoding e = {.struct_size = sizeof e};
    diffulm_status rc = diffulm_tokenizer_encode(tokenizer, text, length, NULL, 0, NULL, &e);
    CHECK_STATUS(rc);
    if (rc < 0)
        return;
    CHECK(rc == (e.count ? DIFFULM_BUFFER_TOO_SMALL : DIFFULM_OK));
    const size_t n = e.count;
    e.capacity = n;
    e.ids = malloc((n + 1) * sizeof *e.ids);
    e.begins = malloc((n + 1) * sizeof *e.begins);
    e.ends = malloc((n + 1) * sizeof *e.ends);
    e.sequences = malloc((n + 1) * sizeof *e.sequences);
    CHECK(e.ids && e.begins && e.ends && e.sequences);
    rc = diffulm_tokenizer_encode(tokenizer, text, length, NULL, 0, NULL, &e);
    CHECK(rc == DIFFULM_OK && e.count == n);
    check_encoding(&e, length, diffulm_tokenizer_vocabulary(tokenizer));
    decode(tokenizer, e.ids, n);
    free(e.ids);
    free(e.begins);
    free(e.ends);
    free(e.sequences);
}

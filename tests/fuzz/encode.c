/* encode.c: arbitrary bytes through fixed tokenizers of all four kinds. The first byte picks one. */
#include <string.h>

#include "fuzz.h"

static const char *const files[] = {
    "{\"added_tokens\":[{\"id\":4,\"content\":\"<m>\",\"single_word\":false,\"lstrip\":true,"
    "\"rstrip\":true,\"normalized\":false,\"special\":true},{\"id\":5,\"content\":\"word\","
    "\"single_word\":true,\"lstrip\":false,\"rstrip\":false,\"normalized\":true,\"special\":false}]"
    ","
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},"
    "{\"type\":\"Lowercase\"},{\"type\":\"StripAccents\"}]},\"pre_tokenizer\":{\"type\":"
    "\"Metaspace\","
    "\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":\"always\"},\"post_processor\":null,"
    "\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":"
    "\"always\"},"
    "\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"\xe2\x96\x81\",-2],"
    "[\"a\",-2.5],[\"ab\",-3]]}}",
    "{\"added_tokens\":[],\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
    "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true},"
    "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":null,"
    "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##"
    "\","
    "\"max_input_chars_per_word\":100,\"vocab\":{\"[UNK]\":0,\"a\":1,\"##b\":2,\"##a\":3,\".\":4}}"
    "}",
    "{\"added_tokens\":[],\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":"
    "\"ByteLevel\","
    "\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":"
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},"
    "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"
    "\"use_regex\":true},\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"?\","
    "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,"
    "\"byte_fallback\":false,\"vocab\":{\"?\":0,\"a\":1,\"b\":2,\"ab\":3,\"\xc4\xa0\":4,"
    "\"\xc4\xa0"
    "a\":5},\"merges\":[\"a b\",\"\xc4\xa0 a\"]}}"};
enum { FILES = sizeof files / sizeof *files };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static diffulm_tokenizer *tokenizers[FILES];
    for (size_t i = 0; i < FILES && !tokenizers[i]; i++)
        CHECK(diffulm_tokenizer_open_memory(files[i], strlen(files[i]), NULL, &tokenizers[i]) ==
              DIFFULM_OK);
    if (size == 0)
        return 0;
    const diffulm_tokenizer *tokenizer = tokenizers[data[0] % FILES];
    const char *text = (const char *)data + 1;
    size_t length = size - 1, repaired = 0, again = 0;
    fuzz_round_trip(tokenizer, text, length);
    CHECK(diffulm_utf8_repair(text, length, NULL, 0, &repaired) >= 0);
    CHECK(repaired <= 3 * length);
    char *clean = malloc(repaired + 1);
    CHECK(clean);
    CHECK(diffulm_utf8_repair(text, length, clean, repaired, &again) == DIFFULM_OK);
    CHECK(again == repaired);
    fuzz_round_trip(tokenizer, clean, repaired);
    struct diffulm_encoding e = {.struct_size = sizeof e};
    CHECK(diffulm_tokenizer_encode(tokenizer, clean, repaired, clean, repaired, NULL, &e) >= 0);
    free(clean);
    return 0;
}

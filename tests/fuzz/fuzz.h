/* fuzz.h: what the targets share. Each target is one file with LLVMFuzzerTestOneInput, linked with
 * libFuzzer, or with replay.c, which feeds it the files of a folder. */
#ifndef DULM_TESTS_FUZZ_H
#define DULM_TESTS_FUZZ_H

#include <diffulm/diffulm.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An invariant of the library: broken, the target stops where a debugger or a sanitizer sees it. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: message \"%s\"\n", __FILE__, __LINE__, #condition,         \
                    diffulm_error_message());                                                      \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Failures are negative and say why. */
#define CHECK_STATUS(status)                                                                       \
    CHECK((status) >= 0 || ((status) != DIFFULM_E_INTERNAL && diffulm_error_message()[0]))

/* The same model and runtime in every call: one layer, plain C, one thread. Never freed. */
static inline diffulm_runtime *fuzz_runtime(void)
{
    static diffulm_runtime *runtime;
    if (!runtime) {
        struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
        o.threads = 1;
        o.backend = DIFFULM_BACKEND_REFERENCE;
        CHECK(diffulm_runtime_create(&o, &runtime) == DIFFULM_OK);
    }
    return runtime;
}

/* Encodes the bytes and decodes what came of them; every id, range and length is looked at. */
void fuzz_round_trip(const diffulm_tokenizer *tokenizer, const char *text, size_t length);

#endif

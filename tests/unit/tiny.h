/* tiny.h: models, runtimes and checks that several tests share. */
#ifndef DULM_TESTS_TINY_H
#define DULM_TESTS_TINY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <diffulm/diffulm.h>

enum { TINY_VOCABULARY = 24, TINY_BOS = 0, TINY_PAD = 1, TINY_EOS = 2, TINY_MASK = 23 };
enum { TINY_LONGEST = 30 };

/* Two layers of 12 features and 3 heads. `family`: xlm-roberta, bert or modernbert. */
diffulm_model *tiny_model(const char *family, diffulm_runtime *runtime, uint64_t seed);
diffulm_runtime *tiny_runtime(int32_t backend, int32_t threads);
/* Skips the test where this build or CPU has none. */
diffulm_runtime *tiny_runtime_in(int32_t backend, int32_t threads, int32_t precision);
/* The same model on a runtime of its own. */
diffulm_model *tiny_model_on(const char *family, int32_t backend, int32_t threads, uint64_t seed);

/* A model saved in a new folder. */
struct tiny_folder {
    char path[64], file[96]; /* the file of weights */
};
struct tiny_folder tiny_saved(const diffulm_model *model, int32_t dtype);
void tiny_discard(const struct tiny_folder *folder);
/* On the reference backend. */
diffulm_status tiny_open(const char *folder, int32_t precision, diffulm_model **out);

/* For loops over many: with fmax GCC 12 breaks down when it compiles them for aarch64. */
static inline double larger(double a, double b)
{
    return b > a ? b : a;
}

/* The last error message contains `text`. */
void assert_message_names(const char *text);

#endif

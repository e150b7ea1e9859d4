/* runtime.h: how the library computes: threads, backend, instruction set. Optional everywhere: NULL
 * means one runtime with the defaults. */
#ifndef DIFFULM_RUNTIME_H
#define DIFFULM_RUNTIME_H

#include <diffulm/common.h>

DIFFULM_BEGIN_DECLS

/* Frozen and reference-counted; used from any number of threads. Since 0.1. */
typedef struct diffulm_runtime diffulm_runtime;

/* AUTO: oneDNN where it was built in, else plain C. REFERENCE: plain C; logits do not depend on batch
 * mates, bit for bit. */
#define DIFFULM_BACKEND_AUTO 0
#define DIFFULM_BACKEND_REFERENCE 1
#define DIFFULM_BACKEND_ONEDNN 2

#define DIFFULM_ISA_AUTO 0
#define DIFFULM_ISA_BASELINE 1 /* what every CPU of this architecture has */
#define DIFFULM_ISA_AVX2 2
#define DIFFULM_ISA_AVX512 3

/* Of matrix products: F32, or BF16: both factors rounded to bfloat16, sums in single precision. Weights, gradients, the
 * optimizer and everything else stay single. BF16 with oneDNN needs a CPU with AVX512_BF16, about twice as fast there; the
 * reference backend has it everywhere, slowly. In inference attention too, where heads are a multiple of 32 features.
 * docs/performance.md has what it costs in exactness. */
#define DIFFULM_PRECISION_F32 0
#define DIFFULM_PRECISION_BF16 1
/* Weights in 8 bits with a scale for each row, made once, activations rounded row by row, sums in whole numbers: two to four
 * times as fast as F32. For inference: trainers refuse it. On CPUs without VNNI activations have 7 bits (tried at the start,
 * not read off a list), so results differ a little between the two kinds of CPU. Attention is BF16's where the CPU has
 * AVX512_BF16, and on the reference backend. */
#define DIFFULM_PRECISION_INT8 2

struct diffulm_runtime_options {
    size_t struct_size;
    int32_t threads;   /* 0: one per core the process may use */
    int32_t backend;   /* DIFFULM_BACKEND_… */
    int32_t isa;       /* the most that may be used, DIFFULM_ISA_…; the reference backend stays at
                        the baseline */
    int32_t precision; /* DIFFULM_PRECISION_… */
    /* 1: every row's results are the same bits in any batch, and all results with any number of threads, on one kind of
     * CPU and build of oneDNN; docs/performance.md has what it costs. The reference backend and whole-number sums (INT8)
     * are so always. Not with BF16 on oneDNN. */
    int32_t deterministic;
    /* 1: the matrices of a frozen model are copied into the order in which oneDNN's kernels read them, by the model's first pass:
     * faster, most of all by few rows, for memory that no other process shares (docs/performance.md, docs/memory.md).
     * BF16 and INT8 copy so anyway, but for weights stored in 16 bits, which BF16 copies only then. Where a CPU has no such kernels
     * matrices are used as they are. Not in F32 with `deterministic`. */
    int32_t pack_weights;
};
#define DIFFULM_RUNTIME_OPTIONS_INIT                                                               \
    {                                                                                              \
        sizeof(struct diffulm_runtime_options), 0, 0, 0, 0, 0, 0                                   \
    }

/* Fills the options with the defaults, as the static initialiser does. struct_size: sizeof *options as the caller's headers
 * have it; so it is with every function of this kind. Since 0.1. */
DIFFULM_API void diffulm_runtime_options_init(struct diffulm_runtime_options *options,
                                              size_t struct_size);

/* Makes a runtime. `options` may be NULL. On success *out is owned by the caller (unref). Errors:
 * E_ARGUMENT, E_UNSUPPORTED for a backend that was not built in or a precision that this CPU (or `isa`) lacks,
 * E_OUT_OF_MEMORY. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_runtime_create(const struct diffulm_runtime_options *options,
                                                  diffulm_runtime **out) DIFFULM_MUST_USE;
DIFFULM_API diffulm_runtime *diffulm_runtime_ref(diffulm_runtime *runtime);
DIFFULM_API void diffulm_runtime_unref(diffulm_runtime *runtime); /* NULL is allowed */

/* What was chosen, as constant text: "onednn 2.6 + avx2, 2 threads" and the like, at most `capacity`
 * bytes with its NUL. Since 0.1. */
DIFFULM_API void diffulm_runtime_describe(const diffulm_runtime *runtime, char *buffer,
                                          size_t capacity);

/* "0.1.0". Since 0.1. */
DIFFULM_API const char *diffulm_version(void);

DIFFULM_END_DECLS

#endif

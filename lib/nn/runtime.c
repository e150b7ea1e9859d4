/* runtime.c: choosing backend, instruction set and threads. */
#include "nn/runtime.h"

#include <stdio.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"
#include "nn/int8.h"

const struct dulm_kernels *dulm_kernels_choose(int32_t isa)
{
#if defined(__x86_64__)
    const int32_t most = isa == DIFFULM_ISA_AUTO ? DIFFULM_ISA_AVX512 : isa;
    if (most >= DIFFULM_ISA_AVX512 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return &dulm_kernels_avx512;
    if (most >= DIFFULM_ISA_AVX2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &dulm_kernels_avx2;
#else
    (void)isa;
#endif
    return &dulm_kernels_baseline;
}

#ifdef DULM_ONEDNN
static bool has_bf16(int32_t isa)
{
#if defined(__x86_64__)
    return (isa == DIFFULM_ISA_AUTO || isa == DIFFULM_ISA_AVX512) &&
           __builtin_cpu_supports("avx512bf16");
#else
    (void)isa;
    return false;
#endif
}
#endif

/* NULL: there is none that gains. */
static const struct dulm_head_kernels *rounded_attention(const struct diffulm_runtime_options *o)
{
#ifdef DULM_HEAD_AVX512
    if (o->backend == DIFFULM_BACKEND_ONEDNN && has_bf16(o->isa))
        return &dulm_head_avx512;
#endif
    return o->backend == DIFFULM_BACKEND_REFERENCE ? &dulm_head_plain : NULL;
}

diffulm_status diffulm_runtime_create(const struct diffulm_runtime_options *options,
                                      diffulm_runtime **out)
{
    dulm_error_clear();
    struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
    if (options && !dulm_struct_read(&o, sizeof o, options))
        return dulm_fail(
            DIFFULM_E_ARGUMENT,
            "runtime options: struct_size is %zu, expected %zu, or more with zeros at the end",
            options->struct_size, sizeof o);
    if (!out || o.threads < 0 || o.threads > 4096 || o.isa < 0 || o.isa > DIFFULM_ISA_AVX512 ||
        o.backend < 0 || o.backend > DIFFULM_BACKEND_ONEDNN || o.precision < 0 ||
        o.precision > DIFFULM_PRECISION_INT8 || o.deterministic < 0 || o.deterministic > 1 ||
        o.pack_weights < 0 || o.pack_weights > 1)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "runtime options: threads %d (0..4096), backend %d (0..2), isa %d (0..3), "
                         "precision %d (0..2), deterministic %d (0..1), pack_weights %d (0..1)",
                         o.threads, o.backend, o.isa, o.precision, o.deterministic, o.pack_weights);
#ifndef DULM_ONEDNN
    if (o.backend == DIFFULM_BACKEND_ONEDNN)
        return dulm_fail(DIFFULM_E_UNSUPPORTED, "this library was built without oneDNN");
    o.backend = DIFFULM_BACKEND_REFERENCE;
#else
    if (o.backend == DIFFULM_BACKEND_AUTO)
        o.backend = DIFFULM_BACKEND_ONEDNN;
    else if (o.backend == DIFFULM_BACKEND_REFERENCE)
        o.isa = DIFFULM_ISA_BASELINE;
    if (o.backend == DIFFULM_BACKEND_ONEDNN && o.precision == DIFFULM_PRECISION_BF16 &&
        !has_bf16(o.isa))
        return dulm_fail(
            DIFFULM_E_UNSUPPORTED,
            "bfloat16 products need a CPU with AVX512_BF16; this one computes in float32 only");
    if (o.backend == DIFFULM_BACKEND_ONEDNN && o.precision == DIFFULM_PRECISION_BF16 &&
        o.deterministic)
        return dulm_fail(
            DIFFULM_E_UNSUPPORTED,
            "deterministic computing in bfloat16 needs the reference backend; oneDNN has "
            "it in float32 and int8");
    if (o.backend == DIFFULM_BACKEND_ONEDNN && o.precision == DIFFULM_PRECISION_F32 &&
        o.pack_weights && o.deterministic)
        return dulm_fail(DIFFULM_E_UNSUPPORTED,
                         "packed weights in float32 are not deterministic; int8 has both");
#endif
    struct diffulm_runtime *rt = dulm_alloc_zero(1, sizeof *rt);
    if (!rt)
        return dulm_fail_memory();
    dulm_threads_watch_forks();
    dulm_refcount_init(&rt->refs);
    rt->threads = o.threads ? o.threads : dulm_thread_count();
    rt->backend = o.backend;
    rt->precision = o.precision;
    rt->deterministic = o.deterministic;
    rt->pack_weights = o.pack_weights;
    rt->head = rounded_attention(&o);
    if (!(rt->room = dulm_room_create())) {
        dulm_free(rt);
        return dulm_fail_memory();
    }
    rt->kernels = dulm_kernels_choose(o.isa);
    *out = rt;
    return DIFFULM_OK;
}

diffulm_status dulm_runtime_default(struct diffulm_runtime **out)
{
    return diffulm_runtime_create(NULL, out);
}

void diffulm_runtime_options_init(struct diffulm_runtime_options *options, size_t struct_size)
{
    const struct diffulm_runtime_options defaults = DIFFULM_RUNTIME_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

diffulm_runtime *diffulm_runtime_ref(diffulm_runtime *runtime)
{
    if (runtime)
        dulm_refcount_take(&runtime->refs);
    return runtime;
}

void diffulm_runtime_unref(diffulm_runtime *runtime)
{
    if (!runtime || !dulm_refcount_drop(&runtime->refs))
        return;
    dulm_room_destroy(runtime->room);
    dulm_free(runtime);
}

void diffulm_runtime_describe(const diffulm_runtime *runtime, char *buffer, size_t capacity)
{
    char backend[32] = "plain C";
#ifdef DULM_ONEDNN
    if (runtime->backend == DIFFULM_BACKEND_ONEDNN) {
        int major, minor;
        dulm_onednn_version(&major, &minor);
        snprintf(backend, sizeof backend, "oneDNN %d.%d", major, minor);
    }
#endif
    char products[32] = "";
    if (runtime->precision == DIFFULM_PRECISION_BF16)
        snprintf(products, sizeof products, ", bfloat16 products");
    else if (runtime->precision == DIFFULM_PRECISION_INT8)
        snprintf(products, sizeof products, ", int8 products (%d-bit)",
                 dulm_int8_top(runtime) == 255 ? 8 : 7);
    snprintf(buffer, capacity, "%s + %s kernels%s%s%s, %d thread%s", backend,
             runtime->kernels->name, products, runtime->pack_weights ? ", packed weights" : "",
             runtime->deterministic ? ", deterministic" : "", runtime->threads,
             runtime->threads == 1 ? "" : "s");
}

const char *diffulm_version(void)
{
    return DULM_VERSION;
}

/* runtime.c: choosing backend, instruction set and threads. */
#include "nn/runtime.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"

static const struct dulm_kernels *choose_kernels(int32_t isa)
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

diffulm_status diffulm_runtime_create(const struct diffulm_runtime_options *options,
                                      diffulm_runtime **out)
{
    dulm_error_clear();
    struct diffulm_runtime_options o = DIFFULM_RUNTIME_OPTIONS_INIT;
    if (options && options->struct_size != sizeof o)
        return dulm_fail(DIFFULM_E_ARGUMENT, "runtime options: struct_size is %zu, expected %zu",
                         options->struct_size, sizeof o);
    if (options)
        o = *options;
    if (!out || o.threads < 0 || o.threads > 4096 || o.isa < 0 || o.isa > DIFFULM_ISA_AVX512 ||
        o.backend < 0 || o.backend > DIFFULM_BACKEND_ONEDNN)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "runtime options: threads %d (0..4096), backend %d (0..2), isa %d (0..3)",
                         o.threads, o.backend, o.isa);
#ifndef DULM_ONEDNN
    if (o.backend == DIFFULM_BACKEND_ONEDNN)
        return dulm_fail(DIFFULM_E_UNSUPPORTED, "this library was built without oneDNN");
    o.backend = DIFFULM_BACKEND_REFERENCE;
#else
    if (o.backend == DIFFULM_BACKEND_AUTO)
        o.backend = DIFFULM_BACKEND_ONEDNN;
    else if (o.backend == DIFFULM_BACKEND_REFERENCE)
        o.isa = DIFFULM_ISA_BASELINE;
#endif
    struct diffulm_runtime *rt = dulm_alloc_zero(1, sizeof *rt);
    if (!rt)
        return dulm_fail_memory();
    dulm_threads_watch_forks();
    dulm_refcount_init(&rt->refs);
    rt->threads = o.threads ? o.threads : dulm_thread_count();
    rt->backend = o.backend;
    rt->kernels = choose_kernels(o.isa);
    *out = rt;
    return DIFFULM_OK;
}

diffulm_status dulm_runtime_default(struct diffulm_runtime **out)
{
    return diffulm_runtime_create(NULL, out);
}

void diffulm_runtime_options_init(struct diffulm_runtime_options *options)
{
    *options = (struct diffulm_runtime_options)DIFFULM_RUNTIME_OPTIONS_INIT;
}

diffulm_runtime *diffulm_runtime_ref(diffulm_runtime *runtime)
{
    if (runtime)
        dulm_refcount_take(&runtime->refs);
    return runtime;
}

void diffulm_runtime_unref(diffulm_runtime *runtime)
{
    if (runtime && dulm_refcount_drop(&runtime->refs))
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
    snprintf(buffer, capacity, "%s + %s kernels, %d thread%s", backend, runtime->kernels->name,
             runtime->threads, runtime->threads == 1 ? "" : "s");
}

const char *diffulm_version(void)
{
    return DULM_VERSION;
}

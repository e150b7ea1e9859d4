/* gemm.c: single-precision products. dnnl_sgemm has the same signature in the 2.x and 3.x APIs; it computes row-major
 * C = alpha op(A) op(B) + beta C. Its team is OpenMP's, whose size is a setting of the calling thread: set for the call,
 * then put back. */
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>

#include "base/error.h"
#include "base/thread.h"
#include "nn/onednn/scope.h"
#include "nn/runtime.h"

/* Up to 3.11.1, oneDNN's generated kernels use the stack pointer for an address in the heap (oneDNN issue
 * 4845): a signal handler that ran then would write its frame over the heap. So signals wait until the call
 * ends, save those that a fault of the thread itself raises. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_BLOCK, &all, before);
}

/* The calling thread, and the rest of its team, which oneDNN is about to use: those threads stay so, since
 * they are there to compute. */
static void block_team(int threads, sigset_t *before)
{
    block_signals(before);
    if (threads > 1 && !omp_in_parallel()) {
#pragma omp parallel num_threads(threads)
        block_signals(NULL);
    }
}

/* Threads of the calling thread's innermost scope; 0: it is in none. */
static _Thread_local int held;

/* Threads that join a team while the signals of its first one wait begin as it is. */
void dulm_onednn_enter(int threads, struct dulm_onednn_scope *scope)
{
    scope->threads = dulm_threads_here(threads);
    scope->outer = held;
    if (held == scope->threads)
        return;
    held = scope->threads;
    block_team(scope->threads, &scope->signals);
    scope->before = omp_get_max_threads();
    if (scope->before != scope->threads)
        omp_set_num_threads(scope->threads);
}

void dulm_onednn_leave(const struct dulm_onednn_scope *scope)
{
    if (scope->outer == scope->threads)
        return;
    held = scope->outer;
    if (scope->before != scope->threads)
        omp_set_num_threads(scope->before);
    pthread_sigmask(SIG_SETMASK, &scope->signals, NULL);
}

diffulm_status dulm_onednn_sgemm(int threads, bool trans_a, bool trans_b, size_t m, size_t n,
                                 size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                                 bool accumulate, float *c, size_t ldc)
{
    struct dulm_onednn_scope scope;
    dulm_onednn_enter(threads, &scope);
    const dnnl_status_t rc = dnnl_sgemm(
        trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1.0f,
        a, (dnnl_dim_t)lda, b, (dnnl_dim_t)ldb, accumulate ? 1.0f : 0.0f, c, (dnnl_dim_t)ldc);
    dulm_onednn_leave(&scope);
    if (rc == dnnl_out_of_memory)
        return dulm_fail_memory();
    if (rc != dnnl_success)
        return dulm_fail(DIFFULM_E_INTERNAL, "oneDNN refused a product of %zu x %zu x %zu: %d", m,
                         n, k, (int)rc);
    return DIFFULM_OK;
}

/* The layers' weights are stored transposed. By few rows sgemm reaches half of what matmul's AVX-512 kernels do, and by a long inner
 * dimension its threads share the work badly; by many rows and a short one, or by single rows, it is as fast or faster
 * (docs/performance.md). Where the result has gaps between its rows, matmul is sgemm. */
bool dulm_onednn_prefers_matmul(const struct diffulm_runtime *rt, size_t m, size_t n, size_t k,
                                size_t ldc)
{
    enum { FROM = 6, TO = 256, INNER = 512 };
#if defined(__x86_64__)
    return rt->kernels == &dulm_kernels_avx512 && m >= FROM && (m <= TO || k >= INNER) && ldc == n;
#else
    (void)rt, (void)m, (void)n, (void)k, (void)ldc;
    return false;
#endif
}

diffulm_status dulm_onednn_gemm(const struct diffulm_runtime *rt, bool trans_a, bool trans_b,
                                size_t m, size_t n, size_t k, const float *a, size_t lda,
                                const float *b, size_t ldb, bool accumulate, float *c, size_t ldc)
{
    return !trans_a && trans_b && dulm_onednn_prefers_matmul(rt, m, n, k, ldc)
               ? dulm_onednn_matmul(rt, m, n, k, a, lda, b, ldb, NULL, accumulate, c, ldc)
               : dulm_onednn_sgemm(rt->threads, trans_a, trans_b, m, n, k, a, lda, b, ldb,
                                   accumulate, c, ldc);
}

void dulm_onednn_version(int *major, int *minor)
{
    const dnnl_version_t *version = dnnl_version();
    *major = version->major;
    *minor = version->minor;
}

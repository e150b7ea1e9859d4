/* int8.c: products of bytes. Where a CPU lacks VNNI, oneDNN adds up pairs of products in 16 bits, which saturate in silence:
 * what values are safe is tried, not read off a list of CPUs (oneDNN's developer guide, "Nuances of int8 computations"). */
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "nn/int8.h"
#include "nn/onednn/scope.h"

static dnnl_status_t multiply(size_t m, size_t n, size_t k, const uint8_t *a, const int8_t *b,
                              int32_t *c, size_t ldc)
{
    const int32_t none = 0;
    return dnnl_gemm_u8s8s32('N', 'T', 'F', (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1.0f, a,
                             (dnnl_dim_t)k, 0, b, (dnnl_dim_t)k, 0, 0.0f, c, (dnnl_dim_t)ldc,
                             &none);
}

diffulm_status dulm_onednn_gemm_u8s8(int threads, size_t m, size_t n, size_t k, const uint8_t *a,
                                     const int8_t *b, int32_t *c, size_t ldc)
{
    struct dulm_onednn_scope scope;
    dulm_onednn_enter(threads, &scope);
    const dnnl_status_t rc = multiply(m, n, k, a, b, c, ldc);
    dulm_onednn_leave(&scope);
    if (rc == dnnl_out_of_memory)
        return dulm_fail_memory();
    if (rc != dnnl_success)
        return dulm_fail(DIFFULM_E_INTERNAL,
                         "oneDNN refused an int8 product of %zu x %zu x %zu: %d", m, n, k, (int)rc);
    return DIFFULM_OK;
}

enum { MOST_M = 48, MOST_N = 64, MOST_K = 256 };

/* All of A `top`, rows of B by turns 127 and -127: no sum of such a length can be larger. */
static bool is_right(size_t m, size_t n, size_t k, int32_t top)
{
    static uint8_t a[MOST_M * MOST_K];
    static int8_t b[MOST_N * MOST_K];
    static int32_t c[MOST_M * MOST_N];
    memset(a, top, m * k);
    for (size_t j = 0; j < n; j++)
        memset(b + j * k, j % 2 ? -127 : 127, k);
    if (multiply(m, n, k, a, b, c, n) != dnnl_success)
        return false;
    for (size_t i = 0; i < m * n; i++)
        if (c[i] != (i % n % 2 ? -127 : 127) * top * (int32_t)k)
            return false;
    return true;
}

static int32_t tried_top;
static pthread_once_t tried = PTHREAD_ONCE_INIT;

static void try_out(void)
{
    static const size_t shapes[][3] = {{1, 64, 256}, {8, 64, 64}, {MOST_M, MOST_N, MOST_K}};
    static const int32_t tops[] = {255, 127};
    struct dulm_onednn_scope scope;
    dulm_onednn_enter(1, &scope);
    for (size_t t = 0; t < 2 && !tried_top; t++) {
        bool right = true;
        for (size_t s = 0; s < 3; s++)
            right = right && is_right(shapes[s][0], shapes[s][1], shapes[s][2], tops[t]);
        tried_top = right ? tops[t] : 0;
    }
    dulm_onednn_leave(&scope);
}

int32_t dulm_onednn_int8_top(void)
{
    pthread_once(&tried, try_out);
    return tried_top;
}

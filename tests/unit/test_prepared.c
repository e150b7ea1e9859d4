/* test_prepared.c: what a runtime keeps around products is of their shape, never of their matrices. */
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "nn/runtime.h"
#include "tiny.h"

static float *numbers(size_t count, uint32_t seed)
{
    float *x = malloc(count * sizeof *x + 1);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525 + 1013904223;
        x[i] = (float)(int32_t)seed * 0x1p-31f;
    }
    return x;
}

/* A host's thread, with matrices of its own; more shapes than a runtime keeps. */
struct hosted {
    const diffulm_runtime *rt;
    uint32_t seed;
    bool wrong;
};

static void *multiply_by_own_matrices(void *user)
{
    struct hosted *h = user;
    enum { MOST = 24, SHAPES = 2 * DULM_PREPARED };
    float *a = numbers(MOST * MOST, h->seed), *b = numbers(MOST * MOST, h->seed + 1);
    float *bias = numbers(MOST, h->seed + 2), *c = numbers(SHAPES * MOST * MOST, 1);
    for (size_t round = 0; round < 20; round++) {
        for (size_t s = 0; s < SHAPES; s++) { /* round by round with a bias and without */
            const size_t m = 6 + s % 2, n = 1 + s / 2 % 16, k = MOST - s / 32;
            h->wrong |= dulm_gemm_linear(h->rt, m, k, n, a, b, round % 2 ? bias : NULL,
                                         c + s * MOST * MOST, n) != DIFFULM_OK;
        }
        for (size_t s = 0; s < SHAPES; s++) {
            const size_t m = 6 + s % 2, n = 1 + s / 2 % 16, k = MOST - s / 32;
            for (size_t i = 0; i < m * n; i++) {
                double sum = round % 2 ? (double)bias[i % n] : 0;
                for (size_t j = 0; j < k; j++)
                    sum += (double)a[i / n * k + j] * (double)b[i % n * k + j];
                h->wrong |= fabs((double)c[s * MOST * MOST + i] - sum) > 1e-5;
            }
        }
    }
    free(a);
    free(b);
    free(bias);
    free(c);
    return NULL;
}

static void products_of_one_shape_are_those_of_each_host_thread_s_matrices(void **state)
{
    (void)state;
    diffulm_runtime *rt = tiny_runtime(DIFFULM_BACKEND_AUTO, 1);
    struct hosted hosted[3];
    pthread_t threads[3];
    for (uint32_t t = 0; t < 3; t++) {
        hosted[t] = (struct hosted){rt, 100 * t + 1, false};
        assert_int_equal(pthread_create(&threads[t], NULL, multiply_by_own_matrices, &hosted[t]),
                         0);
    }
    for (size_t t = 0; t < 3; t++) {
        assert_int_equal(pthread_join(threads[t], NULL), 0);
        assert_false(hosted[t].wrong);
    }
    diffulm_runtime_unref(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_one_shape_are_those_of_each_host_thread_s_matrices)};
    return cmocka_run_group_tests_name("prepared", tests, NULL, NULL);
}

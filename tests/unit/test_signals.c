/* Signals of the host while the library computes. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>

#include "base/thread.h"
#include "nn/runtime.h"
#include "tiny.h"

/* Products over more than 2,048 terms take a workspace from the heap. */
enum { M = 64, N = 48, K = 4096, FAR = 1 << 20 };

static pthread_t host;
static uintptr_t host_stack;
static volatile sig_atomic_t arrived, elsewhere, off_stack;

/* Where the handler's frame lies tells what the stack pointer was when the signal came. */
static void on_alarm(int number)
{
    const int here = number;
    const uintptr_t at = (uintptr_t)&here;
    arrived++;
    elsewhere += !pthread_equal(pthread_self(), host);
    off_stack += (at > host_stack ? at - host_stack : host_stack - at) > FAR;
}

static void nothing(void *user, size_t begin, size_t end, int worker)
{
    (void)user, (void)begin, (void)end, (void)worker;
}

static void multiply_under_alarms(int threads)
{
    float *a = calloc((size_t)M * K, sizeof *a), *b = calloc((size_t)K * N, sizeof *b);
    float *c = calloc((size_t)M * N, sizeof *c);
    const struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigset_t before, after;
    diffulm_runtime *rt = tiny_runtime(DIFFULM_BACKEND_ONEDNN, threads);
    assert_true(a && b && c);
    arrived = 0;
    dulm_parallel(threads, (size_t)threads, 1, nothing, NULL); /* a team that takes signals */
    /* The first product makes them wait with theirs; one that came while it does so would still find a thread. */
    assert_int_equal(dulm_onednn_gemm(rt, false, false, 1, 1, 1, a, K, b, N, false, c, N),
                     DIFFULM_OK);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < 20000 && arrived < 2000; i++)
        for (int kind = 0; kind < 4; kind++) {
            const bool ta = kind & 1, tb = kind & 2;
            const diffulm_status rc =
                i % 2 ? dulm_onednn_matmul(rt, M, N, K, a, K, b, K, NULL, false, c, N)
                      : dulm_onednn_gemm(rt, ta, tb, M, N, K, a, ta ? M : K, b, tb ? K : N, false,
                                         c, N);
            assert_int_equal(rc, DIFFULM_OK);
        }
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    assert_int_equal(sigismember(&after, SIGALRM), sigismember(&before, SIGALRM));
    assert_true(arrived > 0);
    assert_int_equal(off_stack, 0);
    assert_int_equal(elsewhere, 0);
    diffulm_runtime_unref(rt);
    free(a);
    free(b);
    free(c);
}

/* Whole layers are computed while signals wait. */
static void score_under_alarms(int threads)
{
    const struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    static const int32_t tokens[8] = {0, 5, 6, 7, 8, 9, 10, 2};
    const size_t offsets[2] = {0, 8};
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    float logits[8 * TINY_VOCABULARY];
    sigset_t before, after;
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_ONEDNN, threads, 5);
    arrived = 0;
    assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, logits), DIFFULM_OK);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < 20000 && arrived < 1000; i++)
        assert_int_equal(diffulm_model_logits(model, &batch, NULL, 0, logits), DIFFULM_OK);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    for (int number = 1; number < SIGRTMAX; number++)
        assert_int_equal(sigismember(&after, number), sigismember(&before, number));
    assert_true(arrived > 0);
    assert_int_equal(off_stack, 0);
    assert_int_equal(elsewhere, 0);
    diffulm_model_unref(model);
}

static void handlers_run_on_the_stack_of_the_host_s_own_thread(void **state)
{
    (void)state;
    const int here = 0;
    host = pthread_self();
    host_stack = (uintptr_t)&here;
    multiply_under_alarms(1);
    multiply_under_alarms(2);
    score_under_alarms(1);
    score_under_alarms(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_run_on_the_stack_of_the_host_s_own_thread)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

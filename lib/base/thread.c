/* thread.c: parallel loops over OpenMP (shared with oneDNN's team), or serial without it. */
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#ifdef _OPENMP
#include <omp.h>
#endif

int dulm_thread_count(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        const int count = CPU_COUNT(&set);
        return count > 0 ? count : 1;
    }
#endif
    return 1;
}

static atomic_int forked;
static pthread_once_t watched = PTHREAD_ONCE_INIT;

static void in_child(void)
{
    atomic_store(&forked, 1);
}

static void watch(void)
{
    /* Out of memory is the one failure; a child is then as it is without us. */
    (void)pthread_atfork(NULL, NULL, in_child);
}

void dulm_threads_watch_forks(void)
{
    (void)pthread_once(&watched, watch);
}

int dulm_threads_here(int threads)
{
    return atomic_load_explicit(&forked, memory_order_relaxed) ? 1 : threads;
}

void dulm_parallel(int threads, size_t count, size_t grain,
                   void (*body)(void *user, size_t begin, size_t end, int worker), void *user)
{
    const size_t pieces = (count + grain - 1) / grain;
    threads = dulm_threads_here(threads);
    if ((size_t)threads > pieces)
        threads = (int)pieces;
#ifdef _OPENMP
    if (threads > 1 && !omp_in_parallel()) {
#pragma omp parallel num_threads(threads)
        {
            const size_t n = (size_t)omp_get_num_threads(), me = (size_t)omp_get_thread_num();
            const size_t begin = pieces * me / n * grain;
            size_t end = pieces * (me + 1) / n * grain;
            end = end < count ? end : count;
            if (begin < end)
                body(user, begin, end, (int)me);
        }
        return;
    }
#endif
    if (count)
        body(user, 0, count, 0);
}

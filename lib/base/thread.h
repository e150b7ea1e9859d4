/* thread.h: loops over ranges on several threads. */
#ifndef DULM_BASE_THREAD_H
#define DULM_BASE_THREAD_H

#include <stddef.h>

/* Cores the process may run on, at least 1. */
int dulm_thread_count(void);

/* To be called before the first parallel loop. An OpenMP team does not survive a fork, and waiting for it would never
 * end: a child forked after this call computes on the calling thread alone. */
void dulm_threads_watch_forks(void);
/* `threads`, or 1 in such a child. */
int dulm_threads_here(int threads);

/* Calls body(user, begin, end, worker) over disjoint ranges that cover [0, count), in parallel on up
 * to `threads` threads; returns when all are done. Ranges are multiples of `grain` (the last may be
 * short). worker is in [0, threads). Results must not depend on how the range was cut. */
void dulm_parallel(int threads, size_t count, size_t grain,
                   void (*body)(void *user, size_t begin, size_t end, int worker), void *user);

#endif

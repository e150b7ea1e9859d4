/* support.h: what only the runner's main needs. */
#ifndef DULM_TESTS_GOLDEN_SUPPORT_H
#define DULM_TESTS_GOLDEN_SUPPORT_H

#include <stdbool.h>

struct golden_counts {
    long passed, failed, skipped;
};
extern struct golden_counts golden_counts;
extern bool golden_verbose;

#endif

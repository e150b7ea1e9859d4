/* golden [-v] DIR...: runs every golden test found in folders laid out like the fixtures. */
#include <stdio.h>
#include <string.h>

#include "areas.h"
#include "golden.h"
#include "support.h"

typedef void golden_area(const char *folder);

static golden_area *const areas[] = {golden_draws,
                                     golden_diffusion,
                                     golden_schedules,
                                     golden_models,
                                     golden_training,
                                     golden_lengths,
                                     golden_samplers,
                                     golden_sessions,
                                     golden_tokenizers,
                                     golden_metrics,
                                     NULL};

int main(int argc, char **argv)
{
    int folders = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) {
            golden_verbose = true;
            continue;
        }
        folders++;
        for (golden_area *const *area = areas; *area; area++)
            (*area)(argv[i]);
    }
    if (!folders) {
        fprintf(stderr, "usage: golden [-v] DIR...\n");
        return 2;
    }
    printf("%ld passed, %ld failed, %ld skipped\n", golden_counts.passed, golden_counts.failed,
           golden_counts.skipped);
    return golden_counts.failed ? 1 : golden_counts.passed ? 0 : 77;
}

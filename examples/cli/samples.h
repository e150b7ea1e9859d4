/* samples.h: answers to validation rows during training. */
#ifndef DIFFULM_CLI_SAMPLES_H
#define DIFFULM_CLI_SAMPLES_H

#include "rows.h"

struct sample_place {
    const char *stage;
    int64_t step;
    int32_t attention;
    bool causal; /* left to right until eos, rather than at the reference's length */
    bool first;  /* the file begins anew */
};

/* Appends `count` lines to samples.jsonl at `path`: answers of the model to rows spread over `rows` (with texts), at the
 * reference's length. */
diffulm_status samples_write(const char *path, const struct cli_bundle *bundle,
                             const diffulm_model *model, const struct rows *rows, size_t count,
                             const struct sample_place *at);

/* The model's answers to rows from `first` on, as above (stage, step and first are not used), denoised together; *count texts are
 * the caller's (free), on failure too. */
enum { SAMPLES_TOGETHER = 64 };
diffulm_status samples_answer(const struct cli_bundle *bundle, const diffulm_model *model,
                              const struct rows *rows, size_t first, const struct sample_place *at,
                              char *texts[SAMPLES_TOGETHER], size_t *count);

#endif

/* row.h: training rows from an encoded source and target (diffusion, section 1). */
#ifndef DULM_DIFFUSION_ROW_H
#define DULM_DIFFUSION_ROW_H

#include <diffulm/schedule.h>

/* Where the pieces of a row come from, after its eos and bos in the middle went and its head was
 * cut. */
struct dulm_row_plan {
    size_t source_first, source_length; /* tokens of the source that stay */
    size_t target_first, target_length;
};
struct dulm_row_plan dulm_plan_row(const struct diffulm_pair *pair, size_t max_length);

/* Writes the row, padded to `padded` positions, to the arrays that `row` has. */
void dulm_write_row(const struct diffulm_pair *pair, const struct dulm_row_plan *plan,
                    const struct diffulm_training_row_options *options, size_t padded,
                    struct diffulm_training_row *row);

#endif

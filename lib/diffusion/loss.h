/* loss.h: the diffusion loss as a function of cross entropies (diffusion, section 3). */
#ifndef DULM_DIFFUSION_LOSS_H
#define DULM_DIFFUSION_LOSS_H

#include "diffusion/schedule.h"

/* The loss is sum_rows sum_S (d_ce CE + d_uniform uniform_CE). */
struct dulm_loss_share {
    double d_ce, d_uniform;
};
/* Of one row among `rows`, from its timestep and number of maskable positions (0: no loss). */
struct dulm_loss_share dulm_loss_share_of(const struct diffulm_schedule *schedule,
                                          double label_smoothing, size_t rows, int32_t t,
                                          size_t maskable);

/* Cross entropies of `logits` and their loss. loss is written on success only;
 * d_logits (NULL: no gradient) holds no meaning after a failure. */
diffulm_status dulm_loss_of_logits(const struct diffulm_schedule *schedule,
                                   const struct diffulm_loss_rows *rows,
                                   const struct diffulm_loss_logits *logits,
                                   struct diffulm_loss *loss, float *d_logits) DIFFULM_MUST_USE;

#endif

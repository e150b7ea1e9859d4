/* loss.c: the weight of each cross entropy, and the loss of logits (diffusion, section 3):
 *   loss = 1/rows sum_rows [ (1 - s) w(t)/n sum_S CE + s T/n sum_S uniform_CE ]. */
#include "diffusion/loss.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "nn/kernels.h"

struct dulm_loss_share dulm_loss_share_of(const struct diffulm_schedule *s, double label_smoothing,
                                          size_t rows, int32_t t, size_t maskable)
{
    const double share = maskable ? 1.0 / ((double)maskable * (double)rows) : 0;
    return (struct dulm_loss_share){(1 - label_smoothing) * dulm_loss_weight(s, t) * share,
                                    label_smoothing * s->options.timesteps * share};
}

struct sums {
    double weighted_ce, uniform, ce;
};

/* One position: the terms before mixing are added to `sums`, x [v] becomes the gradient where
 * asked. */
static void add_position(const struct diffulm_schedule *s, const struct diffulm_loss_rows *rows,
                         size_t r, int32_t target, size_t v, float *x, bool gradient,
                         struct sums *sums)
{
    const double smoothing = rows->label_smoothing;
    const double d_ce = dulm_loss_share_of(s, 0, rows->rows, rows->t[r], rows->maskable[r]).d_ce;
    const double d_uniform =
        dulm_loss_share_of(s, 1, rows->rows, rows->t[r], rows->maskable[r]).d_uniform;
    double ce, uniform_ce;
    dulm_kernels_baseline.cross_entropy(
        v, x, (size_t)target, gradient ? (float)((1 - smoothing) * d_ce) : 0,
        gradient ? (float)(smoothing * d_uniform) : 0, &ce, &uniform_ce);
    sums->weighted_ce += d_ce * ce;
    sums->uniform += d_uniform * uniform_ce;
    sums->ce += ce;
}

diffulm_status dulm_loss_of_logits(const struct diffulm_schedule *s,
                                   const struct diffulm_loss_rows *rows,
                                   const struct diffulm_loss_logits *in, struct diffulm_loss *loss,
                                   float *d_logits)
{
    const size_t v = in->vocabulary;
    float *scratch = d_logits ? NULL : dulm_alloc(v, sizeof *scratch);
    if (!d_logits && !scratch)
        return dulm_fail_memory();
    struct sums sums = {0};
    for (size_t i = 0; i < in->count; i++) {
        float *x = d_logits ? d_logits + i * v : scratch;
        memcpy(x, in->logits + i * v, v * sizeof *x);
        add_position(s, rows, in->row[i], in->target[i], v, x, d_logits != NULL, &sums);
    }
    dulm_free(scratch);
    /* An id that the host rules out makes `uniform` infinite, which only counts with smoothing. */
    const double smoothing = rows->label_smoothing;
    const double mixed =
        (1 - smoothing) * sums.weighted_ce + (smoothing > 0 ? smoothing * sums.uniform : 0);
    if (!isfinite(mixed))
        return dulm_fail(DIFFULM_E_NUMERIC, "the loss is not finite");
    loss->loss = mixed;
    loss->weighted_ce = sums.weighted_ce;
    loss->uniform = sums.uniform;
    loss->cross_entropy = in->count ? sums.ce / (double)in->count : 0;
    return DIFFULM_OK;
}

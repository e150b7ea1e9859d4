/* schedule.h: the parts of diffusion training, each usable alone: training rows from a source and a
 * target, noise schedules, timesteps, corruption, and the loss of logits that any engine computed.
 *
 *   diffulm_schedule_create("linear", NULL, &schedule);
 *   diffulm_training_row_build(&pair, NULL, &row);
 *   diffulm_schedule_draw_timesteps(schedule, seed, update, number, &t1, &t2);
 *   diffulm_schedule_corrupt(schedule, &clean, t1, t2, &corrupted);
 *   ... the host's network: logits of the masked positions of x_hi and x_lo ...
 *   diffulm_schedule_loss(schedule, &rows, &logits, &loss, d_logits);
 *
 * The objective is that of Ye et al. 2023 (arXiv 2308.12219, "the paper"), after Zheng et al. 2023
 * (arXiv 2302.05737, "RDM"). */
#ifndef DIFFULM_SCHEDULE_H
#define DIFFULM_SCHEDULE_H

#include <diffulm/common.h>

DIFFULM_BEGIN_DECLS

/* A noise schedule with its timesteps, loss weights and kind of corruption. Frozen and
 * reference-counted; used from any number of threads. Since 0.1. */
typedef struct diffulm_schedule diffulm_schedule;

#define DIFFULM_WEIGHT_LINEAR 0   /* w(t) = T - (t - 1) */
#define DIFFULM_WEIGHT_CONSTANT 1 /* w(t) = T */
#define DIFFULM_WEIGHT_MDLM 2     /* w(t) = -alpha' / (1 - alpha) at t / T; linear: T / t */

#define DIFFULM_CORRUPTION_COUPLED 0 /* two dependent draws of each row (Zheng et al. 2023) */
#define DIFFULM_CORRUPTION_SINGLE 1  /* one draw at a uniform timestep */
#define DIFFULM_CORRUPTION_FIXED 2   /* both draws at ceil(ratio T): masked-LM training */

struct diffulm_schedule_options {
    size_t struct_size;
    int32_t timesteps;  /* T, 1 to 2^20; 0: 50 */
    int32_t weight;     /* DIFFULM_WEIGHT_… */
    int32_t corruption; /* DIFFULM_CORRUPTION_… */
    double mask_ratio;  /* of fixed corruption, above 0, at most 1 */
};
#define DIFFULM_SCHEDULE_OPTIONS_INIT                                                              \
    {                                                                                              \
        sizeof(struct diffulm_schedule_options), 0, 0, 0, 0                                        \
    }
/* Fills the options with the defaults, as the static initialiser does. Since 0.1. */
DIFFULM_API void diffulm_schedule_options_init(struct diffulm_schedule_options *options,
                                               size_t struct_size);

/* Makes a schedule by the name of its alpha, the probability that a token is clean at time t, 0 to
 * 1: linear     1 - t (RDM; the paper's: the rate at timestep t of T is t / T), cosine     1 -
 * cos(pi/2 (1 - t)), loglinear  1 - 0.999 t, geometric  exp(-sigma), sigma = 0.001^(1 - t) (the
 * last three: Sahoo et al. 2024). NULL: linear. Timestep t of T is time t / T. options may be NULL.
 * On success *out is the caller's (unref); on failure it is untouched. Errors: E_ARGUMENT names the
 * schedule or option; E_OUT_OF_MEMORY. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_schedule_create(const char *name,
                                                   const struct diffulm_schedule_options *options,
                                                   diffulm_schedule **out) DIFFULM_MUST_USE;
/* One more reference; returns its argument, NULL too. Any thread. Since 0.1. */
DIFFULM_API diffulm_schedule *diffulm_schedule_ref(diffulm_schedule *schedule);
/* Drops a reference, frees with the last. NULL is allowed. Any thread. Since 0.1. */
DIFFULM_API void diffulm_schedule_unref(diffulm_schedule *schedule);
/* Its name, constant and owned by the library. Any thread. Since 0.1. */
DIFFULM_API const char *diffulm_schedule_name(const diffulm_schedule *schedule);
/* Its T. Any thread. Since 0.1. */
DIFFULM_API int32_t diffulm_schedule_timesteps(const diffulm_schedule *schedule);
/* The name of schedule `index`, NULL past the last. Any thread. Since 0.1. */
DIFFULM_API const char *diffulm_schedule_known(size_t index);

/* The probability that a maskable token is masked at timestep t, 1 to T. Errors: E_ARGUMENT; *rate
 * is then untouched. Any thread. RDM, absorbing diffusion. Since 0.1. */
DIFFULM_API diffulm_status diffulm_schedule_mask_rate(const diffulm_schedule *schedule, int32_t t,
                                                      double *rate) DIFFULM_MUST_USE;
/* w(t), the weight of cross entropies at timestep t, 1 to T. Errors: E_ARGUMENT; *weight is then
 * untouched. Any thread. RDM; MDLM: Sahoo et al. 2024. Since 0.1. */
DIFFULM_API diffulm_status diffulm_schedule_loss_weight(const diffulm_schedule *schedule, int32_t t,
                                                        double *weight) DIFFULM_MUST_USE;
/* In continuous time, 0 to 1: alpha, the mask rate 1 - alpha, and the weight -alpha' / (1 - alpha)
 * of the likelihood bound, which needs a time above 0 and does not depend on the options. Each
 * output may be NULL. Errors: E_ARGUMENT; the outputs are then untouched. Any thread. Sahoo et al.
 * 2024. Since 0.1. */
DIFFULM_API diffulm_status diffulm_schedule_at_time(const diffulm_schedule *schedule, double time,
                                                    double *alpha, double *mask_rate,
                                                    double *weight) DIFFULM_MUST_USE;

/* An encoded pair. Every id may be set, 0 too; -1: the tokenizer has no such token. */
struct diffulm_pair {
    size_t struct_size;
    size_t source_length, target_length;
    const int32_t *source; /* [source_length], with bos and eos where the tokenizer sets them */
    const int32_t *target; /* [target_length], the same */
    int32_t bos_id, eos_id, pad_id;
};

struct diffulm_training_row_options {
    size_t struct_size;
    size_t max_length;       /* tokens of a row, without padding; 0: no limit */
    size_t pad_to;           /* positions to fill with pads; 0: no padding */
    int32_t mask_on_source;  /* 1: source positions are maskable too, and not frozen */
    int32_t mask_on_padding; /* 1: pads are maskable, attended to and counted */
};
#define DIFFULM_TRAINING_ROW_OPTIONS_INIT                                                          \
    {                                                                                              \
        sizeof(struct diffulm_training_row_options), 0, 0, 0, 0                                    \
    }
/* Fills the options with the defaults, as the static initialiser does. Since 0.1. */
DIFFULM_API void diffulm_training_row_options_init(struct diffulm_training_row_options *options,
                                                   size_t struct_size);

/* A training row. The host sets capacity and the arrays, diffulm_training_row_build the rest. */
struct diffulm_training_row {
    size_t struct_size;
    size_t capacity;       /* of each array */
    int32_t *tokens;       /* [padded] */
    uint8_t *frozen;       /* [padded] 1: given, never masked; or NULL */
    uint8_t *maskable;     /* [padded] 1: may be masked; or NULL */
    uint8_t *attended;     /* [padded] 1: takes part in attention; or NULL */
    size_t length;         /* tokens without padding */
    size_t padded;         /* positions with padding: pad_to, or length */
    size_t source_length;  /* source tokens that are left, bos included */
    size_t maskable_count; /* n of the loss */
    int32_t length_class;  /* what the length head is to learn: max(2, target tokens) - 2 */
};

/* Builds [bos] source target [eos]: the source without its eos, then the target without its bos.
 * Too long a row keeps its last max_length tokens, and may lose its bos or all of its source.
 * options may be NULL. BUFFER_TOO_SMALL where capacity is below `padded` (with capacity 0, tokens
 * may be NULL): length, padded, source_length and length_class are written, the rest is not.
 * Errors: E_ARGUMENT, also where pad_to is less than the row, or pads are needed and pad_id is
 * negative; the row is then untouched. Any thread. The paper's rows. Since 0.1. */
DIFFULM_API diffulm_status diffulm_training_row_build(
    const struct diffulm_pair *pair, const struct diffulm_training_row_options *options,
    struct diffulm_training_row *row) DIFFULM_MUST_USE;

/* The timesteps of training row number `row` in update `step`, each uniform in 1..T: independent
 * for coupled corruption, one and the same for single, ceil(mask_ratio T) for fixed. A function of
 * its arguments alone. Errors: E_ARGUMENT; the outputs are then untouched. Any thread. RDM, coupled
 * training. Since 0.1. */
DIFFULM_API diffulm_status diffulm_schedule_draw_timesteps(const diffulm_schedule *schedule,
                                                           uint64_t seed, uint32_t step,
                                                           uint32_t row, int32_t *t1,
                                                           int32_t *t2) DIFFULM_MUST_USE;

/* A row to corrupt. Masks are drawn from (seed, step, row, position), or from the host's uniforms. */
struct diffulm_clean_row {
    size_t struct_size;
    size_t length;
    const int32_t *tokens;     /* [length] */
    const uint8_t *maskable;   /* [length], or NULL: every position */
    const double *u_hi, *u_lo; /* [length] in [0, 1), or NULL: drawn */
    uint64_t seed;
    uint32_t step, row; /* update, and number of the row in it */
    int32_t mask_id;
};

/* Where the corrupted copies go, [length] each; NULL: not wanted. */
struct diffulm_corrupted_pair {
    size_t struct_size;
    int32_t *x_hi, *x_lo;
    uint8_t *masked_hi, *masked_lo; /* 1: masked in that copy */
};

/* Masks a row at timesteps t1 and t2, in any order; hi is the larger. Each maskable position is
 * masked in x_hi at the rate of hi; one that is masked there stays so in x_lo with probability
 * rate(lo) / rate(hi), the others are clean. Equal timesteps: x_lo is a second independent draw.
 * With single corruption t2 is not looked at, and x_lo and masked_lo must be NULL. Comparisons are
 * strict, and exact for the linear schedule. Outputs overlap nothing else. Errors: E_ARGUMENT,
 * E_OUT_OF_MEMORY; nothing is written then. Any thread. RDM, coupled training. Since 0.1. */
DIFFULM_API diffulm_status diffulm_schedule_corrupt(
    const diffulm_schedule *schedule, const struct diffulm_clean_row *row, int32_t t1, int32_t t2,
    struct diffulm_corrupted_pair *out) DIFFULM_MUST_USE;

/* The rows of a training batch; a coupled pair is two rows. */
struct diffulm_loss_rows {
    size_t struct_size;
    size_t rows;
    const int32_t *t;       /* [rows], 1 to T */
    const size_t *maskable; /* [rows] n: maskable positions, masked or not */
    double label_smoothing; /* 0 to 1 */
};

/* The derivatives of the loss by the cross entropy -log p(target) (d_ce) and by -mean over the
 * vocabulary of log p (d_uniform_ce; 0 without label smoothing) of each masked position of a row,
 * so that loss = sum over rows, over their masked positions, of d_ce CE + d_uniform_ce uniform_CE.
 * Both outputs are [rows]. A row with n = 0 gets zeros. Errors: E_ARGUMENT; nothing is written
 * then. Any thread. The paper's loss. Since 0.1. */
DIFFULM_API diffulm_status diffulm_schedule_loss_coefficients(
    const diffulm_schedule *schedule, const struct diffulm_loss_rows *rows, double *d_ce,
    double *d_uniform_ce) DIFFULM_MUST_USE;

/* The host's logits at the masked positions of a batch, in any order. */
struct diffulm_loss_logits {
    size_t struct_size;
    size_t count, vocabulary;
    const size_t *row;     /* [count] which row of the batch a position is in */
    const int32_t *target; /* [count] its clean token */
    const float *logits;   /* [count, vocabulary] */
};

/* Results; the host sets struct_size. */
struct diffulm_loss {
    size_t struct_size;
    double loss;          /* (1 - label_smoothing) weighted_ce + label_smoothing uniform */
    double weighted_ce;   /* 1/rows sum w(t)/n sum CE */
    double uniform;       /* 1/rows sum T/n sum uniform CE; infinite if a logit is -inf */
    double cross_entropy; /* mean over the positions, nats; 0 if there are none */
};

/* Loss of a batch and, unless d_logits is NULL, its gradient [count, vocabulary]; d_logits may not
 * overlap the logits. A logit of -inf (an id that the host rules out) is allowed where
 * label_smoothing is 0 and it is no target's. Errors: E_ARGUMENT names the position, before
 * anything is written; E_NUMERIC where the loss is not finite, E_OUT_OF_MEMORY: *loss is untouched,
 * d_logits unspecified. Any thread. The paper's loss. Since 0.1. */
DIFFULM_API diffulm_status diffulm_schedule_loss(const diffulm_schedule *schedule,
                                                 const struct diffulm_loss_rows *rows,
                                                 const struct diffulm_loss_logits *logits,
                                                 struct diffulm_loss *loss,
                                                 float *d_logits) DIFFULM_MUST_USE;

/* The order of the n items of an epoch: sorted by a 64-bit draw of (seed, epoch, item), then by number;
 * a function of its arguments alone. order: [n]. Errors: E_ARGUMENT, E_OUT_OF_MEMORY. Any thread. Since
 * 0.1. */
DIFFULM_API diffulm_status diffulm_shuffle(uint64_t seed, uint32_t epoch, size_t n,
                                           size_t *order) DIFFULM_MUST_USE;
/* Which of n sources row `number` of a mixture comes from: inverse CDF of one draw over the weights
 * (not negative, any positive sum). *source is set. Errors: E_ARGUMENT. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_mixture_pick(uint64_t seed, uint32_t number, size_t n,
                                                const double *weights,
                                                size_t *source) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif

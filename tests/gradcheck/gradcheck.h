/* gradcheck.h: gradients against central differences. A case is a scalar loss of float tensors,
 * usually a weighted sum of an operation's outputs, added up in double. */
#ifndef DULM_TESTS_GRADCHECK_H
#define DULM_TESTS_GRADCHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nn/runtime.h"

/* What kind of function is differentiated: a row of the tolerance table in gradcheck.c. */
enum gradcheck_kind { GRADCHECK_LINEAR, GRADCHECK_SMOOTH, GRADCHECK_NETWORK, GRADCHECK_KINDS };

struct gradcheck_loss {
    enum gradcheck_kind kind;
    double (*of)(void *user); /* computed anew from the tensors as they are now */
    void *user;
};

/* Compares gradient[n] with the differences of the loss by each x[i]; fails naming the worst. */
void gradcheck(const struct gradcheck_loss *loss, const char *what, float *x, size_t n,
               const float *gradient);

/* Multiples of 2^-10 in [-1, 1) that depend on the seed alone: differences of them are exact. */
void gradcheck_fill(uint32_t seed, size_t n, float *x);
/* The same around `center`, times `scale` (a power of two). */
void gradcheck_fill_around(uint32_t seed, size_t n, float center, float scale, float *x);
/* sum w[i] y[i]. */
double gradcheck_sum(size_t n, const float *w, const float *y);
/* A zeroed array, freed by the caller; fails the test when there is no memory. */
float *gradcheck_array(size_t n);

/* The runtime of the group being run, one thread. */
const struct diffulm_runtime *gradcheck_runtime(void **state);

/* The tests, by file. */
void gradients_of_gemm_in_every_transpose_form(void **state);
void gradients_of_layer_norm_with_and_without_bias(void **state);
void gradients_of_every_activation(void **state);
void gradients_of_every_gated_activation(void **state);
void gradients_of_softmax_at_every_scale(void **state);
void softmax_row_that_sees_nothing_has_no_gradient(void **state);
void gradients_of_cross_entropy_and_uniform_cross_entropy(void **state);
void column_sums_are_the_gradient_of_a_bias(void **state);

void gradients_of_attention_under_every_visibility(void **state);
void gradients_of_attention_with_unattended_tokens(void **state);
void gradients_of_attention_with_dropped_probabilities(void **state);
void inverse_rotary_is_the_transpose_of_rotary(void **state);

void gradients_of_linear_maps_with_an_adapter(void **state);
void dropout_draws_the_same_units_in_both_directions(void **state);
void gradients_of_embeddings(void **state);
void pad_tokens_leave_their_embedding_alone(void **state);
void gradients_of_a_post_norm_block(void **state);
void gradients_of_a_pre_norm_block(void **state);
void gradients_of_a_gated_rotary_block_with_a_local_window(void **state);
void gradients_of_a_block_with_dropout(void **state);
void gradients_of_the_length_head(void **state);

void gradients_of_whole_models(void **state);
void targets_that_do_not_count_have_no_gradient(void **state);

#endif

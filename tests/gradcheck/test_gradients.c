/* test_gradients.c: every backward pass against differences of its forward pass, on the reference
 * backend and, where it was built in, on oneDNN with the widest kernels of this machine. */
#include <stdlib.h>

#include "gradcheck.h"

static int start(int32_t backend, void **state)
{
    struct diffulm_runtime_options options = DIFFULM_RUNTIME_OPTIONS_INIT;
    diffulm_runtime *runtime = NULL;
    options.threads = 1;
    options.backend = backend;
    const diffulm_status rc = diffulm_runtime_create(&options, &runtime);
    *state = runtime;
    return rc < 0;
}

static int start_reference(void **state)
{
    return start(DIFFULM_BACKEND_REFERENCE, state);
}

static int stop(void **state)
{
    diffulm_runtime_unref(*state);
    return 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(gradients_of_gemm_in_every_transpose_form),
    cmocka_unit_test(gradients_of_layer_norm_with_and_without_bias),
    cmocka_unit_test(gradients_of_every_activation),
    cmocka_unit_test(gradients_of_every_gated_activation),
    cmocka_unit_test(gradients_of_softmax_at_every_scale),
    cmocka_unit_test(softmax_row_that_sees_nothing_has_no_gradient),
    cmocka_unit_test(gradients_of_cross_entropy_and_uniform_cross_entropy),
    cmocka_unit_test(column_sums_are_the_gradient_of_a_bias),
    cmocka_unit_test(gradients_of_attention_under_every_visibility),
    cmocka_unit_test(gradients_of_attention_with_unattended_tokens),
    cmocka_unit_test(gradients_of_attention_with_dropped_probabilities),
    cmocka_unit_test(inverse_rotary_is_the_transpose_of_rotary),
    cmocka_unit_test(gradients_of_linear_maps_with_an_adapter),
    cmocka_unit_test(dropout_draws_the_same_units_in_both_directions),
    cmocka_unit_test(gradients_of_embeddings),
    cmocka_unit_test(pad_tokens_leave_their_embedding_alone),
    cmocka_unit_test(gradients_of_a_post_norm_block),
    cmocka_unit_test(gradients_of_a_pre_norm_block),
    cmocka_unit_test(gradients_of_a_gated_rotary_block_with_a_local_window),
    cmocka_unit_test(gradients_of_a_block_with_dropout),
    cmocka_unit_test(gradients_of_the_length_head),
    cmocka_unit_test(gradients_of_whole_models),
    cmocka_unit_test(targets_that_do_not_count_have_no_gradient),
};

#ifdef DULM_ONEDNN
static int start_onednn(void **state)
{
    return start(DIFFULM_BACKEND_ONEDNN, state);
}
#endif

int main(void)
{
    int failed = cmocka_run_group_tests_name("reference", tests, start_reference, stop);
#ifdef DULM_ONEDNN
    failed += cmocka_run_group_tests_name("onednn", tests, start_onednn, stop);
#endif
    return failed;
}

/* table.c: the kernels of one instruction set, gathered. */
#include "nn/ref/isa.h"

#define DULM_TEXT2(x) #x
#define DULM_TEXT(x) DULM_TEXT2(x)

const struct dulm_kernels DULM_JOIN(dulm_kernels, DULM_ISA) = {
    .name = DULM_TEXT(DULM_ISA),
    .gemm = K(gemm),
    .layer_norm = K(layer_norm),
    .layer_norm_backward = K(layer_norm_backward),
    .layer_norm_parameters = K(layer_norm_parameters),
    .activation = K(activation),
    .activation_backward = K(activation_backward),
    .gated = K(gated),
    .gated_backward = K(gated_backward),
    .max = K(max),
    .exp_sum = K(exp_sum),
    .sum = K(sum),
    .softmax_shifted = K(softmax_shifted),
    .softmax = K(softmax),
    .softmax_backward = K(softmax_backward),
    .column_sums = K(column_sums),
    .to_bf16 = K(to_bf16),
    .from_bf16 = K(from_bf16),
    .from_f16 = K(from_f16),
    .quantize_row = K(quantize_row),
    .quantize_weights = K(quantize_weights),
    .sum_int8 = K(sum_int8),
    .gemm_u8s8 = K(gemm_u8s8),
    .dequantize_row = K(dequantize_row),
    .add = K(add),
    .copy_past = K(copy_past),
    .copied_past = K(copied_past),
    .cross_entropy = K(cross_entropy),
    .adamw = K(adamw),
};

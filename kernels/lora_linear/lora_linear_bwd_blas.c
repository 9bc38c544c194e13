#include "kernels/gemm/gemm_blas.h"

#include "kernels/lora_linear/lora_linear_bwd_simd.c"

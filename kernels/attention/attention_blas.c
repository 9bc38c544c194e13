#include "kernels/gemm/gemm_blas.h"

#include "kernels/attention/attention_simd.c"

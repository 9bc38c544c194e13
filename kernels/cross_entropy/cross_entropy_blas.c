#include "kernels/gemm/gemm_blas.h"

#include "kernels/cross_entropy/cross_entropy_simd.c"

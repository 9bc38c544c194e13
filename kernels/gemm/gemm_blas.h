/* First line of every *_blas.c: the source of the op's *_simd.c follows, once more, with its
 * products made by OpenBLAS and all else as in the base variant.
 *
 *     #include "kernels/gemm/gemm_blas.h"
 *     #include "kernels/lora_linear/lora_linear_simd.c"     // lora_linear_fwd_blas
 *
 * Where it is ahead (cpu_blas_leads) and by how much stands in kernels/cpu_probe.h. OpenBLAS lays
 * both factors down again in each call, so its blocks are wider and its tiles shallower than our
 * own: of the speed of 512 x 576 x 576 in one call, tiles of 256 x 144 reach 0.94, of 512 x 48
 * 0.84 (Sandybridge). */
#ifndef KERNELS_GEMM_BLAS_H
#define KERNELS_GEMM_BLAS_H

#undef VARIANT
#define VARIANT blas

#define GEMM_COLS  144 /* divides a tile of the fused cross-entropy */
#define LORA_CHUNK 256

#define gemm_few_blas   gemm_few_base
#define gemm_lay_blas   gemm_lay_base
#define gemm_lay_t_blas gemm_lay_t_base

#include "kernels/gemm/gemm.h"

#endif

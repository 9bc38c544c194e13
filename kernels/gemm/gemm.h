/* Matrix products inside *_simd.c files: one thread, one piece of the output at a time. The
 * threads are the callers' business: they cut their output into tiles (kernels/cpu.h) and call
 * this in each.
 *
 *     // Y[0:512, n0:n0+48] = X W^T + H B^T, with 48 rows of W laid down as [in][48] before
 *     V(gemm_lay_t)(wt, GEMM_COLS, w, DT_BF16, in, 48, in);
 *     struct gemm_term t[] = {{x, ldx, 1, wt, GEMM_COLS, in}, {h, rank, 1, bt, GEMM_COLS, rank}};
 *     V(gemm)(y + n0, ldy, NULL, 0, t, 2, 512, 48);
 *
 * The sum of all terms is made in registers, so a low-rank update costs only its own
 * multiplications. An element of A is a[i * row + p * step]: either stride may be 1, so A is used
 * as it lies, plain or transposed, and only B must have rows of consecutive columns. What is not
 * so (W of the forward pass, 16-bit weights) is laid down by gemm_lay and gemm_lay_t, a block at
 * a time, in a worker's scratch.
 *
 * Why nothing is packed beyond that: the kernel holds 8 x 48 sums (AVX-512; 6 x 16 with AVX2), so
 * each element of A is used 48 times for one load, eight rows stay in the L1 cache while all of B
 * streams by from L2, and that reaches the processor's peak. A block of B should be at most half
 * of L2: GEMM_DEEP rows of GEMM_COLS columns are 120 KiB.
 *
 * Sums run over p in order, in float, from zero; c0 is added at the end. So callers that pass
 * long sums in pieces of GEMM_DEEP get blocked summation, whose error grows with the square root
 * of both. */
#ifndef KERNELS_GEMM_H
#define KERNELS_GEMM_H

#include "kernels/cpu.h"
#include "kernels/simd.h"

#ifndef GEMM_COLS    /* gemm_blas.h has its own */
#define GEMM_COLS 48 /* columns of a laid-down block: a multiple of every kernel's width */
#endif
enum { GEMM_DEEP = 640 }; /* rows of one at most: eight rows of A that long fill half of L1 */

/* A [m, depth] B [depth, n] */
struct gemm_term {
    const float *a;
    size_t row, step; /* strides of A */
    const float *b;
    size_t ld;
    int depth;
};

/* C [m,n] = C0 + sum of terms. c0 NULL: zero; ld0 0: the same row for all (a bias); c0 may be c. */
void V(gemm)(float *c, size_t ldc, const float *c0, size_t ld0, const struct gemm_term *term,
             int terms, int m, int n);

/* Memory that the caller will want next (a block of W, from far away): `rows` pieces of `bytes`,
 * which the product asks for a little at a time, so that it waits for nothing. Only a hint. */
struct gemm_ahead {
    const void *p;
    size_t stride, bytes;
    int rows;
};
void V(gemm_ahead)(float *c, size_t ldc, const float *c0, size_t ld0, const struct gemm_term *term,
                   int terms, int m, int n, const struct gemm_ahead *ahead);

/* dst[r][c] = w[r][c] as floats, from a matrix of F32, F16 or BF16. */
void V(gemm_lay)(float *dst, size_t ld_dst, const void *w, enum dtype dtype, size_t ldw, int rows,
                 int cols);
/* dst[c][r] = w[r][c], the same way */
void V(gemm_lay_t)(float *dst, size_t ld_dst, const void *w, enum dtype dtype, size_t ldw, int rows,
                   int cols);

/* The pieces into which a sum of `depth` is cut: at most GEMM_DEEP each, all but the last equal. */
static inline int gemm_piece(int depth)
{
    int pieces = depth / GEMM_DEEP + (depth % GEMM_DEEP != 0);
    int piece = depth / pieces + (depth % pieces != 0);
    return (piece + 15) / 16 * 16;
}

static inline int gemm_min(int a, int b)
{
    return a < b ? a : b;
}

/* The product for at most GEMM_FEW rows, as in generation, where reading W is all the work:
 * C [m,n] = C0 + scale * A [m,depth] B^T, B's rows [n,depth] as they lie, each read once. */
enum { GEMM_FEW = 4 };
void V(gemm_few)(float *c, size_t ldc, const float *c0, size_t ld0, const float *a, size_t lda,
                 const void *b, enum dtype dtype, size_t ldb, float scale, int m, int n, int depth);

#endif

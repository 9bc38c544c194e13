/* Inside the OpenCL device: products with a frozen matrix, for lora_linear and linear_cross_entropy.
 *
 *     struct gemm_ocl g = {.c = y, .a = x, .w = lin->w, .rows = rows, .res = res};
 *     gemm_ocl(k, &g);
 *
 *   W [out, in].  side GEMM_NT:  C [rows, out] = A [rows, in] W^T + sum_j s_j H_j B_j^T [+ bias] [+ res]
 *                 side GEMM_NN:  C [rows, in]  = A [rows, out] W  + sum_j H_j A_j       [+ res]
 * C may be res. Which rows of A are read, or of C written, can be picked by an index. The low-rank terms
 * are further steps of the same sum; H is [rows, sum of ranks].
 *
 * Tiles of several sizes are built (gemm.cl); which one runs is a function of the shape and the device. */
#ifndef KERNELS_GEMM_OCL_H
#define KERNELS_GEMM_OCL_H

#include "kernels/ocl.h"

enum gemm_side { GEMM_NT, GEMM_NN };

struct gemm_ocl {
    struct kref c, a;
    const struct kweight *w;
    enum gemm_side side;
    int rows; /* of A and C as they are used */
    struct kref bias, res;
    struct kref index; /* [rows] i32: used if gather or scatter */
    bool gather, scatter;
    const struct klinear *lin; /* NULL: no low-rank terms */
    struct kref h, params;
    bool make_h; /* h is written, not read: gemm_ocl_makes_h */
};

void gemm_ocl(kern *k, const struct gemm_ocl *g);

/* Whether gemm_ocl can make H = A (lin's A)^T in passing, as it does for few rows. */
bool gemm_ocl_makes_h(const kern *k, const struct gemm_ocl *g);

/* H alone. Returns false, and does nothing, where this device or the ranks want another kernel. */
bool gemm_ocl_down(kern *k, const struct gemm_ocl *g);

/* A tile's name, or NULL for "few rows", that gemm_ocl would take: for reports. */
const char *gemm_ocl_tile(const kern *k, enum gemm_side side, int rows, int cols);

/* CLBlast, loaded at run time; NULL where it is not installed (gemm_rival_ocl.c). */
const struct kern_rival *gemm_rival(void);

#endif

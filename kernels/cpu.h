/* Inside the CPU variants only: host pointers, tiles over the thread pool, scratch.
 *
 * An op cuts its work into tiles whose size never depends on the number of threads, and each tile
 * writes its own part of the output (or its own partial sum, added up afterwards in tile order):
 *
 *     struct args { float *y; … } a = {…};
 *     cpu_run(k, rmsnorm_fwd_tile, &a, (rows + ROWS - 1) / ROWS);
 *
 * Workers take tiles dynamically, so uneven machines stay busy. A worker's own scratch is
 * cpu_worker_scratch(k, worker), CPU_WORKER_BYTES, 64-byte aligned. Scratch shared by the tiles of
 * one op comes from a stack that kern_prepare sized:
 *
 *     size_t mark = cpu_scratch_mark(k);
 *     float *h = cpu_scratch(k, bytes, "lora_linear_fwd");
 *     if (h) …                            // NULL: the failure has stuck
 *     cpu_scratch_release(k, mark); */
#ifndef KERNELS_CPU_H
#define KERNELS_CPU_H

#include "kernels/device.h"

enum { CPU_WORKER_BYTES = 4 << 20 };

typedef void cpu_tile_fn(kern *k, void *args, int tile, int worker);
void cpu_run(kern *k, cpu_tile_fn *fn, void *args, int tiles);
int cpu_workers(const kern *k);
void *cpu_worker_scratch(kern *k, int worker);

size_t cpu_scratch_mark(kern *k);
void *cpu_scratch(kern *k, size_t bytes, const char *op);
void cpu_scratch_release(kern *k, size_t mark);
size_t cpu_scratch_need(const struct kern_specs *s); /* bytes: cpu_need.c has the formula */

/* Host pointers. cpu_f32 is for the fast variants, whose buffers are all F32 (the table of a CPU
 * opened in f32); the reference reads any dtype through cpu_get and cpu_set, F64 too: its gradients
 * are tested against finite differences in double. */
static inline float *cpu_f32(struct kref r)
{
    return (float *)r.buf->p + r.at;
}
static inline int32_t *cpu_i32(struct kref r)
{
    return (int32_t *)r.buf->p + r.at;
}
/* Where element (row, col) stands, for cpu_get and cpu_set. */
static inline size_t cpu_at(struct kref m, int row, int col)
{
    return (size_t)row * (size_t)m.ld + (size_t)col;
}
static inline double cpu_get(struct kref r, size_t i)
{
    i += r.at;
    switch (r.buf->dtype) {
    case DT_F64: return ((const double *)r.buf->p)[i];
    case DT_F16: return (double)f16_to_f32(((const uint16_t *)r.buf->p)[i]);
    case DT_BF16: return (double)bf16_to_f32(((const uint16_t *)r.buf->p)[i]);
    default: return (double)((const float *)r.buf->p)[i];
    }
}
static inline void cpu_set(struct kref r, size_t i, double value)
{
    i += r.at;
    switch (r.buf->dtype) {
    case DT_F64: ((double *)r.buf->p)[i] = value; break;
    case DT_F16: ((uint16_t *)r.buf->p)[i] = f32_to_f16((float)value); break;
    case DT_BF16: ((uint16_t *)r.buf->p)[i] = f32_to_bf16((float)value); break;
    default: ((float *)r.buf->p)[i] = (float)value; break;
    }
}

/* A frozen matrix on the CPU is row-major as loaded, at kweight.p. Decodes one row to f32. */
void cpu_weight_row(const struct kweight *w, int row, float *dst);

/* What the processor can do; probed once. */
enum cpu_isa { CPU_BASE, CPU_AVX2, CPU_AVX512 };
enum cpu_isa cpu_isa_best(void);
const char *cpu_isa_name(enum cpu_isa isa); /* "avx2" */

/* OpenBLAS, where this handle computes with it: loaded at open, with the right core and one thread
 * of its own (tiles run side by side). That is "cpu:blas", the base variant with the products of
 * gemm_blas.c, and "cpu" on a processor where that is ahead of our own kernels (cpu_blas_leads);
 * else NULL, and nothing is loaded. sgemm is cblas_sgemm, to be called with BLAS_ROW_MAJOR and
 * BLAS_N or BLAS_T:
 *     C [m,n] = alpha op(A) op(B) + beta C */
struct cpu_blas {
    void (*sgemm)(int order, int ta, int tb, int m, int n, int kk, float alpha, const float *a,
                  int lda, const float *b, int ldb, float beta, float *c, int ldc);
    char core[48];    /* openblas_get_corename() */
    char version[32]; /* "OpenBLAS 0.3.21" */
};
const struct cpu_blas *cpu_blas(const kern *k);
enum { BLAS_ROW_MAJOR = 101, BLAS_N = 111, BLAS_T = 112 };

/* The scalar specification of every elementary op (kernels/<op>/<op>.c). */
#define OP(name) name##_fn name##_ref;
#define BLOCK(name)
#include "kernels/ops.def"
#undef OP

/* The variants of *_simd.c files, one function an instruction set: cpu_simd.def lists the ops. */
#define CPU_VARIANTS(op) op##_fn op##_base, op##_avx2, op##_avx512
#define SIMD(name)       CPU_VARIANTS(name);
#include "kernels/cpu_simd.def"
#undef SIMD

/* Fills k->op for an instruction set at most: the reference, then what is faster (cpu_table.c). */
void cpu_table_fill(struct kern_ops *op, bool ref, enum cpu_isa isa, bool blas);

/* The rows whose products OpenBLAS makes (blas.c); none in a BLAS=0 build (blas_none.c). */
extern const struct kern_ops cpu_ops_blas;

#endif

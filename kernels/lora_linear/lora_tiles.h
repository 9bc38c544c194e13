/* Inside the two lora_linear_*simd.c files: what forward and backward share. */
#ifndef KERNELS_LORA_TILES_H
#define KERNELS_LORA_TILES_H

#include "kernels/gemm/gemm.h"
#include "kernels/simd_rng.h"

/* A tile of y or dx is GEMM_COLS columns of at most LORA_CHUNK rows: its block of W is laid down
 * once for so many rows. A tile of H or G is LORA_ROWS rows. */
#ifndef LORA_CHUNK /* gemm_blas.h has its own */
#define LORA_CHUNK 512
#endif
enum { LORA_ROWS = 32 };

static inline int lora_tiles(int n, int tile)
{
    return n / tile + (n % tile != 0);
}

/* The columns of W's block, of the adapters' low-rank factor and one more block, in a worker's
 * scratch. */
static inline bool lora_room(kern *k, const struct klinear *lin, const char *op)
{
    size_t rank = (size_t)klinear_rank(lin), in = (size_t)lin->in;
    if ((GEMM_DEEP + 2 * rank + LORA_CHUNK) * GEMM_COLS * sizeof(float) <= CPU_WORKER_BYTES &&
        in * GEMM_FEW * sizeof(float) <= CPU_WORKER_BYTES)
        return true;
    kern_stick(k, ST_RANGE, op, "a rank of %zu or %zu columns are too many", rank, in);
    return false;
}

/* Rows [row, row + rows), columns [col, col + cols) of dropout_j(m), to dst. `in` counts the
 * columns of the whole input; m is its element (row, col). */
static inline void lora_drop(float *dst, size_t ld_dst, const float *m, size_t ld,
                             const struct kdropout *d, uint32_t id, int in, int row, int col,
                             int rows, int cols)
{
    uint64_t stream = (uint64_t)d->step << 32 | (uint64_t)d->micro << 16 | id;
    vf p = vf_set1(d->p), scale = vf_set1((float)(1.0 / (1.0 - (double)d->p)));
    uint32_t word[GEMM_DEEP + 2 * SIMD_PHILOX];
    for (int r = 0; r < rows; r++, dst += ld_dst, m += ld) {
        size_t first = (size_t)(row + r) * (size_t)in + (size_t)col;
        int skip = (int)(first % 4);
        for (int i = 0; i < cols + skip; i += SIMD_PHILOX)
            simd_philox(word + i, d->seed, stream, first / 4 + (uint64_t)i / 4);
        for (int c = 0; c < cols; c += VF_LANES) {
            vf x = vf_get(m + c, cols - c);
            vf_put(dst + c, vf_dropout(x, vi_load(word + skip + c), p, scale), cols - c);
        }
    }
}

#endif

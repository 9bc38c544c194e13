/* Inside *_simd.c files: how an op over rows x cols is cut into tiles, and sums over a row.
 *
 *     struct args { struct simd_grid grid; float *y; const float *x; size_t ldy, ldx; };
 *     static void tile(kern *k, void *p, int t, int worker)
 *     {
 *         const struct args *a = p;
 *         struct simd_span s = simd_span(&a->grid, t);  // rows [row, row_end), cols [col, col_end)
 *         …
 *     }
 *     void V(gelu_fwd)(kern *k, …)
 *     {
 *         struct args a = {.grid = simd_grid(rows, cols), …};
 *         if (kern_ok(k))
 *             cpu_run(k, tile, &a, a.grid.tiles);
 *     }
 *
 * A tile holds about SIMD_TILE elements: enough to pay for handing it to a thread, and an op no
 * larger than that runs where it was called. The cut depends on the shape alone. */
#ifndef KERNELS_SIMD_ROWS_H
#define KERNELS_SIMD_ROWS_H

#include "kernels/cpu.h"
#include "kernels/simd.h"

enum { SIMD_TILE = 32768 };

struct simd_grid {
    int rows, cols;
    int tile_rows, tile_cols; /* one of a tile's sides is 1 row or all columns */
    int pieces;               /* tiles side by side in a row */
    int tiles;
};

struct simd_span {
    int row, row_end, col, col_end;
};

static inline int simd_ceil(int a, int b)
{
    return a / b + (a % b != 0);
}

/* For ops whose rows stay whole. */
static inline struct simd_grid simd_grid_rows(int rows, int cols)
{
    struct simd_grid g = {.rows = rows, .cols = cols, .tile_cols = cols, .pieces = 1};
    g.tile_rows = cols < SIMD_TILE ? SIMD_TILE / cols : 1;
    g.tiles = simd_ceil(rows, g.tile_rows);
    return g;
}

/* For element-wise ops: a wide row is cut as well. */
static inline struct simd_grid simd_grid(int rows, int cols)
{
    struct simd_grid g = simd_grid_rows(rows, cols);
    if (cols > SIMD_TILE) {
        g.tile_cols = SIMD_TILE;
        g.pieces = simd_ceil(cols, SIMD_TILE);
        g.tiles = rows * g.pieces;
    }
    return g;
}

static inline struct simd_span simd_span(const struct simd_grid *g, int tile)
{
    int row = tile / g->pieces * g->tile_rows, col = tile % g->pieces * g->tile_cols;
    int rows = g->rows - row, cols = g->cols - col;
    return (struct simd_span){row, row + (rows < g->tile_rows ? rows : g->tile_rows), col,
                              col + (cols < g->tile_cols ? cols : g->tile_cols)};
}

/* Element (row, col) of a matrix whose rows are ld apart. */
static inline size_t simd_at(int row, size_t ld, int col)
{
    return (size_t)row * ld + (size_t)col;
}

/* sum_i x[i]^2 */
static inline float simd_sumsq(const float *x, int n)
{
    vf sum[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    int i = 0;
    for (; i <= n - 4 * VF_LANES; i += 4 * VF_LANES) {
        for (int j = 0; j < 4; j++) {
            vf v = vf_load(x + i + j * VF_LANES);
            sum[j] = vf_fma(v, v, sum[j]);
        }
    }
    for (; i < n; i += VF_LANES) {
        vf v = vf_get(x + i, n - i);
        sum[0] = vf_fma(v, v, sum[0]);
    }
    return vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
}

/* sum_i x[i] */
static inline float simd_sum(const float *x, int n)
{
    vf sum[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    int i = 0;
    for (; i <= n - 4 * VF_LANES; i += 4 * VF_LANES) {
        for (int j = 0; j < 4; j++)
            sum[j] = vf_add(sum[j], vf_load(x + i + j * VF_LANES));
    }
    for (; i < n; i += VF_LANES)
        sum[0] = vf_add(sum[0], vf_get(x + i, n - i));
    return vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
}

/* sum_i (x[i] - shift)^power, power 1 or 2, in double: for the rare row whose float sum is not
 * finite. What remains infinite or NaN is so in the reference too. */
static inline double simd_sum_wide(const float *x, int n, double shift, int power)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        double d = (double)x[i] - shift;
        sum += power == 2 ? d * d : d;
    }
    return sum;
}

#endif

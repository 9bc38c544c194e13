#include "kernels/gemm/gemm.h"

/* Rows and vectors of columns that the sums of one kernel take: with the vectors of B and one
 * element of A they must fit the registers (32 with AVX-512 and on arm64, else 16). */
#if defined(__AVX512F__) || defined(__aarch64__)
enum { ROWS = 8, VECTORS = 3 };
#elif defined(__AVX2__)
enum { ROWS = 6, VECTORS = 2 };
#else
enum { ROWS = 4, VECTORS = 2 };
#endif
enum { COLS = VECTORS * VF_LANES };

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

struct piece {
    float *c;
    size_t ldc;
    const float *c0;
    size_t ld0;
    const struct gemm_term *term;
    int terms;
    int row, col; /* where A's rows and B's columns begin */
    int left;     /* columns, where less than one vector */
};

/* One kernel: `rows` x `vectors` sums. Both are constants where it is called, so every loop over
 * them unrolls and the sums live in registers. tail: one vector, of p->left columns only. */
static inline __attribute__((always_inline)) void sums(const struct piece *p, const int rows,
                                                       const int vectors, const bool tail)
{
    vf sum[ROWS][VECTORS];
    UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < vectors; j++) sum[i][j] =
        vf_zero();
    UNROLL for (int i = 0; i < rows; i++) /* else the last step waits for them */
        UNROLL for (int j = 0; j < vectors; j++)
            __builtin_prefetch(p->c + (size_t)i * p->ldc + j * VF_LANES, 1, 3);
    for (int t = 0; t < p->terms; t++) {
        const struct gemm_term *term = &p->term[t];
        const size_t row = term->row, step = term->step, ld = term->ld;
        const float *a = term->a + (size_t)p->row * row, *b = term->b + p->col;
        for (int d = term->depth; d > 0; d--, a += step, b += ld) {
            vf bv[VECTORS];
            UNROLL for (int j = 0; j < vectors; j++) bv[j] =
                tail ? vf_load_n(b, p->left) : vf_load(b + j * VF_LANES);
            UNROLL for (int i = 0; i < rows; i++)
            {
                const vf av = vf_set1(a[(size_t)i * row]);
                UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = vf_fma(av, bv[j], sum[i][j]);
            }
        }
    }
    const int left = tail ? p->left : VF_LANES;
    UNROLL for (int i = 0; i < rows; i++)
    {
        UNROLL for (int j = 0; j < vectors; j++)
        {
            const int at = j * VF_LANES;
            if (p->c0)
                sum[i][j] = vf_add(vf_get(p->c0 + (size_t)i * p->ld0 + at, left), sum[i][j]);
            vf_put(p->c + (size_t)i * p->ldc + at, sum[i][j], left);
        }
    }
}

#define KERNEL(rows, vectors)                                  \
    static void sums_##rows##_##vectors(const struct piece *p) \
    {                                                          \
        sums(p, rows, vectors, false);                         \
    }
#define KERNELS(rows)                                     \
    KERNEL(rows, 1)                                       \
    KERNEL(rows, 2)                                       \
    KERNEL(rows, VECTORS)                                 \
    static void sums_##rows##_tail(const struct piece *p) \
    {                                                     \
        sums(p, rows, 1, true);                           \
    }
KERNELS(ROWS)
KERNELS(4)
KERNELS(2)
KERNELS(1)

/* By whole vectors of columns, up to VECTORS; the first is for less than one. */
typedef void kernel_fn(const struct piece *p);
struct kernel {
    int rows;
    kernel_fn *of[4];
};
#define ROW(rows)                                                                       \
    {                                                                                   \
        rows,                                                                           \
        {                                                                               \
            sums_##rows##_tail, sums_##rows##_1, sums_##rows##_2, sums_##rows##_VECTORS \
        }                                                                               \
    }
static const struct kernel kernels[] = {ROW(ROWS), ROW(4), ROW(2), ROW(1)};

/* A's rows [row, row + kernel's rows) times all of B. */
static void row_of_pieces(const struct kernel *kernel, struct piece *p, float *c, const float *c0,
                          int n)
{
    for (p->col = 0; p->col < n;) {
        int left = n - p->col, vectors = gemm_min(left / VF_LANES, VECTORS);
        p->c = c + p->col;
        p->c0 = c0 ? c0 + p->col : NULL;
        p->left = left;
        kernel->of[vectors](p);
        p->col += vectors > 0 ? vectors * VF_LANES : left;
    }
}

/* The share of rows [row, end) of the product's m. */
static void fetch(const struct gemm_ahead *ahead, int row, int end, int m)
{
    int64_t rows = ahead->rows;
    for (int64_t i = rows * row / m; i < rows * end / m; i++) {
        const char *p = (const char *)ahead->p + (size_t)i * ahead->stride;
        for (size_t at = 0; at < ahead->bytes; at += 64)
            __builtin_prefetch(p + at, 0, 2);
    }
}

void V(gemm_ahead)(float *c, size_t ldc, const float *c0, size_t ld0, const struct gemm_term *term,
                   int terms, int m, int n, const struct gemm_ahead *ahead)
{
    struct piece p = {.ldc = ldc, .ld0 = ld0, .term = term, .terms = terms};
    const struct kernel *kernel = kernels;
    for (p.row = 0; p.row < m; p.row += kernel->rows) {
        while (kernel->rows > m - p.row)
            kernel++;
        row_of_pieces(kernel, &p, c + (size_t)p.row * ldc, c0 ? c0 + (size_t)p.row * ld0 : NULL, n);
        if (ahead)
            fetch(ahead, p.row, p.row + kernel->rows, m);
    }
}

void V(gemm)(float *c, size_t ldc, const float *c0, size_t ld0, const struct gemm_term *term,
             int terms, int m, int n)
{
    V(gemm_ahead)(c, ldc, c0, ld0, term, terms, m, n, NULL);
}

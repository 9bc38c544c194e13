#include "kernels/gemm/gemm_blas.h"

#include "kernels/cpu_probe.h"

/* The library is there: the table that leads here is only taken where it is. */
static void multiply(float *c, size_t ldc, const struct gemm_term *t, float keep, int m, int n)
{
    bool turned = t->step != 1 || t->row < (size_t)t->depth;
    blas_load()->sgemm(BLAS_ROW_MAJOR, turned ? BLAS_T : BLAS_N, BLAS_N, m, n, t->depth, 1.0f, t->a,
                       (int)(turned ? t->step : t->row), t->b, (int)t->ld, keep, c, (int)ldc);
}

void V(gemm)(float *c, size_t ldc, const float *c0, size_t ld0, const struct gemm_term *term,
             int terms, int m, int n)
{
    for (int i = 0; i < m && c0 && c0 != c; i++)
        memcpy(c + (size_t)i * ldc, c0 + (size_t)i * ld0, (size_t)n * sizeof *c);
    for (int t = 0; t < terms; t++)
        multiply(c, ldc, &term[t], t > 0 || c0 ? 1.0f : 0.0f, m, n);
    cpu_clear_uppers();
}

void V(gemm_ahead)(float *c, size_t ldc, const float *c0, size_t ld0, const struct gemm_term *term,
                   int terms, int m, int n, const struct gemm_ahead *ahead)
{
    (void)ahead; /* the library fetches by itself */
    V(gemm)(c, ldc, c0, ld0, term, terms, m, n);
}

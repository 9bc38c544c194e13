#include "kernels/cpu.h"

/* Every row. A row that a line of ops.def has and this table lacks cannot be: both come from it. */
static const struct kern_ops ops_ref = {
#define OP(name)    .name = name##_ref,
#define BLOCK(name) .name = name##_default,
#include "kernels/ops.def"
#undef OP
};

static const struct kern_ops ops_base = {
#define SIMD(name) .name = name##_base,
#include "kernels/cpu_simd.def"
#undef SIMD
};

#if defined(__x86_64__)
static const struct kern_ops ops_avx2 = {
#define SIMD(name) .name = name##_avx2,
#include "kernels/cpu_simd.def"
#undef SIMD
};

static const struct kern_ops ops_avx512 = {
#define SIMD(name) .name = name##_avx512,
#include "kernels/cpu_simd.def"
#undef SIMD
};
#endif

/* Rows that `from` has replace those of `op`. */
static void overlay(struct kern_ops *op, const struct kern_ops *from)
{
#define OP(name)    \
    if (from->name) \
        op->name = from->name;
#include "kernels/ops.def"
#undef OP
}

void cpu_table_fill(struct kern_ops *op, bool ref, enum cpu_isa isa, bool blas)
{
    *op = ops_ref;
    if (ref)
        return;
    overlay(op, &ops_base);
    if (blas)
        overlay(op, &cpu_ops_blas);
#if defined(__x86_64__)
    if (isa >= CPU_AVX2)
        overlay(op, &ops_avx2);
    if (isa >= CPU_AVX512)
        overlay(op, &ops_avx512);
#else
    (void)isa;
#endif
}

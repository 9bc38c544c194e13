/* The functions of kernels/simd.h as calls over arrays, one set an instruction set: else they exist
 * inside *_simd.c files alone, out of a test's reach.
 *
 *     const struct simd_probe *p = &simd_probe_base;      // and, on x86-64, _avx2 and _avx512
 *     p->exp(y, x, 1000);                                  // the last, partial vector included
 *
 * Only the set of an instruction set that the processor has may be called (cpu_isa_best). */
#ifndef KERNELS_SIMD_PROBE_H
#define KERNELS_SIMD_PROBE_H

#include <stddef.h>
#include <stdint.h>

struct simd_probe {
    int lanes;
    void (*exp)(float *y, const float *x, int n);
    void (*tanh)(float *y, const float *x, int n);
    void (*sigmoid)(float *y, const float *x, int n);
    void (*min)(float *y, const float *a, const float *b, int n); /* y = a < b ? a : b */
    void (*max)(float *y, const float *a, const float *b, int n); /* y = a > b ? a : b */
    void (*fma)(float *y, const float *a, const float *b, int n); /* y += a * b */
    float (*sum)(const float *x, int n);
    float (*top)(const float *x, int n); /* of finite values */
    void (*of_bf16)(float *y, const uint16_t *x, int n);
    void (*of_f16)(float *y, const uint16_t *x, int n);
    void (*to_bf16)(uint16_t *y, const float *x, int n);
    void (*to_f16)(uint16_t *y, const float *x, int n);
    /* 4 * lanes words: blocks block, block + 1, … of rng_philox */
    void (*philox)(uint32_t *word, uint64_t seed, uint64_t stream, uint64_t block);
};
extern const struct simd_probe simd_probe_base, simd_probe_avx2, simd_probe_avx512;

#endif

/* What the processor and the system offer; asked at open. Inside the CPU device only. */
#ifndef KERNELS_CPU_PROBE_H
#define KERNELS_CPU_PROBE_H

#include "kernels/cpu.h"

void cpu_probe_name(char *dst, size_t size); /* "AMD EPYC 9B14" */
uint64_t cpu_probe_memory(void);             /* bytes of RAM, or of the container's share */
int cpu_probe_threads(void);                 /* usable cores: affinity and container quota */

/* The name of OpenBLAS's core for this processor, from CPUID alone; NULL: let it choose. */
const char *cpu_blas_core(void);

/* Whether OpenBLAS is ahead of our own kernels here: with AVX but not AVX2, which our variants do
 * not have. GFLOP/s of one core, 512 x 576 x 576 (OpenBLAS 0.3.21 on a Zen 4, in one process):
 *     own         base 35     avx2 105       avx512 112
 *     OpenBLAS    Nehalem 33  Sandybridge 90 Haswell 107  SkylakeX 103 */
bool cpu_blas_leads(void);

/* After code that computed with AVX and left the upper halves of its registers full: until they are
 * cleared, every SSE instruction waits for them (after OpenBLAS's Sandybridge kernel our own ones
 * took 2.7 times as long). */
void cpu_clear_uppers(void);

/* The library, loaded once per process; NULL where it is not there (blas.c, blas_none.c). */
const struct cpu_blas *blas_load(void);
const struct kern_rival *blas_rival(void); /* its product, for bench/ */

#endif

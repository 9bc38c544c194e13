/* What the processor and the system offer; asked at open. Inside the CPU device only. */
#ifndef KERNELS_CPU_PROBE_H
#define KERNELS_CPU_PROBE_H

#include "kernels/cpu.h"

void cpu_probe_name(char *dst, size_t size); /* "AMD EPYC 9B14" */
uint64_t cpu_probe_memory(void);             /* bytes of RAM, or of the container's share */
int cpu_probe_threads(void);                 /* usable cores: affinity and container quota */

/* The name of OpenBLAS's core for this processor, from CPUID alone; NULL: let it choose. */
const char *cpu_blas_core(void);

/* The library, loaded once per process; NULL where it is not there (blas.c, blas_none.c). */
const struct cpu_blas *blas_load(void);

#endif

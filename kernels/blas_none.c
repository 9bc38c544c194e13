#include "kernels/cpu_probe.h"

const struct cpu_blas *blas_load(void)
{
    return NULL;
}

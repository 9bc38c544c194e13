#include "kernels/cpu_probe.h"

const struct kern_ops cpu_ops_blas = {0};

const struct cpu_blas *blas_load(void)
{
    return NULL;
}

const struct kern_rival *blas_rival(void)
{
    return NULL;
}

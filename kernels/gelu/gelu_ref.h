/* The tanh form of GELU and its derivative in double, for the references of gelu and geglu. */
#ifndef KERNELS_GELU_REF_H
#define KERNELS_GELU_REF_H

#include <math.h>

#define GELU_SQRT_2_PI 0.79788456080286535588 /* sqrt(2 / pi) */
#define GELU_CUBIC     0.044715

static inline double gelu_ref(double x)
{
    return 0.5 * x * (1 + tanh(GELU_SQRT_2_PI * (x + GELU_CUBIC * x * x * x)));
}

static inline double gelu_grad_ref(double x)
{
    double t = tanh(GELU_SQRT_2_PI * (x + GELU_CUBIC * x * x * x)), sech2 = 1 - t * t;
    /* Where tanh has saturated the second term is 0, and x^3 may be too large to multiply with. */
    if (sech2 == 0)
        return 0.5 * (1 + t);
    return 0.5 * (1 + t) + 0.5 * x * sech2 * GELU_SQRT_2_PI * (1 + 3 * GELU_CUBIC * x * x);
}

#endif

#include "kernels/simd_probe.h"

#include <math.h>

#include "kernels/simd_rng.h"

#define MAP1(name, call)                                      \
    static void name(float *y, const float *x, int n)         \
    {                                                         \
        for (int i = 0; i < n; i += VF_LANES)                 \
            vf_put(y + i, call(vf_get(x + i, n - i)), n - i); \
    }
MAP1(map_exp, vf_exp)
MAP1(map_tanh, vf_tanh)
MAP1(map_sigmoid, vf_sigmoid)

#define MAP2(name, call)                                                            \
    static void name(float *y, const float *a, const float *b, int n)               \
    {                                                                               \
        for (int i = 0; i < n; i += VF_LANES)                                       \
            vf_put(y + i, call(vf_get(a + i, n - i), vf_get(b + i, n - i)), n - i); \
    }
MAP2(map_min, vf_min)
MAP2(map_max, vf_max)

static void map_fma(float *y, const float *a, const float *b, int n)
{
    for (int i = 0; i < n; i += VF_LANES) {
        int left = n - i;
        vf_put(y + i, vf_fma(vf_get(a + i, left), vf_get(b + i, left), vf_get(y + i, left)), left);
    }
}

static float sum(const float *x, int n)
{
    vf s = vf_zero();
    for (int i = 0; i < n; i += VF_LANES)
        s = vf_add(s, vf_get(x + i, n - i));
    return vf_sum(s);
}

static float top(const float *x, int n)
{
    const vf low = vf_set1(-INFINITY);
    vf t = low;
    for (int i = 0; i < n; i += VF_LANES)
        t = vf_max(vf_head(vf_get(x + i, n - i), low, n - i), t);
    return vf_top(t);
}

#define DECODE(name, load, load_n)                                                        \
    static void name(float *y, const uint16_t *x, int n)                                  \
    {                                                                                     \
        for (int i = 0; i < n; i += VF_LANES)                                             \
            vf_put(y + i, n - i >= VF_LANES ? load(x + i) : load_n(x + i, n - i), n - i); \
    }
DECODE(of_bf16, vf_load_bf16, vf_load_bf16_n)
DECODE(of_f16, vf_load_f16, vf_load_f16_n)

#define ENCODE(name, store, store_n)                        \
    static void name(uint16_t *y, const float *x, int n)    \
    {                                                       \
        int i = 0;                                          \
        for (; i <= n - VF_LANES; i += VF_LANES)            \
            store(y + i, vf_load(x + i));                   \
        if (i < n)                                          \
            store_n(y + i, vf_load_n(x + i, n - i), n - i); \
    }
ENCODE(to_bf16, vf_store_bf16, vf_store_bf16_n)
ENCODE(to_f16, vf_store_f16, vf_store_f16_n)

const struct simd_probe V(simd_probe) = {
    .lanes = VF_LANES,
    .exp = map_exp,
    .tanh = map_tanh,
    .sigmoid = map_sigmoid,
    .min = map_min,
    .max = map_max,
    .fma = map_fma,
    .sum = sum,
    .top = top,
    .of_bf16 = of_bf16,
    .of_f16 = of_f16,
    .to_bf16 = to_bf16,
    .to_f16 = to_f16,
    .philox = simd_philox,
};

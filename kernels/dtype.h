/* Element types: those that ops compute with (F32, F16, BF16, I32) and those that files carry.
 *
 *     size_t bytes = count * dtype_size(DT_BF16);
 *     float x = bf16_to_f32(h);           // exact
 *     uint16_t h = f32_to_bf16(x);        // round to nearest, ties to even; NaN stays NaN */
#ifndef KERNELS_DTYPE_H
#define KERNELS_DTYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* name, size in bytes, the name in safetensors files */
#define DTYPE_MAP(X)        \
    X(F32, 4, "F32")        \
    X(F16, 2, "F16")        \
    X(BF16, 2, "BF16")      \
    X(I32, 4, "I32")        \
    X(F64, 8, "F64")        \
    X(I64, 8, "I64")        \
    X(I16, 2, "I16")        \
    X(I8, 1, "I8")          \
    X(U8, 1, "U8")          \
    X(BOOL, 1, "BOOL")      \
    X(U16, 2, "U16")        \
    X(U32, 4, "U32")        \
    X(U64, 8, "U64")        \
    X(F8E4M3, 1, "F8_E4M3") \
    X(F8E5M2, 1, "F8_E5M2")

enum dtype {
#define X(name, size, text) DT_##name,
    DTYPE_MAP(X)
#undef X
        DT_COUNT
};

size_t dtype_size(enum dtype t);
const char *dtype_name(enum dtype t);               /* "BF16" */
int dtype_parse(enum dtype *out, const char *name); /* 0 if there is no such type */

static inline float bf16_to_f32(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float x;
    memcpy(&x, &u, 4);
    return x;
}

static inline uint16_t f32_to_bf16(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

static inline float f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff, u;
    if (e == 31) {
        u = sign | 0x7f800000u | m << 13;
    } else if (e == 0) {
        float x = (float)m * 0x1p-24f; /* zero and subnormals */
        return sign ? -x : x;
    } else {
        u = sign | (e + 112) << 23 | m << 13;
    }
    float x;
    memcpy(&x, &u, 4);
    return x;
}

static inline uint16_t f32_to_f16(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
    u &= 0x7fffffffu;
    if (u > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00 | (u >> 13 & 0x3ff));
    if (u >= 0x477ff000u) /* rounds to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (u < 0x38800000u) { /* subnormal: let the adder round at 2^-24 */
        float a;
        memcpy(&a, &u, 4);
        a += 0.5f;
        memcpy(&u, &a, 4);
        return (uint16_t)(sign | (u - 0x3f000000u));
    }
    u += 0xfffu + (u >> 13 & 1);
    return (uint16_t)(sign | (u - 0x38000000u) >> 13);
}

#endif

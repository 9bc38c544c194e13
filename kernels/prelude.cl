/* What every device program begins with. OpenCL C 1.2, no extensions.
 *
 * A matrix argument is MAT(type, x), a vector VEC(type, x) (ocl.h: BUF, VEC); element (r, c) is
 * AT(x, r, c), element i of a vector is IN(x, i). Offsets are long: buffers may hold more than 2^31
 * elements. Barriers are reached by every item of a group: rows past the end are guarded, not left. */

/* Work-items of a group; the host passes it (ocl_group). */
#ifndef GROUP
#define GROUP 64
#endif

#define MAT(type, x) global type *x##_buf, long x##_at, int x##_ld
#define VEC(type, x) global type *x##_buf, long x##_at
#define AT(x, r, c) x##_buf[x##_at + (long)(r) * x##_ld + (c)]
#define IN(x, i) x##_buf[x##_at + (i)]

/* The row and the lane of an item in an ocl_rows or ocl_cells range. */
#define LANES ((int)get_local_size(0))
#define LANE ((int)get_local_id(0))
#define ROW ((long)get_group_id(0) * (long)get_local_size(1) + (long)get_local_id(1))
/* The columns of a lane, four at a time and LANES apart (get4, put4): those of a group lie side by
 * side, and four reads are under way at once. All of them in ocl_rows, its share in ocl_cells. */
#define EACH_COL4(c, cols)                                            \
    for (int c = (int)get_group_id(1) * LANES * 4 + LANE; c < (cols); \
         c += (int)get_num_groups(1) * LANES * 4)
/* One at a time. */
#define EACH_COL(c, cols)                                         \
    for (int c = (int)get_group_id(1) * LANES + LANE; c < (cols); \
         c += (int)get_num_groups(1) * LANES)

/* Columns c, c + LANES, ... of a row; `none` for those that are not there (c itself always is). */
static inline float4 get4(global const float *row, int c, int cols, float none)
{
    int d = LANES, left = cols - c;
    row += c;
    return (float4)(row[0], d < left ? row[d] : none, 2 * d < left ? row[2 * d] : none,
                    3 * d < left ? row[3 * d] : none);
}

static inline void put4(global float *row, int c, int cols, float4 v)
{
    int d = LANES, left = cols - c;
    row += c;
    row[0] = v.x;
    if (d < left)
        row[d] = v.y;
    if (2 * d < left)
        row[2 * d] = v.z;
    if (3 * d < left)
        row[3 * d] = v.w;
}

/* p[0] ... p[3]; zeros for those beyond `left`. */
static inline float4 first4(global const float *p, int left)
{
    float4 v = (float4)(0.0f);
    if (left > 0)
        v.x = p[0];
    if (left > 1)
        v.y = p[1];
    if (left > 2)
        v.z = p[2];
    if (left > 3)
        v.w = p[3];
    return v;
}

static inline float sum4(float4 v)
{
    return (v.x + v.y) + (v.z + v.w);
}

/* ---- element types ------------------------------------------------------------------------------ */

/* As in enum dtype. */
#define DT_F32 0
#define DT_F16 1
#define DT_BF16 2

static inline float bf16_to_f32(ushort h)
{
    return as_float((uint)h << 16);
}

/* Rounds to nearest, ties to even; NaN stays NaN. */
static inline ushort f32_to_bf16(float x)
{
    uint u = as_uint(x);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (ushort)(u >> 16 | 0x40u);
    return (ushort)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

static inline ushort f32_to_f16(float x)
{
    uint u = as_uint(x), sign = u >> 16 & 0x8000u;
    u &= 0x7fffffffu;
    if (u > 0x7f800000u)
        return (ushort)(sign | 0x7e00u | (u >> 13 & 0x3ffu));
    if (u >= 0x477ff000u) /* rounds to infinity */
        return (ushort)(sign | 0x7c00u);
    if (u < 0x38800000u) /* subnormal: the adder rounds at 2^-24 */
        return (ushort)(sign | (as_uint(as_float(u) + 0.5f) - 0x3f000000u));
    u += 0xfffu + (u >> 13 & 1u);
    return (ushort)(sign | (u - 0x38000000u) >> 13);
}

/* Element i of a buffer of F32, F16 or BF16. */
static inline float load(global const void *p, long i, int dtype)
{
    if (dtype == DT_F32)
        return ((global const float *)p)[i];
    if (dtype == DT_F16)
        return vload_half((size_t)i, (global const half *)p);
    return bf16_to_f32(((global const ushort *)p)[i]);
}

static inline void store(global void *p, long i, int dtype, float x)
{
    if (dtype == DT_F32)
        ((global float *)p)[i] = x;
    else
        ((global ushort *)p)[i] = dtype == DT_F16 ? f32_to_f16(x) : f32_to_bf16(x);
}

/* ---- sums over the lanes of a row ---------------------------------------------------------------- */

/* A helper that takes local memory must be INLINE. Where one that is not is called twice with the same
 * array, the optimizer of PoCL 3.1 writes the array's name into it, and the array becomes one for all
 * threads of the process: seen as sums of other rows, once in some thousand runs. */
#define INLINE __attribute__((always_inline)) static inline

/* t: GROUP floats of local memory. Every item of the group must come. The order is fixed. */
INLINE float lane_sum(float v, local float *t)
{
    local float *mine = t + get_local_id(1) * get_local_size(0);
    barrier(CLK_LOCAL_MEM_FENCE); /* what t held has been read */
    mine[LANE] = v;
    for (int half_way = LANES / 2; half_way > 0; half_way /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (LANE < half_way)
            mine[LANE] += mine[LANE + half_way];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return mine[0];
}

INLINE float2 lane_sum2(float2 v, local float2 *t)
{
    local float2 *mine = t + get_local_id(1) * get_local_size(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    mine[LANE] = v;
    for (int half_way = LANES / 2; half_way > 0; half_way /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (LANE < half_way)
            mine[LANE] += mine[LANE + half_way];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return mine[0];
}

INLINE float lane_max(float v, local float *t)
{
    local float *mine = t + get_local_id(1) * get_local_size(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    mine[LANE] = v;
    for (int half_way = LANES / 2; half_way > 0; half_way /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (LANE < half_way)
            mine[LANE] = fmax(mine[LANE], mine[LANE + half_way]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return mine[0];
}

/* ---- random numbers ------------------------------------------------------------------------------ */

/* Philox-4x32-10, word for word rng_philox of rng.h. */
static inline uint4 philox(ulong seed, ulong stream, ulong block)
{
    uint4 c = (uint4)((uint)block, (uint)(block >> 32), (uint)stream, (uint)(stream >> 32));
    uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint hi0 = mul_hi(0xD2511F53u, c.x), lo0 = 0xD2511F53u * c.x;
        uint hi1 = mul_hi(0xCD9E8D57u, c.z), lo1 = 0xCD9E8D57u * c.z;
        c = (uint4)(hi1 ^ c.y ^ k0, lo1, hi0 ^ c.w ^ k1, lo0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

/* [0, 1) with 24 bits, exact in f32. */
static inline float uniform(uint word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

/* ---- activations --------------------------------------------------------------------------------- */

static inline float4 sigmoid(float4 x)
{
    return 1.0f / (1.0f + exp(-x));
}

/* silu(x) = x s, s = sigmoid(x);  *slope = s (1 + x (1 - s)), 0 where s has vanished. */
static inline float4 silu(float4 x, float4 *slope)
{
    float4 s = sigmoid(x);
    *slope = s == 0.0f ? s : s * (1.0f + x * (1.0f - s));
    return x * s;
}

/* gelu in its tanh form: (1 + tanh z) / 2 = sigmoid(2z), z = sqrt(2/pi) (x + 0.044715 x^3), so
 * gelu(x) = x s and *slope = s + x s (1 - s) 2z', whose second term is 0 where s is 0 or 1. */
static inline float4 gelu(float4 x, float4 *slope)
{
    float4 x2 = x * x, s = sigmoid(x * 1.59576912f * (1.0f + 0.044715f * x2));
    float4 change = s * (1.0f - s);
    *slope = change == 0.0f ? s : s + x * change * (1.59576912f * (1.0f + 0.134145f * x2));
    return x * s;
}

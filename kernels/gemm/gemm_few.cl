/* C = A W^T with few rows in A, as in decoding, or few in W: the lanes of one line read a row of W, and
 * it meets MOST rows of A at a time. The sum with bias, adapters and residual is gemm.cl's, whose structs these are. */
#ifndef LINE
#define LINE  32 /* lanes that share a row of W */
#define LINES 8  /* rows of W of a group */
#endif

#define MOST     8 /* rows of A of a group */
#define ADAPTERS 4

struct gemm_dims {
    int rows, cols, depth, flags;
};
struct gemm_lora {
    long at[ADAPTERS];
    int rank[ADAPTERS], col[ADAPTERS], cols[ADAPTERS];
    float scale[ADAPTERS];
    int count, in;
};
#define HAS_BIAS  1
#define HAS_RES   2
#define ALIGNED_A 16

static inline float4 weight4(global const void *restrict w, long at, const int dtype)
{
    if (dtype == DT_F32)
        return *(global const float4 *)((global const float *)w + at);
    if (dtype == DT_F16)
        return vload_half4(0, (global const half *)w + at);
    return as_float4(convert_uint4(*(global const ushort4 *)((global const ushort *)w + at)) << 16);
}

static inline float4 input4(global const float *restrict p, int left, int flags)
{
    float4 v = (float4)(0.0f);
    if ((flags & ALIGNED_A) && left > 3)
        return *(global const float4 *)p;
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

/* t [LINES][MOST][LINE] = each lane's part of the sums */
static inline void sums(local float *t, global const float *restrict a, int lda,
                        global const void *restrict w, long at, struct gemm_dims d, const int most,
                        const int dtype)
{
    const int lane = (int)get_local_id(0);
    float sum[MOST];
#pragma unroll
    for (int r = 0; r < MOST; r++)
        sum[r] = 0.0f;
#pragma unroll 4
    for (int k = 4 * lane; k < d.depth; k += 4 * LINE) {
        float4 b = weight4(w, at + k, dtype);
#pragma unroll
        for (int r = 0; r < most; r++) {
            if (r < d.rows) {
                float4 x = input4(a + (long)r * lda + k, d.depth - k, d.flags);
                sum[r] += x.x * b.x;
                sum[r] += x.y * b.y;
                sum[r] += x.z * b.z;
                sum[r] += x.w * b.w;
            }
        }
    }
#pragma unroll
    for (int r = 0; r < most; r++)
        t[r * LINE + lane] = sum[r];
}

/* sum_j s_j H_j B_j^T at (r, c) */
static inline float low_rank(global const float *restrict h, global const float *restrict params,
                             const struct gemm_lora *l, int c)
{
    float all = 0.0f;
    for (int j = 0; j < l->count; j++) {
        if (c >= l->col[j] && c < l->col[j] + l->cols[j]) {
            global const float *restrict b = params + l->at[j] + (long)(c - l->col[j]) * l->rank[j];
            float sum = 0.0f;
            for (int p = 0; p < l->rank[j]; p++)
                sum += h[p] * b[p];
            all += l->scale[j] * sum;
        }
        h += l->rank[j];
    }
    return all;
}

#define ENTRY(name, dtype, most)                                                                 \
    kernel __attribute__((reqd_work_group_size(LINE, LINES, 1))) void name(                      \
        global float *c_buf, long c_at, int ldc, global const float *restrict a_buf, long a_at,  \
        int lda, global const void *restrict w, int ldw, global const float *restrict h_buf,     \
        long h_at, int ldh, global const float *restrict params_buf, long params_at,             \
        global const float *restrict bias_buf, long bias_at, global const float *res_buf,        \
        long res_at, int ldres, int4 dims, struct gemm_lora lora)                                \
    {                                                                                            \
        struct gemm_dims d = {dims.x, dims.y, dims.z, dims.w};                                   \
        local float t[LINES * MOST * LINE];                                                      \
        local float *mine = t + (int)get_local_id(1) * MOST * LINE;                              \
        const int c = (int)get_group_id(0) * LINES + (int)get_local_id(1);                       \
        const long row0 = (long)get_group_id(1) * MOST;                                          \
        d.rows = min(d.rows - (int)row0, MOST);                                                  \
        sums(mine, a_buf + a_at + row0 * lda, lda, w, (long)c * ldw, d, most, dtype);            \
        barrier(CLK_LOCAL_MEM_FENCE);                                                            \
        for (int r = (int)get_local_id(0); r < d.rows && c < d.cols; r += LINE) {                \
            float x = 0.0f;                                                                      \
            for (int i = 0; i < LINE; i++)                                                       \
                x += mine[r * LINE + i];                                                         \
            x += low_rank(h_buf + h_at + (row0 + r) * ldh, params_buf + params_at, &lora, c);    \
            if (d.flags & HAS_BIAS)                                                              \
                x += IN(bias, c);                                                                \
            if (d.flags & HAS_RES)                                                               \
                x += res_buf[res_at + (row0 + r) * ldres + c];                                   \
            c_buf[c_at + (row0 + r) * ldc + c] = x;                                              \
        }                                                                                        \
    }
ENTRY(gemm_one_f32, DT_F32, 1)
ENTRY(gemm_one_f16, DT_F16, 1)
ENTRY(gemm_one_bf16, DT_BF16, 1)
ENTRY(gemm_few_f32, DT_F32, MOST)
ENTRY(gemm_few_f16, DT_F16, MOST)
ENTRY(gemm_few_bf16, DT_BF16, MOST)

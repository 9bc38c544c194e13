/* C = A W^T with few rows in A, as in decoding, or few in W. The lanes of a line share out the depth: they
 * meet `wide` rows of W with `most` rows of A, reading each once. A kernel with `lows` > 0 makes H too: up
 * to LINES * lows components of the adapter whose columns its group has, from the rows of A that pass by
 * anyway. Every group makes them again, which costs less than the launch of another kernel. With wide = 0
 * it makes H alone: the first index of a group is then the adapter.
 * The sum with bias, adapters and residual is gemm.cl's, whose structs these are. */
#ifndef LINE
#define LINE  32 /* lanes of a line */
#define LINES 8  /* of a group */
#endif
#ifndef TYPES
#define TYPES 7 /* of W that kernels are for: a bit 1 << DT_... each */
#endif

#define MOST     8           /* rows of A of a group */
#define WIDE     4           /* rows of W of a line, where there are enough of them */
#define RANK     (2 * LINES) /* components of H that a group can make */
#define PITCH    (LINE + 1)
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
/* Of H: where each adapter's A is, and its first column in H. */
struct gemm_down {
    long at[ADAPTERS];
    int col[ADAPTERS];
};
#define HAS_BIAS  1
#define HAS_RES   2
#define ALIGNED_A 16
#define ALIGNED_P 64 /* every adapter's A */

/* A group's operands: its first row is row 0, its first column is c0. j: the adapter whose H it makes, from
 * `down`, that adapter's A, or -1; keep: H goes to memory, too. */
struct few {
    global float *c, *h;
    global const float *a, *params, *bias, *res, *down;
    global const void *w;
    int ldc, lda, ldw, ldh, ldres, c0, j, rank, keep;
    struct gemm_dims d;
};

INLINE float4 weight4(global const void *w, long at, const int dtype)
{
    if (dtype == DT_F32)
        return *(global const float4 *)((global const float *)w + at);
    if (dtype == DT_F16)
        return vload_half4(0, (global const half *)w + at);
    return as_float4(convert_uint4(*(global const ushort4 *)((global const ushort *)w + at)) << 16);
}

INLINE float4 input4(global const float *p, int left, int aligned)
{
    return aligned && left > 3 ? *(global const float4 *)p : first4(p, left);
}

/* acc [most] += x [most] . y */
INLINE void meet(float *acc, const float4 *x, float4 y, const int most)
{
#pragma unroll
    for (int r = 0; r < most; r++) {
        acc[r] += x[r].x * y.x;
        acc[r] += x[r].y * y.y;
        acc[r] += x[r].z * y.z;
        acc[r] += x[r].w * y.w;
    }
}

/* A lane's part of the sums: sum [wide, most] of C, low [lows, most] of H. */
INLINE void sums(float *sum, float *low, const struct few *f, const int dtype,
                        const int wide, const int most, const int lows)
{
    const int line = (int)get_local_id(1), depth = f->d.depth;
    const long w = (long)(f->c0 + line * wide) * f->ldw, q = (long)line * depth;
#pragma unroll
    for (int i = 0; i < wide * most; i++)
        sum[i] = 0.0f;
#pragma unroll
    for (int i = 0; i < lows * most; i++)
        low[i] = 0.0f;
#pragma unroll 1 /* more of it at once wants more registers than it is worth */
    for (int k = 4 * (int)get_local_id(0); k < depth; k += 4 * LINE) {
        float4 x[MOST];
#pragma unroll
        for (int r = 0; r < most; r++) {
            x[r] = (float4)(0.0f);
            if (r < f->d.rows)
                x[r] = input4(f->a + (long)r * f->lda + k, depth - k, f->d.flags & ALIGNED_A);
        }
#pragma unroll
        for (int i = 0; i < wide; i++)
            meet(sum + i * most, x, weight4(f->w, w + (long)i * f->ldw + k, dtype), most);
#pragma unroll
        for (int i = 0; i < lows; i++) {
            if (line + i * LINES < f->rank)
                meet(low + i * most, x,
                     input4(f->down + q + (long)i * LINES * depth + k, depth - k,
                            f->d.flags & ALIGNED_P),
                     most);
        }
    }
}

/* A line's sums from its lanes: number i is then line_sum(mine, i). */
INLINE void share(local float *mine, const float *sum, const int n)
{
#pragma unroll
    for (int i = 0; i < n; i++)
        mine[i * PITCH + (int)get_local_id(0)] = sum[i];
}

INLINE float line_sum(local const float *mine, int i)
{
    float x = 0.0f;
    for (int l = 0; l < LINE; l++)
        x += mine[i * PITCH + l];
    return x;
}

/* A line's components of H, to hs [MOST][RANK]. */
INLINE void put_h(local float *hs, local const float *mine, const struct few *f,
                         const struct gemm_down *down, const int most, const int lows)
{
    for (int i = (int)get_local_id(0); i < lows * most; i += LINE) {
        const int p = (int)get_local_id(1) + i / most * LINES, r = i % most;
        const float h = line_sum(mine, i);
        hs[r * RANK + p] = h;
        if (p < f->rank && r < f->d.rows && f->keep)
            f->h[(long)r * f->ldh + down->col[f->j] + p] = h;
    }
}

/* sum_p h[p] b[p] */
INLINE float low_rank(local const float *h, local const float *b, int rank)
{
    float sum = 0.0f;
    for (int p = 0; p < rank; p++)
        sum += h[p] * b[p];
    return sum;
}

/* sum_j s_j H_j B_j^T at (r, c), with H of memory */
INLINE float low_ranks(const struct few *f, const struct gemm_lora *l, int r, int c)
{
    global const float *h = f->h + (long)r * f->ldh;
    float all = 0.0f;
    for (int j = 0; j < l->count; j++) {
        if (c >= l->col[j] && c < l->col[j] + l->cols[j]) {
            global const float *b = f->params + l->at[j] + (long)(c - l->col[j]) * l->rank[j];
            float sum = 0.0f;
            for (int p = 0; p < l->rank[j]; p++)
                sum += h[p] * b[p];
            all += l->scale[j] * sum;
        }
        h += l->rank[j];
    }
    return all;
}

/* A line's elements of C. hs, and bs with the group's rows of B, if lows. */
INLINE void put_c(local const float *mine, local const float *hs, local const float *bs,
                         const struct few *f, const struct gemm_lora *lora, const int wide,
                         const int most, const int lows)
{
    for (int i = (int)get_local_id(0); i < wide * most; i += LINE) {
        const int n = (int)get_local_id(1) * wide + i / most, r = i % most, c = f->c0 + n;
        if (r < f->d.rows && c < f->d.cols) {
            float x = line_sum(mine, i);
            if (!lows)
                x += low_ranks(f, lora, r, c);
            else if (f->j >= 0)
                x += lora->scale[f->j] * low_rank(hs + r * RANK, bs + n * f->rank, f->rank);
            if (f->d.flags & HAS_BIAS)
                x += f->bias[c];
            if (f->d.flags & HAS_RES)
                x += f->res[(long)r * f->ldres + c];
            f->c[(long)r * f->ldc + c] = x;
        }
    }
}

/* The adapter that has column c, or -1. */
INLINE int adapter_of(const struct gemm_lora *l, int c)
{
    int found = -1;
    for (int j = 0; j < l->count; j++)
        found = c >= l->col[j] && c < l->col[j] + l->cols[j] ? j : found;
    return found;
}

/* t: LINES * most * (the larger of wide and lows) * PITCH floats. */
INLINE void group(local float *t, local float *hs, local float *bs, struct few *f,
                  const struct gemm_lora *lora, const struct gemm_down *down, const int dtype,
                  const int wide, const int most, const int lows)
{
    enum { ITEMS = LINE * LINES, EACH = WIDE * LINES * RANK / ITEMS };
    const int item = (int)get_local_id(1) * LINE + (int)get_local_id(0);
    local float *mine = t + (int)get_local_id(1) * most * (wide > lows ? wide : lows) * PITCH;
    float sum[WIDE * MOST], low[2 * MOST], b[EACH];
    int values = 0;
    if (wide && lows && f->j >= 0) { /* its rows of B lie side by side, and travel during the sums */
        int end = min(f->c0 + LINES * wide, lora->col[f->j] + lora->cols[f->j]);
        values = (end - f->c0) * f->rank;
    }
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        if (item + i * ITEMS < values)
            b[i] = f->params[lora->at[f->j] + (long)(f->c0 - lora->col[f->j]) * f->rank + item +
                             i * ITEMS];
    }
    sums(sum, low, f, dtype, wide, most, lows);
    if (lows) {
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            if (item + i * ITEMS < values)
                bs[item + i * ITEMS] = b[i];
        }
        share(mine, low, lows * most);
        barrier(CLK_LOCAL_MEM_FENCE);
        put_h(hs, mine, f, down, most, lows);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    share(mine, sum, wide * most);
    barrier(CLK_LOCAL_MEM_FENCE);
    put_c(mine, hs, bs, f, lora, wide, most, lows);
}

#define ENTRY(name, dtype, wide, most, lows)                                                     \
    kernel __attribute__((reqd_work_group_size(LINE, LINES, 1))) void name(                      \
        global float *c_buf, long c_at, int ldc, global const float *a_buf, long a_at, int lda,  \
        global const void *w, int ldw, global float *h_buf, long h_at, int ldh,                  \
        global const float *params_buf, long params_at, global const float *bias_buf,            \
        long bias_at, global const float *res_buf, long res_at, int ldres, int4 dims,            \
        struct gemm_lora lora, struct gemm_down down)                                            \
    {                                                                                            \
        local float t[LINES * most * (wide > lows ? wide : lows) * PITCH];                       \
        local float hs[MOST * RANK], bs[LINES * WIDE * RANK];                                    \
        const long row0 = (long)get_group_id(1) * most;                                          \
        struct few f = {.w = w, .ldc = ldc, .lda = lda, .ldw = ldw, .ldh = ldh, .ldres = ldres}; \
        f.c0 = (int)get_group_id(0) * LINES * wide;                                              \
        f.d = (struct gemm_dims){min(dims.x - (int)row0, most), dims.y, dims.z, dims.w};         \
        f.c = c_buf + c_at + row0 * ldc;                                                         \
        f.a = a_buf + a_at + row0 * lda;                                                         \
        f.h = h_buf + h_at + row0 * ldh;                                                         \
        f.res = res_buf + res_at + row0 * ldres;                                                 \
        f.params = params_buf + params_at;                                                       \
        f.bias = bias_buf + bias_at;                                                             \
        f.j = !lows ? -1 : wide ? adapter_of(&lora, f.c0) : (int)get_group_id(0);                \
        f.rank = f.j < 0 ? 0 : lora.rank[f.j];                                                   \
        f.keep = f.j >= 0 && (!wide || f.c0 == lora.col[f.j]);                                   \
        f.down = f.params + (f.j < 0 ? 0 : down.at[f.j]);                                        \
        group(t, hs, bs, &f, &lora, &down, dtype, wide, most, lows);                             \
    }
#define ENTRIES(type, dtype)                       \
    ENTRY(gemm_one_##type, dtype, 1, 1, 0)         \
    ENTRY(gemm_one1_##type, dtype, 1, 1, 1)        \
    ENTRY(gemm_one2_##type, dtype, 1, 1, 2)        \
    ENTRY(gemm_few_##type, dtype, 1, MOST, 0)      \
    ENTRY(gemm_few1_##type, dtype, 1, MOST, 1)     \
    ENTRY(gemm_few2_##type, dtype, 1, MOST, 2)     \
    ENTRY(gemm_thin_##type, dtype, WIDE, MOST, 0)  \
    ENTRY(gemm_thin1_##type, dtype, WIDE, MOST, 1) \
    ENTRY(gemm_thin2_##type, dtype, WIDE, MOST, 2)
ENTRY(gemm_down1, DT_F32, 0, MOST, 1)
ENTRY(gemm_down2, DT_F32, 0, MOST, 2)
#if TYPES & 1 << DT_F32
ENTRIES(f32, DT_F32)
#endif
#if TYPES & 1 << DT_F16
ENTRIES(f16, DT_F16)
#endif
#if TYPES & 1 << DT_BF16
ENTRIES(bf16, DT_BF16)
#endif

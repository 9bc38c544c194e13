/* Products with a frozen matrix W, the adapters' low-rank product in the same sum (gemm_ocl.h):
 *
 *   nt:  C = A W^T + sum_j s_j H_j B_j^T       nn:  C = A W + sum_j H_j A_j
 *        [+ bias] [+ res]                           [+ res]
 *
 * A group makes a tile of C, BM x BN, in steps of BK along the depth. While the items multiply what
 * stands in local memory, the next step's quads (four floats, from 16 bytes at once where the rows are
 * aligned) are on their way into registers; there are two buffers, so one barrier a step is enough.
 * The adapters' factors are further steps of the same loop.
 *
 * Items lie as warps of LM x LN over the tile. An item's rows are GM groups of four, 4 LM apart, its
 * columns GN groups of four, 4 LN apart: then the 32 items of a warp read few and neighbouring quads
 * of local memory, without bank conflicts. Where a tile has fewer items than a group should have, KS
 * slices of items share out each step's depth, and are added in order at the end.
 *
 * A device of type CPU gets one item a group (LM = LN = WM = WN = KS = 1): no barrier costs anything,
 * and the inner loops are its compiler's to vectorise. */
#ifndef TILE
#define TILE large /* names the kernels: gemm_large_nt_f32, ... */
#define LM   4     /* items of a warp: LM x LN */
#define LN   8
#define WM   4 /* warps of a slice: WM x WN */
#define WN   2
#define GM   2 /* groups of four rows, of four columns, of an item */
#define GN   2
#define KS   1  /* slices of the depth */
#define BK   16 /* depth of a step */
#endif
#ifndef TYPES
#define TYPES 7 /* of W that kernels are for: a bit 1 << DT_... each */
#endif

#define BM    (4 * LM * GM * WM)
#define BN    (4 * LN * GN * WN)
#define SLICE (LM * LN * WM * WN)
#define ITEMS (SLICE * KS)
#define PA    (BM + 4) /* pitches: stores of transposed quads meet fewer banks twice */
#define PB    (BN + 4)
#define QA    (BM * BK / 4 / ITEMS) /* quads of a step that one item carries */
#define QB    (BN * BK / 4 / ITEMS)
#define ADAPTERS 4

/* Loops that keep quads in registers. One item alone has too many of them to write out. */
#if ITEMS > 1
#define UNROLL _Pragma("unroll")
#else
#define UNROLL
#endif

/* gemm_ocl.c has the same structs and flags. Kernels take the first as an int4: some drivers pass a struct
 * of 16 bytes wrongly. */
struct gemm_dims {
    int rows, cols, depth, flags;
};
struct gemm_lora {
    long at[ADAPTERS]; /* of B_j or A_j in params */
    int rank[ADAPTERS], col[ADAPTERS], cols[ADAPTERS];
    float scale[ADAPTERS];
    int count, in;
};
#define HAS_BIAS  1
#define HAS_RES   2
#define GATHER    4  /* row r of A is row index[r] */
#define SCATTER   8  /* row r of C is row index[r] */
#define ALIGNED_A 16 /* rows of A begin at multiples of 16 bytes */
#define ALIGNED_C 32

struct operands {
    global const float *restrict a, *restrict h, *restrict params;
    global const void *restrict w;
    global const int *restrict index;
    int lda, ldw, ldh;
};

/* Four elements of W; W is padded, so whole quads and whole tiles are always there. */
static inline float4 weight4(global const void *restrict w, long at, const int dtype)
{
    if (dtype == DT_F32)
        return *(global const float4 *)((global const float *)w + at);
    if (dtype == DT_F16)
        return vload_half4(0, (global const half *)w + at);
    return as_float4(convert_uint4(*(global const ushort4 *)((global const ushort *)w + at)) << 16);
}

/* Four of A's row; beyond the depth zeros. */
static inline float4 input4(const struct operands *o, struct gemm_dims d, int row, int p)
{
    global const float *restrict x = o->a + (long)row * o->lda + p;
    if ((d.flags & ALIGNED_A) && p + 4 <= d.depth)
        return *(global const float4 *)x;
    return first4(x, d.depth - p);
}

/* ---- one step: global memory to registers, registers to local memory ----------------------------- */

static inline void fetch(float4 *ra, float4 *rb, const struct operands *o, struct gemm_dims d,
                         const int *row, int col0, int p0, const int dtype, const int nn)
{
    const int l = (int)get_local_id(0);
    UNROLL
    for (int i = 0; i < QA; i++)
        ra[i] = input4(o, d, row[i], p0 + (l + ITEMS * i) % (BK / 4) * 4);
    UNROLL
    for (int i = 0; i < QB; i++) {
        int q = l + ITEMS * i;
        if (nn)
            rb[i] = weight4(o->w, (long)(p0 + q / (BN / 4)) * o->ldw + col0 + q % (BN / 4) * 4,
                            dtype);
        else
            rb[i] = weight4(o->w, (long)(col0 + q / (BK / 4)) * o->ldw + p0 + q % (BK / 4) * 4,
                            dtype);
    }
}

/* Step `step` of the adapters that touch the tile's columns: which adapter, and from which of its
 * components on. */
static inline int adapter_of(const struct gemm_lora *lora, int col0, int step, int *first, int *h0)
{
    int at = 0, found = -1;
    for (int j = 0; j < lora->count; j++) {
        int steps = (lora->rank[j] + BK - 1) / BK;
        if (lora->col[j] < col0 + BN && lora->col[j] + lora->cols[j] > col0) {
            if (found < 0 && step < steps) {
                found = j;
                *first = step * BK;
                *h0 = at;
            }
            step -= steps;
        }
        at += lora->rank[j];
    }
    return found;
}

static inline int adapter_steps(const struct gemm_lora *lora, int col0)
{
    int steps = 0;
    for (int j = 0; j < lora->count; j++) {
        if (lora->col[j] < col0 + BN && lora->col[j] + lora->cols[j] > col0)
            steps += (lora->rank[j] + BK - 1) / BK;
    }
    return steps;
}

/* The same for a step of the adapters: A is H, W is s B_j (nt) or A_j (nn). */
static inline void fetch_lora(float4 *ra, float4 *rb, const struct operands *o,
                              const struct gemm_lora *lora, int row0, int rows, int col0, int step,
                              const int nn)
{
    int p0 = 0, h0 = 0, j = adapter_of(lora, col0, step, &p0, &h0);
    int rank = lora->rank[j], col = lora->col[j], cols = lora->cols[j];
    float scale = lora->scale[j];
    global const float *restrict b = o->params + lora->at[j];
    const int l = (int)get_local_id(0);
    UNROLL
    for (int i = 0; i < QA; i++) {
        int q = l + ITEMS * i, r = min(row0 + q / (BK / 4), rows - 1), p = p0 + q % (BK / 4) * 4;
        ra[i] = first4(o->h + (long)r * o->ldh + h0 + p, rank - p);
    }
    UNROLL
    for (int i = 0; i < QB; i++) {
        int q = l + ITEMS * i;
        if (nn) {
            int p = p0 + q / (BN / 4), c = col0 + q % (BN / 4) * 4;
            rb[i] = first4(b + (long)p * lora->in + c, p < rank ? lora->in - c : 0);
        } else {
            int c = col0 + q / (BK / 4) - col, p = p0 + q % (BK / 4) * 4;
            rb[i] = scale * first4(b + (long)c * rank + p, c >= 0 && c < cols ? rank - p : 0);
        }
    }
}

INLINE void put(local float *ta, local float *tb, const float4 *ra, const float4 *rb,
                       const int nn)
{
    const int l = (int)get_local_id(0);
    UNROLL
    for (int i = 0; i < QA; i++) {
        int q = l + ITEMS * i;
        local float *t = ta + q % (BK / 4) * 4 * PA + q / (BK / 4);
        t[0] = ra[i].x;
        t[PA] = ra[i].y;
        t[2 * PA] = ra[i].z;
        t[3 * PA] = ra[i].w;
    }
    UNROLL
    for (int i = 0; i < QB; i++) {
        int q = l + ITEMS * i;
        if (nn) {
            *(local float4 *)(tb + q / (BN / 4) * PB + q % (BN / 4) * 4) = rb[i];
        } else {
            local float *t = tb + q % (BK / 4) * 4 * PB + q / (BK / 4);
            t[0] = rb[i].x;
            t[PB] = rb[i].y;
            t[2 * PB] = rb[i].z;
            t[3 * PB] = rb[i].w;
        }
    }
}

/* ---- the product of one step --------------------------------------------------------------------- */

/* acc += ta^T tb over the slice's part of the step; ta and tb begin at the item's row and column. */
INLINE void multiply(float4 (*acc)[GN], local const float *ta, local const float *tb)
{
    UNROLL
    for (int p = 0; p < BK / KS; p++) {
        float4 a[GM], b[GN];
#pragma unroll
        for (int g = 0; g < GM; g++)
            a[g] = *(local const float4 *)(ta + p * PA + g * 4 * LM);
#pragma unroll
        for (int g = 0; g < GN; g++)
            b[g] = *(local const float4 *)(tb + p * PB + g * 4 * LN);
#pragma unroll
        for (int g = 0; g < GM; g++) {
#pragma unroll
            for (int h = 0; h < GN; h++) {
                acc[4 * g][h] += a[g].x * b[h];
                acc[4 * g + 1][h] += a[g].y * b[h];
                acc[4 * g + 2][h] += a[g].z * b[h];
                acc[4 * g + 3][h] += a[g].w * b[h];
            }
        }
    }
}

/* Slice 0 gets the sum of all, in their order. t: BM * PB floats at most. */
INLINE void join_slices(float4 (*acc)[GN], local float *t, int slice, int m, int n)
{
    for (int s = 1; s < KS; s++) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (slice == s) {
#pragma unroll
            for (int i = 0; i < 4 * GM; i++) {
#pragma unroll
                for (int h = 0; h < GN; h++)
                    *(local float4 *)(t + (m + i / 4 * 4 * LM + i % 4) * PB + n + h * 4 * LN) =
                        acc[i][h];
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (slice == 0) {
#pragma unroll
            for (int i = 0; i < 4 * GM; i++) {
#pragma unroll
                for (int h = 0; h < GN; h++)
                    acc[i][h] += *(local const float4 *)(t + (m + i / 4 * 4 * LM + i % 4) * PB + n +
                                                         h * 4 * LN);
            }
        }
    }
}

/* c may be res. */
static inline void put_quad(global float *c, global const float *res, global const float *bias,
                            float4 v, int left, int flags)
{
    if ((flags & ALIGNED_C) && left >= 4) {
        if (flags & HAS_BIAS)
            v += vload4(0, bias);
        if (flags & HAS_RES)
            v += *(global const float4 *)res;
        *(global float4 *)c = v;
        return;
    }
    float e[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        if (i < left) {
            float x = e[i];
            if (flags & HAS_BIAS)
                x += bias[i];
            if (flags & HAS_RES)
                x += res[i];
            c[i] = x;
        }
    }
}

/* ---- a tile of C --------------------------------------------------------------------------------- */

INLINE void product(local float *tiles, global float *c, int ldc, struct operands o,
                           global const float *bias, global const float *res, int ldres,
                           struct gemm_dims d, struct gemm_lora lora, const int dtype, const int nn)
{
    const int l = (int)get_local_id(0), slice = l / SLICE, warp = l % SLICE / (LM * LN);
    const int lane = l % (LM * LN);
    const int m = warp % WM * (4 * LM * GM) + lane / LN * 4;
    const int n = warp / WM * (4 * LN * GN) + lane % LN * 4;
    const int row0 = (int)get_group_id(0) * BM, col0 = (int)get_group_id(1) * BN;
    local float *ta = tiles, *tb = tiles + 2 * BK * PA;
    float4 acc[4 * GM][GN], ra[QA], rb[QB];
    int row[QA];
    UNROLL
    for (int i = 0; i < QA; i++) {
        row[i] = min(row0 + (l + ITEMS * i) / (BK / 4), d.rows - 1);
        if (d.flags & GATHER)
            row[i] = o.index[row[i]];
    }
#pragma unroll
    for (int i = 0; i < 4 * GM; i++) {
#pragma unroll
        for (int h = 0; h < GN; h++)
            acc[i][h] = (float4)(0.0f);
    }
    const int whole = (d.depth + BK - 1) / BK, steps = whole + adapter_steps(&lora, col0);
    fetch(ra, rb, &o, d, row, col0, 0, dtype, nn);
    put(ta, tb, ra, rb, nn);
    barrier(CLK_LOCAL_MEM_FENCE);
    const int mine = slice * (BK / KS);
    for (int s = 0; s < steps; s++) {
        const int from = s & 1, to = from ^ 1;
        if (s + 1 < whole)
            fetch(ra, rb, &o, d, row, col0, (s + 1) * BK, dtype, nn);
        else if (s + 1 < steps)
            fetch_lora(ra, rb, &o, &lora, row0, d.rows, col0, s + 1 - whole, nn);
        multiply(acc, ta + (from * BK + mine) * PA + m, tb + (from * BK + mine) * PB + n);
        if (s + 1 < steps)
            put(ta + to * BK * PA, tb + to * BK * PB, ra, rb, nn);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    join_slices(acc, tiles, slice, m, n);
    if (slice == 0) {
#pragma unroll
        for (int i = 0; i < 4 * GM; i++) {
            int r = row0 + m + i / 4 * 4 * LM + i % 4;
            if (r < d.rows) {
                long at = d.flags & SCATTER ? o.index[r] : r;
#pragma unroll
                for (int h = 0; h < GN; h++) {
                    int at_col = col0 + n + h * 4 * LN;
                    put_quad(c + at * ldc + at_col, res + at * ldres + at_col, bias + at_col,
                             acc[i][h], d.cols - at_col, d.flags);
                }
            }
        }
    }
}

#define JOIN(tile, name)  gemm_##tile##_##name
#define NAMED(tile, name) JOIN(tile, name)
/* The entry points differ in the type of W and in its side: constants, once inlined. */
#define ENTRY(name, dtype, nn)                                                                   \
    kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void NAMED(TILE, name)(            \
        global float *c_buf, long c_at, int ldc, global const float *restrict a_buf, long a_at,  \
        int lda, global const void *restrict w, int ldw, global const float *restrict h_buf,     \
        long h_at, int ldh, global const float *restrict params_buf, long params_at,             \
        global const float *restrict bias_buf, long bias_at, global const float *res_buf,        \
        long res_at, int ldres, global const int *restrict index_buf, long index_at,             \
        int4 dims, struct gemm_lora lora)                                                        \
    {                                                                                            \
        struct gemm_dims d = {dims.x, dims.y, dims.z, dims.w};                                   \
        local float4 tiles[2 * BK * (PA + PB) / 4];                                              \
        struct operands o = {a_buf + a_at, h_buf + h_at, params_buf + params_at, w,              \
                             index_buf + index_at, lda, ldw, ldh};                               \
        product((local float *)tiles, c_buf + c_at, ldc, o, bias_buf + bias_at, res_buf + res_at, \
                ldres, d, lora, dtype, nn);                                                      \
    }
#if TYPES & 1 << DT_F32
ENTRY(nt_f32, DT_F32, 0)
ENTRY(nn_f32, DT_F32, 1)
#endif
#if TYPES & 1 << DT_F16
ENTRY(nt_f16, DT_F16, 0)
ENTRY(nn_f16, DT_F16, 1)
#endif
#if TYPES & 1 << DT_BF16
ENTRY(nt_bf16, DT_BF16, 0)
ENTRY(nn_bf16, DT_BF16, 1)
#endif

/* The thin products of the adapters (lora_linear.h); those with W are gemm.cl's.
 *
 *   H_j = drop_j(X) A_j^T,  G_j = s_j dY_j B_j     lora_down: tiles of rows; lora_rows: few rows
 *   dA_j += G_j^T drop_j(X),  dB_j += s_j dY_j^T H_j   lora_outer, and lora_sum where the rows are cut
 *   dX += sum_j drop_j(G_j A_j)                        lora_dropped, where there is dropout
 *
 * One launch serves all adapters: the third index of a group says which. A group of a tile has SLICES
 * slices of items, which share out the depth of a step and are added in order at the end. ITEMS is 1 on
 * a device of type CPU; then one item makes the tile's blocks one after the other. */
#ifndef ITEMS
#define ITEMS  256
#define SLICES 4
#define LINE   128 /* items of a group of lora_rows: a power of two */
#endif

#define TM      64 /* rows of a tile; of lora_outer: columns of X or dY */
#define TN      16 /* rank components */
#define TK      32 /* depth of a step */
#define BLOCKS  (TM / 4 * TN / 4)
#define TASKS   (BLOCKS * SLICES / ITEMS) /* blocks of 4 x 4 that one item makes */
#define PITCH   (TK + 4)                  /* of rows of TK, of TM and of TN: odd multiples of four */
#define PITCH_M (TM + 4)
#define PITCH_N (TN + 4)
#define FEW     4 /* components of a group of lora_rows */
#define ADAPTERS 4

/* lora_linear_ocl.c has the same structs. */
struct lora_list {
    long a[ADAPTERS], b[ADAPTERS];
    int col[ADAPTERS], cols[ADAPTERS], rank[ADAPTERS], at[ADAPTERS]; /* at: its column in H */
    int id[ADAPTERS];
    float scale[ADAPTERS];
    int count, in, rows, all; /* all: the sum of the ranks */
};
struct lora_drop {
    ulong seed, stream;
    float p, keep; /* p 0: none */
};

static inline float drop1(float x, struct lora_drop d, int id, ulong element)
{
    uint4 w = philox(d.seed, d.stream | (ulong)id, element / 4);
    int i = (int)(element % 4);
    uint word = i == 0 ? w.x : i == 1 ? w.y : i == 2 ? w.z : w.w;
    return uniform(word) < d.p ? 0.0f : x * d.keep;
}

/* Elements element ... element + 3 of the adapter's input. */
static inline float4 drop4(float4 x, struct lora_drop d, int id, ulong element)
{
    uint4 w = philox(d.seed, d.stream | (ulong)id, element / 4);
    int skip = (int)(element % 4);
    if (skip) {
        uint4 v = philox(d.seed, d.stream | (ulong)id, element / 4 + 1);
        w = skip == 1 ? (uint4)(w.yzw, v.x) : skip == 2 ? (uint4)(w.zw, v.xy) : (uint4)(w.w, v.xyz);
    }
    x.x = uniform(w.x) < d.p ? 0.0f : x.x * d.keep;
    x.y = uniform(w.y) < d.p ? 0.0f : x.y * d.keep;
    x.z = uniform(w.z) < d.p ? 0.0f : x.z * d.keep;
    x.w = uniform(w.w) < d.p ? 0.0f : x.w * d.keep;
    return x;
}

/* ---- H and G ------------------------------------------------------------------------------------- */

/* acc += the blocks of tp [TM][PITCH] times tq [TN][PITCH]^T. A block's rows and components lie TM/4 and
 * TN/4 apart, so that neighbouring items read neighbouring rows: no bank conflicts. */
INLINE void multiply_down(float (*acc)[4][4], local const float *tp, local const float *tq,
                                 int slice)
{
    for (int t = 0; t < TASKS; t++) {
        int b = (int)get_local_id(0) % (ITEMS / SLICES) + t * (ITEMS / SLICES);
        local const float *p = tp + b % (TM / 4) * PITCH, *q = tq + b / (TM / 4) * PITCH;
        for (int k = 0; k < TK / SLICES; k += 4) {
            float4 x[4], y[4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                x[i] = *(local const float4 *)(p + i * (TM / 4) * PITCH + slice * (TK / SLICES) + k);
                y[i] = *(local const float4 *)(q + i * (TN / 4) * PITCH + slice * (TK / SLICES) + k);
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    float s = acc[t][i][j];
                    s += x[i].x * y[j].x;
                    s += x[i].y * y[j].y;
                    s += x[i].z * y[j].z;
                    s += x[i].w * y[j].w;
                    acc[t][i][j] = s;
                }
            }
        }
    }
}

/* TK of the depth, from k0 on, of TM rows of X (dropped) or dY, to tp; of A or B, to tq. */
INLINE void stage_down(local float *tp, local float *tq, global const float *p, int ldp,
                              global const float *params, const struct lora_list *l, int j,
                              struct lora_drop d, int row0, int n0, int k0, int back)
{
    int depth = back ? l->cols[j] : l->in, rank = l->rank[j];
    global const float *q = params + (back ? l->b[j] : l->a[j]);
    for (int i = (int)get_local_id(0); i < TM * TK / 4; i += ITEMS) {
        int r = row0 + i / (TK / 4), k = k0 + i % (TK / 4) * 4;
        float4 v = (float4)(0.0f);
        if (r < l->rows && k < depth) {
            v = first4(p + (long)r * ldp + (back ? l->col[j] : 0) + k, depth - k);
            if (d.p > 0.0f && !back)
                v = drop4(v, d, l->id[j], (ulong)r * (ulong)l->in + (ulong)k);
        }
        *(local float4 *)(tp + i / (TK / 4) * PITCH + i % (TK / 4) * 4) = v;
    }
    for (int i = (int)get_local_id(0); i < TN * TK; i += ITEMS) {
        int n = back ? i % TN : i / TK, k = back ? i / TN : i % TK;
        float v = 0.0f;
        if (n0 + n < rank && k0 + k < depth)
            v = back ? q[(long)(k0 + k) * rank + n0 + n] : q[(long)(n0 + n) * depth + k0 + k];
        tq[n * PITCH + k] = v;
    }
}

/* Every sum of an item: its task, and its row and column in that block. Without the pragma on the
 * tasks: a CPU has many of them, a GPU one. */
#define EACH_SUM(t, i, j)           \
    for (int t = 0; t < TASKS; t++) \
        _Pragma("unroll") for (int i = 0; i < 4; i++) _Pragma("unroll") for (int j = 0; j < 4; j++)

/* The slices' sums, added in order, stand in slice 0; s: TM * TN floats. */
INLINE void join(float (*acc)[4][4], local float *s, int slice)
{
    local float *mine = s + get_local_id(0) % (ITEMS / SLICES);
    for (int from = 1; from < SLICES; from++) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (slice == from) {
            EACH_SUM(t, i, j) mine[(16 * t + 4 * i + j) * (ITEMS / SLICES)] = acc[t][i][j];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (slice == 0) {
            EACH_SUM(t, i, j) acc[t][i][j] += mine[(16 * t + 4 * i + j) * (ITEMS / SLICES)];
        }
    }
}

static inline void clear(float (*acc)[4][4])
{
    EACH_SUM(t, i, j) acc[t][i][j] = 0.0f;
}

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
lora_down(MAT(float, h), MAT(const float, p), VEC(const float, params), struct lora_list l,
          struct lora_drop d, int back)
{
    local float4 space[(TM + TN) * PITCH / 4];
    local float *tp = (local float *)space, *tq = tp + TM * PITCH;
    float acc[TASKS][4][4];
    const int j = (int)get_group_id(2), row0 = (int)get_group_id(0) * TM;
    const int n0 = (int)get_group_id(1) * TN, slice = (int)get_local_id(0) / (ITEMS / SLICES);
    const int rank = l.rank[j], depth = n0 >= rank ? 0 : back ? l.cols[j] : l.in;
    clear(acc);
    for (int k = 0; k < depth; k += TK) {
        stage_down(tp, tq, p_buf + p_at, p_ld, params_buf + params_at, &l, j, d, row0, n0, k, back);
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply_down(acc, tp, tq, slice);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    join(acc, tp, slice);
    EACH_SUM(t, y, x)
    {
        int b = (int)get_local_id(0) % (ITEMS / SLICES) + t * (ITEMS / SLICES);
        int r = row0 + b % (TM / 4) + y * (TM / 4), n = n0 + b / (TM / 4) + x * (TN / 4);
        if (slice == 0 && r < l.rows && n < rank)
            AT(h, r, l.at[j] + n) = (back ? l.scale[j] : 1.0f) * acc[t][y][x];
    }
}

/* A group makes FEW components of one row: no staging, many loads at once. */
kernel __attribute__((reqd_work_group_size(LINE, 1, 1))) void
lora_rows(MAT(float, h), MAT(const float, p), VEC(const float, params), struct lora_list l,
          struct lora_drop d, int back)
{
    local float t[FEW * LINE];
    const int j = (int)get_group_id(2), r = (int)get_group_id(0), n0 = (int)get_group_id(1) * FEW;
    const int rank = l.rank[j], depth = n0 >= rank ? 0 : back ? l.cols[j] : l.in;
    const int lane = (int)get_local_id(0);
    const long step_n = back ? 1 : l.in, step_k = back ? rank : 1;
    global const float *q = params_buf + params_at + (back ? l.b[j] : l.a[j]) + n0 * step_n;
    global const float *x = p_buf + p_at + (long)r * p_ld + (back ? l.col[j] : 0);
    float sum[FEW] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll 4
    for (int k = lane; k < depth; k += LINE) {
        float v = x[k];
        if (d.p > 0.0f && !back)
            v = drop1(v, d, l.id[j], (ulong)r * (ulong)l.in + (ulong)k);
#pragma unroll
        for (int n = 0; n < FEW; n++) {
            if (n0 + n < rank)
                sum[n] += v * q[n * step_n + k * step_k];
        }
    }
#pragma unroll
    for (int n = 0; n < FEW; n++)
        t[n * LINE + lane] = sum[n];
    for (int half_way = LINE / 2; half_way > 0; half_way /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int n = 0; n < FEW; n++) {
            if (lane < half_way)
                t[n * LINE + lane] += t[n * LINE + lane + half_way];
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int n = lane; n < FEW; n += LINE) {
        if (n0 + n < rank)
            AT(h, r, l.at[j] + n0 + n) = (back ? l.scale[j] : 1.0f) * t[n * LINE];
    }
}

/* ---- dA and dB ----------------------------------------------------------------------------------- */

/* acc += tp [TK][PITCH_M]^T tq [TK][PITCH_N] */
INLINE void multiply_outer(float (*acc)[4][4], local const float *tp,
                                  local const float *tq, int slice)
{
    for (int t = 0; t < TASKS; t++) {
        int b = (int)get_local_id(0) % (ITEMS / SLICES) + t * (ITEMS / SLICES);
        local const float *p = tp + b % (TM / 4) * 4, *q = tq + b / (TM / 4) * 4;
        for (int k = slice; k < TK; k += SLICES) {
            float4 x = *(local const float4 *)(p + k * PITCH_M);
            float4 y = *(local const float4 *)(q + k * PITCH_N);
            float a[4] = {x.x, x.y, x.z, x.w}, c[4] = {y.x, y.y, y.z, y.w};
#pragma unroll
            for (int i = 0; i < 4; i++) {
#pragma unroll
                for (int j = 0; j < 4; j++)
                    acc[t][i][j] += a[i] * c[j];
            }
        }
    }
}

/* Rows [r0, last) of TM columns of X (dropped) or dY, and of TN of G or H. */
INLINE void stage_outer(local float *tp, local float *tq, global const float *p, int ldp,
                               int width, global const float *q, int ldq, int rank, int in,
                               struct lora_drop d, int id, int m0, int n0, int r0, int last)
{
    for (int i = (int)get_local_id(0); i < TK * TM / 4; i += ITEMS) {
        int r = r0 + i / (TM / 4), m = m0 + i % (TM / 4) * 4;
        float4 v = (float4)(0.0f);
        if (r < last && m < width) {
            v = first4(p + (long)r * ldp + m, width - m);
            if (d.p > 0.0f)
                v = drop4(v, d, id, (ulong)r * (ulong)in + (ulong)m);
        }
        *(local float4 *)(tp + i / (TM / 4) * PITCH_M + i % (TM / 4) * 4) = v;
    }
    for (int i = (int)get_local_id(0); i < TK * TN / 4; i += ITEMS) {
        int r = r0 + i / (TN / 4), n = n0 + i % (TN / 4) * 4;
        *(local float4 *)(tq + i / (TN / 4) * PITCH_N + i % (TN / 4) * 4) =
            first4(q + (long)r * ldq + n, r < last ? rank - n : 0);
    }
}

/* Where an adapter's dA (side 0) or dB (side 1) begins among the partial sums of one chunk. */
static inline long part_of(const struct lora_list *l, int adapter, int side)
{
    long at = 0;
    for (int j = 0; j < adapter + side; j++) {
        if (j < adapter || side)
            at += (long)l->rank[j] * l->in;
        if (j < adapter)
            at += (long)l->rank[j] * l->cols[j];
    }
    return at;
}

/* Group (columns, chunk of rows, adapter x side x rank tile). chunks > 1: to part, else += grads. */
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
lora_outer(VEC(float, grads), VEC(float, part), MAT(const float, x), MAT(const float, g),
           MAT(const float, dy), MAT(const float, h), struct lora_list l, struct lora_drop d,
           int chunk, int chunks, int tiles, long total)
{
    local float4 space[TK * (PITCH_M + PITCH_N) / 4];
    local float *tp = (local float *)space, *tq = tp + TK * PITCH_M;
    float acc[TASKS][4][4];
    const int z = (int)get_group_id(2), j = z / (2 * tiles), side = z / tiles % 2;
    const int m0 = (int)get_group_id(0) * TM, n0 = z % tiles * TN, rank = l.rank[j];
    const int slice = (int)get_local_id(0) / (ITEMS / SLICES), width = side ? l.cols[j] : l.in;
    const int first = (int)get_group_id(1) * chunk, last = min(first + chunk, l.rows);
    global const float *p = side ? dy_buf + dy_at + l.col[j] : x_buf + x_at;
    global const float *q = (side ? h_buf + h_at : g_buf + g_at) + l.at[j];
    const int ldp = side ? dy_ld : x_ld, ldq = side ? h_ld : g_ld;
    if (side)
        d.p = 0.0f;
    clear(acc);
    for (int r = first; r < (m0 < width && n0 < rank ? last : first); r += TK) {
        stage_outer(tp, tq, p, ldp, width, q, ldq, rank, l.in, d, l.id[j], m0, n0, r, last);
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply_outer(acc, tp, tq, slice);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    join(acc, tp, slice);
    const long step_m = side ? rank : 1, step_n = side ? 1 : l.in;
    const float scale = side ? l.scale[j] : 1.0f;
    const long to_part = part_at + (long)get_group_id(1) * total + part_of(&l, j, side);
    const long to_grads = grads_at + (side ? l.b[j] : l.a[j]);
    EACH_SUM(t, y, e)
    {
        int b = (int)get_local_id(0) % (ITEMS / SLICES) + t * (ITEMS / SLICES);
        int m = m0 + b % (TM / 4) * 4 + y, n = n0 + b / (TM / 4) * 4 + e;
        float v = scale * acc[t][y][e];
        if (slice == 0 && m < width && n < rank) {
            if (chunks > 1)
                part_buf[to_part + m * step_m + n * step_n] = v;
            else
                grads_buf[to_grads + m * step_m + n * step_n] += v;
        }
    }
}

/* grads += the chunks' sums, in their order. Second index of a group: adapter x side. */
kernel void lora_sum(VEC(float, grads), VEC(const float, part), struct lora_list l, int chunks,
                     long total)
{
    const int j = (int)get_group_id(1) / 2, side = (int)get_group_id(1) % 2;
    const long n = (long)l.rank[j] * (side ? l.cols[j] : l.in), from = part_of(&l, j, side);
    for (long i = (long)get_global_id(0); i < n; i += (long)get_global_size(0)) {
        float sum = 0.0f;
        for (int c = 0; c < chunks; c++)
            sum += IN(part, c * total + from + i);
        IN(grads, (side ? l.b[j] : l.a[j]) + i) += sum;
    }
}

/* ---- dX under dropout ---------------------------------------------------------------------------- */

kernel void lora_dropped(MAT(float, dx), MAT(const float, g), VEC(const float, params),
                         struct lora_list l, struct lora_drop d)
{
    const long quads = (l.in + 3) / 4, all = quads * l.rows;
    for (long i = (long)get_global_id(0); i < all; i += (long)get_global_size(0)) {
        int r = (int)(i / quads), c = (int)(i % quads) * 4;
        float4 sum = (float4)(0.0f);
        for (int j = 0; j < l.count; j++) {
            float4 v = (float4)(0.0f);
            for (int n = 0; n < l.rank[j]; n++)
                v += AT(g, r, l.at[j] + n) *
                     first4(params_buf + params_at + l.a[j] + (long)n * l.in + c, l.in - c);
            sum += drop4(v, d, l.id[j], (ulong)r * (ulong)l.in + (ulong)c);
        }
        float e[4] = {sum.x, sum.y, sum.z, sum.w};
        for (int n = 0; n < min(4, l.in - c); n++)
            AT(dx, r, c + n) += e[n];
    }
}

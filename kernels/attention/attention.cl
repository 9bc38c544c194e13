/* Attention in tiles (attention.h): BQ query rows of one head against BK keys at a time.
 *
 * All matrices in local memory are row-major, DC columns of a head at a time, and every sum over a
 * head or over keys reads quads. Rows that one item works on lie apart (r, r + step, ...), so that
 * neighbouring items read neighbouring rows: with a pitch of an odd number of quads there are no bank
 * conflicts. A group has ITEMS items; on a device of type CPU it is one, which does the tasks of all
 * one after the other, and no barrier costs anything.
 *
 * Documents lie one after the other, so neither start nor the first visible key ever falls from one
 * query row to the next: a tile's first row has the first key, and key tiles know where to stop. */
#ifndef HEAD_DIM
#define HEAD_DIM 64
#define ITEMS    128
#define FWD_Q    64 /* query rows of a tile, forward */
#define FWD_K    32 /* keys */
#define BWD_Q    32
#define BWD_K    32
#endif

#define DP     ((HEAD_DIM + 3) / 4 * 4)
#define DC     (DP < 64 ? DP : 64) /* columns of a head that stand in local memory at a time */
#define CHUNKS ((DP + DC - 1) / DC)
#define PITCH  (DC / 4 % 2 ? DC : DC + 4)
#define PITCH_OF(keys) ((keys) / 4 % 2 ? (keys) : (keys) + 4)
#define EACH(i, n) for (int i = (int)get_local_id(0); i < (n); i += ITEMS)

/* Loops over what an item keeps in registers. One item alone has too much of it to write out. */
#if ITEMS > 1
#define UNROLL _Pragma("unroll")
#else
#define UNROLL
#endif
/* Task b, number t of this item's. */
#define PER_ITEM(tasks) (((tasks) + ITEMS - 1) / ITEMS)
#define EACH_TASK(t, b, tasks)                                                         \
    UNROLL for (int t = 0, b = (int)get_local_id(0); t < PER_ITEM(tasks);              \
                t++, b += ITEMS) if ((tasks) % ITEMS == 0 || b < (tasks))

/* Kernels bear their head_dim: attention_fwd_64. */
#define JOIN(name, dim)  name##_##dim
#define NAMED(name, dim) JOIN(name, dim)
#define KERNEL(name)     NAMED(name, HEAD_DIM)

/* attention_ocl.c has the same struct. */
struct attention_shape {
    int q_rows, k_rows, q_offset, heads, kv_heads, window;
    float scale, softcap;
};

struct matrix {
    global const float *p; /* at the head's first column */
    int ld;
};

/* Rows [row, row + n) of columns [DC c, ...) to t; rows from `rows` on and columns that the head has
 * not are 0. */
INLINE void stage(local float *t, struct matrix m, int row, int n, int rows, int c)
{
    EACH(i, n * (DC / 4))
    {
        int r = i / (DC / 4), d = i % (DC / 4) * 4, left = HEAD_DIM - c * DC - d;
        float4 v = (float4)(0.0f);
        if (row + r < rows) {
            global const float *p = m.p + (long)(row + r) * m.ld + c * DC + d;
            if (left > 0)
                v.x = p[0];
            if (left > 1)
                v.y = p[1];
            if (left > 2)
                v.z = p[2];
            if (left > 3)
                v.w = p[3];
        }
        *(local float4 *)(t + r * PITCH + d) = v;
    }
}

static inline float dot4(float s, float4 a, float4 b)
{
    s += a.x * b.x;
    s += a.y * b.y;
    s += a.z * b.z;
    s += a.w * b.w;
    return s;
}

/* s[i][j] += a row (i step_a) . b row (j step_b), over the DC columns that stand there. */
#define DOTS(s, NI, NJ, a, step_a, b, step_b)                                                 \
    for (int d_ = 0; d_ < DC; d_ += 4) {                                                      \
        float4 x_[NI], y_[NJ];                                                                \
        _Pragma("unroll") for (int i_ = 0; i_ < NI; i_++) x_[i_] =                            \
            *(local const float4 *)((a) + i_ * (step_a)*PITCH + d_);                          \
        _Pragma("unroll") for (int j_ = 0; j_ < NJ; j_++) y_[j_] =                            \
            *(local const float4 *)((b) + j_ * (step_b)*PITCH + d_);                          \
        _Pragma("unroll") for (int i_ = 0; i_ < NI; i_++) _Pragma("unroll") for (int j_ = 0;  \
                                                                                 j_ < NJ;     \
                                                                                 j_++)        \
            s[i_][j_] = dot4(s[i_][j_], x_[i_], y_[j_]);                                      \
    }

/* acc[i] += the products of row (i step) of p (pitch PP, over n keys) with the quads of v's rows. */
#define WEIGH(acc, p, step, PP, v, n)                                                            \
    for (int k_ = 0; k_ < (n); k_ += 4) {                                                        \
        float4 w_[4], v_[4];                                                                     \
        _Pragma("unroll") for (int i_ = 0; i_ < 4; i_++)                                         \
        {                                                                                        \
            w_[i_] = *(local const float4 *)((p) + i_ * (step) * (PP) + k_);                     \
            v_[i_] = *(local const float4 *)((v) + (k_ + i_) * PITCH);                           \
        }                                                                                        \
        _Pragma("unroll") for (int i_ = 0; i_ < 4; i_++)                                         \
        {                                                                                        \
            acc[i_] += w_[i_].x * v_[0];                                                         \
            acc[i_] += w_[i_].y * v_[1];                                                         \
            acc[i_] += w_[i_].z * v_[2];                                                         \
            acc[i_] += w_[i_].w * v_[3];                                                         \
        }                                                                                        \
    }

static inline float cap(float s, float softcap)
{
    return softcap > 0.0f ? softcap * tanh(s / softcap) : s;
}

/* The first key that query row i sees; its last is q_offset + i. */
static inline int first_key(global const int *start, const struct attention_shape *d, int i)
{
    int t = d->q_offset + i, first = start[i];
    return d->window > 0 ? max(first, t - d->window + 1) : first;
}

static inline void clear(float4 (*acc)[4], int n)
{
    UNROLL
    for (int i = 0; i < n; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++)
            acc[i][j] = (float4)(0.0f);
    }
}

static inline void put_quad(global float *to, float4 v, int left)
{
    if (left > 0)
        to[0] = v.x;
    if (left > 1)
        to[1] = v.y;
    if (left > 2)
        to[2] = v.z;
    if (left > 3)
        to[3] = v.w;
}

/* ---- forward ------------------------------------------------------------------------------------- */

#define S_ROWS  (ITEMS == 1 ? 4 : FWD_Q * FWD_K / 4 / ITEMS) /* a task makes S_ROWS x 4 scores */
#define S_LINES (FWD_Q / S_ROWS)
#define S_TASKS (S_LINES * FWD_K / 4)
#define O_LINES (FWD_Q / 4) /* a task holds 4 rows of a quad of columns of O */
#define O_TASKS (O_LINES * DC / 4)
#define PARTS   (ITEMS > FWD_Q ? ITEMS / FWD_Q : 1) /* items that share a row of scores */
#define PS      PITCH_OF(FWD_K)

/* Scores of the keys [k0, k0 + FWD_K), to s [FWD_Q][PS]; -inf where a row does not see a key. */
INLINE void scores(local float *s, local float *tq, local float *tk, struct matrix q,
                          struct matrix key, local const int *lo, const struct attention_shape *d,
                          int q0, int k0)
{
    float acc[PER_ITEM(S_TASKS)][S_ROWS][4];
    for (int c = 0; c < CHUNKS; c++) {
        if (CHUNKS > 1) {
            barrier(CLK_LOCAL_MEM_FENCE);
            stage(tq, q, q0, FWD_Q, d->q_rows, c);
            stage(tk, key, k0, FWD_K, d->k_rows, c);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        EACH_TASK(t, b, S_TASKS)
        {
            local const float *a = tq + b % S_LINES * PITCH, *e = tk + b / S_LINES * PITCH;
#pragma unroll
            for (int i = 0; i < S_ROWS; i++) {
#pragma unroll
                for (int j = 0; j < 4; j++)
                    acc[t][i][j] = c == 0 ? 0.0f : acc[t][i][j];
            }
            DOTS(acc[t], S_ROWS, 4, a, S_LINES, e, FWD_K / 4)
        }
    }
    EACH_TASK(t, b, S_TASKS)
    {
#pragma unroll
        for (int i = 0; i < S_ROWS; i++) {
            int r = b % S_LINES + i * S_LINES;
#pragma unroll
            for (int j = 0; j < 4; j++) {
                int k = k0 + b / S_LINES + j * (FWD_K / 4);
                bool seen = q0 + r < d->q_rows && k >= lo[r] && k <= d->q_offset + q0 + r;
                s[r * PS + k - k0] =
                    seen ? cap(d->scale * acc[t][i][j], d->softcap) : -INFINITY;
            }
        }
    }
}

/* Of each row: the running maximum top and sum, what older sums must be multiplied by, and p in place
 * of s. part: [2][PARTS][FWD_Q]. */
INLINE void soften(local float *s, local float *top, local float *sum, local float *by,
                          local float *part)
{
    const int each = FWD_K / PARTS;
    EACH(i, FWD_Q * PARTS)
    {
        local const float *p = s + i % FWD_Q * PS + i / FWD_Q * each;
        float most = -INFINITY;
        for (int j = 0; j < each; j++)
            most = fmax(most, p[j]);
        part[i] = most;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    EACH(i, FWD_Q * PARTS)
    {
        local float *p = s + i % FWD_Q * PS + i / FWD_Q * each;
        float most = top[i % FWD_Q], old = most, total = 0.0f;
        for (int j = 0; j < PARTS; j++)
            most = fmax(most, part[j * FWD_Q + i % FWD_Q]);
        float base = most == -INFINITY ? 0.0f : most;
        for (int j = 0; j < each; j++) {
            float e = exp(p[j] - base);
            p[j] = e;
            total += e;
        }
        part[(PARTS + i / FWD_Q) * FWD_Q + i % FWD_Q] = total;
        if (i < FWD_Q)
            by[i] = exp(old - base);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    EACH(i, FWD_Q)
    {
        float most = top[i], total = sum[i] * by[i];
        for (int j = 0; j < PARTS; j++) {
            most = fmax(most, part[j * FWD_Q + i]);
            total += part[(PARTS + j) * FWD_Q + i];
        }
        top[i] = most;
        sum[i] = total;
    }
}

/* Group (tile of query rows, head). The last tiles have the most keys: they come first. */
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
KERNEL(attention_fwd)(MAT(float, o), VEC(float, lse), MAT(const float, q), MAT(const float, key),
              MAT(const float, v), VEC(const int, start), struct attention_shape d, int want_lse)
{
    local float4 space[(FWD_Q + 2 * FWD_K) * PITCH / 4 + FWD_Q * PS / 4];
    local float *tq = (local float *)space, *tk = tq + FWD_Q * PITCH, *tv = tk + FWD_K * PITCH;
    local float *s = tv + FWD_K * PITCH;
    local float top[FWD_Q], sum[FWD_Q], by[FWD_Q], part[2 * PARTS * FWD_Q];
    local int lo[FWD_Q];
    const int tile = (int)get_num_groups(0) - 1 - (int)get_group_id(0), q0 = tile * FWD_Q;
    const int head = (int)get_group_id(1), kv = head / (d.heads / d.kv_heads);
    const struct matrix mq = {q_buf + q_at + head * HEAD_DIM, q_ld};
    const struct matrix mk = {key_buf + key_at + kv * HEAD_DIM, key_ld};
    const struct matrix mv = {v_buf + v_at + kv * HEAD_DIM, v_ld};
    float4 acc[CHUNKS][PER_ITEM(O_TASKS)][4];
    clear(acc[0], CHUNKS * PER_ITEM(O_TASKS));
    EACH(i, FWD_Q)
    {
        top[i] = -INFINITY;
        sum[i] = 0.0f;
        lo[i] = first_key(start_buf + start_at, &d, min(q0 + i, d.q_rows - 1));
    }
    if (CHUNKS == 1)
        stage(tq, mq, q0, FWD_Q, d.q_rows, 0);
    const int first = first_key(start_buf + start_at, &d, q0);
    const int last = min(d.q_offset + min(q0 + FWD_Q, d.q_rows), d.k_rows);
    for (int k0 = first; k0 < last; k0 += FWD_K) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (CHUNKS == 1) {
            stage(tk, mk, k0, FWD_K, d.k_rows, 0);
            stage(tv, mv, k0, FWD_K, d.k_rows, 0);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        scores(s, tq, tk, mq, mk, lo, &d, q0, k0);
        barrier(CLK_LOCAL_MEM_FENCE);
        soften(s, top, sum, by, part);
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            if (CHUNKS > 1) {
                barrier(CLK_LOCAL_MEM_FENCE);
                stage(tv, mv, k0, FWD_K, d.k_rows, c);
                barrier(CLK_LOCAL_MEM_FENCE);
            }
            EACH_TASK(t, b, O_TASKS)
            {
#pragma unroll
                for (int i = 0; i < 4; i++)
                    acc[c][t][i] *= by[b % O_LINES + i * O_LINES];
                WEIGH(acc[c][t], s + b % O_LINES * PS, O_LINES, PS, tv + b / O_LINES * 4, FWD_K)
            }
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        EACH_TASK(t, b, O_TASKS)
        {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int r = b % O_LINES + i * O_LINES, at = c * DC + b / O_LINES * 4;
                if (q0 + r < d.q_rows)
                    put_quad(&AT(o, q0 + r, head * HEAD_DIM + at), acc[c][t][i] / sum[r],
                             HEAD_DIM - at);
            }
        }
    }
    EACH(i, FWD_Q)
    {
        if (want_lse && q0 + i < d.q_rows)
            IN(lse, (long)(q0 + i) * d.heads + head) = top[i] + log(sum[i]);
    }
}

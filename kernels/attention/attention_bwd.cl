/* attention.cl goes on: the backward pass. */

/* ---- backward ------------------------------------------------------------------------------------ */

#define B_ROWS  (ITEMS == 1 ? 4 : BWD_Q * BWD_K / 4 / ITEMS)
#define B_LINES (BWD_Q / B_ROWS)
#define B_TASKS (B_LINES * BWD_K / 4)
#define PB      PITCH_OF(BWD_K)
#define Q_LINES (BWD_Q / 4) /* a task holds 4 rows of a quad of columns of dQ */
#define Q_TASKS (Q_LINES * DC / 4)
#define K_LINES (BWD_K / 4) /* or of dK and dV */
#define K_TASKS (K_LINES * DC / 4)

/* What stands in local memory: rows of Q, dO, K and V, p and ds, and of each query row its first key,
 * lse and D. */
struct tiles {
    local float *q, *o, *k, *v, *p, *ds, *lse, *delta;
    local int *lo;
};
struct inputs {
    struct matrix q, dout, key, v;
    global const float *lse, *delta;
    global const int *start;
};

INLINE void stage_rows(struct tiles t, struct inputs in, const struct attention_shape *d,
                              int head, int q0)
{
    EACH(i, BWD_Q)
    {
        int r = min(q0 + i, d->q_rows - 1);
        t.lo[i] = first_key(in.start, d, r);
        t.lse[i] = in.lse[(long)r * d->heads + head];
        t.delta[i] = in.delta[(long)r * d->heads + head];
    }
}

/* ds, and p if it is wanted, of the query rows from q0 and the keys from k0 on; 0 where a row does not see
 * a key. With one chunk, Q, K, dO and V stand there already. */
INLINE void gradients(struct tiles t, struct inputs in, const struct attention_shape *d,
                             int q0, int k0, const int want_p)
{
    float s[PER_ITEM(B_TASKS)][B_ROWS][4], dp[PER_ITEM(B_TASKS)][B_ROWS][4];
    for (int c = 0; c < CHUNKS; c++) {
        if (CHUNKS > 1) {
            barrier(CLK_LOCAL_MEM_FENCE);
            stage(t.q, in.q, q0, BWD_Q, d->q_rows, c);
            stage(t.o, in.dout, q0, BWD_Q, d->q_rows, c);
            stage(t.k, in.key, k0, BWD_K, d->k_rows, c);
            stage(t.v, in.v, k0, BWD_K, d->k_rows, c);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        EACH_TASK(n, b, B_TASKS)
        {
#pragma unroll
            for (int i = 0; i < B_ROWS; i++) {
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    s[n][i][j] = c == 0 ? 0.0f : s[n][i][j];
                    dp[n][i][j] = c == 0 ? 0.0f : dp[n][i][j];
                }
            }
            const int row = b % B_LINES * PITCH, col = b / B_LINES * PITCH;
            DOTS(s[n], B_ROWS, 4, t.q + row, B_LINES, t.k + col, BWD_K / 4)
            DOTS(dp[n], B_ROWS, 4, t.o + row, B_LINES, t.v + col, BWD_K / 4)
        }
    }
    EACH_TASK(n, b, B_TASKS)
    {
#pragma unroll
        for (int i = 0; i < B_ROWS; i++) {
            int r = b % B_LINES + i * B_LINES;
#pragma unroll
            for (int j = 0; j < 4; j++) {
                int k = k0 + b / B_LINES + j * (BWD_K / 4);
                bool seen = q0 + r < d->q_rows && k >= t.lo[r] && k <= d->q_offset + q0 + r;
                float z = cap(d->scale * s[n][i][j], d->softcap), part = z / d->softcap;
                float p = seen ? exp(z - t.lse[r]) : 0.0f;
                float g = seen ? p * (dp[n][i][j] - t.delta[r]) : 0.0f;
                if (d->softcap > 0.0f)
                    g *= 1.0f - part * part;
                t.ds[r * PB + k - k0] = g;
                if (want_p)
                    t.p[r * PB + k - k0] = p;
            }
        }
    }
}

/* delta[i, h] = sum over the head of dout * o */
kernel void KERNEL(attention_delta)(VEC(float, delta), MAT(const float, dout), MAT(const float, o),
                            int rows, int heads)
{
    for (long i = (long)get_global_id(0); i < (long)rows * heads; i += (long)get_global_size(0)) {
        long r = i / heads;
        int at = (int)(i % heads) * HEAD_DIM;
        float sum = 0.0f;
        for (int c = 0; c < HEAD_DIM; c++)
            sum += AT(dout, r, at + c) * AT(o, r, at + c);
        IN(delta, i) = sum;
    }
}

/* The four rows of a task, scaled, to rows row + i * step of m. */
static inline void put_task(global float *m, int ld, const float4 *acc, int row, int step, int rows,
                            int left, float scale)
{
#pragma unroll
    for (int i = 0; i < 4; i++) {
        if (row + i * step < rows)
            put_quad(m + (long)(row + i * step) * ld, scale * acc[i], left);
    }
}

/* Group (tile of query rows, head). */
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
KERNEL(attention_dq)(MAT(float, dq), MAT(const float, dout), MAT(const float, q), MAT(const float, key),
             MAT(const float, v), VEC(const float, lse), VEC(const float, delta),
             VEC(const int, start), struct attention_shape d)
{
    local float4 space[2 * (BWD_Q + BWD_K) * PITCH / 4 + BWD_Q * PB / 4];
    local float rows[2 * BWD_Q];
    local int lo[BWD_Q];
    const int tile = (int)get_num_groups(0) - 1 - (int)get_group_id(0), q0 = tile * BWD_Q;
    const int head = (int)get_group_id(1), kv = head / (d.heads / d.kv_heads);
    local float *t0 = (local float *)space, *t1 = t0 + 2 * BWD_Q * PITCH;
    const struct tiles t = {t0,   t0 + BWD_Q * PITCH, t1,           t1 + BWD_K * PITCH, 0,
                            t1 + 2 * BWD_K * PITCH,   rows,         rows + BWD_Q,       lo};
    const struct inputs in = {{q_buf + q_at + head * HEAD_DIM, q_ld},
                              {dout_buf + dout_at + head * HEAD_DIM, dout_ld},
                              {key_buf + key_at + kv * HEAD_DIM, key_ld},
                              {v_buf + v_at + kv * HEAD_DIM, v_ld},
                              lse_buf + lse_at,
                              delta_buf + delta_at,
                              start_buf + start_at};
    float4 acc[CHUNKS][PER_ITEM(Q_TASKS)][4];
    clear(acc[0], CHUNKS * PER_ITEM(Q_TASKS));
    stage_rows(t, in, &d, head, q0);
    if (CHUNKS == 1) {
        stage(t.q, in.q, q0, BWD_Q, d.q_rows, 0);
        stage(t.o, in.dout, q0, BWD_Q, d.q_rows, 0);
    }
    const int last = min(d.q_offset + min(q0 + BWD_Q, d.q_rows), d.k_rows);
    for (int k0 = first_key(in.start, &d, q0); k0 < last; k0 += BWD_K) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (CHUNKS == 1) {
            stage(t.k, in.key, k0, BWD_K, d.k_rows, 0);
            stage(t.v, in.v, k0, BWD_K, d.k_rows, 0);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        gradients(t, in, &d, q0, k0, 0);
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            if (CHUNKS > 1) {
                barrier(CLK_LOCAL_MEM_FENCE);
                stage(t.k, in.key, k0, BWD_K, d.k_rows, c);
                barrier(CLK_LOCAL_MEM_FENCE);
            }
            EACH_TASK(n, b, Q_TASKS)
            {
                WEIGH(acc[c][n], t.ds + b % Q_LINES * PB, Q_LINES, PB, t.k + b / Q_LINES * 4, BWD_K)
            }
        }
    }
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        EACH_TASK(n, b, Q_TASKS)
        {
            int at = c * DC + b / Q_LINES * 4;
            put_task(dq_buf + dq_at + head * HEAD_DIM + at, dq_ld, acc[c][n], q0 + b % Q_LINES,
                     Q_LINES, d.q_rows, HEAD_DIM - at, d.scale);
        }
    }
}

/* acc[j] += sum over n rows of p [n][PB] (four keys) times a quad of m's rows. */
INLINE void outer(float4 *acc, local const float *p, local const float *m, int n)
{
    for (int i = 0; i < n; i++) {
        float4 w = *(local const float4 *)(p + i * PB), x = *(local const float4 *)(m + i * PITCH);
        acc[0] += w.x * x;
        acc[1] += w.y * x;
        acc[2] += w.z * x;
        acc[3] += w.w * x;
    }
}

/* Group (tile of keys, key head). The query heads of the group and their rows come in a fixed order. */
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
KERNEL(attention_dkv)(MAT(float, dk), MAT(float, dv), MAT(const float, dout), MAT(const float, q),
              MAT(const float, key), MAT(const float, v), VEC(const float, lse),
              VEC(const float, delta), VEC(const int, start), struct attention_shape d)
{
    local float4 space[2 * (BWD_Q + BWD_K) * PITCH / 4 + 2 * BWD_Q * PB / 4];
    local float rows[2 * BWD_Q];
    local int lo[BWD_Q];
    const int k0 = (int)get_group_id(0) * BWD_K, kv = (int)get_group_id(1);
    const int group = d.heads / d.kv_heads;
    local float *t0 = (local float *)space, *t1 = t0 + 2 * BWD_Q * PITCH;
    local float *t2 = t1 + 2 * BWD_K * PITCH;
    const struct tiles t = {t0, t0 + BWD_Q * PITCH, t1,   t1 + BWD_K * PITCH, t2, t2 + BWD_Q * PB,
                            rows, rows + BWD_Q, lo};
    float4 ak[CHUNKS][PER_ITEM(K_TASKS)][4], av[CHUNKS][PER_ITEM(K_TASKS)][4];
    struct inputs in = {{q_buf + q_at, q_ld},
                        {dout_buf + dout_at, dout_ld},
                        {key_buf + key_at + kv * HEAD_DIM, key_ld},
                        {v_buf + v_at + kv * HEAD_DIM, v_ld},
                        lse_buf + lse_at,
                        delta_buf + delta_at,
                        start_buf + start_at};
    clear(ak[0], CHUNKS * PER_ITEM(K_TASKS));
    clear(av[0], CHUNKS * PER_ITEM(K_TASKS));
    if (CHUNKS == 1) {
        stage(t.k, in.key, k0, BWD_K, d.k_rows, 0);
        stage(t.v, in.v, k0, BWD_K, d.k_rows, 0);
    }
    /* Query rows from `from` on, up to the first tile whose first row sees none of these keys: found
     * before, because a loop with barriers should not be left in its middle. */
    const int from = max(k0 - d.q_offset, 0);
    int to = from;
    while (to < d.q_rows && first_key(in.start, &d, to) < k0 + BWD_K)
        to += BWD_Q;
    for (int head = kv * group; head < (kv + 1) * group; head++) {
        in.q.p = q_buf + q_at + head * HEAD_DIM;
        in.dout.p = dout_buf + dout_at + head * HEAD_DIM;
        for (int q0 = from; q0 < to; q0 += BWD_Q) {
            barrier(CLK_LOCAL_MEM_FENCE);
            stage_rows(t, in, &d, head, q0);
            if (CHUNKS == 1) {
                stage(t.q, in.q, q0, BWD_Q, d.q_rows, 0);
                stage(t.o, in.dout, q0, BWD_Q, d.q_rows, 0);
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            gradients(t, in, &d, q0, k0, 1);
            barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
            for (int c = 0; c < CHUNKS; c++) {
                if (CHUNKS > 1) {
                    barrier(CLK_LOCAL_MEM_FENCE);
                    stage(t.q, in.q, q0, BWD_Q, d.q_rows, c);
                    stage(t.o, in.dout, q0, BWD_Q, d.q_rows, c);
                    barrier(CLK_LOCAL_MEM_FENCE);
                }
                EACH_TASK(n, b, K_TASKS)
                {
                    outer(av[c][n], t.p + b % K_LINES * 4, t.o + b / K_LINES * 4, BWD_Q);
                    outer(ak[c][n], t.ds + b % K_LINES * 4, t.q + b / K_LINES * 4, BWD_Q);
                }
            }
        }
    }
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        EACH_TASK(n, b, K_TASKS)
        {
            int at = c * DC + b / K_LINES * 4, row = k0 + b % K_LINES * 4;
            put_task(dk_buf + dk_at + kv * HEAD_DIM + at, dk_ld, ak[c][n], row, 1, d.k_rows,
                     HEAD_DIM - at, d.scale);
            put_task(dv_buf + dv_at + kv * HEAD_DIM + at, dv_ld, av[c][n], row, 1, d.k_rows,
                     HEAD_DIM - at, 1.0f);
        }
    }
}

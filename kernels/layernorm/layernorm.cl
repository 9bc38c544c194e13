/* layernorm.h */

/* Differences from the row's first element are summed, so that the mean of a row far from zero, and
 * what is left of it, round as the differences do. They are made scaled down, lest they or their
 * sum overflow; before they are squared they are scaled back, and those that would overflow then
 * further down, where eps is nothing beside them. Powers of two: nothing is rounded. */
#define DOWN 0x1p-20f
#define FURTHER 0x1p-60f
#define LARGE 0x1p40f

/* The differences of columns c, c + LANES, ...; zeros for those that are not there. */
static inline float4 apart4(global const float *row, int c, int cols, float origin, float mu)
{
    int d = LANES, left = cols - c;
    float4 v = get4(row, c, cols, 0.0f) * DOWN - origin - mu;
    return (float4)(v.x, d < left ? v.y : 0.0f, 2 * d < left ? v.z : 0.0f,
                    3 * d < left ? v.w : 0.0f);
}

kernel void layernorm_fwd(MAT(float, y), VEC(float, mean), VEC(float, rstd), MAT(const float, x),
                          VEC(const float, w), VEC(const float, b), int rows, int cols, float eps)
{
    local float2 t[GROUP];
    long r = ROW;
    global const float *from = &AT(x, r, 0), *weight = &IN(w, 0), *bias = &IN(b, 0);
    float origin = r < rows ? from[0] * DOWN : 0.0f, squares = 0.0f;
    float2 sum = (float2)(0.0f, 0.0f); /* of the differences, of their sizes */
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 d = apart4(from, c, cols, origin, 0.0f);
            sum += (float2)(sum4(d), sum4(fabs(d)));
        }
    }
    sum = lane_sum2(sum, t);
    bool large = sum.y >= LARGE;
    float mu = sum.x / cols, unit = large ? FURTHER : 1.0f / DOWN;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 d = apart4(from, c, cols, origin, mu) * unit;
            squares += sum4(d * d);
        }
    }
    squares = lane_sum(squares, (local float *)t);
    float scale = 1.0f / sqrt(squares / cols + (large ? 0.0f : eps));
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 n = apart4(from, c, cols, origin, mu) * unit * scale;
            put4(&AT(y, r, 0), c, cols,
                 n * get4(weight, c, cols, 0.0f) + get4(bias, c, cols, 0.0f));
        }
        if (rstd_buf && LANE == 0) {
            IN(mean, r) = (origin + mu) / DOWN;
            IN(rstd, r) = scale * (DOWN * unit);
        }
    }
}

kernel void layernorm_bwd(MAT(float, dx), MAT(const float, dy), MAT(const float, x),
                          VEC(const float, mean), VEC(const float, rstd), VEC(const float, w),
                          int rows, int cols, int add)
{
    local float2 t[GROUP];
    long r = ROW;
    global const float *from = &AT(x, r, 0), *grad = &AT(dy, r, 0), *weight = &IN(w, 0);
    global float *to = &AT(dx, r, 0);
    float mu = 0.0f, scale = 0.0f;
    float2 sum = (float2)(0.0f, 0.0f); /* of h, of h n */
    if (r < rows) {
        mu = IN(mean, r);
        scale = IN(rstd, r);
        EACH_COL4(c, cols)
        {
            float4 h = get4(grad, c, cols, 0.0f) * get4(weight, c, cols, 0.0f);
            float4 n = (get4(from, c, cols, mu) - mu) * scale;
            sum += (float2)(sum4(h), sum4(h * n));
        }
    }
    sum = lane_sum2(sum, t) / (float)cols;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 h = get4(grad, c, cols, 0.0f) * get4(weight, c, cols, 0.0f);
            float4 n = (get4(from, c, cols, mu) - mu) * scale;
            float4 old = add ? get4(to, c, cols, 0.0f) : (float4)(0.0f);
            put4(to, c, cols, old + scale * (h - sum.x - n * sum.y));
        }
    }
}

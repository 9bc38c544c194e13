/* rmsnorm.h. `rows` counts groups: row r of the range is group r % groups of token row r / groups. */

/* Squares of numbers above 1e19 overflow: beside the sum stands one of numbers scaled down. */
#define DOWN 0x1p-80f

kernel void rmsnorm_fwd(MAT(float, y), VEC(float, rstd), MAT(const float, x), VEC(const float, w),
                        int rows, int groups, int cols, float eps, float w_add)
{
    local float2 t[GROUP];
    int row = (int)ROW, r = row / groups, at = (row - r * groups) * cols;
    global const float *from = &AT(x, r, at), *weight = &IN(w, 0);
    global float *to = &AT(y, r, at);
    float2 sum = (float2)(0.0f, 0.0f);
    if (row < rows) {
        EACH_COL4(c, cols)
        {
            float4 v = get4(from, c, cols, 0.0f), small = v * DOWN;
            sum += (float2)(sum4(v * v), sum4(small * small));
        }
    }
    sum = lane_sum2(sum, t);
    if (row < rows) {
        float scale = isinf(sum.x) ? DOWN / sqrt(sum.y / cols) : 1.0f / sqrt(sum.x / cols + eps);
        EACH_COL4(c, cols)
        {
            float4 v = get4(from, c, cols, 0.0f), m = w_add + get4(weight, c, cols, 0.0f);
            put4(to, c, cols, v * scale * m);
        }
        if (rstd_buf && LANE == 0)
            IN(rstd, row) = scale;
    }
}

kernel void rmsnorm_bwd(MAT(float, dx), MAT(const float, dy), MAT(const float, x),
                        VEC(const float, rstd), VEC(const float, w), int rows, int groups, int cols,
                        float w_add, int add)
{
    local float t[GROUP];
    int row = (int)ROW, r = row / groups, at = (row - r * groups) * cols;
    global const float *from = &AT(x, r, at), *grad = &AT(dy, r, at), *weight = &IN(w, 0);
    global float *to = &AT(dx, r, at);
    float dot = 0.0f, scale = 0.0f;
    if (row < rows) {
        scale = IN(rstd, row);
        EACH_COL4(c, cols)
        {
            float4 h = get4(grad, c, cols, 0.0f) * (w_add + get4(weight, c, cols, 0.0f));
            dot += sum4(h * (get4(from, c, cols, 0.0f) * scale));
        }
    }
    dot = lane_sum(dot, t) / cols;
    if (row < rows) {
        EACH_COL4(c, cols)
        {
            float4 h = get4(grad, c, cols, 0.0f) * (w_add + get4(weight, c, cols, 0.0f));
            float4 n = get4(from, c, cols, 0.0f) * scale;
            float4 old = add ? get4(to, c, cols, 0.0f) : (float4)(0.0f);
            put4(to, c, cols, old + scale * (h - n * dot));
        }
    }
}

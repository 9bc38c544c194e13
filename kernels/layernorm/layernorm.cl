/* layernorm.h */

kernel void layernorm_fwd(MAT(float, y), VEC(float, mean), VEC(float, rstd), MAT(const float, x),
                          VEC(const float, w), VEC(const float, b), int rows, int cols, float eps)
{
    local float t[GROUP];
    long r = ROW;
    global const float *from = &AT(x, r, 0), *weight = &IN(w, 0), *bias = &IN(b, 0);
    float sum = 0.0f, squares = 0.0f;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            sum += sum4(get4(from, c, cols, 0.0f));
        }
    }
    float mu = lane_sum(sum, t) / cols;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 d = get4(from, c, cols, mu) - mu;
            squares += sum4(d * d);
        }
    }
    float scale = 1.0f / sqrt(lane_sum(squares, t) / cols + eps);
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 n = (get4(from, c, cols, mu) - mu) * scale;
            put4(&AT(y, r, 0), c, cols,
                 n * get4(weight, c, cols, 0.0f) + get4(bias, c, cols, 0.0f));
        }
        if (rstd_buf && LANE == 0) {
            IN(mean, r) = mu;
            IN(rstd, r) = scale;
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

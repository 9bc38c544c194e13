/* layernorm.h */

kernel void layernorm_fwd(MAT(float, y), VEC(float, mean), VEC(float, rstd), MAT(const float, x),
                          VEC(const float, w), VEC(const float, b), int rows, int cols, float eps)
{
    local float t[GROUP];
    long r = ROW;
    float sum = 0.0f, squares = 0.0f;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            sum += AT(x, r, c);
        }
    }
    float mu = lane_sum(sum, t) / cols;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            float d = AT(x, r, c) - mu;
            squares += d * d;
        }
    }
    float scale = 1.0f / sqrt(lane_sum(squares, t) / cols + eps);
    if (r < rows) {
        EACH_COL(c, cols)
        {
            AT(y, r, c) = (AT(x, r, c) - mu) * scale * IN(w, c) + IN(b, c);
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
    float mu = 0.0f, scale = 0.0f;
    float2 sum = (float2)(0.0f, 0.0f); /* of h, of h n */
    if (r < rows) {
        mu = IN(mean, r);
        scale = IN(rstd, r);
        EACH_COL(c, cols)
        {
            float h = AT(dy, r, c) * IN(w, c);
            sum += (float2)(h, h * ((AT(x, r, c) - mu) * scale));
        }
    }
    sum = lane_sum2(sum, t) / (float)cols;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            float h = AT(dy, r, c) * IN(w, c), n = (AT(x, r, c) - mu) * scale;
            float old = add ? AT(dx, r, c) : 0.0f;
            AT(dx, r, c) = old + scale * (h - sum.x - n * sum.y);
        }
    }
}

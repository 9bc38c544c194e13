/* rmsnorm.h. `rows` counts groups: row r of the range is group r % groups of token row r / groups. */

/* Squares of numbers above 1e19 overflow: beside the sum stands one of numbers scaled down. */
#define DOWN 0x1p-80f

kernel void rmsnorm_fwd(MAT(float, y), VEC(float, rstd), MAT(const float, x), VEC(const float, w),
                        int rows, int groups, int cols, float eps, float w_add)
{
    local float2 t[GROUP];
    long row = ROW, r = row / groups, at = row % groups * cols;
    float2 sum = (float2)(0.0f, 0.0f);
    if (row < rows) {
        EACH_COL(c, cols)
        {
            float v = AT(x, r, at + c), small = v * DOWN;
            sum += (float2)(v * v, small * small);
        }
    }
    sum = lane_sum2(sum, t);
    if (row < rows) {
        float scale = isinf(sum.x) ? DOWN / sqrt(sum.y / cols) : 1.0f / sqrt(sum.x / cols + eps);
        EACH_COL(c, cols)
        {
            AT(y, r, at + c) = AT(x, r, at + c) * scale * (w_add + IN(w, c));
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
    long row = ROW, r = row / groups, at = row % groups * cols;
    float dot = 0.0f, scale = 0.0f;
    if (row < rows) {
        scale = IN(rstd, row);
        EACH_COL(c, cols)
        {
            dot += AT(dy, r, at + c) * (w_add + IN(w, c)) * (AT(x, r, at + c) * scale);
        }
    }
    dot = lane_sum(dot, t) / cols;
    if (row < rows) {
        EACH_COL(c, cols)
        {
            float h = AT(dy, r, at + c) * (w_add + IN(w, c)), n = AT(x, r, at + c) * scale;
            float old = add ? AT(dx, r, at + c) : 0.0f;
            AT(dx, r, at + c) = old + scale * (h - n * dot);
        }
    }
}

/* softmax.h */

kernel void softmax_fwd(MAT(float, y), MAT(const float, x), int rows, int cols)
{
    local float t[GROUP];
    long r = ROW;
    global const float *from = &AT(x, r, 0);
    float most = -INFINITY, sum = 0.0f;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 v = get4(from, c, cols, -INFINITY);
            most = fmax(most, fmax(fmax(v.x, v.y), fmax(v.z, v.w)));
        }
    }
    most = lane_max(most, t);
    if (r < rows) {
        /* Where a row is all -inf, so is its maximum: the columns that are there make it NaN. */
        EACH_COL4(c, cols)
        {
            sum += sum4(exp(get4(from, c, cols, -INFINITY) - most));
        }
    }
    sum = lane_sum(sum, t);
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            put4(&AT(y, r, 0), c, cols, exp(get4(from, c, cols, 0.0f) - most) / sum);
        }
    }
}

kernel void softmax_bwd(MAT(float, dx), MAT(const float, dy), MAT(const float, y), int rows,
                        int cols)
{
    local float t[GROUP];
    long r = ROW;
    global const float *out = &AT(y, r, 0), *grad = &AT(dy, r, 0);
    float dot = 0.0f;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            dot += sum4(get4(grad, c, cols, 0.0f) * get4(out, c, cols, 0.0f));
        }
    }
    dot = lane_sum(dot, t);
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 d = get4(grad, c, cols, 0.0f) - dot;
            put4(&AT(dx, r, 0), c, cols, get4(out, c, cols, 0.0f) * d);
        }
    }
}

/* softmax.h */

kernel void softmax_fwd(MAT(float, y), MAT(const float, x), int rows, int cols)
{
    local float t[GROUP];
    long r = ROW;
    float most = -INFINITY, sum = 0.0f;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            most = fmax(most, AT(x, r, c));
        }
    }
    most = lane_max(most, t);
    if (r < rows) {
        EACH_COL(c, cols)
        {
            sum += exp(AT(x, r, c) - most);
        }
    }
    sum = lane_sum(sum, t);
    if (r < rows) {
        EACH_COL(c, cols)
        {
            AT(y, r, c) = exp(AT(x, r, c) - most) / sum;
        }
    }
}

kernel void softmax_bwd(MAT(float, dx), MAT(const float, dy), MAT(const float, y), int rows,
                        int cols)
{
    local float t[GROUP];
    long r = ROW;
    float dot = 0.0f;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            dot += AT(dy, r, c) * AT(y, r, c);
        }
    }
    dot = lane_sum(dot, t);
    if (r < rows) {
        EACH_COL(c, cols)
        {
            AT(dx, r, c) = AT(y, r, c) * (AT(dy, r, c) - dot);
        }
    }
}

/* gelu.h; the function itself is in prelude.cl, geglu has it too. */

kernel void gelu_fwd(MAT(float, h), MAT(const float, x), int rows, int cols)
{
    long r = ROW;
    float slope;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            AT(h, r, c) = gelu(AT(x, r, c), &slope);
        }
    }
}

kernel void gelu_bwd(MAT(float, dx), MAT(const float, dh), MAT(const float, x), int rows, int cols)
{
    long r = ROW;
    float slope;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            gelu(AT(x, r, c), &slope);
            AT(dx, r, c) = AT(dh, r, c) * slope;
        }
    }
}

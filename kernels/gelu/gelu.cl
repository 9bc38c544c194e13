/* gelu.h; the function itself is in prelude.cl, geglu has it too. */

kernel void gelu_fwd(MAT(float, h), MAT(const float, x), int rows, int cols)
{
    long r = ROW;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 slope;
            put4(&AT(h, r, 0), c, cols, gelu(get4(&AT(x, r, 0), c, cols, 0.0f), &slope));
        }
    }
}

kernel void gelu_bwd(MAT(float, dx), MAT(const float, dh), MAT(const float, x), int rows, int cols)
{
    long r = ROW;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 d = get4(&AT(dh, r, 0), c, cols, 0.0f), slope;
            gelu(get4(&AT(x, r, 0), c, cols, 0.0f), &slope);
            put4(&AT(dx, r, 0), c, cols, d * slope);
        }
    }
}

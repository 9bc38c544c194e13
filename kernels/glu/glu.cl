/* glu.h: gu is gate|up. silu and gelu are in prelude.cl. */

kernel void swiglu_fwd(MAT(float, h), MAT(const float, gu), int rows, int cols)
{
    long r = ROW;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 up = get4(&AT(gu, r, cols), c, cols, 0.0f), slope;
            put4(&AT(h, r, 0), c, cols, silu(get4(&AT(gu, r, 0), c, cols, 0.0f), &slope) * up);
        }
    }
}

kernel void swiglu_bwd(MAT(float, dgu), MAT(const float, dh), MAT(const float, gu), int rows,
                       int cols)
{
    long r = ROW;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 d = get4(&AT(dh, r, 0), c, cols, 0.0f), up = get4(&AT(gu, r, cols), c, cols, 0.0f);
            float4 slope, act = silu(get4(&AT(gu, r, 0), c, cols, 0.0f), &slope);
            put4(&AT(dgu, r, 0), c, cols, d * up * slope);
            put4(&AT(dgu, r, cols), c, cols, d * act);
        }
    }
}

kernel void geglu_fwd(MAT(float, h), MAT(const float, gu), int rows, int cols)
{
    long r = ROW;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 up = get4(&AT(gu, r, cols), c, cols, 0.0f), slope;
            put4(&AT(h, r, 0), c, cols, gelu(get4(&AT(gu, r, 0), c, cols, 0.0f), &slope) * up);
        }
    }
}

kernel void geglu_bwd(MAT(float, dgu), MAT(const float, dh), MAT(const float, gu), int rows,
                      int cols)
{
    long r = ROW;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            float4 d = get4(&AT(dh, r, 0), c, cols, 0.0f), up = get4(&AT(gu, r, cols), c, cols, 0.0f);
            float4 slope, act = gelu(get4(&AT(gu, r, 0), c, cols, 0.0f), &slope);
            put4(&AT(dgu, r, 0), c, cols, d * up * slope);
            put4(&AT(dgu, r, cols), c, cols, d * act);
        }
    }
}

/* glu.h: gu is gate|up. silu and gelu are in prelude.cl. */

kernel void swiglu_fwd(MAT(float, h), MAT(const float, gu), int rows, int cols)
{
    long r = ROW;
    float slope;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            AT(h, r, c) = silu(AT(gu, r, c), &slope) * AT(gu, r, cols + c);
        }
    }
}

kernel void geglu_fwd(MAT(float, h), MAT(const float, gu), int rows, int cols)
{
    long r = ROW;
    float slope;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            AT(h, r, c) = gelu(AT(gu, r, c), &slope) * AT(gu, r, cols + c);
        }
    }
}

kernel void swiglu_bwd(MAT(float, dgu), MAT(const float, dh), MAT(const float, gu), int rows,
                       int cols)
{
    long r = ROW;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            float d = AT(dh, r, c), up = AT(gu, r, cols + c), slope;
            float act = silu(AT(gu, r, c), &slope);
            AT(dgu, r, c) = d * up * slope;
            AT(dgu, r, cols + c) = d * act;
        }
    }
}

kernel void geglu_bwd(MAT(float, dgu), MAT(const float, dh), MAT(const float, gu), int rows,
                      int cols)
{
    long r = ROW;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            float d = AT(dh, r, c), up = AT(gu, r, cols + c), slope;
            float act = gelu(AT(gu, r, c), &slope);
            AT(dgu, r, c) = d * up * slope;
            AT(dgu, r, cols + c) = d * act;
        }
    }
}

/* glu.h: gu is gate|up. silu and gelu are in prelude.cl. */

#define SILU 0
#define GELU 1

static inline float4 act(float4 x, float4 *slope, const int kind)
{
    return kind == SILU ? silu(x, slope) : gelu(x, slope);
}

/* Each lane's columns of a row. */
static inline void fwd(global float *h, global const float *gu, int cols, const int kind)
{
    EACH_COL4(c, cols)
    {
        float4 up = get4(gu + cols, c, cols, 0.0f), slope;
        put4(h, c, cols, act(get4(gu, c, cols, 0.0f), &slope, kind) * up);
    }
}

static inline void bwd(global float *dgu, global const float *dh, global const float *gu, int cols,
                       const int kind)
{
    EACH_COL4(c, cols)
    {
        float4 d = get4(dh, c, cols, 0.0f), up = get4(gu + cols, c, cols, 0.0f), slope;
        float4 y = act(get4(gu, c, cols, 0.0f), &slope, kind);
        put4(dgu, c, cols, d * up * slope);
        put4(dgu + cols, c, cols, d * y);
    }
}

kernel void swiglu_fwd(MAT(float, h), MAT(const float, gu), int rows, int cols)
{
    if (ROW < rows)
        fwd(&AT(h, ROW, 0), &AT(gu, ROW, 0), cols, SILU);
}

kernel void swiglu_bwd(MAT(float, dgu), MAT(const float, dh), MAT(const float, gu), int rows,
                       int cols)
{
    if (ROW < rows)
        bwd(&AT(dgu, ROW, 0), &AT(dh, ROW, 0), &AT(gu, ROW, 0), cols, SILU);
}

kernel void geglu_fwd(MAT(float, h), MAT(const float, gu), int rows, int cols)
{
    if (ROW < rows)
        fwd(&AT(h, ROW, 0), &AT(gu, ROW, 0), cols, GELU);
}

kernel void geglu_bwd(MAT(float, dgu), MAT(const float, dh), MAT(const float, gu), int rows,
                      int cols)
{
    if (ROW < rows)
        bwd(&AT(dgu, ROW, 0), &AT(dh, ROW, 0), &AT(gu, ROW, 0), cols, GELU);
}

/* vector.h. Matrices of F32, F16 or BF16, their dtype beside them (prelude.cl: load, store). */

#define ANY(x) global void *x##_buf, long x##_at, int x##_ld, int x##_dtype
#define CONST_ANY(x) global const void *x##_buf, long x##_at, int x##_ld, int x##_dtype
#define GET(x, r, c) load(x##_buf, x##_at + (long)(r) * x##_ld + (c), x##_dtype)
#define PUT(x, r, c, v) store(x##_buf, x##_at + (long)(r) * x##_ld + (c), x##_dtype, v)

/* Four columns, as get4 and put4 of prelude.cl. */
static inline float4 load4(global const void *p, long row, int c, int cols, int dtype)
{
    int d = LANES, left = cols - c;
    long i = row + c;
    if (dtype == DT_F32)
        return get4((global const float *)p + row, c, cols, 0.0f);
    return (float4)(load(p, i, dtype), d < left ? load(p, i + d, dtype) : 0.0f,
                    2 * d < left ? load(p, i + 2 * d, dtype) : 0.0f,
                    3 * d < left ? load(p, i + 3 * d, dtype) : 0.0f);
}

static inline void store4(global void *p, long row, int c, int cols, int dtype, float4 v)
{
    float part[4];
    if (dtype == DT_F32) {
        put4((global float *)p + row, c, cols, v);
        return;
    }
    vstore4(v, 0, part);
    for (int i = 0; i < 4 && c + i * LANES < cols; i++)
        store(p, row + c + i * LANES, dtype, part[i]);
}

#define GET4(x, r, c) load4(x##_buf, x##_at + (r) * x##_ld, c, cols, x##_dtype)
#define PUT4(x, r, c, v) store4(x##_buf, x##_at + (r) * x##_ld, c, cols, x##_dtype, v)

/* Elements of `size` bytes, whatever they are. */
kernel void copy(MAT(void, y), MAT(const void, x), int rows, int cols, int size)
{
    long r = ROW;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            long to = y_at + r * y_ld + c, from = x_at + r * x_ld + c;
            switch (size) {
            case 1: ((global uchar *)y_buf)[to] = ((global const uchar *)x_buf)[from]; break;
            case 2: ((global ushort *)y_buf)[to] = ((global const ushort *)x_buf)[from]; break;
            case 4: ((global uint *)y_buf)[to] = ((global const uint *)x_buf)[from]; break;
            default: ((global ulong *)y_buf)[to] = ((global const ulong *)x_buf)[from]; break;
            }
        }
    }
}

/* Also the cast: a = 1. */
kernel void scale(ANY(y), CONST_ANY(x), int rows, int cols, float a)
{
    long r = ROW;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            PUT4(y, r, c, a * GET4(x, r, c));
        }
    }
}

kernel void add(ANY(y), CONST_ANY(a), CONST_ANY(b), int rows, int cols)
{
    long r = ROW;
    if (r < rows) {
        EACH_COL4(c, cols)
        {
            PUT4(y, r, c, GET4(a, r, c) + GET4(b, r, c));
        }
    }
}

/* Four elements of the matrix, counted through its rows, share one block of random words. */
kernel void dropout(ANY(y), CONST_ANY(x), int rows, int cols, float p, float keep, ulong seed,
                    ulong stream)
{
    long n = (long)rows * cols;
    for (long q = get_global_id(0); q * 4 < n; q += get_global_size(0)) {
        uint word[4];
        vstore4(philox(seed, stream, (ulong)q), 0, word);
        long r = q * 4 / cols;
        int c = (int)(q * 4 % cols);
        for (int i = 0; i < 4 && q * 4 + i < n; i++) {
            PUT(y, r, c, uniform(word[i]) < p ? 0.0f : keep * GET(x, r, c));
            c = c + 1 < cols ? c + 1 : 0;
            r += c == 0;
        }
    }
}

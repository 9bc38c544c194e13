/* vector.h. Matrices of F32, F16 or BF16, their dtype beside them (prelude.cl: load, store). */

#define ANY(x) global void *x##_buf, long x##_at, int x##_ld, int x##_dtype
#define CONST_ANY(x) global const void *x##_buf, long x##_at, int x##_ld, int x##_dtype
#define GET(x, r, c) load(x##_buf, x##_at + (long)(r) * x##_ld + (c), x##_dtype)
#define PUT(x, r, c, v) store(x##_buf, x##_at + (long)(r) * x##_ld + (c), x##_dtype, v)

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
        EACH_COL(c, cols)
        {
            PUT(y, r, c, a * GET(x, r, c));
        }
    }
}

kernel void add(ANY(y), CONST_ANY(a), CONST_ANY(b), int rows, int cols)
{
    long r = ROW;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            PUT(y, r, c, GET(a, r, c) + GET(b, r, c));
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

/* embedding.h */

kernel void embedding_fwd(MAT(float, y), VEC(const int, ids), global const void *w, int w_ld,
                          int dtype, int rows, int cols, float scale)
{
    long r = ROW;
    if (r < rows) {
        long from = (long)IN(ids, r) * w_ld;
        EACH_COL(c, cols)
        {
            AT(y, r, c) = scale * load(w, from + c, dtype);
        }
    }
}

/* rope.h. A row's work is heads * (head_dim - rot_dim/2) pieces: in each head rot_dim/2 pairs that turn,
 * then the elements that pass through. turn: 1 forward, -1 backward (a rotation's transpose). */

kernel void rope_turn(MAT(float, y), MAT(const float, x), VEC(const int, pos),
                      MAT(const float, cosines), MAT(const float, sines), int rows, int heads,
                      int head_dim, int rot_dim, float turn)
{
    long r = ROW;
    int m = rot_dim / 2, pieces = head_dim - m;
    if (r < rows) {
        int p = IN(pos, r);
        EACH_COL(i, heads * pieces)
        {
            int at = i / pieces * head_dim, c = i % pieces;
            if (c < m) {
                float a = AT(x, r, at + c), b = AT(x, r, at + c + m);
                float cs = AT(cosines, p, c), sn = turn * AT(sines, p, c);
                AT(y, r, at + c) = a * cs - b * sn;
                AT(y, r, at + c + m) = b * cs + a * sn;
            } else {
                AT(y, r, at + c + m) = AT(x, r, at + c + m);
            }
        }
    }
}

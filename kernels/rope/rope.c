#include "kernels/cpu.h"

/* One head of one row; turn is 1 forward and -1 backward (the inverse of a rotation is its
 * transpose). */
static void turn_head(struct kref y, size_t out, struct kref x, size_t in, struct kref cosines,
                      struct kref sines, size_t table, int head_dim, int rot_dim, double turn)
{
    int m = rot_dim / 2;
    for (int c = 0; c < m; c++) {
        size_t lo = (size_t)c, hi = (size_t)(c + m);
        double a = cpu_get(x, in + lo), b = cpu_get(x, in + hi);
        double cs = cpu_get(cosines, table + lo), sn = turn * cpu_get(sines, table + lo);
        cpu_set(y, out + lo, a * cs - b * sn);
        cpu_set(y, out + hi, b * cs + a * sn);
    }
    for (int c = rot_dim; c < head_dim; c++)
        cpu_set(y, out + (size_t)c, cpu_get(x, in + (size_t)c));
}

static void turn_rows(struct kref y, struct kref x, struct kref pos, struct kref cosines,
                      struct kref sines, int rows, int heads, int head_dim, int rot_dim,
                      double turn)
{
    for (int r = 0; r < rows; r++) {
        size_t table = cpu_at(cosines, cpu_i32(pos)[r], 0);
        for (int h = 0; h < heads; h++)
            turn_head(y, cpu_at(y, r, h * head_dim), x, cpu_at(x, r, h * head_dim), cosines, sines,
                      table, head_dim, rot_dim, turn);
    }
}

void rope_fwd_ref(kern *k, struct kref y, struct kref x, struct kref pos, struct kref cosines,
                  struct kref sines, int rows, int heads, int head_dim, int rot_dim)
{
    if (kern_ok(k))
        turn_rows(y, x, pos, cosines, sines, rows, heads, head_dim, rot_dim, 1);
}

void rope_bwd_ref(kern *k, struct kref dx, struct kref dy, struct kref pos, struct kref cosines,
                  struct kref sines, int rows, int heads, int head_dim, int rot_dim)
{
    if (kern_ok(k))
        turn_rows(dx, dy, pos, cosines, sines, rows, heads, head_dim, rot_dim, -1);
}

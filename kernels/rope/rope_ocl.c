#include "kernels/ocl.h"

static const char text[] = {
#include "kernels/rope/rope.cl.h"
};
const struct ocl_source ocl_source_rope = {"kernels/rope/rope.cl", text, NULL, NULL};

static void turn_rows(kern *k, struct kref y, struct kref x, struct kref pos, struct kref cosines,
                      struct kref sines, int rows, int heads, int head_dim, int rot_dim, float turn)
{
    OCL_RUN(k, "rope_turn", ocl_cells(k, (size_t)rows, heads * (head_dim - rot_dim / 2)), BUF(y),
            BUF(x), VEC(pos), BUF(cosines), BUF(sines), ARG(rows), ARG(heads), ARG(head_dim),
            ARG(rot_dim), ARG(turn));
}

void rope_fwd_ocl(kern *k, struct kref y, struct kref x, struct kref pos, struct kref cosines,
                  struct kref sines, int rows, int heads, int head_dim, int rot_dim)
{
    turn_rows(k, y, x, pos, cosines, sines, rows, heads, head_dim, rot_dim, 1.0f);
}

void rope_bwd_ocl(kern *k, struct kref dx, struct kref dy, struct kref pos, struct kref cosines,
                  struct kref sines, int rows, int heads, int head_dim, int rot_dim)
{
    turn_rows(k, dx, dy, pos, cosines, sines, rows, heads, head_dim, rot_dim, -1.0f);
}

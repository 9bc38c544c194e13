#include "tests/check.h"

#include <math.h>
#include <stdlib.h>

enum { POSITIONS = 600 };

static const struct {
    int rows, heads, head_dim, rot_dim;
} shapes[] = {{1, 1, 2, 2},   {3, 2, 8, 8},     {5, 3, 16, 8},   {2, 9, 64, 64}, {7, 4, 40, 20},
              {4, 2, 80, 32}, {3, 5, 128, 128}, {2, 1, 256, 64}, {3, 2, 34, 30}, {130, 9, 64, 64}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* cos and sin tables [POSITIONS, rot_dim/2], dense as the contract says. */
static void tables(struct check *t, struct check_mat *cosines, struct check_mat *sines,
                   enum dtype dtype, int rot_dim)
{
    int m = rot_dim / 2;
    double *c = malloc(sizeof *c * POSITIONS * (size_t)m),
           *s = malloc(sizeof *s * POSITIONS * (size_t)m);
    for (int p = 0; p < POSITIONS; p++) {
        for (int i = 0; i < m; i++) {
            double angle = p * pow(10000, -2.0 * i / rot_dim);
            c[p * m + i] = 1.25 * cos(angle); /* yarn scales both */
            s[p * m + i] = 1.25 * sin(angle);
        }
    }
    *cosines = check_mat_of(t, "cos", dtype, POSITIONS, m, m);
    *sines = check_mat_of(t, "sin", dtype, POSITIONS, m, m);
    check_set(t, cosines, c);
    check_set(t, sines, s);
    free(c);
    free(s);
}

static struct check_mat positions(struct check *t, int rows)
{
    struct check_mat pos = check_mat_of(t, "pos", DT_I32, 1, rows, rows);
    int32_t *v = malloc(sizeof *v * (size_t)rows);
    for (int r = 0; r < rows; r++)
        v[r] = check_rand(t, POSITIONS);
    v[0] = POSITIONS - 1;
    check_set_i32(t, &pos, v);
    free(v);
    return pos;
}

static void fwd_bwd(struct check *t)
{
    for (int i = 0; i < SHAPES * 3; i++) {
        int rows = shapes[i / 3].rows, heads = shapes[i / 3].heads;
        int head_dim = shapes[i / 3].head_dim, rot_dim = shapes[i / 3].rot_dim;
        struct check_mat c, s, pos = positions(t, rows);
        tables(t, &c, &s, DT_F32, rot_dim);
        t->slack = i % 3;
        struct check_mat x = check_mat(t, "x", rows, heads * head_dim);
        struct check_mat y = check_mat(t, "y", rows, heads * head_dim);
        check_fill(t, &x, i % 3 == 2 ? CHECK_HUGE : (enum check_kind)(i % 3));
        EACH(t, rope_fwd, AT(y), AT(x), AT(pos), AT(c), AT(s), rows, heads, head_dim, rot_dim);
        check_same(t, &y, 1e-5, 0);
        EACH(t, rope_bwd, AT(y), AT(x), AT(pos), AT(c), AT(s), rows, heads, head_dim, rot_dim);
        check_same(t, &y, 1e-5, 0);
        if (rows == 130)
            BENCH(t, "rope_fwd 130x9x64", 8.0 * rows * heads * head_dim, 0, rope_fwd, AT(y), AT(x),
                  AT(pos), AT(c), AT(s), rows, heads, head_dim, rot_dim);
        EACH(t, rope_fwd, AT(x), AT(x), AT(pos), AT(c), AT(s), rows, heads, head_dim, rot_dim);
        EACH(t, rope_bwd, AT(x), AT(x), AT(pos), AT(c), AT(s), rows, heads, head_dim, rot_dim);
        check_same(t, &x, 1e-5, 0);
        check_free(t);
    }
}

struct fd {
    struct check_mat x, y, dy, pos, cosines, sines;
};

static double loss(struct check *t, void *ctx)
{
    struct fd *c = ctx;
    t->k[0]->op.rope_fwd(t->k[0], check_ref(&c->y, 0), check_ref(&c->x, 0), check_ref(&c->pos, 0),
                         check_ref(&c->cosines, 0), check_ref(&c->sines, 0), 3, 2, 10, 6);
    return check_dot(t, &c->y, &c->dy);
}

static void gradient(struct check *t)
{
    struct fd c = {check_f64(t, "x", 3, 20),
                   check_f64(t, "y", 3, 20),
                   check_f64(t, "dy", 3, 20),
                   positions(t, 3),
                   {0},
                   {0}};
    struct check_mat dx = check_f64(t, "dx", 3, 20);
    tables(t, &c.cosines, &c.sines, DT_F64, 6);
    EACH(t, rope_bwd, AT(dx), AT(c.dy), AT(c.pos), AT(c.cosines), AT(c.sines), 3, 2, 10, 6);
    check_gradient(t, loss, &c, &c.x, &dx);
}

int main(void)
{
    static const struct check_test tests[] = {
        {"rope", fwd_bwd, CHECK_PAIRS},
        {"rope_gradient", gradient, CHECK_REF},
    };
    return check_run("rope", tests, sizeof tests / sizeof *tests);
}

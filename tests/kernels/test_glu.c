#include "tests/check.h"

#include <stdlib.h>

struct act {
    swiglu_fwd_fn *fwd;
    swiglu_bwd_fn *bwd;
};

static struct act act_of(kern *k, bool gelu)
{
    return gelu ? (struct act){k->op.geglu_fwd, k->op.geglu_bwd}
                : (struct act){k->op.swiglu_fwd, k->op.swiglu_bwd};
}

static const enum check_kind kinds[] = {CHECK_NORMAL, CHECK_MIXED, CHECK_ZERO,
                                        CHECK_TINY,   CHECK_BIG,   CHECK_HUGE};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* gate of the given kind, up of size 1 */
static void fill_joined(struct check *t, struct check_mat *gu, int cols, enum check_kind kind)
{
    struct check_mat gate = *gu, up = *gu;
    gate.cols = up.cols = cols;
    up.at += (size_t)cols;
    check_fill(t, &gate, kind);
    check_fill(t, &up, kind == CHECK_HUGE ? CHECK_NORMAL : CHECK_MIXED);
}

static void run(struct check *t, bool gelu, int rows, int cols, enum check_kind kind)
{
    struct check_mat gu = check_mat(t, "gu", rows, 2 * cols), h = check_mat(t, "h", rows, cols);
    struct check_mat dh = check_mat(t, "dh", rows, cols);
    struct check_mat dgu = check_mat(t, "dgu", rows, 2 * cols);
    fill_joined(t, &gu, cols, kind);
    check_fill(t, &dh, CHECK_MIXED);
    for (int i = 0; i < 2; i++) {
        kern *k = t->k[i];
        struct kref joined = check_ref(&gu, i);
        struct act a = act_of(k, gelu);
        a.fwd(k, check_ref(&h, i), joined, rows, cols);
        a.bwd(k, check_ref(&dgu, i), check_ref(&dh, i), joined, rows, cols);
        a.bwd(k, joined, check_ref(&dh, i), joined, rows, cols); /* in place */
    }
    check_sync(t);
    check_same(t, &h, 1e-5, 0);
    check_same(t, &dgu, 1e-5, 0);
    check_same(t, &gu, 1e-5, 0);
}

static void fwd_bwd(struct check *t)
{
    for (int i = 0; i < CHECK_SHAPES * KINDS * 2; i++) {
        struct check_shape s = check_shapes[i / (KINDS * 2)];
        t->slack = i % 3;
        run(t, i % 2, s.rows, s.cols, kinds[i / 2 % KINDS]);
        check_free(t);
    }
    struct check_mat gu = check_mat(t, "gu", 256, 3072), h = check_mat(t, "h", 256, 1536);
    check_fill(t, &gu, CHECK_NORMAL);
    BENCH(t, "swiglu_fwd 256x1536", 12.0 * 256 * 1536, 0, swiglu_fwd, AT(h), AT(gu), 256, 1536);
    BENCH(t, "swiglu_bwd 256x1536", 20.0 * 256 * 1536, 0, swiglu_bwd, AT(gu), AT(h), AT(gu), 256,
          1536);
}

struct fd {
    struct check_mat gu, h, dh;
    bool gelu;
};

static double loss(struct check *t, void *ctx)
{
    struct fd *c = ctx;
    act_of(t->k[0], c->gelu)
        .fwd(t->k[0], check_ref(&c->h, 0), check_ref(&c->gu, 0), c->h.rows, c->h.cols);
    return check_dot(t, &c->h, &c->dh);
}

static void gradient(struct check *t)
{
    for (int gelu = 0; gelu < 2; gelu++) {
        struct fd c = {check_f64(t, "gu", 3, 10), check_f64(t, "h", 3, 5), check_f64(t, "dh", 3, 5),
                       gelu};
        struct check_mat dgu = check_f64(t, "dgu", 3, 10);
        act_of(t->k[0], gelu)
            .bwd(t->k[0], check_ref(&dgu, 0), check_ref(&c.dh, 0), check_ref(&c.gu, 0), 3, 5);
        check_gradient(t, loss, &c, &c.gu, &dgu);
        check_free(t);
    }
}

int main(void)
{
    static const struct check_test tests[] = {
        {"glu", fwd_bwd, CHECK_PAIRS},
        {"glu_gradient", gradient, CHECK_REF},
    };
    return check_run("glu", tests, sizeof tests / sizeof *tests);
}

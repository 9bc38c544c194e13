#include "tests/check.h"

#include <stdlib.h>

struct shape {
    int rows, in, out, nlora, rank;
    enum dtype dtype;
    float p;
};
static const struct shape shapes[] = {
    {1, 1, 1, 1, 1, DT_F32, 0.0f},     {3, 17, 20, 2, 4, DT_BF16, 0.2f},
    {16, 64, 96, 3, 8, DT_F16, 0.0f},  {33, 31, 47, 0, 0, DT_F32, 0.0f},
    {65, 40, 33, 1, 16, DT_F32, 0.1f}, {50, 96, 96, 3, 16, DT_BF16, 0.0f},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* What the saved object holds: everything, all but the middle matrix, nothing (forward alone). */
enum keep { KEEP_ALL, RECOMPUTE, KEEP_NONE, KEEPS };

/* gu is gate|up where the activation is a gated one, else as wide as in. */
struct fixture {
    struct klinear lin[2];
    struct knorm norm[2];
    struct check_weight weight;
    struct check_mat x, gu, y, res, dy, dx, dgu, stat, h, mid, params, grads, w, b;
    struct kdropout drop;
    int rows, rank;
};

static void place_adapters(struct klinear *lin, const struct shape *s, int *values)
{
    size_t at = 0;
    int width = s->nlora ? s->out / s->nlora : 0;
    for (int j = 0; j < s->nlora; j++) {
        struct klora *l = &lin->lora[j];
        *l = (struct klora){.col = j * width, .cols = width, .rank = s->rank, .id = (uint32_t)j};
        l->scale = 2.0f;
        l->a = at;
        l->b = at + (size_t)s->rank * (size_t)s->in;
        at = l->b + (size_t)s->rank * (size_t)width;
    }
    *values = (int)at;
}

static struct check_mat filled(struct check *t, const char *name, int rows, int cols)
{
    struct check_mat m = check_mat(t, name, rows, cols);
    check_fill(t, &m, CHECK_NORMAL);
    return m;
}

static struct fixture fixture(struct check *t, const struct shape *s, enum knorm_kind kind)
{
    struct fixture f = {.rows = s->rows, .drop = {.p = s->p, .seed = 5, .step = 1}};
    struct klinear lin = {.in = s->in, .out = s->out, .nlora = s->nlora};
    int values;
    place_adapters(&lin, s, &values);
    f.rank = klinear_rank(&lin);
    f.weight = check_weight(t, s->out, s->in, s->dtype);
    f.x = filled(t, "x", s->rows, s->in);
    f.gu = filled(t, "gu", s->rows, 2 * s->in);
    f.y = check_mat(t, "y", s->rows, s->out);
    f.res = filled(t, "res", s->rows, s->out);
    f.dy = filled(t, "dy", s->rows, s->out);
    f.dx = filled(t, "dx", s->rows, s->in);
    f.dgu = check_mat(t, "dgu", s->rows, 2 * s->in);
    f.mid = check_mat(t, "mid", s->rows, s->in);
    f.w = filled(t, "w", 1, s->in);
    f.b = filled(t, "b", 1, s->in);
    f.params = filled(t, "params", 1, values ? values : 1);
    f.grads = filled(t, "grads", 1, values ? values : 1);
    int slack = t->slack;
    t->slack = 0;
    f.stat = filled(t, "stat", 1, 2 * s->rows);
    f.h = filled(t, "h", s->rows, f.rank ? f.rank : 1);
    t->slack = slack;
    for (int i = 0; i < 2; i++) {
        f.lin[i] = lin;
        f.lin[i].w = f.weight.w[i];
        f.norm[i] = (struct knorm){kind, check_ref(&f.w, i), check_ref(&f.b, i), 1e-5f, 1.0f};
    }
    check_prepare(t, &(struct kern_specs){.rows = s->rows,
                                          .width = 2 * (s->in > s->out ? s->in : s->out),
                                          .in_width = s->in,
                                          .rank = f.rank,
                                          .backward = true,
                                          .dropout = s->p > 0.0f});
    return f;
}

static struct kref if_lora(const struct fixture *f, const struct check_mat *m, int i)
{
    return f->rank ? check_ref(m, i) : KREF_NONE;
}

static struct ksaved saved(const struct fixture *f, enum keep keep, int i)
{
    struct ksaved s = {KREF_NONE, KREF_NONE, KREF_NONE};
    if (keep == KEEP_NONE)
        return s;
    s.stat = check_ref(&f->stat, i);
    s.h = if_lora(f, &f->h, i);
    if (keep == KEEP_ALL)
        s.mid = check_ref(&f->mid, i);
    return s;
}

static void norm_case(struct check *t, const struct fixture *f, enum keep keep, bool dx)
{
    for (int i = 0; i < 2; i++) {
        kern *k = t->k[i];
        struct ksaved s = saved(f, keep, i);
        k->op.norm_linear_fwd(k, check_ref(&f->y, i), &s, check_ref(&f->x, i),
                              if_lora(f, &f->params, i), &f->norm[i], &f->lin[i], f->rows,
                              &f->drop);
        if (keep != KEEP_NONE)
            k->op.norm_linear_bwd(k, dx ? check_ref(&f->dx, i) : KREF_NONE,
                                  if_lora(f, &f->grads, i), check_ref(&f->dy, i), &s,
                                  check_ref(&f->x, i), if_lora(f, &f->params, i), &f->norm[i],
                                  &f->lin[i], f->rows, &f->drop);
    }
    check_sync(t);
    check_same(t, &f->y, 1e-5, 0);
    check_same(t, &f->dx, 2e-5, 1);
    check_same(t, &f->grads, 2e-5, 0);
}

static void norm_linear(struct check *t)
{
    for (int n = 0; n < SHAPES * 2 * KEEPS; n++) {
        t->slack = n % 3;
        struct fixture f = fixture(t, &shapes[n / (2 * KEEPS)], n % 2 ? KNORM_RMS : KNORM_LAYER);
        norm_case(t, &f, (enum keep)(n / 2 % KEEPS), n % 5 != 0);
        check_weight_values_free(&f.weight);
        check_free(t);
    }
}

static void act_case(struct check *t, const struct fixture *f, enum kact act, enum keep keep,
                     bool in_place)
{
    for (int i = 0; i < 2; i++) {
        kern *k = t->k[i];
        struct ksaved s = saved(f, keep, i);
        s.stat = KREF_NONE;
        struct kref dgu = check_ref(in_place ? &f->gu : &f->dgu, i);
        k->op.act_linear_fwd(k, check_ref(&f->y, i), &s, check_ref(&f->gu, i),
                             in_place ? check_ref(&f->res, i) : KREF_NONE,
                             if_lora(f, &f->params, i), act, &f->lin[i], f->rows, &f->drop);
        if (keep != KEEP_NONE)
            k->op.act_linear_bwd(k, dgu, if_lora(f, &f->grads, i), check_ref(&f->dy, i), &s,
                                 check_ref(&f->gu, i), if_lora(f, &f->params, i), act, &f->lin[i],
                                 f->rows, &f->drop);
    }
    check_sync(t);
    check_same(t, &f->y, 1e-5, 0);
    check_same(t, &f->grads, 2e-5, 0);
    check_same(t, &f->gu, 2e-5, 1);
    if (keep != KEEP_NONE && !in_place && act != KACT_GELU)
        check_same(t, &f->dgu, 2e-5, 1);
}

static void act_linear(struct check *t)
{
    for (int n = 0; n < SHAPES * 3 * KEEPS; n++) {
        t->slack = n % 2;
        struct fixture f = fixture(t, &shapes[n / (3 * KEEPS)], KNORM_RMS);
        act_case(t, &f, (enum kact)(n % 3), (enum keep)(n / 3 % KEEPS), n % 4 == 1);
        check_weight_values_free(&f.weight);
        check_free(t);
    }
}

/* The elementary rows one after the other, on device 1, equal the block on device 0. */
static void by_hand(struct check *t)
{
    struct fixture f = fixture(t, &shapes[1], KNORM_RMS);
    kern *k = t->k[0], *e = t->k[1];
    struct ksaved s = saved(&f, RECOMPUTE, 0);
    struct check_mat dn = check_mat(t, "dn", f.rows, f.lin[0].in);
    struct kref mid = check_ref(&f.mid, 1), h = check_ref(&f.h, 1), x = check_ref(&f.x, 1);
    struct kref stat = check_ref(&f.stat, 1), w = check_ref(&f.w, 1), d = check_ref(&dn, 1);
    struct kref params = check_ref(&f.params, 1);
    int in = f.lin[0].in;
    k->op.norm_linear_fwd(k, check_ref(&f.y, 0), &s, check_ref(&f.x, 0), check_ref(&f.params, 0),
                          &f.norm[0], &f.lin[0], f.rows, &f.drop);
    k->op.norm_linear_bwd(k, check_ref(&f.dx, 0), check_ref(&f.grads, 0), check_ref(&f.dy, 0), &s,
                          check_ref(&f.x, 0), check_ref(&f.params, 0), &f.norm[0], &f.lin[0],
                          f.rows, &f.drop);
    e->op.rmsnorm_fwd(e, mid, stat, x, w, f.rows, 1, in, 1e-5f, 1.0f);
    e->op.lora_linear_fwd(e, check_ref(&f.y, 1), h, mid, KREF_NONE, params, &f.lin[1], f.rows,
                          &f.drop);
    e->op.lora_linear_bwd(e, d, check_ref(&f.grads, 1), check_ref(&f.dy, 1), mid, h, params,
                          &f.lin[1], f.rows, &f.drop, K_SET);
    e->op.rmsnorm_bwd(e, check_ref(&f.dx, 1), d, x, stat, w, f.rows, 1, in, 1.0f, K_ADD);
    check_sync(t);
    check_same(t, &f.y, 0, 0);
    check_same(t, &f.dx, 0, 0);
    check_same(t, &f.grads, 0, 0);
    check_weight_values_free(&f.weight);
}

/* The same for the activation, with the residual. */
static void by_hand_act(struct check *t)
{
    struct fixture f = fixture(t, &shapes[1], KNORM_RMS);
    kern *k = t->k[0], *e = t->k[1];
    struct ksaved s = saved(&f, RECOMPUTE, 0);
    struct check_mat dm = check_mat(t, "dm", f.rows, f.lin[0].in);
    struct kref mid = check_ref(&f.mid, 1), h = check_ref(&f.h, 1), gu = check_ref(&f.gu, 1);
    struct kref params = check_ref(&f.params, 1), res = check_ref(&f.res, 1);
    int in = f.lin[0].in;
    k->op.act_linear_fwd(k, check_ref(&f.y, 0), &s, check_ref(&f.gu, 0), check_ref(&f.res, 0),
                         check_ref(&f.params, 0), KACT_GEGLU, &f.lin[0], f.rows, &f.drop);
    k->op.act_linear_bwd(k, check_ref(&f.dgu, 0), check_ref(&f.grads, 0), check_ref(&f.dy, 0), &s,
                         check_ref(&f.gu, 0), check_ref(&f.params, 0), KACT_GEGLU, &f.lin[0],
                         f.rows, &f.drop);
    e->op.geglu_fwd(e, mid, gu, f.rows, in);
    e->op.lora_linear_fwd(e, check_ref(&f.y, 1), h, mid, res, params, &f.lin[1], f.rows, &f.drop);
    e->op.lora_linear_bwd(e, check_ref(&dm, 1), check_ref(&f.grads, 1), check_ref(&f.dy, 1), mid, h,
                          params, &f.lin[1], f.rows, &f.drop, K_SET);
    e->op.geglu_bwd(e, check_ref(&f.dgu, 1), check_ref(&dm, 1), gu, f.rows, in);
    check_sync(t);
    check_same(t, &f.y, 0, 0);
    check_same(t, &f.dgu, 0, 0);
    check_same(t, &f.grads, 0, 0);
    check_weight_values_free(&f.weight);
}

int main(void)
{
    static const struct check_test tests[] = {
        {"norm_linear", norm_linear, CHECK_PAIRS},
        {"act_linear", act_linear, CHECK_PAIRS},
        {"norm_linear_by_hand", by_hand, CHECK_REF},
        {"act_linear_by_hand", by_hand_act, CHECK_REF},
    };
    return check_run("blocks", tests, sizeof tests / sizeof *tests);
}

/* The block rows written with elementary rows: their reference on every device. */
#include "kernels/device.h"

static void norm_fwd(kern *k, struct kref n, struct kref stat, struct kref x,
                     const struct knorm *norm, int rows, int cols)
{
    struct kref mean = stat.buf ? kref_col(stat, rows) : KREF_NONE;
    if (norm->kind == KNORM_RMS)
        k->op.rmsnorm_fwd(k, n, stat, x, norm->w, rows, 1, cols, norm->eps, norm->w_add);
    else
        k->op.layernorm_fwd(k, n, mean, stat, x, norm->w, norm->b, rows, cols, norm->eps);
}

static void norm_bwd(kern *k, struct kref dx, struct kref dn, struct kref x, struct kref stat,
                     const struct knorm *norm, int rows, int cols)
{
    if (norm->kind == KNORM_RMS)
        k->op.rmsnorm_bwd(k, dx, dn, x, stat, norm->w, rows, 1, cols, norm->w_add, K_ADD);
    else
        k->op.layernorm_bwd(k, dx, dn, x, kref_col(stat, rows), stat, norm->w, rows, cols, K_ADD);
}

static void act_fwd(kern *k, struct kref m, struct kref gu, enum kact act, int rows, int cols)
{
    switch (act) {
    case KACT_SWIGLU: k->op.swiglu_fwd(k, m, gu, rows, cols); break;
    case KACT_GEGLU: k->op.geglu_fwd(k, m, gu, rows, cols); break;
    case KACT_GELU: k->op.gelu_fwd(k, m, gu, rows, cols); break;
    }
}

static void act_bwd(kern *k, struct kref dgu, struct kref dm, struct kref gu, enum kact act,
                    int rows, int cols)
{
    switch (act) {
    case KACT_SWIGLU: k->op.swiglu_bwd(k, dgu, dm, gu, rows, cols); break;
    case KACT_GEGLU: k->op.geglu_bwd(k, dgu, dm, gu, rows, cols); break;
    case KACT_GELU: k->op.gelu_bwd(k, dgu, dm, gu, rows, cols); break;
    }
}

/* The linear's input: kept for backward, or scratch. */
static struct kref mid_of(kern *k, const struct ksaved *saved, const struct klinear *lin, int rows,
                          const char *op)
{
    if (saved->mid.buf)
        return saved->mid;
    return kern_scratch_ref(k, k->state->scratch.mid, rows, lin->in, op);
}

static struct kref h_of(kern *k, const struct ksaved *saved, const struct klinear *lin, int rows,
                        const char *op)
{
    if (saved->h.buf || lin->nlora == 0)
        return saved->h;
    return kern_scratch_ref(k, k->state->scratch.h, rows, klinear_rank(lin), op);
}

void norm_linear_fwd_default(kern *k, struct kref y, const struct ksaved *saved, struct kref x,
                             struct kref params, const struct knorm *norm,
                             const struct klinear *lin, int rows, const struct kdropout *drop)
{
    struct kref n = mid_of(k, saved, lin, rows, "norm_linear_fwd");
    struct kref h = h_of(k, saved, lin, rows, "norm_linear_fwd");
    norm_fwd(k, n, saved->stat, x, norm, rows, lin->in);
    k->op.lora_linear_fwd(k, y, h, n, KREF_NONE, params, lin, rows, drop);
}

void norm_linear_bwd_default(kern *k, struct kref dx, struct kref grads, struct kref dy,
                             const struct ksaved *saved, struct kref x, struct kref params,
                             const struct knorm *norm, const struct klinear *lin, int rows,
                             const struct kdropout *drop)
{
    struct kref n = x, dn = KREF_NONE; /* without adapters nobody reads N */
    if (lin->nlora > 0) {
        n = mid_of(k, saved, lin, rows, "norm_linear_bwd");
        if (!saved->mid.buf)
            norm_fwd(k, n, KREF_NONE, x, norm, rows, lin->in);
    }
    if (dx.buf)
        dn = kern_scratch_ref(k, k->state->scratch.dmid, rows, lin->in, "norm_linear_bwd");
    k->op.lora_linear_bwd(k, dn, grads, dy, n, saved->h, params, lin, rows, drop, K_SET);
    if (dx.buf)
        norm_bwd(k, dx, dn, x, saved->stat, norm, rows, lin->in);
}

void act_linear_fwd_default(kern *k, struct kref y, const struct ksaved *saved, struct kref gu,
                            struct kref res, struct kref params, enum kact act,
                            const struct klinear *lin, int rows, const struct kdropout *drop)
{
    struct kref m = mid_of(k, saved, lin, rows, "act_linear_fwd");
    struct kref h = h_of(k, saved, lin, rows, "act_linear_fwd");
    act_fwd(k, m, gu, act, rows, lin->in);
    k->op.lora_linear_fwd(k, y, h, m, res, params, lin, rows, drop);
}

void act_linear_bwd_default(kern *k, struct kref dgu, struct kref grads, struct kref dy,
                            const struct ksaved *saved, struct kref gu, struct kref params,
                            enum kact act, const struct klinear *lin, int rows,
                            const struct kdropout *drop)
{
    struct kref dm = kern_scratch_ref(k, k->state->scratch.dmid, rows, lin->in, "act_linear_bwd");
    struct kref m = gu; /* without adapters nobody reads M */
    if (lin->nlora > 0) {
        m = mid_of(k, saved, lin, rows, "act_linear_bwd");
        if (!saved->mid.buf)
            act_fwd(k, m, gu, act, rows, lin->in);
    }
    k->op.lora_linear_bwd(k, dm, grads, dy, m, saved->h, params, lin, rows, drop, K_SET);
    act_bwd(k, dgu, dm, gu, act, rows, lin->in);
}

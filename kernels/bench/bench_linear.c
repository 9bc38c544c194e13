/* Products with W: plain ones against a library, adapted ones against separate products. */
#include "kernels/bench/bench_impl.h"

#include <stdio.h>

/* ---- plain products ------------------------------------------------------------------------------ */

struct gemm_args {
    struct klinear lin;
    struct kref y, x, dx, w;
    int rows;
    const struct kern_rival *rival;
};

static void gemm_fwd(struct bench *b, const void *args)
{
    const struct gemm_args *a = args;
    b->k->op.lora_linear_fwd(b->k, a->y, KREF_NONE, a->x, KREF_NONE, KREF_NONE, &a->lin, a->rows,
                             NULL);
}

static void gemm_bwd(struct bench *b, const void *args)
{
    const struct gemm_args *a = args;
    b->k->op.lora_linear_bwd(b->k, a->dx, KREF_NONE, a->y, a->x, KREF_NONE, KREF_NONE, &a->lin,
                             a->rows, NULL, K_SET);
}

static void gemm_rival_call(struct bench *b, const void *args)
{
    const struct gemm_args *a = args;
    a->rival->gemm(b->k, a->y, a->x, a->w, a->rows, a->lin.out, a->lin.in);
}

static void gemm_case(struct bench *b, int rows, int out, int in)
{
    struct gemm_args a = {.lin = {.in = in, .out = out}, .rows = rows};
    double size = b->o->dtype == DT_F32 ? 4.0 : 2.0;
    struct bench_case c = {.op = "gemm_nt", .args = &a, .call = gemm_fwd};
    c.flops = 2.0 * rows * out * in;
    c.bytes = 4.0 * rows * ((double)out + in) + size * out * in;
    snprintf(c.shape, sizeof c.shape, "%dx%dx%d", rows, out, in);
    bool nt = bench_wanted(b, "gemm_nt", c.shape, c.flops);
    bool nn = bench_wanted(b, "gemm_nn", c.shape, c.flops);
    if (!nt && !nn)
        return;
    bench_prepare(b, &(struct kern_specs){.rows = rows, .width = out > in ? out : in});
    a.x = bench_mat(b, rows, in);
    a.dx = bench_mat(b, rows, in);
    a.y = bench_mat(b, rows, out);
    a.lin.w = bench_weight(b, out, in);
    if (b->status == ST_OK && b->o->dtype == DT_F32 && b->k->state->device->rival)
        a.rival = b->k->state->device->rival();
    if (a.rival) {
        a.w = bench_mat(b, out, in);
        c.rival = a.rival->name;
        c.rival_call = gemm_rival_call;
    }
    if (nt)
        bench_run(b, &c);
    c.op = "gemm_nn";
    c.rival_call = NULL;
    c.call = gemm_bwd;
    if (nn)
        bench_run(b, &c);
    bench_done(b);
}

void bench_gemm(struct bench *b)
{
    static const int shapes[][3] = {{512, 512, 512},    {1024, 2048, 2048}, {4096, 2048, 2048},
                                    {4096, 8192, 2048}, {8192, 1536, 576},  {8192, 4096, 4096}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        gemm_case(b, shapes[i][0], shapes[i][1], shapes[i][2]);
}

/* ---- adapted linears ----------------------------------------------------------------------------- */

enum { RANK = 8 };

/* lin has the adapter; plain, a and b are the same as three separate frozen matrices. */
struct lora_args {
    struct klinear lin, plain, a, b;
    struct kref y, h, x, dx, dy, params, grads, g;
    int rows;
};

static void lora_fwd(struct bench *b, const void *args)
{
    const struct lora_args *a = args;
    b->k->op.lora_linear_fwd(b->k, a->y, a->h, a->x, KREF_NONE, a->params, &a->lin, a->rows, NULL);
}

static void lora_both(struct bench *b, const void *args)
{
    const struct lora_args *a = args;
    lora_fwd(b, args);
    b->k->op.lora_linear_bwd(b->k, a->dx, a->grads, a->dy, a->x, a->h, a->params, &a->lin, a->rows,
                             NULL, K_SET);
}

static void separate_fwd(struct bench *b, const void *args)
{
    const struct lora_args *a = args;
    kern *k = b->k;
    k->op.lora_linear_fwd(k, a->y, KREF_NONE, a->x, KREF_NONE, KREF_NONE, &a->plain, a->rows, NULL);
    k->op.lora_linear_fwd(k, a->h, KREF_NONE, a->x, KREF_NONE, KREF_NONE, &a->a, a->rows, NULL);
    k->op.lora_linear_fwd(k, a->y, KREF_NONE, a->h, a->y, KREF_NONE, &a->b, a->rows, NULL);
}

/* The adapter's row without dX makes G, dA and dB; then dY W, and + G A as a product of its own. */
static void separate_both(struct bench *b, const void *args)
{
    const struct lora_args *a = args;
    kern *k = b->k;
    separate_fwd(b, args);
    k->op.lora_linear_bwd(k, a->dx, KREF_NONE, a->dy, a->x, KREF_NONE, KREF_NONE, &a->plain,
                          a->rows, NULL, K_SET);
    k->op.lora_linear_bwd(k, KREF_NONE, a->grads, a->dy, a->x, a->h, a->params, &a->lin, a->rows,
                          NULL, K_SET);
    k->op.lora_linear_bwd(k, a->dx, KREF_NONE, a->g, a->x, KREF_NONE, KREF_NONE, &a->a, a->rows,
                          NULL, K_ADD);
}

static void lora_buffers(struct bench *b, struct lora_args *a, int d)
{
    struct klora adapter = {.cols = d, .rank = RANK, .scale = 2.0f, .b = (size_t)RANK * (size_t)d};
    bench_prepare(
        b, &(struct kern_specs){.rows = a->rows, .width = d, .rank = RANK, .backward = true});
    a->y = bench_mat(b, a->rows, d);
    a->x = bench_mat(b, a->rows, d);
    a->dx = bench_mat(b, a->rows, d);
    a->dy = bench_mat(b, a->rows, d);
    a->h = bench_mat(b, a->rows, RANK);
    a->g = bench_mat(b, a->rows, RANK);
    a->params = bench_mat(b, 2 * RANK, d);
    a->grads = bench_mat(b, 2 * RANK, d);
    a->lin = a->plain = (struct klinear){.w = bench_weight(b, d, d), .in = d, .out = d};
    a->lin.nlora = 1;
    a->lin.lora[0] = adapter;
    a->a = (struct klinear){.w = bench_weight(b, RANK, d), .in = d, .out = RANK};
    a->b = (struct klinear){.w = bench_weight(b, d, RANK), .in = RANK, .out = d};
}

static void lora_case(struct bench *b, int d, int rows)
{
    struct lora_args a = {.rows = rows};
    double size = b->o->dtype == DT_F32 ? 4.0 : 2.0, w = (double)d * d, low = 2.0 * RANK * d;
    struct bench_case c = {.op = "lora_fwd", .rival = "unfused", .args = &a};
    snprintf(c.shape, sizeof c.shape, "d=%d r=%d T=%d", d, RANK, rows);
    c.call = lora_fwd;
    c.rival_call = separate_fwd;
    c.flops = 2.0 * rows * (w + low);
    c.bytes = size * w + 4.0 * (low + 2.0 * rows * d);
    bool fwd = bench_wanted(b, "lora_fwd", c.shape, c.flops);
    bool both = bench_wanted(b, "lora_fwd_bwd", c.shape, 2 * c.flops);
    if (!fwd && !both)
        return;
    lora_buffers(b, &a, d);
    if (fwd)
        bench_run(b, &c);
    c.op = "lora_fwd_bwd";
    c.call = lora_both;
    c.rival_call = separate_both;
    c.flops = 2.0 * rows * (2 * w + 3 * low);
    c.bytes = 2 * size * w + 4.0 * (4 * low + 5.0 * rows * d);
    if (both)
        bench_run(b, &c);
    bench_done(b);
}

void bench_lora(struct bench *b)
{
    static const int widths[] = {512, 1024, 2048}, rows[] = {1, 32, 128, 1024};
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 4; j++)
            lora_case(b, widths[i], rows[j]);
    }
}

#include <stdio.h>

#include "kernels/gemm/gemm_ocl.h"

static const char text[] = {
#include "kernels/lora_linear/lora_linear.cl.h"
};

enum {
    TM = 64, /* of lora_linear.cl */
    TN = 16,
    FEW = 4,
    ITEMS = 256,
    SLICES = 4,
    LINE = 128,
    FEW_ROWS = 2048,        /* up to here H and G are made row by row */
    CHUNK = 256,            /* rows that a partial sum of dA or dB spans, at least */
    PART_VALUES = 16 << 20, /* floats of all partial sums, at most */
};

/* ---- program and scratch ------------------------------------------------------------------------- */

static bool single(const kern *k)
{
    const struct ocl_device *d = ocl_device(k);
    return ocl_is_cpu(d) || d->group_max < ITEMS;
}

static bool options(const kern *k, const struct kern_specs *s, char *out, size_t size)
{
    if (s->rank == 0)
        return false;
    snprintf(out, size, "-DITEMS=%d -DSLICES=%d -DLINE=%d", single(k) ? 1 : ITEMS,
             single(k) ? 1 : SLICES, single(k) ? 1 : LINE);
    return true;
}

/* Chunks of rows for `values` sums: a function of the shape alone. */
static int chunks_of(int rows, size_t values)
{
    size_t chunks = ((size_t)rows + CHUNK - 1) / CHUNK, most = PART_VALUES / values;
    return (int)(chunks <= most ? chunks : most > 1 ? most : 1);
}

/* G and the partial sums. */
static size_t scratch(const kern *k, const struct kern_specs *s)
{
    size_t rank = (size_t)s->rank, rows = (size_t)s->rows, pad = 2 * OCL_SCRATCH_ALIGN;
    size_t part = rank * 2 * (size_t)s->width * ((rows + CHUNK - 1) / CHUNK);
    (void)k;
    if (!s->backward || rank == 0)
        return 0;
    return rows * rank + (part < PART_VALUES ? part : PART_VALUES) + pad;
}

const struct ocl_source ocl_source_lora_linear = {"kernels/lora_linear/lora_linear.cl", text,
                                                  options, scratch};

/* ---- arguments ----------------------------------------------------------------------------------- */

/* lora_linear.cl has the same structs. */
struct lora_list {
    cl_long a[KLORA_MAX], b[KLORA_MAX];
    cl_int col[KLORA_MAX], cols[KLORA_MAX], rank[KLORA_MAX], at[KLORA_MAX], id[KLORA_MAX];
    cl_float scale[KLORA_MAX];
    cl_int count, in, rows, all;
};
struct lora_drop {
    cl_ulong seed, stream;
    cl_float p, keep;
};

static struct lora_list list_of(const struct klinear *lin, int rows)
{
    struct lora_list l = {.count = lin->nlora, .in = lin->in, .rows = rows};
    for (int j = 0; j < lin->nlora; j++) {
        const struct klora *lora = &lin->lora[j];
        l.a[j] = (cl_long)lora->a;
        l.b[j] = (cl_long)lora->b;
        l.col[j] = lora->col;
        l.cols[j] = lora->cols;
        l.rank[j] = lora->rank;
        l.at[j] = l.all;
        l.id[j] = (cl_int)lora->id;
        l.scale[j] = lora->scale;
        l.all += lora->rank;
    }
    return l;
}

static struct lora_drop drop_of(const struct kdropout *drop)
{
    struct lora_drop d = {.p = 0};
    if (!kdropout_on(drop))
        return d;
    d.seed = drop->seed;
    d.stream = (cl_ulong)drop->step << 32 | (cl_ulong)drop->micro << 16;
    d.p = drop->p;
    d.keep = (float)(1 / (1 - (double)drop->p));
    return d;
}

static size_t tiles(int n, int tile)
{
    return ((size_t)n + (size_t)tile - 1) / (size_t)tile;
}

static int widest(const struct lora_list *l, const cl_int *of)
{
    int most = 0;
    for (int j = 0; j < l->count; j++)
        most = of[j] > most ? of[j] : most;
    return most;
}

/* ---- H and G ------------------------------------------------------------------------------------- */

/* back: G from dY and B, else H from X and A. */
static void run_down(kern *k, struct kref h, struct kref from, struct kref params,
                     const struct lora_list *l, const struct lora_drop *d, int back)
{
    int rank = widest(l, l->rank);
    struct ocl_range r = {{tiles(l->rows, TM), tiles(rank, TN), (size_t)l->count}, {ITEMS, 1, 1}};
    const char *name = "lora_down";
    if (single(k)) {
        r.local[0] = 1;
    } else if (l->rows <= FEW_ROWS) {
        name = "lora_rows";
        r.groups[0] = (size_t)l->rows;
        r.groups[1] = tiles(rank, FEW);
        r.local[0] = LINE;
    }
    OCL_RUN(k, name, r, BUF(h), BUF(from), VEC(params), ARG(*l), ARG(*d), ARG(back));
}

void lora_linear_fwd_ocl(kern *k, struct kref y, struct kref h, struct kref x, struct kref res,
                         struct kref params, const struct klinear *lin, int rows,
                         const struct kdropout *drop)
{
    struct gemm_ocl g = {.c = y, .a = x, .w = lin->w, .side = GEMM_NT, .rows = rows};
    g.bias = lin->bias;
    g.res = res;
    if (lin->nlora > 0) {
        struct lora_list l = list_of(lin, rows);
        struct lora_drop d = drop_of(drop);
        g.lin = lin;
        g.h = h;
        g.params = params;
        g.make_h = d.p == 0.0f && gemm_ocl_makes_h(k, &g);
        bool made = g.make_h || (d.p == 0.0f && rows <= FEW_ROWS && gemm_ocl_down(k, &g));
        if (!made)
            run_down(k, h, x, params, &l, &d, 0);
    }
    gemm_ocl(k, &g);
}

/* ---- backward ------------------------------------------------------------------------------------ */

static size_t values_of(const struct lora_list *l)
{
    size_t n = 0;
    for (int j = 0; j < l->count; j++)
        n += (size_t)l->rank[j] * ((size_t)l->in + (size_t)l->cols[j]);
    return n;
}

/* dA and dB, in one launch and, where the rows are cut into chunks, a second one that adds them up. */
static void run_outer(kern *k, struct kref grads, struct kref dy, struct kref x, struct kref h,
                      struct kref g, const struct lora_list *l, const struct lora_drop *d)
{
    size_t values = values_of(l);
    int chunks = chunks_of(l->rows, values), rank_tiles = (int)tiles(widest(l, l->rank), TN);
    int chunk = (int)tiles(l->rows, chunks), wide = widest(l, l->cols);
    cl_long total = (cl_long)values;
    struct kref part = KREF_NONE;
    wide = l->in > wide ? l->in : wide;
    if (chunks > 1)
        part = ocl_scratch(k, (size_t)chunks * values, 1, "lora_linear_bwd");
    struct ocl_range r = {
        {tiles(wide, TM), (size_t)chunks, 2 * (size_t)l->count * (size_t)rank_tiles},
        {single(k) ? 1 : ITEMS, 1, 1}};
    OCL_RUN(k, "lora_outer", r, VEC(grads), VEC(part), BUF(x), BUF(g), BUF(dy), BUF(h), ARG(*l),
            ARG(*d), ARG(chunk), ARG(chunks), ARG(rank_tiles), ARG(total));
    if (chunks > 1) {
        struct ocl_range sum =
            ocl_flat(k, (size_t)widest(l, l->rank) * (size_t)wide, 1, UINT16_MAX);
        sum.groups[1] = 2 * (size_t)l->count;
        OCL_RUN(k, "lora_sum", sum, VEC(grads), VEC(part), ARG(*l), ARG(chunks), ARG(total));
    }
}

void lora_linear_bwd_ocl(kern *k, struct kref dx, struct kref grads, struct kref dy, struct kref x,
                         struct kref h, struct kref params, const struct klinear *lin, int rows,
                         const struct kdropout *drop, enum kwrite mode)
{
    struct lora_list l = list_of(lin, rows);
    struct lora_drop d = drop_of(drop);
    struct gemm_ocl m = {.c = dx, .a = dy, .w = lin->w, .side = GEMM_NN, .rows = rows};
    size_t mark = ocl_scratch_mark(k);
    struct kref g = KREF_NONE;
    m.res = mode == K_ADD ? dx : KREF_NONE;
    if (l.count > 0) {
        g = ocl_scratch(k, (size_t)rows, l.all, "lora_linear_bwd");
        run_down(k, g, dy, params, &l, &(struct lora_drop){.p = 0}, 1);
        run_outer(k, grads, dy, x, h, g, &l, &d);
    }
    if (l.count > 0 && d.p == 0.0f) {
        m.lin = lin;
        m.h = g;
        m.params = params;
    }
    if (dx.buf)
        gemm_ocl(k, &m);
    if (dx.buf && l.count > 0 && d.p > 0.0f)
        OCL_RUN(k, "lora_dropped", ocl_flat(k, (size_t)rows * tiles(lin->in, 4), 1, 0), BUF(dx),
                BUF(g), VEC(params), ARG(l), ARG(d));
    ocl_scratch_release(k, mark);
}

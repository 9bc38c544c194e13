#include "kernels/cpu.h"

/* Rows of one tile: W is decoded once for them all. */
enum { ROWS = 8 };

struct args {
    struct kref y, h, x, res, params, dx, grads, dy;
    const struct klinear *lin;
    const struct kdropout *drop;
    double *g; /* [rows, sum of ranks]: s dY B */
    int rows, rank;
    enum kwrite mode;
};

/* x[r,c] as adapter j sees it. */
static double adapter_input(const struct args *a, const struct klora *lora, int r, int c)
{
    double x = cpu_get(a->x, cpu_at(a->x, r, c));
    size_t element = (size_t)r * (size_t)a->lin->in + (size_t)c;
    if (!kdropout_on(a->drop))
        return x;
    return kdropout_drops(a->drop, lora->id, element) ? 0 : x / (1 - (double)a->drop->p);
}

/* Room for ROWS rows of doubles and one decoded row of W. */
static bool room(kern *k, const struct klinear *lin, const char *op)
{
    if ((size_t)lin->in * (ROWS * sizeof(double) + sizeof(float)) <= CPU_WORKER_BYTES)
        return true;
    kern_stick(k, ST_RANGE, op, "%d columns are too many", lin->in);
    return false;
}

static void make_h(const struct args *a, int r)
{
    int at = 0;
    for (int j = 0; j < a->lin->nlora; j++) {
        const struct klora *lora = &a->lin->lora[j];
        for (int p = 0; p < lora->rank; p++) {
            size_t row = lora->a + (size_t)p * (size_t)a->lin->in;
            double sum = 0;
            for (int c = 0; c < a->lin->in; c++)
                sum += adapter_input(a, lora, r, c) * cpu_get(a->params, row + (size_t)c);
            cpu_set(a->h, cpu_at(a->h, r, at + p), sum);
        }
        at += lora->rank;
    }
}

/* bias + sum_j s_j H_j B_j^T + res at (r, o) */
static double besides_w(const struct args *a, int r, int o)
{
    const struct klinear *lin = a->lin;
    double sum = lin->bias.buf ? cpu_get(lin->bias, (size_t)o) : 0;
    int at = 0;
    for (int j = 0; j < lin->nlora; j++) {
        const struct klora *lora = &lin->lora[j];
        if (o >= lora->col && o < lora->col + lora->cols) {
            size_t row = lora->b + (size_t)(o - lora->col) * (size_t)lora->rank;
            double dot = 0;
            for (int p = 0; p < lora->rank; p++)
                dot += cpu_get(a->h, cpu_at(a->h, r, at + p)) * cpu_get(a->params, row + (size_t)p);
            sum += (double)lora->scale * dot;
        }
        at += lora->rank;
    }
    return sum + (a->res.buf ? cpu_get(a->res, cpu_at(a->res, r, o)) : 0);
}

static void fwd_tile(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    int in = a->lin->in, first = tile * ROWS;
    int last = first + ROWS < a->rows ? first + ROWS : a->rows;
    double *x = cpu_worker_scratch(k, worker);
    float *w = (float *)(x + (size_t)ROWS * (size_t)in);
    for (int r = first; r < last; r++) {
        make_h(a, r);
        for (int c = 0; c < in; c++)
            x[(r - first) * in + c] = cpu_get(a->x, cpu_at(a->x, r, c));
    }
    for (int o = 0; o < a->lin->out; o++) {
        cpu_weight_row(a->lin->w, o, w);
        for (int r = first; r < last; r++) {
            double sum = 0;
            for (int c = 0; c < in; c++)
                sum += x[(r - first) * in + c] * (double)w[c];
            cpu_set(a->y, cpu_at(a->y, r, o), sum + besides_w(a, r, o));
        }
    }
}

void lora_linear_fwd_ref(kern *k, struct kref y, struct kref h, struct kref x, struct kref res,
                         struct kref params, const struct klinear *lin, int rows,
                         const struct kdropout *drop)
{
    struct args a = {.y = y, .h = h, .x = x, .res = res, .params = params};
    if (!kern_ok(k) || !room(k, lin, "lora_linear_fwd"))
        return;
    a.lin = lin;
    a.drop = drop;
    a.rows = rows;
    cpu_run(k, fwd_tile, &a, (rows + ROWS - 1) / ROWS);
}

/* ---- backward ---------------------------------------------------------------------------------- */

static void make_g(const struct args *a, int r)
{
    double *g = a->g + (size_t)r * (size_t)a->rank;
    for (int j = 0; j < a->lin->nlora; j++) {
        const struct klora *lora = &a->lin->lora[j];
        for (int p = 0; p < lora->rank; p++) {
            double sum = 0;
            for (int o = 0; o < lora->cols; o++)
                sum += cpu_get(a->dy, cpu_at(a->dy, r, lora->col + o)) *
                       cpu_get(a->params, lora->b + (size_t)o * (size_t)lora->rank + (size_t)p);
            *g++ = (double)lora->scale * sum;
        }
    }
}

/* sum_j dropout_j(G_j A_j) at (r, c) */
static double through_a(const struct args *a, int r, int c)
{
    const double *g = a->g + (size_t)r * (size_t)a->rank;
    size_t element = (size_t)r * (size_t)a->lin->in + (size_t)c;
    double sum = 0;
    for (int j = 0; j < a->lin->nlora; j++) {
        const struct klora *lora = &a->lin->lora[j];
        double dot = 0;
        for (int p = 0; p < lora->rank; p++)
            dot += g[p] * cpu_get(a->params, lora->a + (size_t)p * (size_t)a->lin->in + (size_t)c);
        if (!kdropout_on(a->drop))
            sum += dot;
        else if (!kdropout_drops(a->drop, lora->id, element))
            sum += dot / (1 - (double)a->drop->p);
        g += lora->rank;
    }
    return sum;
}

static void dx_tile(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    int in = a->lin->in, first = tile * ROWS;
    int last = first + ROWS < a->rows ? first + ROWS : a->rows;
    double *dx = cpu_worker_scratch(k, worker);
    float *w = (float *)(dx + (size_t)ROWS * (size_t)in);
    for (int r = first; r < last; r++)
        make_g(a, r);
    if (!a->dx.buf)
        return;
    for (int i = 0; i < ROWS * in; i++)
        dx[i] = 0;
    for (int o = 0; o < a->lin->out; o++) {
        cpu_weight_row(a->lin->w, o, w);
        for (int r = first; r < last; r++) {
            double dy = cpu_get(a->dy, cpu_at(a->dy, r, o));
            for (int c = 0; c < in; c++)
                dx[(r - first) * in + c] += dy * (double)w[c];
        }
    }
    for (int r = first; r < last; r++) {
        for (int c = 0; c < in; c++) {
            size_t at = cpu_at(a->dx, r, c);
            double old = a->mode == K_ADD ? cpu_get(a->dx, at) : 0;
            cpu_set(a->dx, at, old + dx[(r - first) * in + c] + through_a(a, r, c));
        }
    }
}

/* Row p of one adapter's A, whose G stands in column `at`; sums over rows in a fixed order. */
static void da_row(const struct args *a, const struct klora *lora, int p, int at)
{
    for (int c = 0; c < a->lin->in; c++) {
        size_t i = lora->a + (size_t)p * (size_t)a->lin->in + (size_t)c;
        double sum = 0;
        for (int r = 0; r < a->rows; r++)
            sum += a->g[(size_t)r * (size_t)a->rank + (size_t)at] * adapter_input(a, lora, r, c);
        cpu_set(a->grads, i, cpu_get(a->grads, i) + sum);
    }
}

static void db_column(const struct args *a, const struct klora *lora, int p, int at)
{
    for (int o = 0; o < lora->cols; o++) {
        size_t i = lora->b + (size_t)o * (size_t)lora->rank + (size_t)p;
        double sum = 0;
        for (int r = 0; r < a->rows; r++)
            sum += cpu_get(a->dy, cpu_at(a->dy, r, lora->col + o)) *
                   cpu_get(a->h, cpu_at(a->h, r, at));
        cpu_set(a->grads, i, cpu_get(a->grads, i) + (double)lora->scale * sum);
    }
}

/* One tile is one of all the adapters' rank components. */
static void grads_tile(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    int at = 0;
    (void)k, (void)worker;
    for (int j = 0; j < a->lin->nlora; j++) {
        const struct klora *lora = &a->lin->lora[j];
        if (tile >= at && tile < at + lora->rank) {
            da_row(a, lora, tile - at, tile);
            db_column(a, lora, tile - at, tile);
        }
        at += lora->rank;
    }
}

void lora_linear_bwd_ref(kern *k, struct kref dx, struct kref grads, struct kref dy, struct kref x,
                         struct kref h, struct kref params, const struct klinear *lin, int rows,
                         const struct kdropout *drop, enum kwrite mode)
{
    struct args a = {.dx = dx, .grads = grads, .dy = dy, .x = x, .h = h, .params = params};
    if (!kern_ok(k) || !room(k, lin, "lora_linear_bwd"))
        return;
    a.lin = lin;
    a.drop = drop;
    a.rows = rows;
    a.rank = klinear_rank(lin);
    a.mode = mode;
    size_t mark = cpu_scratch_mark(k);
    a.g = cpu_scratch(k, (size_t)rows * (size_t)a.rank * sizeof *a.g, "lora_linear_bwd");
    if (a.g) {
        cpu_run(k, dx_tile, &a, (rows + ROWS - 1) / ROWS);
        cpu_run(k, grads_tile, &a, a.rank);
    }
    cpu_scratch_release(k, mark);
}

#include "kernels/lora_linear/lora_tiles.h"

enum { EDGES = 2 * KLORA_MAX + 2 };

struct args {
    float *y, *h;
    const float *x, *res, *bias, *params;
    float *at; /* [in, rank]: all A^T side by side */
    size_t ldy, ldh, ldx, ldres;
    const struct klinear *lin;
    const struct kdropout *drop;
    int rows, rank;
    bool few; /* rows, as in generation: nothing is laid down */
    /* Columns are cut where an adapter begins or ends, so that a tile has the same ones everywhere:
     * stretch i is [edge[i], edge[i + 1]), its tiles are counted from first[i]. */
    int stretches, edge[EDGES], first[EDGES];
    int chunks, tiles; /* chunks of rows; tiles of columns */
};

/* A tile: y's rows [row, row + rows), columns [col, col + cols). */
struct y_place {
    int tile, row, rows, col, cols;
};

/* ---- the cut ------------------------------------------------------------------------------- */

static void add_edge(struct args *a, int *edges, int col)
{
    int i = 0;
    while (i < *edges && a->edge[i] < col)
        i++;
    if (i < *edges && a->edge[i] == col)
        return;
    memmove(a->edge + i + 1, a->edge + i, (size_t)(*edges - i) * sizeof *a->edge);
    a->edge[i] = col;
    ++*edges;
}

static void cut(struct args *a)
{
    int edges = 0;
    add_edge(a, &edges, 0);
    add_edge(a, &edges, a->lin->out);
    for (int j = 0; j < a->lin->nlora; j++) {
        add_edge(a, &edges, a->lin->lora[j].col);
        add_edge(a, &edges, a->lin->lora[j].col + a->lin->lora[j].cols);
    }
    a->stretches = edges - 1;
    a->tiles = 0;
    for (int i = 0; i < a->stretches; i++) {
        a->first[i] = a->tiles;
        a->tiles += lora_tiles(a->edge[i + 1] - a->edge[i], GEMM_COLS);
    }
    a->chunks = lora_tiles(a->rows, LORA_CHUNK);
}

static void columns(const struct args *a, int tile, int *col, int *cols)
{
    int i = a->stretches - 1;
    while (a->first[i] > tile)
        i--;
    *col = a->edge[i] + (tile - a->first[i]) * GEMM_COLS;
    *cols = gemm_min(a->edge[i + 1] - *col, GEMM_COLS);
}

/* ---- H = X A^T ----------------------------------------------------------------------------- */

static void lay_a(const struct args *a)
{
    int at = 0;
    for (int j = 0; j < a->lin->nlora; j++) {
        const struct klora *lora = &a->lin->lora[j];
        V(gemm_lay_t)
        (a->at + at, (size_t)a->rank, a->params + lora->a, DT_F32, (size_t)a->lin->in, lora->rank,
         a->lin->in);
        at += lora->rank;
    }
}

/* Without dropout one product serves all adapters. */
static void h_plain(const struct args *a, int row, int rows)
{
    int piece = gemm_piece(a->lin->in);
    float *h = a->h + (size_t)row * a->ldh;
    for (int p = 0; p < a->lin->in; p += piece) {
        struct gemm_term t = {
            a->x + (size_t)row * a->ldx + p,     a->ldx,          1,
            a->at + (size_t)p * (size_t)a->rank, (size_t)a->rank, gemm_min(piece, a->lin->in - p)};
        V(gemm)(h, a->ldh, p ? h : NULL, a->ldh, &t, 1, rows, a->rank);
    }
}

static void h_dropped(const struct args *a, int row, int rows, float *x)
{
    int piece = gemm_piece(a->lin->in), at = 0;
    for (int j = 0; j < a->lin->nlora; j++) {
        const struct klora *lora = &a->lin->lora[j];
        float *h = a->h + (size_t)row * a->ldh + at;
        for (int p = 0; p < a->lin->in; p += piece) {
            int depth = gemm_min(piece, a->lin->in - p);
            struct gemm_term t = {
                x, GEMM_DEEP, 1, a->at + (size_t)p * (size_t)a->rank + at, (size_t)a->rank, depth};
            lora_drop(x, GEMM_DEEP, a->x + (size_t)row * a->ldx + p, a->ldx, a->drop, lora->id,
                      a->lin->in, row, p, rows, depth);
            V(gemm)(h, a->ldh, p ? h : NULL, a->ldh, &t, 1, rows, lora->rank);
        }
        at += lora->rank;
    }
}

static void h_few(const struct args *a, float *x)
{
    int in = a->lin->in, at = 0;
    for (int j = 0; j < a->lin->nlora; j++) {
        const struct klora *lora = &a->lin->lora[j];
        const float *from = a->x, *rows = a->params + lora->a;
        size_t ld = a->ldx;
        for (int p = 0; p < in && kdropout_on(a->drop); p += GEMM_DEEP) {
            lora_drop(x + p, (size_t)in, a->x + p, a->ldx, a->drop, lora->id, in, 0, p, a->rows,
                      gemm_min(GEMM_DEEP, in - p));
            from = x;
            ld = (size_t)in;
        }
        V(gemm_few)
        (a->h + at, a->ldh, NULL, 0, from, ld, rows, DT_F32, (size_t)in, 1.0f, a->rows, lora->rank,
         in);
        at += lora->rank;
    }
}

static void h_tile(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    int row = tile * LORA_ROWS, rows = gemm_min(a->rows - row, LORA_ROWS);
    if (a->few)
        h_few(a, cpu_worker_scratch(k, worker));
    else if (kdropout_on(a->drop))
        h_dropped(a, row, rows, cpu_worker_scratch(k, worker));
    else
        h_plain(a, row, rows);
}

/* ---- Y = X W^T + s H B^T + bias + res ------------------------------------------------------ */

/* One term for each adapter that has these columns; s B^T is laid down in bt. */
static int low_rank_terms(const struct args *a, struct gemm_term *term, float *bt, int row, int col,
                          int cols)
{
    int terms = 0, at = 0;
    for (int j = 0; j < a->lin->nlora; j++) {
        const struct klora *lora = &a->lin->lora[j];
        size_t rank = (size_t)lora->rank;
        if (col >= lora->col && col < lora->col + lora->cols) {
            const float *b = a->params + lora->b + (size_t)(col - lora->col) * rank;
            V(gemm_lay_t)(bt, GEMM_COLS, b, DT_F32, rank, cols, lora->rank);
            for (size_t i = 0; i < rank; i++) {
                for (int c = 0; c < cols; c++)
                    bt[i * GEMM_COLS + (size_t)c] *= lora->scale;
            }
            term[terms++] = (struct gemm_term){
                a->h + (size_t)row * a->ldh + at, a->ldh, 1, bt, GEMM_COLS, lora->rank};
            bt += rank * GEMM_COLS;
        }
        at += lora->rank;
    }
    return terms;
}

/* y = res + bias, for the case that both are there. */
static void begin_with_both(const struct args *a, float *y, int row, int col, int rows, int cols)
{
    for (int r = 0; r < rows; r++) {
        const float *res = a->res + (size_t)(row + r) * a->ldres + col;
        for (int c = 0; c < cols; c++)
            y[(size_t)r * a->ldy + (size_t)c] = res[c] + a->bias[col + c];
    }
}

/* The block of W that this worker lays down next: the next piece of these columns, or else the
 * first one of the tile that it is likely to take. */
static struct gemm_ahead ahead(const struct args *a, int tile, int workers, int col, int cols,
                               int p)
{
    const struct kweight *w = a->lin->w;
    int in = a->lin->in, piece = gemm_piece(in);
    size_t size = dtype_size(w->dtype);
    if (p + piece < in) {
        p += piece;
    } else {
        p = 0;
        if (tile + workers >= a->tiles * a->chunks)
            return (struct gemm_ahead){0};
        columns(a, (tile + workers) / a->chunks, &col, &cols);
    }
    return (struct gemm_ahead){(const char *)w->p + ((size_t)col * (size_t)in + (size_t)p) * size,
                               (size_t)in * size, (size_t)gemm_min(piece, in - p) * size, cols};
}

/* y is still [rows, cols] at (0, col); what it begins with is added to all products. */
static void y_few(const struct args *a, float *y, const float *from, size_t ld_from, int col,
                  int cols)
{
    const struct kweight *w = a->lin->w;
    size_t in = (size_t)a->lin->in;
    int at = 0;
    V(gemm_few)
    (y, a->ldy, from, ld_from, a->x, a->ldx,
     (const unsigned char *)w->p + (size_t)col * in * dtype_size(w->dtype), w->dtype, in, 1.0f,
     a->rows, cols, a->lin->in);
    for (int j = 0; j < a->lin->nlora; j++) {
        const struct klora *lora = &a->lin->lora[j];
        size_t rank = (size_t)lora->rank;
        if (col >= lora->col && col < lora->col + lora->cols)
            V(gemm_few)
        (y, a->ldy, y, a->ldy, a->h + at, a->ldh,
         a->params + lora->b + (size_t)(col - lora->col) * rank, DT_F32, rank, lora->scale, a->rows,
         cols, lora->rank);
        at += lora->rank;
    }
}

static void y_many(const struct args *a, float *y, const float *from, size_t ld_from,
                   const struct y_place *at, int workers, float *wt)
{
    const struct kweight *w = a->lin->w;
    int in = a->lin->in, piece = gemm_piece(in);
    float *bt = wt + GEMM_DEEP * GEMM_COLS;
    for (int p = 0; p < in; p += piece) {
        struct gemm_term t[1 + KLORA_MAX] = {{a->x + (size_t)at->row * a->ldx + p, a->ldx, 1, wt,
                                              GEMM_COLS, gemm_min(piece, in - p)}};
        size_t element = (size_t)at->col * (size_t)in + (size_t)p;
        const unsigned char *rows = (const unsigned char *)w->p + element * dtype_size(w->dtype);
        int terms = 1;
        V(gemm_lay_t)(wt, GEMM_COLS, rows, w->dtype, (size_t)in, at->cols, t[0].depth);
        if (p + piece >= in)
            terms += low_rank_terms(a, t + 1, bt, at->row, at->col, at->cols);
        struct gemm_ahead next = ahead(a, at->tile, workers, at->col, at->cols, p);
        V(gemm_ahead)(y, a->ldy, from, ld_from, t, terms, at->rows, at->cols, &next);
        from = y;
        ld_from = a->ldy;
    }
}

static void y_tile(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    struct y_place at = {.tile = tile, .row = tile % a->chunks * LORA_CHUNK};
    at.rows = gemm_min(a->rows - at.row, LORA_CHUNK);
    columns(a, tile / a->chunks, &at.col, &at.cols);
    float *y = a->y + (size_t)at.row * a->ldy + at.col;
    const float *from = a->bias ? a->bias + at.col : NULL;
    size_t ld_from = 0;
    if (a->res) {
        from = a->res + (size_t)at.row * a->ldres + at.col;
        ld_from = a->ldres;
    }
    if (a->res && a->bias) {
        begin_with_both(a, y, at.row, at.col, at.rows, at.cols);
        from = y;
        ld_from = a->ldy;
    }
    if (a->few)
        y_few(a, y, from, ld_from, at.col, at.cols);
    else
        y_many(a, y, from, ld_from, &at, cpu_workers(k), cpu_worker_scratch(k, worker));
}

lora_linear_fwd_fn V(lora_linear_fwd);
void V(lora_linear_fwd)(kern *k, struct kref y, struct kref h, struct kref x, struct kref res,
                        struct kref params, const struct klinear *lin, int rows,
                        const struct kdropout *drop)
{
    if (!kern_ok(k) || !lora_room(k, lin, "lora_linear_fwd"))
        return;
    struct args a = {.y = cpu_f32(y), .x = cpu_f32(x), .lin = lin, .drop = drop, .rows = rows};
    size_t mark = cpu_scratch_mark(k);
    a.ldy = (size_t)y.ld;
    a.ldx = (size_t)x.ld;
    a.ldh = (size_t)h.ld;
    a.ldres = (size_t)res.ld;
    a.res = res.buf ? cpu_f32(res) : NULL;
    a.bias = lin->bias.buf ? cpu_f32(lin->bias) : NULL;
    a.rank = klinear_rank(lin);
    a.few = rows <= GEMM_FEW;
    cut(&a);
    if (lin->nlora > 0) {
        a.h = cpu_f32(h);
        a.params = cpu_f32(params);
        if (!a.few) {
            size_t bytes = (size_t)lin->in * (size_t)a.rank * sizeof(float);
            a.at = cpu_scratch(k, bytes, "lora_linear_fwd");
            if (a.at)
                lay_a(&a);
        }
        if (kern_ok(k))
            cpu_run(k, h_tile, &a, lora_tiles(rows, LORA_ROWS));
    }
    if (kern_ok(k))
        cpu_run(k, y_tile, &a, a.tiles * a.chunks);
    cpu_scratch_release(k, mark);
}

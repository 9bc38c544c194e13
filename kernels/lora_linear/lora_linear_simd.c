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
    /* Columns are cut where an adapter begins or ends, so that a tile has the same ones everywhere:
     * stretch i is [edge[i], edge[i + 1]), its tiles are counted from first[i]. */
    int stretches, edge[EDGES], first[EDGES];
    int chunks, tiles; /* chunks of rows; tiles of columns */
};

/* ---- the cut ----------------------------------------------------------------------------------- */

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

/* ---- H = X A^T --------------------------------------------------------------------------------- */

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

static void h_tile(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    int row = tile * LORA_ROWS, rows = gemm_min(a->rows - row, LORA_ROWS);
    if (kdropout_on(a->drop))
        h_dropped(a, row, rows, cpu_worker_scratch(k, worker));
    else
        h_plain(a, row, rows);
}

/* ---- Y = X W^T + s H B^T + bias + res ---------------------------------------------------------- */

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

/* The block of W that this worker lays down next: the next piece of these columns, or else the first
 * one of the tile that it is likely to take. */
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

static void y_tile(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    const struct kweight *w = a->lin->w;
    int in = a->lin->in, piece = gemm_piece(in), row = tile % a->chunks * LORA_CHUNK, col, cols;
    int rows = gemm_min(a->rows - row, LORA_CHUNK);
    float *wt = cpu_worker_scratch(k, worker), *bt = wt + GEMM_DEEP * GEMM_COLS;
    columns(a, tile / a->chunks, &col, &cols);
    float *y = a->y + (size_t)row * a->ldy + col;
    const float *from = a->bias ? a->bias + col : NULL;
    size_t ld_from = 0;
    if (a->res) {
        from = a->res + (size_t)row * a->ldres + col;
        ld_from = a->ldres;
    }
    if (a->res && a->bias) {
        begin_with_both(a, y, row, col, rows, cols);
        from = y;
        ld_from = a->ldy;
    }
    for (int p = 0; p < in; p += piece) {
        struct gemm_term t[1 + KLORA_MAX] = {
            {a->x + (size_t)row * a->ldx + p, a->ldx, 1, wt, GEMM_COLS, gemm_min(piece, in - p)}};
        size_t at = (size_t)col * (size_t)in + (size_t)p;
        int terms = 1;
        V(gemm_lay_t)
        (wt, GEMM_COLS, (const unsigned char *)w->p + at * dtype_size(w->dtype), w->dtype,
         (size_t)in, cols, t[0].depth);
        if (p + piece >= in)
            terms += low_rank_terms(a, t + 1, bt, row, col, cols);
        struct gemm_ahead next = ahead(a, tile, cpu_workers(k), col, cols, p);
        V(gemm_ahead)(y, a->ldy, from, ld_from, t, terms, rows, cols, &next);
        from = y;
        ld_from = a->ldy;
    }
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
    cut(&a);
    if (lin->nlora > 0) {
        a.h = cpu_f32(h);
        a.params = cpu_f32(params);
        a.at = cpu_scratch(k, (size_t)lin->in * (size_t)a.rank * sizeof(float), "lora_linear_fwd");
        if (a.at) {
            lay_a(&a);
            cpu_run(k, h_tile, &a, lora_tiles(rows, LORA_ROWS));
        }
    }
    if (kern_ok(k))
        cpu_run(k, y_tile, &a, a.tiles * a.chunks);
    cpu_scratch_release(k, mark);
}

#include "kernels/lora_linear/lora_tiles.h"

/* Rows of x or dy that one product of dA or dB sums over: they stay in L2 while the rows of G^T or
 * H^T pass by. */
enum { SUM_ROWS = 256 };

struct args {
    float *dx, *grads, *g; /* g [rows, rank]: s dY B */
    const float *dy, *x, *h, *params;
    size_t lddx, lddy, ldx, ldh;
    const struct klinear *lin;
    const struct kdropout *drop;
    int rows, rank;
    enum kwrite mode;
    int chunks;                       /* of rows */
    int dx_tiles, da_tiles, db_tiles; /* db_tiles: of one adapter at most */
};

/* ---- G = s dY B ---------------------------------------------------------------------------- */

static void g_tile(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    int row = tile * LORA_ROWS, rows = gemm_min(a->rows - row, LORA_ROWS);
    size_t ldg = (size_t)a->rank;
    float *g = a->g + (size_t)row * ldg;
    (void)k, (void)worker;
    for (int j = 0; j < a->lin->nlora; j++) {
        const struct klora *lora = &a->lin->lora[j];
        size_t rank = (size_t)lora->rank;
        int piece = gemm_piece(lora->cols);
        for (int p = 0; p < lora->cols; p += piece) {
            struct gemm_term t = {a->dy + (size_t)row * a->lddy + lora->col + p,
                                  a->lddy,
                                  1,
                                  a->params + lora->b + (size_t)p * rank,
                                  rank,
                                  gemm_min(piece, lora->cols - p)};
            V(gemm)(g, ldg, p ? g : NULL, ldg, &t, 1, rows, lora->rank);
        }
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < lora->rank; c++)
                g[(size_t)r * ldg + (size_t)c] *= lora->scale;
        }
        g += rank;
    }
}

/* ---- dX = dY W + G A ----------------------------------------------------------------------- */

static int low_rank_terms(const struct args *a, struct gemm_term *term, int row, int col)
{
    int at = 0;
    for (int j = 0; j < a->lin->nlora; j++) {
        const struct klora *lora = &a->lin->lora[j];
        term[j] = (struct gemm_term){a->g + (size_t)row * (size_t)a->rank + at,
                                     (size_t)a->rank,
                                     1,
                                     a->params + lora->a + col,
                                     (size_t)a->lin->in,
                                     lora->rank};
        at += lora->rank;
    }
    return a->lin->nlora;
}

/* dx += sum_j dropout_j(G_j A_j), made in `made` [rows, GEMM_COLS] first. */
static void add_dropped(const struct args *a, float *dx, float *made, int row, int col, int rows,
                        int cols)
{
    struct gemm_term term[KLORA_MAX];
    int terms = low_rank_terms(a, term, row, col);
    for (int j = 0; j < terms; j++) {
        V(gemm)(made, GEMM_COLS, NULL, 0, &term[j], 1, rows, cols);
        lora_drop(made, GEMM_COLS, made, GEMM_COLS, a->drop, a->lin->lora[j].id, a->lin->in, row,
                  col, rows, cols);
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < cols; c++)
                dx[(size_t)r * a->lddx + (size_t)c] += made[r * GEMM_COLS + c];
        }
    }
}

/* The block of W that this worker lays down next: see lora_linear_simd.c. */
static struct gemm_ahead ahead(const struct args *a, int tile, int workers, int p)
{
    const struct kweight *w = a->lin->w;
    int out = a->lin->out, in = a->lin->in, piece = gemm_piece(out);
    size_t size = dtype_size(w->dtype);
    p += piece;
    if (p >= out) {
        p = 0;
        tile += workers;
        if (tile >= a->dx_tiles)
            return (struct gemm_ahead){0};
    }
    int col = tile / a->chunks * GEMM_COLS;
    return (struct gemm_ahead){(const char *)w->p + ((size_t)p * (size_t)in + (size_t)col) * size,
                               (size_t)in * size, (size_t)gemm_min(in - col, GEMM_COLS) * size,
                               gemm_min(piece, out - p)};
}

static void dx_tile(const struct args *a, int tile, int workers, float *wt)
{
    const struct kweight *w = a->lin->w;
    int out = a->lin->out, piece = gemm_piece(out), row = tile % a->chunks * LORA_CHUNK;
    int rows = gemm_min(a->rows - row, LORA_CHUNK), col = tile / a->chunks * GEMM_COLS;
    int cols = gemm_min(a->lin->in - col, GEMM_COLS);
    float *dx = a->dx + (size_t)row * a->lddx + col;
    bool dropped = kdropout_on(a->drop);
    for (int p = 0; p < out; p += piece) {
        struct gemm_term t[1 + KLORA_MAX] = {{a->dy + (size_t)row * a->lddy + p, a->lddy, 1, wt,
                                              GEMM_COLS, gemm_min(piece, out - p)}};
        size_t at = (size_t)p * (size_t)a->lin->in + (size_t)col;
        int terms = 1;
        V(gemm_lay)
        (wt, GEMM_COLS, (const unsigned char *)w->p + at * dtype_size(w->dtype), w->dtype,
         (size_t)a->lin->in, t[0].depth, cols);
        if (p + piece >= out && !dropped)
            terms += low_rank_terms(a, t + 1, row, col);
        struct gemm_ahead next = ahead(a, tile, workers, p);
        V(gemm_ahead)
        (dx, a->lddx, p > 0 || a->mode == K_ADD ? dx : NULL, a->lddx, t, terms, rows, cols, &next);
    }
    if (dropped)
        add_dropped(a, dx, wt, row, col, rows, cols);
}

/* ---- dA += G^T X, dB += s dY^T H ----------------------------------------------------------- */

static void da_tile(const struct args *a, int tile, float *dropped)
{
    int in = a->lin->in, col = tile * GEMM_COLS, cols = gemm_min(in - col, GEMM_COLS);
    bool drop = kdropout_on(a->drop);
    for (int r = 0; r < a->rows; r += SUM_ROWS) {
        const float *x = a->x + (size_t)r * a->ldx + col, *g = a->g + (size_t)r * (size_t)a->rank;
        int depth = gemm_min(SUM_ROWS, a->rows - r);
        for (int j = 0; j < a->lin->nlora; j++) {
            const struct klora *lora = &a->lin->lora[j];
            float *da = a->grads + lora->a + col;
            struct gemm_term t = {g, 1, (size_t)a->rank, x, a->ldx, depth};
            if (drop) {
                lora_drop(dropped, GEMM_COLS, x, a->ldx, a->drop, lora->id, in, r, col, depth,
                          cols);
                t.b = dropped;
                t.ld = GEMM_COLS;
            }
            V(gemm)(da, (size_t)in, da, (size_t)in, &t, 1, lora->rank, cols);
            g += lora->rank;
        }
    }
}

/* dB^T is made in bt [rank, GEMM_COLS], because its columns lie side by side in dY, then turned. */
static void db_tile(const struct args *a, int j, int tile, float *bt)
{
    const struct klora *lora = &a->lin->lora[j];
    size_t rank = (size_t)lora->rank;
    int col = tile * GEMM_COLS, cols = gemm_min(lora->cols - col, GEMM_COLS), at = 0;
    if (cols <= 0)
        return;
    for (int i = 0; i < j; i++)
        at += a->lin->lora[i].rank;
    for (int r = 0; r < a->rows; r += SUM_ROWS) {
        struct gemm_term t = {a->h + (size_t)r * a->ldh + at,
                              1,
                              a->ldh,
                              a->dy + (size_t)r * a->lddy + lora->col + col,
                              a->lddy,
                              gemm_min(SUM_ROWS, a->rows - r)};
        V(gemm)(bt, GEMM_COLS, r ? bt : NULL, GEMM_COLS, &t, 1, lora->rank, cols);
    }
    float *turned = bt + rank * GEMM_COLS, *db = a->grads + lora->b + (size_t)col * rank;
    V(gemm_lay_t)(turned, rank, bt, DT_F32, GEMM_COLS, lora->rank, cols);
    for (size_t i = 0; i < (size_t)cols * rank; i++)
        db[i] += lora->scale * turned[i];
}

static void tile_of_any(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    float *scratch = cpu_worker_scratch(k, worker);
    if (tile < a->dx_tiles) {
        dx_tile(a, tile, cpu_workers(k), scratch);
        return;
    }
    tile -= a->dx_tiles;
    if (tile < a->da_tiles)
        da_tile(a, tile, scratch);
    else
        db_tile(a, (tile - a->da_tiles) / a->db_tiles, (tile - a->da_tiles) % a->db_tiles, scratch);
}

static void count_tiles(struct args *a)
{
    int widest = 0;
    a->chunks = lora_tiles(a->rows, LORA_CHUNK);
    a->dx_tiles = a->dx ? lora_tiles(a->lin->in, GEMM_COLS) * a->chunks : 0;
    a->da_tiles = a->lin->nlora > 0 ? lora_tiles(a->lin->in, GEMM_COLS) : 0;
    for (int j = 0; j < a->lin->nlora; j++)
        widest = a->lin->lora[j].cols > widest ? a->lin->lora[j].cols : widest;
    a->db_tiles = lora_tiles(widest, GEMM_COLS);
}

lora_linear_bwd_fn V(lora_linear_bwd);
void V(lora_linear_bwd)(kern *k, struct kref dx, struct kref grads, struct kref dy, struct kref x,
                        struct kref h, struct kref params, const struct klinear *lin, int rows,
                        const struct kdropout *drop, enum kwrite mode)
{
    if (!kern_ok(k) || !lora_room(k, lin, "lora_linear_bwd"))
        return;
    struct args a = {.dy = cpu_f32(dy), .x = cpu_f32(x), .lin = lin, .drop = drop, .rows = rows};
    size_t mark = cpu_scratch_mark(k);
    a.mode = mode;
    a.dx = dx.buf ? cpu_f32(dx) : NULL;
    a.lddx = (size_t)dx.ld;
    a.lddy = (size_t)dy.ld;
    a.ldx = (size_t)x.ld;
    a.ldh = (size_t)h.ld;
    a.rank = klinear_rank(lin);
    count_tiles(&a);
    if (lin->nlora > 0) {
        a.h = cpu_f32(h);
        a.params = cpu_f32(params);
        a.grads = cpu_f32(grads);
        a.g = cpu_scratch(k, (size_t)rows * (size_t)a.rank * sizeof(float), "lora_linear_bwd");
        if (a.g)
            cpu_run(k, g_tile, &a, lora_tiles(rows, LORA_ROWS));
    }
    if (kern_ok(k))
        cpu_run(k, tile_of_any, &a, a.dx_tiles + a.da_tiles + a.lin->nlora * a.db_tiles);
    cpu_scratch_release(k, mark);
}

#include "kernels/gemm/gemm_ocl.h"

#include <stdio.h>
#include <string.h>

static const char text[] = {
#include "kernels/gemm/gemm.cl.h"
};
static const char few_text[] = {
#include "kernels/gemm/gemm_few.cl.h"
};

/* gemm.cl and gemm_few.cl have the same structs (the first is an int4 on the way) and flags. */
struct gemm_dims {
    cl_int rows, cols, depth, flags;
};
struct gemm_lora {
    cl_long at[KLORA_MAX];
    cl_int rank[KLORA_MAX], col[KLORA_MAX], cols[KLORA_MAX];
    cl_float scale[KLORA_MAX];
    cl_int count, in;
};
_Static_assert(KLORA_MAX == 4, "gemm.cl and lora_linear.cl say ADAPTERS 4");
struct gemm_down {
    cl_long at[KLORA_MAX];
    cl_int col[KLORA_MAX];
};
enum {
    HAS_BIAS = 1,
    HAS_RES = 2,
    GATHER = 4,
    SCATTER = 8,
    ALIGNED_A = 16,
    ALIGNED_C = 32,
    ALIGNED_P = 64
};

/* ---- tiles --------------------------------------------------------------------------------------- */

/* What a device can hold: groups of 256 items and 40 KiB of local memory; of 64 items and 20 KiB; or it
 * is a CPU, where one item a group is best. */
enum { WIDE, NARROW, SINGLE, CLASSES };
enum { WIDEST, LARGE, MEDIUM, SMALL, TILES };

/* The names are those of gemm.cl's macros; pace: how much of a compute unit's rate it reaches. */
struct tile {
    int lm, ln, wm, wn, gm, gn, ks, bk;
    float pace;
};
static const struct tile tiles[CLASSES][TILES] = {
    [WIDE] = {{4, 8, 4, 2, 4, 2, 1, 8, 1.15f},
              {4, 8, 4, 2, 2, 2, 1, 16, 1.0f},
              {4, 8, 2, 1, 2, 2, 4, 32, 0.7f},
              {4, 8, 1, 1, 1, 1, 8, 64, 0.3f}},
    [NARROW] =
        {[MEDIUM] = {4, 8, 2, 1, 2, 2, 1, 16, 1.0f}, [SMALL] = {4, 8, 2, 1, 1, 1, 1, 32, 0.5f}},
    [SINGLE] = {[SMALL] = {1, 1, 1, 1, 2, 4, 1, 32, 1.0f}},
};
static const char *const tile_names[TILES] = {"widest", "large", "medium", "small"};

static int class_of(const kern *k)
{
    const struct ocl_device *d = ocl_device(k);
    if (ocl_is_cpu(d) || d->group_max < 64)
        return SINGLE;
    return d->group_max >= 256 && d->local_size >= 40 << 10 ? WIDE : NARROW;
}

static bool needed(const struct kern_specs *s)
{
    return s->width > 0 || s->vocab > 0;
}

/* Of W: its kernels are built for these alone. */
static unsigned types(const struct kern_specs *s)
{
    return s->dtypes ? s->dtypes : 1u << DT_F32 | 1u << DT_F16 | 1u << DT_BF16;
}

static bool tile_options(const kern *k, const struct kern_specs *s, int tile, char *out,
                         size_t size)
{
    const struct tile *t = &tiles[class_of(k)][tile];
    if (!needed(s) || t->bk == 0)
        return false;
    snprintf(out, size,
             "-DTILE=%s -DLM=%d -DLN=%d -DWM=%d -DWN=%d -DGM=%d -DGN=%d -DKS=%d -DBK=%d -DTYPES=%u",
             tile_names[tile], t->lm, t->ln, t->wm, t->wn, t->gm, t->gn, t->ks, t->bk, types(s));
    return true;
}

static bool widest_options(const kern *k, const struct kern_specs *s, char *out, size_t size)
{
    return tile_options(k, s, WIDEST, out, size);
}

static bool large_options(const kern *k, const struct kern_specs *s, char *out, size_t size)
{
    return tile_options(k, s, LARGE, out, size);
}

static bool medium_options(const kern *k, const struct kern_specs *s, char *out, size_t size)
{
    return tile_options(k, s, MEDIUM, out, size);
}

static bool small_options(const kern *k, const struct kern_specs *s, char *out, size_t size)
{
    return tile_options(k, s, SMALL, out, size);
}

/* gemm_few.cl: groups of 256 items, for few rows of A, or of W and not very many of A. On a CPU a tile
 * serves them as well. */
enum {
    FEW_ROWS = 8,
    FEW_COLS = 64,
    FEW_COLS_ROWS = 1024,
    FEW_LINE = 32,
    FEW_LINES = 8,
    FEW_WIDE = 4,             /* rows of W of a line, if that still gives every unit a group */
    FEW_RANK = 2 * FEW_LINES, /* components of H that it can make */
};
static const float few_pace = 0.4f;
/* Up to so many products, H's share of them is less than the launch that would make it. */
static const double passing_most = 1.5e8;

static bool few_options(const kern *k, const struct kern_specs *s, char *out, size_t size)
{
    if (!needed(s) || class_of(k) != WIDE)
        return false;
    snprintf(out, size, "-DLINE=%d -DLINES=%d -DTYPES=%u", FEW_LINE, FEW_LINES, types(s));
    return true;
}

const struct ocl_source ocl_source_gemm_widest = {"kernels/gemm/gemm.cl", text, widest_options,
                                                  NULL};
const struct ocl_source ocl_source_gemm_large = {"kernels/gemm/gemm.cl", text, large_options, NULL};
const struct ocl_source ocl_source_gemm_medium = {"kernels/gemm/gemm.cl", text, medium_options,
                                                  NULL};
const struct ocl_source ocl_source_gemm_small = {"kernels/gemm/gemm.cl", text, small_options, NULL};
const struct ocl_source ocl_source_gemm_few = {"kernels/gemm/gemm_few.cl", few_text, few_options,
                                               NULL};

static size_t tiles_of(int n, int tile)
{
    return ((size_t)n + (size_t)tile - 1) / (size_t)tile;
}

static int tile_rows(const struct tile *t)
{
    return 4 * t->lm * t->gm * t->wm;
}

static int tile_cols(const struct tile *t)
{
    return 4 * t->ln * t->gn * t->wn;
}

/* How long it takes, if every compute unit does one tile at a time. */
static double time_of(const kern *k, int rows, int cols, int high, int wide, float pace)
{
    size_t units = (size_t)ocl_device(k)->units;
    size_t n = tiles_of(rows, high) * tiles_of(cols, wide);
    return (double)((n + units - 1) / units) * high * wide / (double)pace;
}

static double tile_time(const kern *k, int rows, int cols, const struct tile *t)
{
    return time_of(k, rows, cols, tile_rows(t), tile_cols(t), t->pace);
}

/* The tile that is done first. */
static int pick(const kern *k, int rows, int cols)
{
    const struct tile *of = tiles[class_of(k)];
    int best = SMALL;
    for (int i = 0; i < TILES; i++) {
        if (of[i].bk != 0 && tile_time(k, rows, cols, &of[i]) < tile_time(k, rows, cols, &of[best]))
            best = i;
    }
    return best;
}

static bool takes_few(const kern *k, enum gemm_side side, int rows, int cols)
{
    if (side != GEMM_NT || class_of(k) != WIDE)
        return false;
    if (rows <= FEW_ROWS || (cols <= FEW_COLS && rows <= FEW_COLS_ROWS))
        return true;
    return time_of(k, rows, cols, FEW_ROWS, FEW_LINES * FEW_WIDE, few_pace) <
           tile_time(k, rows, cols, &tiles[WIDE][pick(k, rows, cols)]);
}

const char *gemm_ocl_tile(const kern *k, enum gemm_side side, int rows, int cols)
{
    return takes_few(k, side, rows, cols) ? NULL : tile_names[pick(k, rows, cols)];
}

/* ---- calls --------------------------------------------------------------------------------------- */

static bool aligned(struct kref m)
{
    return m.at % 4 == 0 && m.ld % 4 == 0;
}

static struct gemm_dims dims_of(const struct gemm_ocl *g)
{
    bool nt = g->side == GEMM_NT;
    struct gemm_dims d = {.rows = g->rows,
                          .cols = nt ? g->w->rows : g->w->cols,
                          .depth = nt ? g->w->cols : g->w->rows};
    d.flags = (g->bias.buf ? HAS_BIAS : 0) | (g->res.buf ? HAS_RES : 0) | (g->gather ? GATHER : 0) |
              (g->scatter ? SCATTER : 0) | (aligned(g->a) ? ALIGNED_A : 0) |
              (aligned(g->c) && (!g->res.buf || aligned(g->res)) ? ALIGNED_C : 0);
    return d;
}

static struct gemm_lora lora_of(const struct gemm_ocl *g)
{
    struct gemm_lora l = {.count = 0};
    bool nt = g->side == GEMM_NT;
    if (!g->lin)
        return l;
    l.count = g->lin->nlora;
    l.in = g->lin->in;
    for (int j = 0; j < l.count; j++) {
        const struct klora *lora = &g->lin->lora[j];
        l.at[j] = (cl_long)(nt ? lora->b : lora->a);
        l.rank[j] = lora->rank;
        l.col[j] = nt ? lora->col : 0;
        l.cols[j] = nt ? lora->cols : l.in;
        l.scale[j] = lora->scale;
    }
    return l;
}

static const char *dtype_of(const struct kweight *w)
{
    return w->dtype == DT_F32 ? "f32" : w->dtype == DT_F16 ? "f16" : "bf16";
}

/* Rows of W of a line. */
static int few_wide(const kern *k, int rows, int cols)
{
    size_t groups = tiles_of(cols, FEW_LINES * FEW_WIDE) * tiles_of(rows, FEW_ROWS);
    return rows > 1 && groups >= (size_t)ocl_device(k)->units ? FEW_WIDE : 1;
}

bool gemm_ocl_makes_h(const kern *k, const struct gemm_ocl *g)
{
    struct gemm_dims d = dims_of(g);
    int step = FEW_LINES * few_wide(k, d.rows, d.cols);
    if (!takes_few(k, g->side, d.rows, d.cols) || g->gather || g->scatter ||
        (double)d.rows * d.cols * d.depth > passing_most)
        return false;
    for (int j = 0; j < g->lin->nlora; j++) { /* a group's columns are one adapter's, or none's */
        const struct klora *l = &g->lin->lora[j];
        int end = l->col + l->cols;
        if (l->rank > FEW_RANK || l->col % step != 0 || (end % step != 0 && end != d.cols))
            return false;
    }
    return true;
}

static struct gemm_down down_of(const struct gemm_ocl *g)
{
    struct gemm_down d = {{0}, {0}};
    for (int j = 0, col = 0; g->lin && j < g->lin->nlora; j++) {
        d.at[j] = (cl_long)g->lin->lora[j].a;
        d.col[j] = col;
        col += g->lin->lora[j].rank;
    }
    return d;
}

static bool aligned_down(const struct gemm_ocl *g)
{
    bool all = g->params.at % 4 == 0 && g->lin && g->lin->in % 4 == 0;
    for (int j = 0; all && j < g->lin->nlora; j++)
        all = g->lin->lora[j].a % 4 == 0;
    return all;
}

/* Components of H that each line makes. */
static int lows_of(const struct gemm_ocl *g)
{
    int rank = 0;
    for (int j = 0; j < g->lin->nlora; j++)
        rank = g->lin->lora[j].rank > rank ? g->lin->lora[j].rank : rank;
    return (rank + FEW_LINES - 1) / FEW_LINES;
}

static const char *const made[] = {"", "1", "2"};

bool gemm_ocl_down(kern *k, const struct gemm_ocl *g)
{
    struct gemm_dims d = dims_of(g);
    struct gemm_lora lora = lora_of(g);
    struct gemm_down down = down_of(g);
    struct ocl_range range = {{(size_t)lora.count, tiles_of(d.rows, FEW_ROWS), 1},
                              {FEW_LINE, FEW_LINES, 1}};
    char name[32];
    if (class_of(k) != WIDE || lows_of(g) > 2)
        return false;
    d.flags |= aligned_down(g) ? ALIGNED_P : 0;
    snprintf(name, sizeof name, "gemm_down%s", made[lows_of(g)]);
    OCL_RUN(k, name, range, BUF(g->c), BUF(g->a), WGT(g->w), BUF(g->h), VEC(g->params),
            VEC(g->bias), BUF(g->res), ARG(d), ARG(lora), ARG(down));
    return true;
}

static void run_few(kern *k, const struct gemm_ocl *g)
{
    struct gemm_dims d = dims_of(g);
    struct gemm_lora lora = lora_of(g);
    struct gemm_down down = down_of(g);
    int wide = few_wide(k, d.rows, d.cols);
    struct ocl_range range = {{tiles_of(d.cols, FEW_LINES * wide), tiles_of(d.rows, FEW_ROWS), 1},
                              {FEW_LINE, FEW_LINES, 1}};
    char name[32];
    d.flags |= aligned_down(g) ? ALIGNED_P : 0;
    snprintf(name, sizeof name, "gemm_%s%s_%s",
             d.rows == 1 ? "one"
             : wide == 1 ? "few"
                         : "thin",
             g->make_h ? made[lows_of(g)] : "", dtype_of(g->w));
    OCL_RUN(k, name, range, BUF(g->c), BUF(g->a), WGT(g->w), BUF(g->h), VEC(g->params),
            VEC(g->bias), BUF(g->res), ARG(d), ARG(lora), ARG(down));
}

void gemm_ocl(kern *k, const struct gemm_ocl *g)
{
    struct gemm_dims d = dims_of(g);
    struct gemm_lora lora = lora_of(g);
    if (takes_few(k, g->side, d.rows, d.cols) && !g->gather && !g->scatter) {
        run_few(k, g);
        return;
    }
    int i = pick(k, d.rows, d.cols);
    const struct tile *t = &tiles[class_of(k)][i];
    struct ocl_range range = {{tiles_of(d.rows, tile_rows(t)), tiles_of(d.cols, tile_cols(t)), 1},
                              {(size_t)(t->lm * t->ln * t->wm * t->wn * t->ks), 1, 1}};
    char name[48];
    snprintf(name, sizeof name, "gemm_%s_%s_%s", tile_names[i], g->side == GEMM_NT ? "nt" : "nn",
             dtype_of(g->w));
    OCL_RUN(k, name, range, BUF(g->c), BUF(g->a), WGT(g->w), BUF(g->h), VEC(g->params),
            VEC(g->bias), BUF(g->res), VEC(g->index), ARG(d), ARG(lora));
}

/* report.html: what happened in a run, as one page without network: curves are inline SVG. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/console.h"
#include "app/run_impl.h"
#include "data/file.h"

struct series {
    double *x, *y;
    size_t n, cap;
};

static enum status series_add(struct series *s, double x, double y, struct fault *f)
{
    if (!isfinite(x) || !isfinite(y))
        return ST_OK;
    if (s->n == s->cap) {
        size_t cap = s->cap * 2 + 256;
        double *px = realloc(s->x, cap * sizeof *px);
        if (px)
            s->x = px;
        double *py = px ? realloc(s->y, cap * sizeof *py) : NULL;
        if (!py)
            return fault_nomem(f, "a report", 2 * cap * sizeof *py);
        s->y = py;
        s->cap = cap;
    }
    s->x[s->n] = x;
    s->y[s->n++] = y;
    return ST_OK;
}

static void series_free(struct series *s)
{
    free(s->x);
    free(s->y);
}

enum { LOSS, EVAL, LR, NORM, RATE, SERIES };

static enum status read_metrics(struct series all[SERIES], const struct run *r, struct fault *f)
{
    static const char *const keys[SERIES] = {"loss", "eval_loss", "lr", "grad_norm",
                                             "tokens_per_second"};
    struct text path = {0}, bytes = {0};
    enum status s = run_path_of(&path, r, "metrics.jsonl", f);
    if (s == ST_OK)
        s = file_read(&bytes, path.p, SIZE_MAX, f);
    for (size_t at = 0; s == ST_OK && at < bytes.n;) {
        const char *nl = memchr(bytes.p + at, '\n', bytes.n - at);
        size_t n = nl ? (size_t)(nl - bytes.p) - at : bytes.n - at;
        struct json_doc *doc = NULL;
        struct fault ignored = {0};
        if (json_parse(&doc, bytes.p + at, n, path.p, &ignored) == ST_OK)
            for (int k = 0; s == ST_OK && k < SERIES; k++)
                s = series_add(&all[k], json_number(json_get(json_root(doc), "step"), NAN),
                               json_number(json_get(json_root(doc), keys[k]), NAN), f);
        json_close(&doc);
        at += n + 1;
    }
    text_free(&path);
    text_free(&bytes);
    return s;
}

/* ---- drawing --------------------------------------------------------------------------------- */

struct plot {
    double x0, x1, y0, y1; /* data */
    int w, h;              /* pixels inside the margins */
};

enum { LEFT = 56, TOP = 12, BOTTOM = 28, RIGHT = 12 };

static double px(const struct plot *p, double x)
{
    return LEFT + (p->x1 > p->x0 ? (x - p->x0) / (p->x1 - p->x0) : 0.5) * p->w;
}

static double py(const struct plot *p, double y)
{
    return TOP + (p->y1 > p->y0 ? (p->y1 - y) / (p->y1 - p->y0) : 0.5) * p->h;
}

/* 1, 2 or 5 times a power of ten, about a fifth of the span. */
static double tick_step(double span)
{
    double raw = span / 5, ten = pow(10, floor(log10(raw > 0 ? raw : 1)));
    double m = raw / ten;
    return ten * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

static enum status draw_axes(struct text *t, const struct plot *p, struct fault *f)
{
    enum status s = ST_OK;
    double sy = tick_step(p->y1 - p->y0), sx = tick_step(p->x1 - p->x0);
    sx = sx < 1 ? 1 : sx;
    for (double y = ceil(p->y0 / sy) * sy; s == ST_OK && y <= p->y1 + sy * 1e-6; y += sy)
        s = text_addf(t, f,
                      "<line class=g x1=%d x2=%d y1=%.1f y2=%.1f /><text class=y x=%d y=%.1f>%.4g"
                      "</text>\n",
                      LEFT, LEFT + p->w, py(p, y), py(p, y), LEFT - 6, py(p, y) + 4,
                      fabs(y) < sy * 1e-6 ? 0 : y);
    for (double x = ceil(p->x0 / sx) * sx; s == ST_OK && x <= p->x1; x += sx)
        s = text_addf(t, f, "<text class=x x=%.1f y=%d>%.0f</text>\n", px(p, x), TOP + p->h + 18,
                      x);
    return s;
}

/* The curve itself, or (smooth) its exponential mean, thinned to about two points a pixel. */
static enum status draw_line(struct text *t, const struct plot *p, const struct series *d,
                             const char *class, bool smooth, struct fault *f)
{
    double mean = 0, weight = 0;
    size_t every = d->n / (2 * (size_t)p->w) + 1;
    enum status s = text_addf(t, f, "<polyline class=\"%s\" points=\"", class);
    for (size_t i = 0; s == ST_OK && i < d->n; i++) {
        double keep = smooth ? 1 - 1.0 / fmin(20, 1 + (double)d->n / 20) : 0;
        mean = keep * mean + (1 - keep) * d->y[i];
        weight = keep * weight + (1 - keep);
        if (i % every == 0 || i + 1 == d->n)
            s = text_addf(t, f, "%.1f,%.1f ", px(p, d->x[i]), py(p, mean / weight));
    }
    return s == ST_OK ? text_adds(t, "\"/>\n", f) : s;
}

static void span(double *lo, double *hi, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        *lo = v[i] < *lo ? v[i] : *lo;
        *hi = v[i] > *hi ? v[i] : *hi;
    }
}

/* One figure: a main series, drawn raw and smoothed, and dots of a second one (may be empty). */
static enum status draw(struct text *t, const char *title, const struct series *a,
                        const struct series *b, int w, int h, struct fault *f)
{
    struct plot p = {INFINITY, -INFINITY, INFINITY, -INFINITY, w - LEFT - RIGHT, h - TOP - BOTTOM};
    span(&p.x0, &p.x1, a->x, a->n);
    span(&p.y0, &p.y1, a->y, a->n);
    if (b) {
        span(&p.x0, &p.x1, b->x, b->n);
        span(&p.y0, &p.y1, b->y, b->n);
    }
    if (!isfinite(p.x0))
        return ST_OK;
    if (p.y1 - p.y0 < 1e-9 * fabs(p.y1) + 1e-12) {
        double pad = fabs(p.y1) * 0.1 + 1e-6;
        p.y0 -= pad;
        p.y1 += pad;
    }
    enum status s = text_addf(t, f,
                              "<figure><figcaption>%s</figcaption><svg viewBox=\"0 0 %d %d\" "
                              "role=img aria-label=\"%s\">\n",
                              title, w, h, title);
    if (s == ST_OK)
        s = draw_axes(t, &p, f);
    if (s == ST_OK && a->n > 0)
        s = draw_line(t, &p, a, b ? "raw" : "line", false, f);
    if (s == ST_OK && a->n > 0 && b)
        s = draw_line(t, &p, a, "line", true, f);
    if (s == ST_OK && b && b->n > 0)
        s = draw_line(t, &p, b, "eval", false, f);
    for (size_t i = 0; s == ST_OK && b && i < b->n; i++)
        s = text_addf(t, f,
                      "<circle class=eval cx=%.1f cy=%.1f r=3.5><title>step %.0f: %.4f"
                      "</title></circle>\n",
                      px(&p, b->x[i]), py(&p, b->y[i]), b->x[i], b->y[i]);
    return s == ST_OK ? text_adds(t, "</svg></figure>\n", f) : s;
}

/* ---- the page -------------------------------------------------------------------------------- */

static const char head[] =
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
    "content=\"width=device-width\"><title>wick run</title><style>\n"
    ":root{color-scheme:light dark;--ink:#1d1d1f;--dim:#6e6e73;--grid:#e3e3e6;--a:#0a66c2;"
    "--b:#d9480f;--bg:#fff}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#f2f2f3;--dim:#9a9aa0;--grid:#333338;"
    "--a:#6cb2ff;--b:#ff9e64;--bg:#18181b}}\n"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--bg);max-width:60rem;"
    "margin:2rem auto;padding:0 1rem}\n"
    "h1{font-size:1.3rem;margin:0 0 1rem}table{border-collapse:collapse;margin:1rem 0}"
    "td{padding:.15rem 1.5rem .15rem 0;vertical-align:top}td:first-child{color:var(--dim)}\n"
    "figure{margin:1.2rem 0}figcaption{font-weight:600}svg{width:100%;height:auto}"
    ".small{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:0 1rem}\n"
    "text{font-size:11px;fill:var(--dim)}.y{text-anchor:end}.x{text-anchor:middle}"
    ".g{stroke:var(--grid)}polyline{fill:none;stroke-width:1.8;stroke-linejoin:round}"
    ".line{stroke:var(--a)}.raw{stroke:var(--a);opacity:.25}polyline.eval{stroke:var(--b)}"
    "circle.eval{fill:var(--b)}.key b{color:var(--a)}.key i{color:var(--b);font-style:normal;"
    "font-weight:600}\n</style>\n";

static enum status row(struct text *t, const char *name, const char *value, struct fault *f)
{
    enum status s = text_addf(t, f, "<tr><td>%s<td>", name);
    for (const char *p = value; s == ST_OK && *p; p++)
        s = *p == '<'   ? text_adds(t, "&lt;", f)
            : *p == '&' ? text_adds(t, "&amp;", f)
                        : text_add(t, p, 1, f);
    return s == ST_OK ? text_adds(t, "\n", f) : s;
}

static enum status table(struct text *t, const struct train *tr, const struct series *all,
                         struct fault *f)
{
    const struct train_settings *c = &tr->set;
    const struct kern_info *info = kern_info(tr->session.k);
    char v[512], b[32];
    enum status s = text_adds(t, "<table>\n", f);
    snprintf(v, sizeof v, "%s (%s)", base_source(tr->session.base), tr->session.config.family);
    if (s == ST_OK)
        s = row(t, "model", v, f);
    snprintf(v, sizeof v, "%s: %zu %s rows", tr->train_path.p, dataset_rows(tr->data),
             dataset_kind(tr->data));
    if (s == ST_OK)
        s = row(t, "data", v, f);
    snprintf(v, sizeof v, "rank %lld, scale %g, %s, %zu numbers in %d matrices", (long long)c->rank,
             adapters_scale(tr->session.adapters), c->target_modules,
             adapters_values(tr->session.adapters), adapters_count(tr->session.adapters));
    if (s == ST_OK)
        s = row(t, "adapter", v, f);
    snprintf(v, sizeof v, "%lld steps of %lld × %lld rows, %s from %g, weight decay %g, clip %g",
             (long long)tr->steps, (long long)c->batch_size, (long long)c->accumulate,
             c->lr_schedule, c->learning_rate, c->weight_decay, c->max_grad_norm);
    if (s == ST_OK)
        s = row(t, "training", v, f);
    snprintf(v, sizeof v, "%s (%s), %d threads, peak memory %s", info->name, info->tier,
             info->threads, console_bytes(b, console_peak_memory()));
    if (s == ST_OK)
        s = row(t, "machine", v, f);
    if (s == ST_OK && all[EVAL].n > 0) {
        const struct series *e = &all[EVAL];
        snprintf(v, sizeof v, "loss %.4f → %.4f, perplexity %.3f → %.3f", e->y[0], e->y[e->n - 1],
                 exp(e->y[0]), exp(e->y[e->n - 1]));
        s = row(t, "validation, first → last", v, f);
    }
    return s == ST_OK ? text_adds(t, "</table>\n", f) : s;
}

static enum status page(struct text *t, const struct train *tr, const struct series *all,
                        struct fault *f)
{
    enum status s = text_adds(t, head, f);
    if (s == ST_OK)
        s = text_adds(t, "<h1>wick: a training run</h1>\n", f);
    if (s == ST_OK)
        s = table(t, tr, all, f);
    if (s == ST_OK)
        s = text_adds(t,
                      "<p class=key><b>training loss</b> by step (pale: each report; full: "
                      "smoothed)",
                      f);
    if (s == ST_OK && all[EVAL].n > 0)
        s = text_adds(t, ", <i>validation loss</i>", f);
    if (s == ST_OK)
        s = draw(t, "loss", &all[LOSS], &all[EVAL], 900, 380, f);
    if (s == ST_OK)
        s = text_adds(t, "<div class=small>", f);
    if (s == ST_OK)
        s = draw(t, "learning rate", &all[LR], NULL, 320, 200, f);
    if (s == ST_OK)
        s = draw(t, "gradient norm", &all[NORM], NULL, 320, 200, f);
    if (s == ST_OK)
        s = draw(t, "tokens per second", &all[RATE], NULL, 320, 200, f);
    return s == ST_OK ? text_adds(t, "</div>\n", f) : s;
}

enum status run_report(struct run *r, const struct train *tr, struct fault *f)
{
    struct series all[SERIES] = {0};
    struct text path = {0}, bytes = {0};
    enum status s = read_metrics(all, r, f);
    if (s == ST_OK)
        s = page(&bytes, tr, all, f);
    if (s == ST_OK)
        s = run_path_of(&path, r, "report.html", f);
    if (s == ST_OK)
        s = file_write(path.p, bytes.p, bytes.n, f);
    for (int i = 0; i < SERIES; i++)
        series_free(&all[i]);
    text_free(&path);
    text_free(&bytes);
    return s;
}

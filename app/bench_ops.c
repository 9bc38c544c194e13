#include "app/bench_ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/bench_open.h"
#include "app/console.h"
#include "data/file.h"
#include "kernels/bench/bench.h"

enum { RESULTS = 128 };

struct results {
    const struct bench_ops *o;
    kern *k;
    bool timed; /* open */
    struct bench_open open;
    int count;
    struct kern_bench_result r[RESULTS];
};

static double ratio(const struct kern_bench_result *r)
{
    return r->rival_time.median / r->time.median;
}

/* Largest over least: how much the batches differed. */
static double spread(const struct kern_bench_time *t)
{
    return 100 * (t->most - t->least) / t->median;
}

/* ---- the table ----------------------------------------------------------------------------------- */

static void print_device(const struct results *all)
{
    const struct kern_info *info = kern_info(all->k);
    printf("%s (%s), weights %s\n", info->name, info->tier, all->o->dtype);
    if (all->timed)
        printf("open                  cold %.2f s, warm %.2f s\n", all->open.cold, all->open.warm);
}

static void print_result(const struct kern_bench_result *r)
{
    if (r->skipped) {
        printf("%-21s %-28s    skipped: too long a call\n", r->op, r->shape);
        return;
    }
    printf("%-21s %-28s %10.1f us %4.0f%% %8.1f GB/s %9.1f GFLOP/s", r->op, r->shape,
           r->time.median * 1e6, spread(&r->time), r->bytes / r->time.median * 1e-9,
           r->flops / r->time.median * 1e-9);
    if (r->rival)
        printf("  %s %.1f us: %.2fx%s", r->rival, r->rival_time.median * 1e6, ratio(r),
               ratio(r) < 1 ? " (slower)" : "");
    printf("\n");
}

static void collect(void *ctx, const struct kern_bench_result *r)
{
    struct results *all = ctx;
    if (all->count == 0 && !all->o->common->json)
        print_device(all);
    if (all->count < RESULTS)
        all->r[all->count++] = *r;
    if (!all->o->common->json) {
        print_result(r);
        fflush(stdout);
    }
}

/* ---- JSON ---------------------------------------------------------------------------------------- */

static void add_result(struct json *list, const struct kern_bench_result *r)
{
    struct json *o = json_add_object(list, NULL);
    json_add_string(o, "op", r->op);
    json_add_string(o, "shape", r->shape);
    json_add_bool(o, "skipped", r->skipped);
    if (r->skipped)
        return;
    json_add_number(o, "seconds", r->time.median);
    json_add_number(o, "seconds_least", r->time.least);
    json_add_number(o, "seconds_most", r->time.most);
    json_add_number(o, "gb_per_second", r->bytes / r->time.median * 1e-9);
    json_add_number(o, "gflop_per_second", r->flops / r->time.median * 1e-9);
    if (!r->rival)
        return;
    json_add_string(o, "rival", r->rival);
    json_add_number(o, "rival_seconds", r->rival_time.median);
    json_add_number(o, "rival_seconds_least", r->rival_time.least);
    json_add_number(o, "rival_seconds_most", r->rival_time.most);
    json_add_number(o, "ratio", ratio(r));
}

static enum status tell_json(const struct results *all, struct fault *f)
{
    const struct kern_info *info = kern_info(all->k);
    struct json_doc *doc = json_new_object();
    struct json *o = doc ? json_edit(doc) : NULL;
    if (!doc)
        return fault_nomem(f, "the result", 0);
    json_add_string(o, "device", info->id);
    json_add_string(o, "device_name", info->name);
    json_add_string(o, "tier", info->tier);
    json_add_string(o, "version", info->version);
    json_add_string(o, "weights", all->o->dtype);
    if (all->timed) {
        json_add_number(o, "cold_open_seconds", all->open.cold);
        json_add_number(o, "warm_open_seconds", all->open.warm);
    }
    struct json *list = json_add_array(o, "results");
    for (int i = 0; i < all->count; i++)
        add_result(list, &all->r[i]);
    return console_json(doc, f);
}

/* ---- the page ------------------------------------------------------------------------------------ */

static const char head[] =
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
    "content=\"width=device-width\"><title>wick bench ops</title><style>\n"
    ":root{color-scheme:light dark;--ink:#1d1d1f;--dim:#6e6e73;--grid:#c9c9ce;--a:#0a66c2;"
    "--b:#d9480f;--bg:#fff}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#f2f2f3;--dim:#9a9aa0;--grid:#44444a;"
    "--a:#6cb2ff;--b:#ff9e64;--bg:#18181b}}\n"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--bg);max-width:64rem;"
    "margin:2rem auto;padding:0 1rem}h1{font-size:1.3rem}table{border-collapse:collapse}"
    "td,th{padding:.1rem 1rem .1rem 0;text-align:right;font-variant-numeric:tabular-nums}"
    "td:first-child,td:nth-child(2),th:first-child,th:nth-child(2){text-align:left}"
    "svg{width:100%;height:auto}text{font-size:12px;fill:var(--ink)}.l{text-anchor:end}"
    ".d{fill:var(--dim)}.f{fill:var(--a)}.s{fill:var(--b)}line{stroke:var(--grid)}\n</style>\n";

enum { WIDE = 900, LEFT = 330, BAR = 20 };

/* Bars of how many times faster than the rival; a line at 1. Slower ones have the other colour. */
static enum status picture(struct text *t, const struct results *all, struct fault *f)
{
    double most = 1;
    int n = 0;
    for (int i = 0; i < all->count; i++) {
        const struct kern_bench_result *r = &all->r[i];
        if (r->skipped || !r->rival)
            continue;
        most = ratio(r) > most ? ratio(r) : most;
        n++;
    }
    if (n == 0)
        return ST_OK;
    double scale = (WIDE - LEFT - 70) / most;
    int y = 0;
    enum status s = text_addf(t, f,
                              "<h2>Times as fast as the rival</h2><svg viewBox=\"0 0 %d %d\" "
                              "role=img aria-label=\"speed-ups\">\n",
                              WIDE, n * BAR + 4);
    for (int i = 0; s == ST_OK && i < all->count; i++) {
        const struct kern_bench_result *r = &all->r[i];
        if (r->skipped || !r->rival)
            continue;
        s = text_addf(t, f,
                      "<text class=l x=%d y=%d>%s %s <tspan class=d>vs %s</tspan></text>"
                      "<rect class=%s x=%d y=%d width=%.1f height=%d />"
                      "<text x=%.1f y=%d>%.2f</text>\n",
                      LEFT - 8, y + 15, r->op, r->shape, r->rival, ratio(r) < 1 ? "s" : "f", LEFT,
                      y + 3, ratio(r) * scale, BAR - 6, LEFT + ratio(r) * scale + 6, y + 15,
                      ratio(r));
        y += BAR;
    }
    if (s == ST_OK)
        s = text_addf(t, f, "<line x1=%.1f x2=%.1f y1=0 y2=%d /></svg>\n", LEFT + scale,
                      LEFT + scale, n * BAR);
    return s;
}

static enum status table_row(struct text *t, const struct kern_bench_result *r, struct fault *f)
{
    enum status s = text_addf(t, f, "<tr><td>%s<td>%s", r->op, r->shape);
    if (s == ST_OK && r->skipped)
        return text_adds(t, "<td colspan=6>skipped: too long a call\n", f);
    if (s == ST_OK)
        s = text_addf(t, f, "<td>%.1f<td>%.0f %%<td>%.1f<td>%.1f", r->time.median * 1e6,
                      spread(&r->time), r->bytes / r->time.median * 1e-9,
                      r->flops / r->time.median * 1e-9);
    if (s == ST_OK && r->rival)
        s = text_addf(t, f, "<td>%s %.1f<td>%.2f", r->rival, r->rival_time.median * 1e6, ratio(r));
    return s == ST_OK ? text_adds(t, "\n", f) : s;
}

/* Text of a driver's own. */
static enum status escaped(struct text *t, const char *p, struct fault *f)
{
    enum status s = ST_OK;
    for (; s == ST_OK && *p; p++)
        s = *p == '<'   ? text_adds(t, "&lt;", f)
            : *p == '&' ? text_adds(t, "&amp;", f)
                        : text_add(t, p, 1, f);
    return s;
}

static enum status page(struct text *t, const struct results *all, struct fault *f)
{
    const struct kern_info *info = kern_info(all->k);
    enum status s = text_adds(t, head, f);
    const char *const about[] = {"<h1>wick bench ops: ", info->name, "</h1><p>", info->tier, ", ",
                                 info->version};
    for (size_t i = 0; s == ST_OK && i < sizeof about / sizeof *about; i++)
        s = i % 2 ? escaped(t, about[i], f) : text_adds(t, about[i], f);
    if (s == ST_OK)
        s = text_addf(t, f,
                      ", weights %s. Times are of one call in a batch, medians of several "
                      "batches; the spread is the range of these over the median.\n",
                      all->o->dtype);
    if (s == ST_OK && all->timed)
        s = text_addf(t, f,
                      "<p>Ready, with every program built, after %.2f s; with compiled programs at "
                      "hand after %.2f s.\n",
                      all->open.cold, all->open.warm);
    if (s == ST_OK)
        s = picture(t, all, f);
    if (s == ST_OK)
        s = text_adds(t,
                      "<h2>All figures</h2><table><tr><th>op<th>shape<th>µs<th>spread<th>GB/s"
                      "<th>GFLOP/s<th>rival, µs<th>ratio\n",
                      f);
    for (int i = 0; s == ST_OK && i < all->count; i++)
        s = table_row(t, &all->r[i], f);
    return s == ST_OK ? text_adds(t, "</table>\n", f) : s;
}

static enum status write_page(const struct results *all, struct fault *f)
{
    struct text t = {0};
    enum status s = page(&t, all, f);
    if (s == ST_OK)
        s = file_write(all->o->output, t.p, t.n, f);
    text_free(&t);
    return s;
}

/* ---- the command --------------------------------------------------------------------------------- */

enum status bench_ops(const struct bench_ops *o, struct fault *f)
{
    struct kern_bench_options opt = {.only = o->only, .seconds_max = o->seconds_max};
    struct results *all = calloc(1, sizeof *all);
    if (!all)
        return fault_nomem(f, "the results", sizeof *all);
    all->o = o;
    opt.dtype = strcmp(o->dtype, "bf16") == 0  ? DT_BF16
                : strcmp(o->dtype, "f16") == 0 ? DT_F16
                                               : DT_F32;
    all->timed = !o->only || strstr("open", o->only);
    enum status s = all->timed ? bench_open(&all->open, o->common, opt.dtype, f) : ST_OK;
    if (s == ST_OK)
        s = device_open(&all->k, o->common, f);
    if (s == ST_OK)
        s = kern_bench(all->k, &opt, collect, all, f);
    if (s == ST_OK && all->count == 0 && !all->timed) {
        fault_set(f, ST_ABSENT, "no op's name has \"%.60s\" in it", o->only);
        s = fault_remedy(f, "the names are those of the table that is made without --only");
    }
    if (s == ST_OK && all->count == 0 && !o->common->json)
        print_device(all);
    if (s == ST_OK && o->output)
        s = write_page(all, f);
    if (s == ST_OK)
        s = o->common->json ? tell_json(all, f) : console_flush(f);
    kern_close(&all->k);
    free(all);
    return s;
}

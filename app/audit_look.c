#include "app/audit_look.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/console.h"

static const char *const severities[] = {"note", "warning", "error"};

/* ---- for people ------------------------------------------------------------------------------ */

static void show_data(const char *name, const struct dataset *d)
{
    struct dataset_stats s = dataset_stats(d);
    printf("%s: %zu %s row%s, %zu tokens, %.1f%% of them targets; the longest row has %zu\n", name,
           s.rows, dataset_kind(d), s.rows == 1 ? "" : "s", s.tokens,
           s.tokens > 0 ? 100 * (double)s.targets / (double)s.tokens : 0.0, s.longest);
    for (size_t i = 0; dataset_parts(d) > 1 && i < dataset_parts(d); i++) {
        struct dataset_part p = dataset_part(d, i);
        console_line("  %s: %zu %s rows, weight %g", p.path, p.rows, p.kind, p.weight);
    }
}

static void show_histogram(const struct dataset *d)
{
    enum { WIDTH = 40 };
    struct audit_bin bins[AUDIT_BINS];
    size_t n = audit_histogram(bins, d), most = 1;
    for (size_t i = 0; i < n; i++)
        most = bins[i].rows > most ? bins[i].rows : most;
    printf("\ntokens a row\n");
    for (size_t i = 0; i < n; i++) {
        printf("  %7d-%-7d ", bins[i].from, bins[i].to);
        for (size_t k = 0; k < (bins[i].rows * WIDTH + most - 1) / most; k++)
            printf("█");
        printf("%s%zu\n", bins[i].rows > 0 ? " " : "", bins[i].rows);
    }
}

/* "14 s", "4 minutes", "3.2 hours", "2.1 days". */
static const char *duration(char to[32], double s)
{
    if (s < 99.5)
        snprintf(to, 32, s < 9.5 ? "%.1f s" : "%.0f s", s);
    else if (s < 99.5 * 60)
        snprintf(to, 32, "%.0f minutes", s / 60);
    else
        snprintf(to, 32, s < 48 * 3600 ? "%.1f hours" : "%.1f days",
                 s / (s < 48 * 3600 ? 3600 : 86400));
    return to;
}

static void show_forecast(const struct forecast *c)
{
    char time[32];
    if (c->seconds <= 0) {
        printf("how long that takes is not known: %s\n", c->why);
        return;
    }
    printf("about %s, at %.0f tokens/s", duration(time, c->seconds), c->tokens_per_second);
    if (c->tokens == 0)
        printf(" as given\n");
    else if (c->layers_timed == c->layers)
        printf(" (%s; timed just now with %lld tokens)\n", c->device, (long long)c->tokens);
    else
        printf(" (%s; reckoned from %d of the base's %d layers, timed just now with %lld tokens)\n",
               c->device, c->layers_timed, c->layers, (long long)c->tokens);
}

static void show_plan(const struct look *l)
{
    printf("\nbatches of %lld padded to their longest row would waste %.1f%%, rows packed to %lld "
           "tokens %.1f%%; wick pads nothing\n",
           (long long)l->batch_size, 100 * l->waste, (long long)l->max_seq_length,
           100 * l->waste_packed);
    printf("%lld steps: %.2f passes over %lld tokens\n", (long long)l->steps, l->passes,
           (long long)l->pass_tokens);
    show_forecast(&l->forecast);
}

static enum status show_first(const struct look *l, struct fault *f)
{
    enum { SHOWN = 400 };
    bool color = console_color(1);
    struct row r = dataset_row(l->train, 0);
    struct text piece = {0};
    enum status s = ST_OK;
    int n = r.n < SHOWN ? r.n : SHOWN;
    printf("\nthe first row (line %d), its %d targets %s:\n", r.line, r.targets,
           color ? "in green" : "between « and »");
    for (int i = 0, end; s == ST_OK && i < n; i = end) {
        for (end = i + 1; end < n && r.target[end] == r.target[i];)
            end++;
        piece.n = 0;
        s = tokenizer_decode(l->session.tokenizer, &piece, r.ids + i, (size_t)(end - i), false, f);
        fputs(!r.target[i] ? "" : color ? "\033[32m" : "«", stdout);
        if (s == ST_OK)
            console_text(stdout, piece.p, piece.n, "\n\t");
        fputs(!r.target[i] ? "" : color ? "\033[0m" : "»", stdout);
    }
    printf("%s\n", n < r.n ? " …" : "");
    text_free(&piece);
    return s;
}

static void show_findings(const struct look *l)
{
    static const char *const colors[] = {"\033[36m", "\033[33m", "\033[31m"};
    bool color = console_color(1);
    printf("\n");
    for (size_t i = 0; i < audit_findings(l->audit); i++) {
        const struct audit_finding *g = audit_finding(l->audit, i);
        char line[sizeof g->text + 500], places[480];
        printf("%s%s:%s ", color ? colors[g->severity] : "", severities[g->severity],
               color ? "\033[0m" : "");
        snprintf(line, sizeof line, "%s%s\n  %s", g->text,
                 findings_places(places, sizeof places, g), g->remedy);
        console_text(stdout, line, strlen(line), "\n\t");
        printf("\n");
    }
    if (audit_findings(l->audit) == 0)
        printf("nothing to complain about\n");
}

enum status audit_look_show(const struct look *l, struct fault *f)
{
    enum status s = ST_OK;
    show_data("train", l->train);
    if (l->valid)
        show_data("valid", l->valid);
    if (dataset_rows(l->train) > 0) {
        show_histogram(l->train);
        show_plan(l);
        s = show_first(l, f);
    }
    show_findings(l);
    return s == ST_OK ? console_flush(f) : s;
}

/* ---- for machines ---------------------------------------------------------------------------- */

static void add_data(struct json *to, const char *key, const struct dataset *d)
{
    struct dataset_stats s = dataset_stats(d);
    struct json *o = json_add_object(to, key), *files;
    json_add_string(o, "kind", dataset_kind(d));
    json_add_int(o, "rows", (int64_t)s.rows);
    json_add_int(o, "tokens", (int64_t)s.tokens);
    json_add_int(o, "targets", (int64_t)s.targets);
    json_add_int(o, "longest", (int64_t)s.longest);
    json_add_int(o, "cut_rows", (int64_t)s.cut_rows);
    json_add_int(o, "cut_tokens", (int64_t)s.cut_tokens);
    json_add_int(o, "split_conversations", (int64_t)s.split);
    files = json_add_array(o, "files");
    for (size_t i = 0; i < dataset_parts(d); i++) {
        struct dataset_part p = dataset_part(d, i);
        struct json *file = json_add_object(files, NULL);
        json_add_string(file, "path", p.path);
        json_add_string(file, "kind", p.kind);
        json_add_int(file, "rows", (int64_t)p.rows);
        json_add_number(file, "weight", p.weight);
    }
}

/* How seconds was found. */
static void add_forecast(struct json *to, const struct forecast *c)
{
    struct json *o = json_add_object(to, "forecast");
    json_add_string(o, "how",
                    c->seconds <= 0                ? "unknown"
                    : c->tokens == 0               ? "given"
                    : c->layers_timed == c->layers ? "timed"
                                                   : "reckoned");
    json_add_number(o, "tokens_per_second", c->seconds > 0 ? c->tokens_per_second : NAN);
    json_add_string(o, "device", c->device);
    json_add_int(o, "layers", c->layers);
    json_add_int(o, "layers_timed", c->layers_timed);
    json_add_int(o, "tokens_timed", c->tokens);
    json_add_number(o, "seconds_spent", c->spent);
    json_add_string(o, "why", c->why);
}

static void add_findings(struct json *to, const struct audit *a)
{
    struct json *list = json_add_array(to, "findings");
    for (size_t i = 0; i < audit_findings(a); i++) {
        const struct audit_finding *g = audit_finding(a, i);
        struct json *o = json_add_object(list, NULL);
        json_add_string(o, "severity", severities[g->severity]);
        json_add_string(o, "name", g->name);
        json_add_int(o, "count", (int64_t)g->count);
        json_add_string(o, "text", g->text);
        json_add_string(o, "remedy", g->remedy);
        struct json *lines = json_add_array(o, "lines");
        for (size_t k = 0; k < g->places; k++) {
            struct json *at = json_add_object(lines, NULL);
            json_add_string(at, "file", g->place[k].path);
            json_add_int(at, "line", g->place[k].line);
        }
    }
}

static void add_first(struct json *to, const struct dataset *d)
{
    struct row r = dataset_row(d, 0);
    struct json *o = json_add_object(to, "first_row");
    json_add_int(o, "line", r.line);
    struct json *ids = json_add_array(o, "ids"), *targets = json_add_array(o, "targets");
    for (int i = 0; i < r.n; i++) {
        json_add_int(ids, NULL, r.ids[i]);
        json_add_int(targets, NULL, r.target[i]);
    }
}

enum status audit_look_json(const struct look *l, struct fault *f)
{
    struct json_doc *doc = json_new_object();
    struct json *o = doc ? json_edit(doc) : NULL;
    struct audit_bin bins[AUDIT_BINS];
    if (!doc)
        return fault_nomem(f, "the result", 0);
    json_add_bool(o, "ok", !audit_failed(l->audit));
    add_data(o, "train", l->train);
    if (l->valid)
        add_data(o, "valid", l->valid);
    else
        json_add_null(o, "valid");
    struct json *list = json_add_array(o, "histogram");
    for (size_t i = 0, n = audit_histogram(bins, l->train); i < n; i++) {
        struct json *bin = json_add_object(list, NULL);
        json_add_int(bin, "from", bins[i].from);
        json_add_int(bin, "to", bins[i].to);
        json_add_int(bin, "rows", (int64_t)bins[i].rows);
    }
    json_add_number(o, "padding_waste", l->waste);
    json_add_number(o, "padding_waste_packed", l->waste_packed);
    json_add_int(o, "steps", l->steps);
    json_add_number(o, "passes", l->passes);
    json_add_int(o, "pass_tokens", l->pass_tokens);
    json_add_number(o, "seconds", l->forecast.seconds > 0 ? l->forecast.seconds : NAN);
    add_forecast(o, &l->forecast);
    if (dataset_rows(l->train) > 0)
        add_first(o, l->train);
    add_findings(o, l->audit);
    return console_json(doc, f);
}

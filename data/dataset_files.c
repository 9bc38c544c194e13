/* Files that hold rows: which there are, their lines, their text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset_impl.h"
#include "data/file.h"
#include "data/json.h"
#include "data/textstream.h"

static bool ends_with(const char *s, size_t n, const char *end)
{
    size_t m = strlen(end);
    return n >= m && memcmp(s + n - m, end, m) == 0;
}

/* The name's length without ".gz". */
static size_t plain_length(const char *path)
{
    size_t n = strlen(path);
    return ends_with(path, n, ".gz") ? n - 3 : n;
}

bool dataset_is_text(const char *path)
{
    return ends_with(path, plain_length(path), ".txt");
}

bool dataset_is_rows(const char *path)
{
    size_t n = plain_length(path);
    return ends_with(path, n, ".jsonl") || ends_with(path, n, ".json") ||
           ends_with(path, n, ".ndjson");
}

/* ---- lines ----------------------------------------------------------------------------------- */

static bool blank(const struct line *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->p[i] != ' ' && l->p[i] != '\t' && l->p[i] != '\r')
            return false;
    return true;
}

/* What to do about a line that is no object, by what the file may be. */
static const char *line_remedy(const char *path, const struct line *l)
{
    if (l->n > 0 && l->p[0] == '[')
        return "each line holds one object, such as {\"text\": \"…\"}; a file that is one JSON "
               "array "
               "has a name that ends in .json";
    if (l->number == 1 && !dataset_is_rows(path))
        return "rows are JSON, an object a line; a plain text has a name that ends in .txt";
    return "mend or remove that line: each holds one JSON object in UTF-8";
}

static enum status parse_line(const char *path, const struct line *l, dataset_line_fn *fn,
                              void *ctx, struct fault *f)
{
    char where[300];
    struct json_doc *doc = NULL;
    snprintf(where, sizeof where, "%s: line %d", path, l->number);
    enum status s = json_parse(&doc, l->p, l->n, where, f);
    if (s != ST_OK && s != ST_NOMEM && f->remedy[0] == '\0')
        fault_remedy(f, "%s", line_remedy(path, l));
    if (s != ST_OK)
        return s;
    if (json_kind(json_root(doc)) == JSON_OBJECT) {
        s = fn(ctx, json_root(doc), l->number, f);
    } else {
        fault_set(f, ST_FORMAT, "%s is not a JSON object", where);
        s = fault_remedy(f, "%s", line_remedy(path, l));
    }
    json_close(&doc);
    return s;
}

enum status dataset_each_line(struct lines *l, const char *path, dataset_line_fn *fn,
                              dataset_skip_fn *skip, void *ctx, struct fault *f)
{
    struct line at;
    enum status s;
    while ((s = lines_next(l, &at, f)) == ST_OK && at.p) {
        struct fault why = {0};
        if (blank(&at) || (s = parse_line(path, &at, fn, ctx, &why)) == ST_OK)
            continue;
        if (skip)
            s = skip(ctx, at.number, &why);
        if (s != ST_OK) {
            *f = why;
            return s;
        }
    }
    return s;
}

/* ---- texts ----------------------------------------------------------------------------------- */

struct joined {
    struct text *out;
    const char *path;
};

static enum status join_line(void *ctx, const struct json *root, int line, struct fault *f)
{
    struct joined *j = ctx;
    const char *text = json_string(json_get(root, "text"));
    if (!text) {
        fault_set(f, ST_FORMAT, "%s: line %d has no \"text\"", j->path, line);
        return fault_remedy(f, "only text rows make one stream; --mode rows scores other rows");
    }
    enum status s = j->out->n > 0 ? text_adds(j->out, "\n\n", f) : ST_OK;
    return s == ST_OK ? text_adds(j->out, text, f) : s;
}

/* Of a text its tokens are held, and never all of itself. */
static enum status text_tokens(struct ids *out, struct lines *l, const char *path,
                               const struct tokenizer *t, struct fault *f)
{
    struct textstream *s = NULL;
    bool more = true;
    enum status st = textstream_open(&s, l, t, path, 0, f);
    while (st == ST_OK && more)
        st = textstream_next(s, out, &more, f);
    textstream_close(&s);
    return st;
}

enum status dataset_tokens(struct ids *out, const char *path, const struct tokenizer *t,
                           struct fault *f)
{
    struct lines *l = NULL;
    struct text joined = {0};
    struct joined j = {&joined, path};
    enum status s = lines_open(&l, path, f);
    if (s == ST_OK && !dataset_is_rows(path)) {
        s = text_tokens(out, l, path, t, f);
    } else if (s == ST_OK) {
        s = dataset_each_line(l, path, join_line, NULL, &j, f);
        if (s == ST_OK)
            s = tokenizer_encode(t, out, joined.p ? joined.p : "", joined.n, TOKENIZER_ADD_SPECIAL,
                                 f);
    }
    lines_close(&l);
    text_free(&joined);
    return s;
}

/* ---- finding --------------------------------------------------------------------------------- */

void dataset_list_free(struct dataset_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->p[i].path);
    free(l->p);
    *l = (struct dataset_list){0};
}

/* Takes path. */
static enum status add_path(struct dataset_list *l, char *path, double weight, struct fault *f)
{
    void *p = path ? realloc(l->p, (l->n + 1) * sizeof *l->p) : NULL;
    if (!p) {
        free(path);
        return fault_nomem(f, "a list of files", (l->n + 1) * sizeof *l->p);
    }
    l->p = p;
    l->p[l->n++] = (struct dataset_file){path, weight};
    return ST_OK;
}

/* folder/name.jsonl and so on: the first that is there, or none. */
static enum status add_split(struct dataset_list *l, const char *folder, const char *name,
                             double weight, struct fault *f)
{
    static const char *const ends[] = {".jsonl",    ".json",    ".txt",
                                       ".jsonl.gz", ".json.gz", ".txt.gz"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct text t = {0};
        enum status s = file_join(&t, folder, name, f);
        if (s == ST_OK)
            s = text_adds(&t, ends[i], f);
        if (s == ST_OK && file_kind(t.p) != FILE_ABSENT)
            return add_path(l, t.p, weight, f);
        text_free(&t);
        if (s != ST_OK)
            return s;
    }
    return ST_OK;
}

/* The length of the first path in a list with commas: the shortest that is there, so that a comma
 * may be part of a name; if none is, up to the first comma. */
static enum status first_path(size_t *n, const char *paths, struct fault *f)
{
    size_t i = strcspn(paths, ","), whole = strlen(paths);
    *n = file_kind(paths) != FILE_ABSENT ? whole : i;
    while (*n != whole) {
        struct text t = {0};
        if (text_add(&t, paths, i, f) != ST_OK)
            return f->code;
        bool there = file_kind(t.p) != FILE_ABSENT;
        text_free(&t);
        if (there)
            *n = i;
        if (there || i == whole)
            break;
        i += 1 + strcspn(paths + i + 1, ",");
    }
    return ST_OK;
}

/* Calls for each path of the list, with its number. */
typedef enum status path_fn(void *ctx, const char *path, size_t i, struct fault *f);

static enum status each_path(const char *paths, path_fn *fn, void *ctx, struct fault *f)
{
    enum status s = ST_OK;
    for (size_t i = 0, n; s == ST_OK; i++, paths += n + 1) {
        struct text t = {0};
        s = first_path(&n, paths, f);
        if (s == ST_OK)
            s = text_add(&t, paths, n, f);
        if (s == ST_OK)
            s = fn(ctx, t.p, i, f);
        text_free(&t);
        if (paths[n] == '\0')
            break;
    }
    return s;
}

struct finding {
    struct dataset_list train, valid;
    const char *weights; /* what is left of them */
    const char *all_weights;
};

static enum status bad_weights(const struct finding *g, struct fault *f)
{
    fault_set(f, ST_RANGE, "--data-weights %.60s does not have one number for each file of --data",
              g->all_weights);
    return fault_remedy(f,
                        "give as many as there are files, each above 0 and at most %d: "
                        "--data a.jsonl,b.jsonl --data-weights 2,0.5",
                        DATASET_WEIGHT_MAX);
}

static enum status next_weight(double *w, struct finding *g, struct fault *f)
{
    char *end = NULL;
    *w = 1;
    if (!g->all_weights)
        return ST_OK;
    if (!g->weights)
        return bad_weights(g, f);
    *w = strtod(g->weights, &end);
    if (end == g->weights || (*end != ',' && *end != '\0') || !isfinite(*w) || *w <= 0 ||
        *w > DATASET_WEIGHT_MAX) {
        fault_set(f, ST_RANGE, "--data-weights: \"%.*s\" is not a number above 0 and at most %d",
                  (int)strcspn(g->weights, ","), g->weights, DATASET_WEIGHT_MAX);
        return fault_remedy(f, "2 takes each row of a file twice a pass, 0.5 every other row");
    }
    g->weights = *end == ',' ? end + 1 : NULL;
    return ST_OK;
}

static enum status find_path(void *ctx, const char *path, size_t i, struct fault *f)
{
    static const char *const valid[] = {"valid", "validation", "val", "dev"};
    struct finding *g = ctx;
    double weight;
    enum file_kind kind = file_kind(path);
    (void)i;
    if (path[0] == '\0') {
        fault_set(f, ST_ABSENT, "--data has an empty name between its commas");
        return fault_remedy(f, "take the comma out that nothing stands before or after");
    }
    if (kind == FILE_ABSENT) {
        fault_set(f, ST_ABSENT, "%s: there is no such file or folder", path);
        return fault_remedy(f, "--data takes a .jsonl or .txt file, or a folder with train.jsonl");
    }
    enum status s = next_weight(&weight, g, f);
    if (s == ST_OK && kind != FILE_FOLDER)
        return add_path(&g->train, strdup(path), weight, f);
    if (s == ST_OK)
        s = add_split(&g->train, path, "train", weight, f);
    size_t before = g->valid.n;
    for (size_t k = 0; s == ST_OK && k < sizeof valid / sizeof *valid && g->valid.n == before; k++)
        s = add_split(&g->valid, path, valid[k], 1, f);
    return s;
}

enum status dataset_find(struct dataset_list *train, struct dataset_list *valid, const char *paths,
                         const char *weights, struct fault *f)
{
    struct finding g = {.weights = weights, .all_weights = weights};
    enum status s = each_path(paths, find_path, &g, f);
    if (s == ST_OK && g.weights)
        s = bad_weights(&g, f);
    if (s == ST_OK && g.train.n == 0) {
        fault_set(f, ST_ABSENT, "%s holds no train.jsonl or train.txt", paths);
        s = fault_remedy(f, "name the training file train.jsonl, or give --data the file itself");
    }
    if (s == ST_OK) {
        *train = g.train;
        *valid = g.valid;
    } else {
        dataset_list_free(&g.train);
        dataset_list_free(&g.valid);
    }
    return s;
}

static enum status add_absolute(void *ctx, const char *path, size_t i, struct fault *f)
{
    struct text *out = ctx;
    char *absolute = realpath(path, NULL);
    enum status s = i > 0 ? text_adds(out, ",", f) : ST_OK;
    if (s == ST_OK)
        s = text_adds(out, absolute ? absolute : path, f);
    free(absolute);
    return s;
}

enum status dataset_absolute(struct text *out, const char *paths, struct fault *f)
{
    return each_path(paths, add_absolute, out, f);
}

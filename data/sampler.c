/* Which rows come when: permutations, packing, micro-batches and windows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "kernels/rng.h"

/* Keeps shuffles apart from other uses of the seed (initial adapters, dropout). */
static const uint64_t SHUFFLE_STREAM = 0x53485546464C45ull;
static const uint64_t WEIGHT_STREAM = 0x574549474854ull << 8;

struct sampler {
    const struct dataset *d;
    struct sampler_options o;
    size_t rows;     /* of a pass, each as often as its file's weight says */
    uint32_t *order; /* [rows] the pass's permutation of them */
    uint32_t *first; /* [units + 1] where each batch row (a row, or a pack) begins in order */
    size_t units;
    struct sampler_state at;
    int rows_max;
};

/* A number below n: one counter-based draw. */
static size_t draw(const struct sampler *s, uint64_t stream, uint64_t i, size_t n)
{
    uint32_t w[4];
    rng_philox(w, s->o.seed, stream, i);
    return (size_t)(((unsigned __int128)((uint64_t)w[0] << 32 | w[1]) * n) >> 64);
}

/* How many of a file's rows come once more than the whole part of its weight says. */
static size_t once_more(const struct dataset_part *p)
{
    size_t whole = (size_t)p->weight;
    size_t n = (size_t)((p->weight - (double)whole) * (double)p->rows + 0.5);
    return whole == 0 && n == 0 && p->rows > 0 ? 1 : n;
}

static size_t rows_of_pass(const struct dataset *d)
{
    size_t rows = 0;
    for (size_t i = 0; i < dataset_parts(d); i++) {
        struct dataset_part p = dataset_part(d, i);
        rows += (size_t)p.weight * p.rows + once_more(&p);
    }
    return rows;
}

/* The rows of a pass in the files' order: each file so often as its weight's whole part says, then
 * those of its rows that come once more (selection sampling: exactly so many, each as likely). */
static void list_rows(const struct sampler *s, uint64_t epoch)
{
    size_t n = 0;
    for (size_t i = 0; i < dataset_parts(s->d); i++) {
        struct dataset_part p = dataset_part(s->d, i);
        for (size_t times = (size_t)p.weight; times > 0; times--)
            for (size_t r = 0; r < p.rows; r++)
                s->order[n++] = (uint32_t)(p.first + r);
        size_t want = once_more(&p);
        for (size_t r = 0; want > 0; r++)
            if (draw(s, WEIGHT_STREAM + epoch, p.first + r, p.rows - r) < want) {
                s->order[n++] = (uint32_t)(p.first + r);
                want--;
            }
    }
}

/* Fisher-Yates: a function of (seed, epoch) alone. */
static void permute(const struct sampler *s, uint64_t epoch)
{
    list_rows(s, epoch);
    for (size_t i = s->rows - 1; s->o.shuffle && i > 0; i--) {
        size_t j = draw(s, SHUFFLE_STREAM + epoch, i, i + 1);
        uint32_t t = s->order[i];
        s->order[i] = s->order[j];
        s->order[j] = t;
    }
}

/* Lays out one epoch: its permutation, and where batch rows begin. Packing fills a batch row until
 * the next document does not fit. */
static void lay_out(struct sampler *s, uint64_t epoch)
{
    int used = 0;
    permute(s, epoch);
    s->units = 0;
    for (size_t i = 0; i < s->rows; i++) {
        int n = dataset_outline(s->d, s->order[i]).n;
        if (i == 0 || !s->o.packing || used + n > s->o.seq_max) {
            s->first[s->units++] = (uint32_t)i;
            used = 0;
        }
        used += n;
    }
    s->first[s->units] = (uint32_t)s->rows;
}

static int by_length(const void *a, const void *b)
{
    return *(const int *)b - *(const int *)a;
}

/* How often one row can come in a micro-batch: as its weight says, for each pass that the batch may
 * reach into. In the files' order a batch meets a row again only after all others. */
static size_t times_max(const struct sampler *s)
{
    size_t batch = (size_t)s->o.batch, passes = 1, copies = 1;
    for (size_t i = 0; i < dataset_parts(s->d); i++) {
        size_t c = (size_t)ceil(dataset_part(s->d, i).weight);
        copies = c > copies ? c : copies;
    }
    if (s->o.epochs != 1 && batch > 1)
        passes = s->o.shuffle || copies > 1 ? (batch - 2) / s->rows + 2
                                            : (batch + s->rows - 1) / s->rows;
    return copies * passes;
}

/* No micro-batch is larger than its `batch` longest rows, or than `batch` full packs. */
static enum status find_rows_max(struct sampler *s, struct fault *f)
{
    size_t rows = dataset_rows(s->d), batch = (size_t)s->o.batch, times = times_max(s);
    int *n = malloc((rows + 1) * sizeof *n);
    if (!n)
        return fault_nomem(f, "row lengths", rows * sizeof *n);
    int64_t sum = 0, all = 0;
    for (size_t i = 0; i < rows; i++) {
        struct row r = dataset_outline(s->d, i);
        n[i] = r.n;
        all += (int64_t)ceil(dataset_part(s->d, (size_t)r.file).weight) * r.n;
    }
    qsort(n, rows, sizeof *n, by_length);
    for (size_t i = 0; i < batch && (s->o.packing || i / times < rows); i++)
        sum += s->o.packing ? s->o.seq_max : n[i / times];
    if (s->o.packing && s->o.epochs > 0 && all <= INT64_MAX / s->o.epochs &&
        all * s->o.epochs < sum)
        sum = all * s->o.epochs;
    free(n);
    if (sum > INT32_MAX / 2) {
        fault_set(f, ST_RANGE, "a micro-batch of %lld tokens is too large", (long long)sum);
        return fault_remedy(f, "use a smaller --batch-size or --max-seq-length");
    }
    s->rows_max = (int)sum;
    return ST_OK;
}

enum status sampler_new(struct sampler **out, const struct dataset *d,
                        const struct sampler_options *o, struct fault *f)
{
    struct sampler *s = calloc(1, sizeof *s);
    if (!s)
        return fault_nomem(f, "a sampler", sizeof *s);
    s->d = d;
    s->o = *o;
    s->rows = rows_of_pass(d);
    enum status st = ST_OK;
    if (s->rows == 0 || s->rows > UINT32_MAX / 2)
        st = fault_set(f, ST_RANGE, "a dataset of %zu rows is too %s", s->rows,
                       s->rows == 0 ? "small" : "large");
    if (st == ST_OK) {
        s->order = malloc(s->rows * sizeof *s->order);
        s->first = malloc((s->rows + 1) * sizeof *s->first);
        if (!s->order || !s->first)
            st = fault_nomem(f, "the order of rows", 2 * s->rows * sizeof *s->order);
    }
    if (st == ST_OK)
        st = find_rows_max(s, f);
    if (st != ST_OK) {
        sampler_free(&s);
        return st;
    }
    lay_out(s, 0);
    *out = s;
    return ST_OK;
}

void sampler_free(struct sampler **s)
{
    if (!*s)
        return;
    free((*s)->order);
    free((*s)->first);
    free(*s);
    *s = NULL;
}

int sampler_rows_max(const struct sampler *s)
{
    return s->rows_max;
}

static bool at_end(const struct sampler *s)
{
    return s->o.epochs > 0 && s->at.epoch >= (uint64_t)s->o.epochs;
}

/* ---- filling a window ------------------------------------------------------------------------ */

/* Rows of the batch after the last target have nothing to teach; the last token is only a label. */
static int useful_rows(const struct row *r)
{
    int n = r->n;
    while (n > 1 && !r->target[n - 1])
        n--;
    return n - 1;
}

static enum status grow(struct batch *b, int rows, int documents, struct fault *f)
{
    int32_t **arrays[] = {&b->ids, &b->pos, &b->start, &b->index, &b->labels};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        void *p = realloc(*arrays[i], (size_t)rows * sizeof **arrays[i]);
        if (!p)
            return fault_nomem(f, "a batch", (size_t)rows * sizeof **arrays[i]);
        *arrays[i] = p;
    }
    void *p = realloc(b->line, (size_t)documents * sizeof *b->line);
    if (!p)
        return fault_nomem(f, "a batch", (size_t)documents * sizeof *b->line);
    b->line = p;
    p = realloc(b->path, (size_t)documents * sizeof *b->path);
    if (!p)
        return fault_nomem(f, "a batch", (size_t)documents * sizeof *b->path);
    b->path = p;
    return ST_OK;
}

static void add_document(struct batch *b, const struct row *r, const char *path)
{
    int first = b->rows;
    for (int i = 0, n = useful_rows(r); i < n; i++) {
        int at = b->rows++;
        b->ids[at] = r->ids[i];
        b->pos[at] = i;
        b->start[at] = first;
        if (r->target[i + 1]) {
            b->index[b->labelled] = at;
            b->labels[b->labelled++] = r->ids[i + 1];
        }
    }
    b->longest = r->n > b->longest ? r->n : b->longest;
    b->path[b->documents] = path;
    b->line[b->documents++] = r->line;
}

/* Adds batch rows until the micro-batch is full or the data has ended. */
static enum status fill(struct sampler *s, struct batch *b, struct fault *f)
{
    b->rows = b->labelled = b->longest = b->documents = 0;
    for (int unit = 0; unit < s->o.batch && !at_end(s); unit++) {
        uint32_t from = s->first[s->at.cursor], to = s->first[s->at.cursor + 1];
        int more = 0;
        for (uint32_t i = from; i < to; i++)
            more += dataset_outline(s->d, s->order[i]).n;
        enum status st = grow(b, b->rows + more, b->documents + (int)(to - from), f);
        if (st != ST_OK)
            return st;
        for (uint32_t i = from; i < to; i++) {
            struct row r = dataset_row(s->d, s->order[i]);
            add_document(b, &r, dataset_part(s->d, (size_t)r.file).path);
        }
        if (++s->at.cursor == s->units) {
            s->at.cursor = 0;
            s->at.epoch++;
            if (!at_end(s))
                lay_out(s, s->at.epoch);
        }
    }
    return ST_OK;
}

enum status sampler_next(struct sampler *s, struct window *w, struct fault *f)
{
    if (w->cap < s->o.accumulate) {
        void *p = realloc(w->micro, (size_t)s->o.accumulate * sizeof *w->micro);
        if (!p)
            return fault_nomem(f, "a window", (size_t)s->o.accumulate * sizeof *w->micro);
        w->micro = p;
        memset(w->micro + w->cap, 0, (size_t)(s->o.accumulate - w->cap) * sizeof *w->micro);
        w->cap = s->o.accumulate;
    }
    w->micros = 0;
    w->targets = w->tokens = 0;
    while (w->micros < s->o.accumulate && !at_end(s)) {
        struct batch *b = &w->micro[w->micros];
        enum status st = fill(s, b, f);
        if (st != ST_OK)
            return st;
        w->targets += b->labelled;
        w->tokens += b->rows;
        w->micros++;
    }
    w->epoch = (double)s->at.epoch + (at_end(s) ? 0.0 : (double)s->at.cursor / (double)s->units);
    return dataset_check(s->d, f);
}

void window_free(struct window *w)
{
    for (int i = 0; i < w->cap; i++) {
        struct batch *b = &w->micro[i];
        free(b->ids);
        free(b->pos);
        free(b->start);
        free(b->index);
        free(b->labels);
        free(b->line);
        free(b->path);
    }
    free(w->micro);
    *w = (struct window){0};
}

/* ---- counting and seeking -------------------------------------------------------------------- */

enum status sampler_windows(int64_t *out, const struct sampler *s, struct fault *f)
{
    int64_t epochs = s->o.epochs > 0 ? s->o.epochs : 1, units = 0;
    int64_t a_window = (int64_t)s->o.batch * s->o.accumulate;
    if (!s->o.packing || !s->o.shuffle) {
        units = (int64_t)s->units;
        if (units > INT64_MAX / epochs)
            return fault_set(f, ST_RANGE, "%lld epochs are too many", (long long)epochs);
        units *= epochs;
    } else { /* each permutation packs in its own way */
        struct sampler *t;
        struct sampler_options o = s->o;
        enum status st = sampler_new(&t, s->d, &o, f);
        if (st != ST_OK)
            return st;
        for (int64_t e = 0; e < epochs; e++) {
            lay_out(t, (uint64_t)e);
            units += (int64_t)t->units;
        }
        sampler_free(&t);
    }
    *out = (units + a_window - 1) / a_window;
    return ST_OK;
}

double sampler_waste(const struct sampler *s)
{
    int64_t used = 0, padded = 0;
    size_t batch = (size_t)s->o.batch;
    for (size_t from = 0; from < s->units; from += batch) {
        size_t to = s->units - from < batch ? s->units : from + batch;
        int longest = s->o.packing ? s->o.seq_max : 0;
        for (uint32_t i = s->first[from]; i < s->first[to]; i++) {
            int n = dataset_outline(s->d, s->order[i]).n;
            used += n;
            longest = n > longest ? n : longest;
        }
        padded += (int64_t)longest * (int64_t)(to - from);
    }
    return 1 - (double)used / (double)padded;
}

struct sampler_state sampler_tell(const struct sampler *s)
{
    return s->at;
}

enum status sampler_seek(struct sampler *s, struct sampler_state at, struct fault *f)
{
    lay_out(s, at.epoch);
    if (at.cursor >= s->units)
        return fault_set(f, ST_RANGE, "a data position of %llu is past the end of the data",
                         (unsigned long long)at.cursor);
    s->at = at;
    return ST_OK;
}

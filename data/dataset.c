#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/crc32c.h"
#include "data/dataset_impl.h"
#include "data/json.h"

static const size_t MEMORY_MAX = (size_t)64 << 20;

enum status dataset_wrong(const struct dataset *d, int line, const char *what, const char *remedy,
                          struct fault *f)
{
    fault_set(f, ST_FORMAT, "%s: line %d %s", d->path, line, what);
    return fault_remedy(f, "%s", remedy);
}

enum status dataset_targetless(struct dataset *d, int line, const char *what, const char *remedy,
                               struct fault *f)
{
    d->targetless = true;
    return dataset_wrong(d, line, what, remedy, f);
}

enum status dataset_encode(const struct dataset *d, struct ids *ids, struct ids *ends,
                           const char *text, size_t n, unsigned flags, struct fault *f)
{
    return tokenizer_encode_again(d->o.tokenizer, d->words, ids, ends, text, n, flags, f);
}

enum status dataset_add_row(struct dataset *d, const struct ids *ids, const struct text *target,
                            int line, struct fault *f)
{
    size_t n = ids->n;
    for (size_t i = 0; i < n; i++)
        if (ids->p[i] < 0 || ids->p[i] >= d->o.vocab) {
            fault_set(f, ST_FORMAT, "%s: line %d becomes token %d, and the model has only %d",
                      d->path, line, ids->p[i], d->o.vocab);
            return fault_remedy(f, "the tokenizer does not belong to these weights: import again");
        }
    size_t cut = n > (size_t)d->o.seq_max ? n - (size_t)d->o.seq_max : 0;
    n -= cut;
    int targets = 0;
    for (size_t i = 1; i < n; i++)
        targets += target->p[i] != 0;
    if (targets == 0 && cut > 0)
        return dataset_targetless(d, line,
                                  "has no target to train on once it is cut to the sequence length",
                                  "raise --max-seq-length, or shorten or remove the line", f);
    if (targets == 0)
        return dataset_targetless(d, line, "has no target to train on",
                                  "remove the line, or give it a text, completion or answer", f);
    if (d->rows == d->cap) {
        size_t cap = d->cap + d->cap / 2 + 64;
        void *p = realloc(d->row, cap * sizeof *d->row);
        if (!p)
            return fault_nomem(f, "the list of rows", cap * sizeof *d->row);
        d->row = p;
        d->cap = cap;
    }
    target->p[0] = 0; /* the first token of a row is never predicted */
    struct row_entry e = {0, (int)n, targets, (int)cut, line, (int)d->parts - 1};
    enum status s = tokenstore_add(d->store, &e.at, ids->p, target->p, n, f);
    if (s == ST_OK)
        d->row[d->rows++] = e;
    return s;
}

/* ---- reading --------------------------------------------------------------------------------- */

static enum status add_line(void *ctx, const struct json *root, int line, struct fault *f)
{
    struct dataset *d = ctx;
    size_t before = d->rows;
    d->targetless = false;
    if (d->o.watch && d->o.watch->line)
        d->o.watch->line(d->o.watch->ctx, d->path, line, root);
    enum status s = dataset_add_line(d, root, line, f);
    if (s != ST_OK)
        d->rows = before; /* a conversation's rows come all or none */
    dataset_tell(d, d->lines);
    return s;
}

static enum status skip_line(void *ctx, int line, struct fault *f)
{
    struct dataset *d = ctx;
    const struct dataset_watch *w = d->o.watch;
    if (f->code == ST_NOMEM || f->code == ST_IO)
        return f->code;
    w->bad(w->ctx, d->path, line, d->targetless, f);
    d->targetless = false;
    return ST_OK;
}

void dataset_tell(struct dataset *d, const struct lines *l)
{
    const struct dataset_progress *p = d->o.progress;
    uint64_t done = lines_done(l), size = lines_size(l);
    if (!p || !(done - d->told >= 1u << 20 || (done == size && d->told < size)))
        return;
    d->told = done;
    p->fn(p->ctx, d->path, done, size);
}

/* Appends a file's rows. */
static enum status add_file(struct dataset *d, struct lines *l, const char *path, double weight,
                            struct fault *f)
{
    struct dataset_part *p = realloc(d->part, (d->parts + 1) * sizeof *p);
    char *copy = p ? strdup(path) : NULL;
    d->part = p ? p : d->part;
    if (!copy)
        return fault_nomem(f, "a path", strlen(path));
    bool stream = dataset_is_text(path);
    p[d->parts++] =
        (struct dataset_part){.path = copy, .kind = "", .stream = stream, .weight = weight};
    d->path = copy;
    d->kind = "";
    d->lines = l;
    d->told = 0;
    size_t before = d->rows;
    bool lenient = d->o.watch && d->o.watch->bad;
    enum status s = stream ? dataset_add_stream(d, l, f)
                           : dataset_each_line(l, path, add_line, lenient ? skip_line : NULL, d, f);
    d->part[d->parts - 1].kind = d->kind;
    d->part[d->parts - 1].unmasked = d->o.mask_prompt && (stream || strcmp(d->kind, "text") == 0);
    unsigned char sum[4];
    for (int i = 0; i < 4; i++)
        sum[i] = (unsigned char)(lines_crc(l) >> 8 * i);
    d->identity = d->parts == 1 ? lines_crc(l) : crc32c(d->identity, sum, sizeof sum);
    if (s == ST_OK && d->rows == before && !lenient) {
        fault_set(f, ST_FORMAT, "%s holds no %s", path, stream ? "text to train on" : "rows");
        s = fault_remedy(f, stream ? "it needs at least two tokens of text"
                                   : "it needs at least one line such as {\"text\": \"…\"}");
    }
    return s;
}

static enum status dataset_new(struct dataset **out, const struct dataset_options *o,
                               struct fault *f)
{
    struct dataset *d = calloc(1, sizeof *d);
    if (!d)
        return fault_nomem(f, "a dataset", sizeof *d);
    d->o = *o;
    enum status s = tokenstore_open(&d->store, o->memory_max ? o->memory_max : MEMORY_MAX,
                                    o->temp_folder && o->temp_folder[0] ? o->temp_folder : NULL, f);
    if (s == ST_OK)
        s = tokenizer_memory_open(&d->words, o->tokenizer, f);
    if (s == ST_OK)
        *out = d;
    else
        dataset_close(&d);
    return s;
}

/* All rows are there, unless s says otherwise. */
static enum status finish(struct dataset **out, struct dataset *d, enum status s, struct fault *f)
{
    tokenizer_memory_close(&d->words);
    if (s == ST_OK)
        s = tokenstore_seal(d->store, f);
    if (s != ST_OK) {
        dataset_close(&d);
        return s;
    }
    d->o.watch = NULL; /* they need not live as long as the rows */
    d->o.progress = NULL;
    dataset_measure(d);
    *out = d;
    return ST_OK;
}

enum status dataset_parse(struct dataset **out, const char *path, const char *bytes, size_t n,
                          const struct dataset_options *o, struct fault *f)
{
    struct dataset *d = NULL;
    struct lines *l = NULL;
    enum status s = dataset_new(&d, o, f);
    if (s != ST_OK)
        return s;
    s = lines_open_memory(&l, path, bytes, n, f);
    if (s == ST_OK)
        s = add_file(d, l, path, 1, f);
    lines_close(&l);
    return finish(out, d, s, f);
}

enum status dataset_open_files(struct dataset **out, const struct dataset_file *files, size_t n,
                               const struct dataset_options *o, struct fault *f)
{
    struct dataset *d = NULL;
    enum status s = dataset_new(&d, o, f);
    if (s != ST_OK)
        return s;
    for (size_t i = 0; s == ST_OK && i < n; i++) {
        struct lines *l = NULL;
        s = lines_open(&l, files[i].path, f);
        if (s == ST_OK)
            s = add_file(d, l, files[i].path, files[i].weight, f);
        lines_close(&l);
    }
    return finish(out, d, s, f);
}

enum status dataset_open(struct dataset **out, const char *path, const struct dataset_options *o,
                         struct fault *f)
{
    struct dataset_file file = {(char *)(uintptr_t)path, 1};
    return dataset_open_files(out, &file, 1, o, f);
}

void dataset_close(struct dataset **out)
{
    struct dataset *d = *out;
    *out = NULL;
    if (!d)
        return;
    for (size_t i = 0; i < d->parts; i++)
        free((char *)(uintptr_t)d->part[i].path);
    free(d->part);
    free(d->row);
    tokenizer_memory_close(&d->words);
    tokenstore_close(&d->store);
    free(d);
}

/* ---- what there is --------------------------------------------------------------------------- */

static void name_kinds(struct dataset *d)
{
    size_t n = 0;
    d->kinds[0] = '\0';
    for (size_t i = 0; i < d->parts; i++) {
        size_t j = 0;
        while (j < i && strcmp(d->part[j].kind, d->part[i].kind) != 0)
            j++;
        if (j == i && d->part[i].kind[0] && n < sizeof d->kinds)
            n += (size_t)snprintf(d->kinds + n, sizeof d->kinds - n, "%s%s", n > 0 ? " and " : "",
                                  d->part[i].kind);
    }
}

void dataset_measure(struct dataset *d)
{
    struct dataset_stats s = {.rows = d->rows};
    for (size_t i = 0; i < d->parts; i++)
        d->part[i].rows = 0;
    for (size_t i = 0; i < d->rows; i++) {
        const struct row_entry *e = &d->row[i], *last = i > 0 ? e - 1 : NULL;
        const struct row_entry *next = i + 1 < d->rows ? e + 1 : NULL;
        struct dataset_part *p = &d->part[e->file];
        p->first = p->rows++ == 0 ? i : p->first;
        s.tokens += (size_t)e->n;
        s.targets += (size_t)e->targets;
        s.cut_rows += e->cut > 0;
        s.cut_tokens += (size_t)e->cut;
        s.longest = (size_t)e->n > s.longest ? (size_t)e->n : s.longest;
        bool begins = !last || last->line != e->line || last->file != e->file;
        s.split += begins && next && next->line == e->line && next->file == e->file && !p->stream;
    }
    d->stats = s;
    name_kinds(d);
}

size_t dataset_rows(const struct dataset *d)
{
    return d->rows;
}

struct row dataset_outline(const struct dataset *d, size_t i)
{
    const struct row_entry *e = &d->row[i];
    return (struct row){
        .n = e->n, .targets = e->targets, .cut = e->cut, .line = e->line, .file = e->file};
}

struct row dataset_row(const struct dataset *d, size_t i)
{
    struct row r = dataset_outline(d, i);
    r.ids = tokenstore_row(d->store, d->row[i].at, (size_t)r.n);
    r.target = (const uint8_t *)(r.ids + r.n);
    return r;
}

enum status dataset_check(const struct dataset *d, struct fault *f)
{
    return tokenstore_check(d->store, f);
}

double dataset_pass_tokens(const struct dataset *d)
{
    double sum = 0;
    for (size_t i = 0; i < d->rows; i++)
        sum += d->part[d->row[i].file].weight * d->row[i].n;
    return sum;
}

struct dataset_stats dataset_stats(const struct dataset *d)
{
    return d->stats;
}

const char *dataset_kind(const struct dataset *d)
{
    return d->kinds;
}

uint32_t dataset_identity(const struct dataset *d)
{
    return d->identity;
}

size_t dataset_parts(const struct dataset *d)
{
    return d->parts;
}

struct dataset_part dataset_part(const struct dataset *d, size_t i)
{
    return d->part[i];
}

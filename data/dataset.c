#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/crc32c.h"
#include "data/dataset_impl.h"
#include "data/file.h"
#include "data/json.h"

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static enum status no_targets(const struct dataset *d, int line, bool cut, struct fault *f)
{
    fault_set(f, ST_FORMAT, "%s: line %d has no target to train on%s", d->path, line,
              cut ? " once it is cut to the sequence length" : "");
    return fault_remedy(f, cut ? "raise --max-seq-length, or shorten or remove the line"
                               : "remove the line, or give it a text, completion or answer");
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
    bool cut = n > (size_t)d->o.seq_max;
    if (cut) {
        d->stats.cut_rows++;
        d->stats.cut_tokens += n - (size_t)d->o.seq_max;
        n = (size_t)d->o.seq_max;
    }
    int targets = 0;
    for (size_t i = 1; i < n; i++)
        targets += target->p[i] != 0;
    if (targets == 0)
        return no_targets(d, line, cut, f);
    if (d->rows == d->cap) {
        size_t cap = d->cap + d->cap / 2 + 64;
        void *p = realloc(d->row, cap * sizeof *d->row);
        if (!p)
            return fault_nomem(f, "the list of rows", cap * sizeof *d->row);
        d->row = p;
        d->cap = cap;
    }
    size_t at = d->ids.n;
    enum status s = ids_adds(&d->ids, ids->p, n, f);
    if (s == ST_OK && (s = text_add(&d->target, target->p, n, f)) == ST_OK) {
        d->target.p[at] = 0; /* the first token of a row is never predicted */
        d->row[d->rows++] = (struct row_entry){at, (int)n, targets, line};
        d->stats.rows++;
        d->stats.tokens += n;
        d->stats.targets += (size_t)targets;
        d->stats.longest = n > d->stats.longest ? n : d->stats.longest;
    }
    return s;
}

static bool blank(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r')
            return false;
    return true;
}

typedef enum status line_fn(void *ctx, const struct json *root, int line, struct fault *f);

/* Calls fn with each line of a JSONL that is not blank. */
static enum status each_line(const char *path, const struct text *bytes, line_fn *fn, void *ctx,
                             struct fault *f)
{
    size_t at = bytes->n >= 3 && memcmp(bytes->p, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (int line = 1; at < bytes->n; line++) {
        const char *p = bytes->p + at, *nl = memchr(p, '\n', bytes->n - at);
        size_t n = nl ? (size_t)(nl - p) : bytes->n - at;
        at += n + 1;
        if (blank(p, n))
            continue;
        char where[300];
        snprintf(where, sizeof where, "%s: line %d", path, line);
        struct json_doc *doc = NULL;
        enum status s = json_parse(&doc, p, n, where, f);
        if (s != ST_OK && f->remedy[0] == '\0')
            fault_remedy(f, "mend or remove that line: each holds one JSON object in UTF-8");
        if (s != ST_OK)
            return s;
        if (json_kind(json_root(doc)) != JSON_OBJECT) {
            fault_set(f, ST_FORMAT, "%s is not a JSON object", where);
            s = fault_remedy(f, "each line holds one object, such as {\"text\": \"…\"}");
        } else {
            s = fn(ctx, json_root(doc), line, f);
        }
        json_close(&doc);
        if (s != ST_OK)
            return s;
    }
    return ST_OK;
}

static enum status add_line(void *ctx, const struct json *root, int line, struct fault *f)
{
    return dataset_add_line(ctx, root, line, f);
}

/* Plain text: one token stream cut at seq_max. A last piece of one token has nothing to predict. */
static enum status add_stream(struct dataset *d, const struct text *bytes, struct fault *f)
{
    struct ids ids = {0};
    struct text all = {0};
    d->kind = "plain text";
    enum status s =
        tokenizer_encode(d->o.tokenizer, &ids, bytes->p, bytes->n, TOKENIZER_ADD_SPECIAL, f);
    if (s != ST_OK && s != ST_NOMEM)
        fault_set(f, s, "%s is not a text in UTF-8", d->path);
    for (size_t i = 0; s == ST_OK && i < (size_t)d->o.seq_max && i < ids.n; i++)
        s = text_add(&all, "\1", 1, f);
    for (size_t at = 0; s == ST_OK && at + 1 < ids.n; at += (size_t)d->o.seq_max) {
        size_t n = ids.n - at < (size_t)d->o.seq_max ? ids.n - at : (size_t)d->o.seq_max;
        struct ids piece = {ids.p + at, n, n};
        struct text target = {all.p, n, n};
        if (n > 1)
            s = dataset_add_row(d, &piece, &target, 1, f);
    }
    ids_free(&ids);
    text_free(&all);
    return s;
}

enum status dataset_parse(struct dataset **out, const char *path, const char *bytes, size_t n,
                          const struct dataset_options *o, struct fault *f)
{
    const struct text all = {(char *)(uintptr_t)bytes, n, n};
    struct dataset *d = calloc(1, sizeof *d);
    if (!d)
        return fault_nomem(f, "a dataset", sizeof *d);
    d->o = *o;
    d->kind = "";
    d->path = strdup(path);
    enum status s = d->path ? ST_OK : fault_nomem(f, "a path", strlen(path));
    if (s == ST_OK)
        d->identity = crc32c(0, bytes, n);
    if (s == ST_OK)
        s = ends_with(path, ".txt") ? add_stream(d, &all, f)
                                    : each_line(path, &all, add_line, d, f);
    if (s == ST_OK && d->rows == 0) {
        fault_set(f, ST_FORMAT, "%s holds no rows", path);
        s = fault_remedy(f, "it needs at least one line such as {\"text\": \"…\"}");
    }
    if (s != ST_OK) {
        dataset_close(&d);
        return s;
    }
    *out = d;
    return ST_OK;
}

enum status dataset_open(struct dataset **out, const char *path, const struct dataset_options *o,
                         struct fault *f)
{
    struct text bytes = {0};
    enum status s = file_read(&bytes, path, SIZE_MAX, f);
    if (s == ST_OK)
        s = dataset_parse(out, path, bytes.p ? bytes.p : "", bytes.n, o, f);
    text_free(&bytes);
    return s;
}

void dataset_close(struct dataset **d)
{
    if (!*d)
        return;
    ids_free(&(*d)->ids);
    text_free(&(*d)->target);
    free((*d)->row);
    free((*d)->path);
    free(*d);
    *d = NULL;
}

size_t dataset_rows(const struct dataset *d)
{
    return d->rows;
}

struct row dataset_row(const struct dataset *d, size_t i)
{
    const struct row_entry *e = &d->row[i];
    struct row r = {d->ids.p + e->at, (const uint8_t *)d->target.p + e->at, e->n, e->targets,
                    e->line};
    return r;
}

struct dataset_stats dataset_stats(const struct dataset *d)
{
    return d->stats;
}

const char *dataset_kind(const struct dataset *d)
{
    return d->kind;
}

uint32_t dataset_identity(const struct dataset *d)
{
    return d->identity;
}

/* ---- texts and folders -------------------------------------------------------------------------- */

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

enum status dataset_text(struct text *out, const char *path, struct fault *f)
{
    struct text bytes = {0};
    enum status s = file_read(&bytes, path, SIZE_MAX, f);
    if (s == ST_OK && ends_with(path, ".jsonl")) {
        struct joined j = {out, path};
        s = each_line(path, &bytes, join_line, &j, f);
    } else if (s == ST_OK) {
        s = text_add(out, bytes.p, bytes.n, f);
    }
    text_free(&bytes);
    return s;
}

/* path/name.jsonl, else path/name.txt, else NULL. */
static enum status find_split(char **out, const char *path, const char *name, struct fault *f)
{
    static const char *const ends[] = {".jsonl", ".txt"};
    *out = NULL;
    for (int i = 0; i < 2; i++) {
        struct text t = {0};
        struct stat st;
        enum status s = text_addf(&t, f, "%s/%s%s", path, name, ends[i]);
        if (s != ST_OK)
            return s;
        if (stat(t.p, &st) == 0) {
            *out = t.p;
            return ST_OK;
        }
        text_free(&t);
    }
    return ST_OK;
}

enum status dataset_find(char **train, char **valid, char **test, const char *path, struct fault *f)
{
    struct stat st;
    *train = *valid = *test = NULL;
    if (stat(path, &st) != 0) {
        fault_set(f, ST_ABSENT, "%s: there is no such file or folder", path);
        return fault_remedy(f, "--data takes a .jsonl or .txt file, or a folder with train.jsonl");
    }
    if (!S_ISDIR(st.st_mode)) {
        *train = strdup(path);
        return *train ? ST_OK : fault_nomem(f, "a path", strlen(path));
    }
    enum status s = find_split(train, path, "train", f);
    if (s == ST_OK)
        s = find_split(valid, path, "valid", f);
    if (s == ST_OK)
        s = find_split(test, path, "test", f);
    if (s != ST_OK) {
        free(*train);
        free(*valid);
        *train = *valid = NULL;
    }
    return s;
}

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/file_set.h"
#include "data/json.h"
#include "data/safetensors.h"
#include "data/text.h"

struct entry {
    struct tensor t; /* owns its name */
    size_t turn;     /* when it was declared */
    size_t shard;
};

struct safetensors_out {
    char *path;
    size_t shard_bytes;
    struct entry *p; /* as declared; in the order of writing once planned */
    size_t n, cap;
    bool planned, sorted, sealed;
    size_t current, done;  /* bytes of p[current] that are written */
    struct file_set files; /* the shards, one after the other; then the index */
    size_t shard_count;
};

enum status safetensors_create(struct safetensors_out **out, const char *path, size_t shard_bytes,
                               struct fault *f)
{
    struct safetensors_out *w = calloc(1, sizeof *w);
    if (w)
        w->path = strdup(path);
    if (!w || !w->path) {
        free(w);
        return fault_nomem(f, path, sizeof *w);
    }
    w->shard_bytes = shard_bytes;
    w->sorted = true;
    *out = w;
    return ST_OK;
}

/* Names that come in rising order, as from a base file, need no search. */
static bool is_duplicate(struct safetensors_out *w, const char *name)
{
    if (w->n == 0 || (w->sorted && strcmp(w->p[w->n - 1].t.name, name) < 0))
        return false;
    w->sorted = false;
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->p[i].t.name, name) == 0)
            return true;
    return false;
}

enum status safetensors_declare(struct safetensors_out *w, const struct tensor *t, struct fault *f)
{
    struct tensor copy = *t;
    if (w->planned)
        return fault_set(f, ST_USAGE, "%s: tensor %.120s comes too late", w->path, t->name);
    if (is_duplicate(w, t->name) || strcmp(t->name, "__metadata__") == 0)
        return fault_set(f, ST_FORMAT, "%s: the tensor name %.120s cannot be written twice",
                         w->path, t->name);
    if (tensor_measure(&copy, w->path, f) != ST_OK)
        return f->code;
    if (w->n == w->cap) {
        size_t cap = 2 * w->cap + 64;
        struct entry *p = realloc(w->p, cap * sizeof *p);
        if (!p)
            return fault_nomem(f, w->path, cap * sizeof *p);
        w->p = p;
        w->cap = cap;
    }
    copy.name = strdup(t->name);
    if (!copy.name)
        return fault_nomem(f, w->path, strlen(t->name));
    w->p[w->n] = (struct entry){.t = copy, .turn = w->n};
    w->n++;
    return ST_OK;
}

static int by_writing(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->shard != y->shard)
        return x->shard < y->shard ? -1 : 1;
    size_t wide = dtype_size(x->t.dtype), other = dtype_size(y->t.dtype);
    if (wide != other)
        return wide > other ? -1 : 1;
    return x->turn < y->turn ? -1 : 1;
}

static void plan(struct safetensors_out *w)
{
    size_t shard = 0, filled = 0;
    for (size_t i = 0; i < w->n; i++) {
        size_t bytes = w->p[i].t.bytes;
        if (w->shard_bytes > 0 && filled > 0 &&
            (bytes > w->shard_bytes || filled > w->shard_bytes - bytes)) {
            shard++;
            filled = 0;
        }
        w->p[i].shard = shard;
        filled += bytes;
    }
    if (w->n > 0)
        qsort(w->p, w->n, sizeof *w->p, by_writing);
    w->shard_count = shard + 1;
    w->planned = true;
}

const struct tensor *safetensors_next(struct safetensors_out *w)
{
    if (!w->planned)
        plan(w);
    return w->current < w->n ? &w->p[w->current].t : NULL;
}

/* "model.safetensors" and shard 1 of 3 give "model-00002-of-00003.safetensors". */
static enum status shard_path(struct text *to, const struct safetensors_out *w, size_t shard,
                              struct fault *f)
{
    static const char end[] = ".safetensors";
    size_t n = strlen(w->path), m = strlen(end);
    if (w->shard_count == 1)
        return text_adds(to, w->path, f);
    if (n >= m && strcmp(w->path + n - m, end) == 0)
        n -= m;
    if (text_add(to, w->path, n, f) != ST_OK)
        return f->code;
    return text_addf(to, f, "-%05zu-of-%05zu%s", shard + 1, w->shard_count, end);
}

static enum status header_json(struct text *to, const struct safetensors_out *w, size_t shard,
                               struct fault *f)
{
    struct json_doc *doc = json_new_object();
    size_t at = 0;
    json_add_string(json_add_object(json_edit(doc), "__metadata__"), "format", "pt");
    for (size_t i = 0; i < w->n; i++) {
        const struct tensor *t = &w->p[i].t;
        if (w->p[i].shard != shard)
            continue;
        struct json *v = json_add_object(json_edit(doc), t->name);
        json_add_string(v, "dtype", dtype_name(t->dtype));
        struct json *shape = json_add_array(v, "shape");
        for (int d = 0; d < t->ndim; d++)
            json_add_int(shape, NULL, t->shape[d]);
        struct json *offsets = json_add_array(v, "data_offsets");
        json_add_int(offsets, NULL, (int64_t)at);
        at += t->bytes;
        json_add_int(offsets, NULL, (int64_t)at);
    }
    enum status s = json_print(to, doc, false, f);
    json_close(&doc);
    return s;
}

/* Opens the file of a shard and writes its header. */
static enum status begin_shard(struct safetensors_out *w, size_t shard, struct fault *f)
{
    struct text path = {0}, header = {0};
    struct file_out *o = NULL;
    unsigned char length[8];
    enum status s = shard_path(&path, w, shard, f);
    if (s == ST_OK)
        s = header_json(&header, w, shard, f);
    while (s == ST_OK && header.n % 8 != 0)
        s = text_add(&header, " ", 1, f);
    if (s == ST_OK)
        s = file_set_open(&w->files, &o, path.p, f);
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)header.n >> 8 * i);
    if (s == ST_OK)
        s = file_out_write(o, length, 8, f);
    if (s == ST_OK)
        s = file_out_write(o, header.p, header.n, f);
    text_free(&path);
    text_free(&header);
    return s;
}

/* Tensors are written shard by shard. */
static enum status open_shard(struct safetensors_out *w, size_t shard, struct fault *f)
{
    if (!w->planned)
        plan(w);
    return shard < w->files.n ? ST_OK : begin_shard(w, shard, f);
}

enum status safetensors_write(struct safetensors_out *w, const void *bytes, size_t n,
                              struct fault *f)
{
    const struct tensor *t = safetensors_next(w);
    if (!t || n > t->bytes - w->done)
        return fault_set(f, ST_USAGE, "%s: more bytes than tensor %.120s has", w->path,
                         t ? t->name : "none");
    size_t shard = w->p[w->current].shard;
    if (open_shard(w, shard, f) != ST_OK ||
        file_out_write(file_set_at(&w->files, shard), bytes, n, f) != ST_OK)
        return f->code;
    w->done += n;
    if (w->done == t->bytes) {
        w->current++;
        w->done = 0;
    }
    return ST_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return strcmp(x->t.name, y->t.name);
}

static enum status write_index(struct safetensors_out *w, struct fault *f)
{
    struct text path = {0}, name = {0}, json = {0};
    struct json_doc *doc = json_new_object();
    size_t total = 0;
    for (size_t i = 0; i < w->n; i++)
        total += w->p[i].t.bytes;
    json_add_int(json_add_object(json_edit(doc), "metadata"), "total_size", (int64_t)total);
    struct json *map = json_add_object(json_edit(doc), "weight_map");
    qsort(w->p, w->n, sizeof *w->p, by_name);
    enum status s = ST_OK;
    for (size_t i = 0; i < w->n && s == ST_OK; i++) {
        name.n = 0;
        s = shard_path(&name, w, w->p[i].shard, f);
        if (s != ST_OK)
            break;
        const char *slash = strrchr(name.p, '/');
        json_add_string(map, w->p[i].t.name, slash ? slash + 1 : name.p);
    }
    if (s == ST_OK)
        s = text_addf(&path, f, "%s.index.json", w->path);
    if (s == ST_OK)
        s = json_print(&json, doc, true, f);
    if (s == ST_OK)
        s = text_adds(&json, "\n", f);
    if (s == ST_OK)
        s = file_set_write(&w->files, path.p, json.p, json.n, f);
    json_close(&doc);
    text_free(&path);
    text_free(&name);
    text_free(&json);
    return s;
}

/* One file and shards with an index are two ways to say the same: where an earlier checkpoint stood
 * in the folder in the other way, readers would go on finding it. So its index, or its one file,
 * goes. */
enum status safetensors_seal(struct safetensors_out *w, struct file_set **files, struct fault *f)
{
    const struct tensor *t = safetensors_next(w);
    struct text other = {0};
    if (t)
        return fault_set(f, ST_USAGE, "%s: tensor %.120s was not written", w->path, t->name);
    enum status s = ST_OK;
    if (!w->sealed) {
        s = open_shard(w, 0, f); /* a file without tensors has a header too */
        if (s == ST_OK)
            s = text_addf(&other, f, "%s%s", w->path, w->shard_count > 1 ? "" : ".index.json");
        if (s == ST_OK)
            s = file_set_drop(&w->files, other.p, f);
        if (s == ST_OK && w->shard_count > 1)
            s = write_index(w, f);
        text_free(&other);
        w->sealed = s == ST_OK;
    }
    if (s == ST_OK && files)
        *files = &w->files;
    return s;
}

enum status safetensors_commit(struct safetensors_out *w, struct fault *f)
{
    enum status s = safetensors_seal(w, NULL, f);
    return s == ST_OK ? file_set_commit(&w->files, f) : s;
}

void safetensors_out_close(struct safetensors_out **w)
{
    if (!*w)
        return;
    file_set_abort(&(*w)->files);
    for (size_t i = 0; i < (*w)->n; i++)
        free((void *)(uintptr_t)(*w)->p[i].t.name);
    free((*w)->p);
    free((*w)->path);
    free(*w);
    *w = NULL;
}

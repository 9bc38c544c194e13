#include "data/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "data/crc32c.h"
#include "data/file.h"
#include "data/h5out.h"
#include "data/h5table.h"

static const char WHAT[] = "checkpoint", FORMAT[] = "wick checkpoint";

struct checkpoint {
    char *path;
    struct file_map map;
    struct h5table table;
    struct blobs texts; /* copies, with the NUL that strings need */
};

static enum status check_entry(struct checkpoint *c, const struct h5table_entry *e, struct fault *f)
{
    if (crc32c(0, c->map.p + e->at, e->t.bytes) != e->crc) {
        fault_set(f, ST_FORMAT, "%s: %.120s is damaged: its checksum does not match", c->path,
                  e->t.name);
        return fault_remedy(f, "use an older checkpoint, or start the run again");
    }
    if (strcmp(e->group, "texts") != 0)
        return ST_OK;
    return blobs_add(&c->texts, e->t.name, c->map.p + e->at, e->t.bytes, f);
}

static bool is_ours(const struct h5table *t)
{
    const char *format = h5table_attr(t, "format");
    return format && strcmp(format, FORMAT) == 0;
}

static enum status check_all(struct checkpoint *c, struct fault *f)
{
    const char *version = h5table_attr(&c->table, "version");
    if (!is_ours(&c->table))
        return h5table_refuse(f, c->path, WHAT, "it is some other HDF5 file");
    if (!version || strcmp(version, "1") != 0) {
        fault_set(f, ST_UNSUPPORTED, "%s is a checkpoint of version %.20s, not 1", c->path,
                  version ? version : "none");
        return fault_remedy(f, "resume with the program that made it, or start the run again");
    }
    for (size_t i = 0; i < c->table.n; i++)
        if (check_entry(c, &c->table.p[i], f) != ST_OK)
            return f->code;
    return ST_OK;
}

enum status checkpoint_open(struct checkpoint **out, const char *path, struct fault *f)
{
    struct checkpoint *c = calloc(1, sizeof *c);
    if (c)
        c->path = strdup(path);
    if (!c || !c->path) {
        free(c);
        return fault_nomem(f, path, sizeof *c);
    }
    if (file_map_open(&c->map, path, f) != ST_OK ||
        h5table_read(&c->table, path, c->map.n, WHAT, f) != ST_OK || check_all(c, f) != ST_OK) {
        checkpoint_close(&c);
        return f->code;
    }
    *out = c;
    return ST_OK;
}

bool checkpoint_is(const char *path)
{
    struct checkpoint c = {0};
    struct fault ignored = {0};
    bool yes = file_map_open(&c.map, path, &ignored) == ST_OK &&
               h5table_read(&c.table, path, c.map.n, WHAT, &ignored) == ST_OK && is_ours(&c.table);
    h5table_free(&c.table);
    file_map_close(&c.map);
    return yes;
}

void checkpoint_close(struct checkpoint **c)
{
    if (!*c)
        return;
    h5table_free(&(*c)->table);
    blobs_free(&(*c)->texts);
    file_map_close(&(*c)->map);
    free((*c)->path);
    free(*c);
    *c = NULL;
}

const void *checkpoint_get(const struct checkpoint *c, const char *name, enum dtype dtype,
                           size_t count)
{
    const struct h5table_entry *e = h5table_find(&c->table, "arrays", name);
    if (!e || e->t.dtype != dtype || e->t.ndim != 1 || (uint64_t)e->t.shape[0] != count)
        return NULL;
    return c->map.p + e->at;
}

size_t checkpoint_size(const struct checkpoint *c, const char *name)
{
    const struct h5table_entry *e = h5table_find(&c->table, "arrays", name);
    return e && e->t.ndim == 1 ? (size_t)e->t.shape[0] : 0;
}

const char *checkpoint_text(const struct checkpoint *c, const char *name)
{
    const struct blob *b = blobs_find(&c->texts, name);
    return b ? (const char *)b->data : NULL;
}

/* ---- writing ------------------------------------------------------------------------------- */

struct checkpoint_out {
    struct h5out *h5;
};

enum status checkpoint_create(struct checkpoint_out **out, const char *path, struct fault *f)
{
    struct checkpoint_out *w = calloc(1, sizeof *w);
    if (!w)
        return fault_nomem(f, path, sizeof *w);
    if (h5out_create(&w->h5, path, WHAT, f) != ST_OK ||
        h5out_attr(w->h5, "format", FORMAT, f) != ST_OK ||
        h5out_attr(w->h5, "version", "1", f) != ST_OK) {
        checkpoint_out_close(&w);
        return f->code;
    }
    *out = w;
    return ST_OK;
}

enum status checkpoint_add(struct checkpoint_out *w, const char *name, enum dtype dtype,
                           const void *data, size_t count, struct fault *f)
{
    struct tensor t = {.name = name, .dtype = dtype, .ndim = 1, .shape = {(int64_t)count}};
    if (h5out_begin(w->h5, "arrays", &t, f) != ST_OK)
        return f->code;
    return h5out_append(w->h5, data, count * dtype_size(dtype), f);
}

enum status checkpoint_add_text(struct checkpoint_out *w, const char *name, const char *text,
                                struct fault *f)
{
    size_t n = strlen(text);
    struct tensor t = {.name = name, .dtype = DT_U8, .ndim = 1, .shape = {(int64_t)n}};
    if (h5out_begin(w->h5, "texts", &t, f) != ST_OK)
        return f->code;
    return h5out_append(w->h5, text, n, f);
}

enum status checkpoint_commit(struct checkpoint_out *w, struct fault *f)
{
    return h5out_commit(w->h5, f);
}

void checkpoint_out_close(struct checkpoint_out **w)
{
    if (!*w)
        return;
    h5out_close(&(*w)->h5);
    free(*w);
    *w = NULL;
}

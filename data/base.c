#include "data/base.h"

#include <stdlib.h>
#include <string.h>

#include "data/chat.h"
#include "data/crc32c.h"
#include "data/file.h"
#include "data/h5table.h"

static const char WHAT[] = "base file";
static const size_t FILE_BYTES_MAX = (size_t)1 << 30;

struct base {
    char *path;
    struct file_map map;
    struct h5table table;
    const struct h5table_entry *weights;
    size_t n;
    struct blobs files;
    uint32_t identity;
};

static const struct h5table_entry *entry_of(const struct tensor *t)
{
    return (const void *)t;
}

static enum status damaged(struct fault *f, const char *path, const char *kind, const char *name)
{
    fault_set(f, ST_FORMAT, "%s: the %s %.160s is damaged: its checksum does not match", path, kind,
              name);
    return fault_remedy(f, "import the model again");
}

static enum status check_attrs(const struct base *b, struct fault *f)
{
    const char *format = h5table_attr(&b->table, "format");
    const char *version = h5table_attr(&b->table, "version");
    if (!format || strcmp(format, "wick base") != 0)
        return h5table_refuse(f, b->path, WHAT, "it is some other HDF5 file");
    if (!version || strcmp(version, "1") != 0) {
        fault_set(f, ST_UNSUPPORTED, "%s is a base file of version %.20s, not 1", b->path,
                  version ? version : "none");
        return fault_remedy(f, "use the program that made it, or import the model again");
    }
    if (!base_family(b) || !base_source(b))
        return h5table_refuse(f, b->path, WHAT, "it does not say what model it is");
    return ST_OK;
}

static enum status read_file(struct base *b, const struct h5table_entry *e, struct fault *f)
{
    void *p = malloc(e->t.bytes + 1);
    if (!p)
        return fault_nomem(f, e->t.name, e->t.bytes);
    enum status s = file_pread(b->map.fd, p, e->t.bytes, e->at, b->path, f);
    if (s == ST_OK && crc32c(0, p, e->t.bytes) != e->crc)
        s = damaged(f, b->path, "file", e->t.name);
    if (s == ST_OK)
        s = blobs_add(&b->files, e->t.name, p, e->t.bytes, f);
    free(p);
    if (s == ST_OK && strncmp(e->t.name, CHAT_FOLDER ":", strlen(CHAT_FOLDER) + 1) == 0) {
        char *name = b->files.p[b->files.n - 1].name;
        name[strlen(CHAT_FOLDER)] = '/';
        if (!chat_template_name(NULL, SIZE_MAX, name))
            return h5table_refuse(f, b->path, WHAT, "it holds a file that cannot be one");
    }
    return s;
}

static enum status read_files(struct base *b, struct fault *f)
{
    size_t n, total = 0;
    const struct h5table_entry *e = h5table_group(&b->table, "files", &n);
    for (size_t i = 0; i < n; i++) {
        if (e[i].t.dtype != DT_U8 || e[i].t.ndim != 1 || e[i].t.bytes > FILE_BYTES_MAX - total)
            return h5table_refuse(f, b->path, WHAT, "it holds a file that cannot be one");
        total += e[i].t.bytes;
        if (read_file(b, &e[i], f) != ST_OK)
            return f->code;
    }
    return ST_OK;
}

/* Over numbers of a fixed size, so that it is the same on every machine. */
static uint32_t identify(const struct base *b)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < b->table.n; i++) {
        const struct h5table_entry *e = &b->table.p[i];
        unsigned char numbers[8 * TENSOR_DIMS_MAX + 16] = {0};
        size_t k = 0;
        for (int d = 0; d < e->t.ndim; d++)
            for (int byte = 0; byte < 8; byte++)
                numbers[k++] = (unsigned char)((uint64_t)e->t.shape[d] >> 8 * byte);
        numbers[k++] = (unsigned char)e->t.dtype;
        for (int byte = 0; byte < 4; byte++)
            numbers[k++] = (unsigned char)(e->crc >> 8 * byte);
        crc = crc32c(crc, e->group, strlen(e->group) + 1);
        crc = crc32c(crc, e->t.name, strlen(e->t.name) + 1);
        crc = crc32c(crc, numbers, k);
    }
    return crc;
}

enum status base_open(struct base **out, const char *path, struct fault *f)
{
    struct base *b = calloc(1, sizeof *b);
    if (b)
        b->path = strdup(path);
    if (!b || !b->path) {
        free(b);
        return fault_nomem(f, path, sizeof *b);
    }
    if (file_map_open(&b->map, path, f) != ST_OK ||
        h5table_read(&b->table, path, b->map.n, WHAT, f) != ST_OK || check_attrs(b, f) != ST_OK ||
        read_files(b, f) != ST_OK) {
        base_close(&b);
        return f->code;
    }
    b->weights = h5table_group(&b->table, "weights", &b->n);
    b->identity = identify(b);
    *out = b;
    return ST_OK;
}

void base_close(struct base **b)
{
    if (!*b)
        return;
    h5table_free(&(*b)->table);
    blobs_free(&(*b)->files);
    file_map_close(&(*b)->map);
    free((*b)->path);
    free(*b);
    *b = NULL;
}

size_t base_count(const struct base *b)
{
    return b->n;
}

const struct tensor *base_tensor(const struct base *b, size_t i)
{
    return &b->weights[i].t;
}

const struct tensor *base_find(const struct base *b, const char *name)
{
    const struct h5table_entry *e = h5table_find(&b->table, "weights", name);
    return e ? &e->t : NULL;
}

const struct blobs *base_files(const struct base *b)
{
    return &b->files;
}

const char *base_family(const struct base *b)
{
    return h5table_attr(&b->table, "family");
}

const char *base_source(const struct base *b)
{
    return h5table_attr(&b->table, "source");
}

const char *base_created_by(const struct base *b)
{
    const char *s = h5table_attr(&b->table, "created_by");
    return s ? s : "";
}

const char *base_path(const struct base *b)
{
    return b->path;
}

uint32_t base_identity(const struct base *b)
{
    return b->identity;
}

const void *base_data(const struct base *b, const struct tensor *t)
{
    return b->map.p + entry_of(t)->at;
}

void base_release(const struct base *b, const struct tensor *t)
{
    file_map_release(&b->map, entry_of(t)->at, t->bytes);
}

enum status base_read(const struct base *b, const struct tensor *t, size_t at, void *to, size_t n,
                      uint32_t *crc, struct fault *f)
{
    if (at > t->bytes || n > t->bytes - at)
        return fault_set(f, ST_RANGE, "%s: tensor %.160s has only %zu bytes", b->path, t->name,
                         t->bytes);
    if (file_pread(b->map.fd, to, n, entry_of(t)->at + at, b->path, f) != ST_OK)
        return f->code;
    if (!crc)
        return ST_OK;
    *crc = crc32c(at == 0 ? 0 : *crc, to, n);
    if (at + n == t->bytes && *crc != entry_of(t)->crc)
        return damaged(f, b->path, "tensor", t->name);
    return ST_OK;
}

enum status base_check(const struct base *b, const struct tensor *t, struct fault *f)
{
    size_t step = (size_t)1 << 20;
    unsigned char *buffer = malloc(step);
    enum status s = ST_OK;
    uint32_t crc = 0;
    if (!buffer)
        return fault_nomem(f, t->name, step);
    for (size_t at = 0; at < t->bytes && s == ST_OK; at += step)
        s = base_read(b, t, at, buffer, t->bytes - at < step ? t->bytes - at : step, &crc, f);
    if (t->bytes == 0 && entry_of(t)->crc != 0)
        s = damaged(f, b->path, "tensor", t->name);
    free(buffer);
    return s;
}

enum status base_check_all(const struct base *b,
                           void (*progress)(void *arg, size_t done, size_t total), void *arg,
                           struct fault *f)
{
    size_t done = 0, total = 0;
    for (size_t i = 0; i < b->n; i++)
        total += b->weights[i].t.bytes;
    for (size_t i = 0; i < b->n; i++) {
        if (base_check(b, &b->weights[i].t, f) != ST_OK)
            return f->code;
        done += b->weights[i].t.bytes;
        if (progress)
            progress(arg, done, total);
    }
    return ST_OK;
}

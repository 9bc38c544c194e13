#include "data/h5table.h"

#include <stdlib.h>
#include <string.h>

enum status h5table_refuse(struct fault *f, const char *path, const char *what, const char *why)
{
    fault_set(f, ST_FORMAT, "%s is not a readable %s (%s)", path, what, why);
    return fault_remedy(f, strcmp(what, "checkpoint") == 0
                               ? "use an older checkpoint, or start the run again"
                               : "check the path, or import the model again");
}

/* ---- writing the bytes --------------------------------------------------------------------- */

static enum status put_number(struct text *to, uint64_t x, size_t bytes, struct fault *f)
{
    char b[8];
    for (size_t i = 0; i < bytes; i++)
        b[i] = (char)(x >> 8 * i);
    return text_add(to, b, bytes, f);
}

/* With the NUL after it, so that the parser can point into the bytes. */
static enum status put_string(struct text *to, const char *s, struct fault *f)
{
    size_t n = strlen(s);
    enum status st = put_number(to, n, 4, f);
    return st == ST_OK ? text_add(to, s, n + 1, f) : st;
}

static enum status put_tag(struct text *to, char tag, struct fault *f)
{
    return text_add(to, &tag, 1, f);
}

enum status h5table_put_attr(struct text *to, const char *name, const char *value, struct fault *f)
{
    enum status s = put_tag(to, 'A', f);
    if (s == ST_OK)
        s = put_string(to, name, f);
    return s == ST_OK ? put_string(to, value, f) : s;
}

enum status h5table_put_entry(struct text *to, const struct h5table_entry *e, struct fault *f)
{
    enum status s = put_tag(to, 'D', f);
    if (s == ST_OK)
        s = put_string(to, e->group, f);
    if (s == ST_OK)
        s = put_string(to, e->t.name, f);
    if (s == ST_OK)
        s = put_number(to, (uint64_t)e->t.dtype, 1, f);
    if (s == ST_OK)
        s = put_number(to, (uint64_t)e->t.ndim, 1, f);
    for (int i = 0; i < e->t.ndim && s == ST_OK; i++)
        s = put_number(to, (uint64_t)e->t.shape[i], 8, f);
    if (s == ST_OK)
        s = put_number(to, e->at, 8, f);
    return s == ST_OK ? put_number(to, e->crc, 4, f) : s;
}

enum status h5table_put_failure(struct text *to, const char *why, struct fault *f)
{
    enum status s = put_tag(to, 'E', f);
    return s == ST_OK ? put_string(to, why, f) : s;
}

enum status h5table_put_end(struct text *to, struct fault *f)
{
    return put_tag(to, 'Z', f);
}

/* ---- reading the bytes --------------------------------------------------------------------- */

struct reader {
    const char *p; /* a copy that the table keeps */
    size_t n, i;
    uint64_t size;
    const char *path, *what;
};

static enum status broken(const struct reader *r, struct fault *f)
{
    return h5table_refuse(f, r->path, r->what, "its table of contents is damaged");
}

static int get_number(struct reader *r, uint64_t *x, size_t bytes)
{
    if (r->n - r->i < bytes)
        return 0;
    *x = 0;
    for (size_t k = bytes; k-- > 0;)
        *x = *x << 8 | (unsigned char)r->p[r->i + k];
    r->i += bytes;
    return 1;
}

static int get_string(struct reader *r, const char **s)
{
    uint64_t n;
    if (!get_number(r, &n, 4) || n >= r->n - r->i)
        return 0;
    *s = r->p + r->i;
    if (memchr(*s, '\0', (size_t)n + 1) != *s + n || !utf8_valid(*s, (size_t)n, NULL))
        return 0;
    r->i += (size_t)n + 1;
    return 1;
}

static enum status get_entry(struct h5table_entry *e, struct reader *r, struct fault *f)
{
    uint64_t dtype, ndim, x;
    *e = (struct h5table_entry){0};
    if (!get_string(r, &e->group) || !get_string(r, &e->t.name) || !get_number(r, &dtype, 1) ||
        dtype >= DT_COUNT || !get_number(r, &ndim, 1) || ndim > TENSOR_DIMS_MAX)
        return broken(r, f);
    e->t.dtype = (enum dtype)dtype;
    e->t.ndim = (int)ndim;
    for (uint64_t d = 0; d < ndim; d++) {
        if (!get_number(r, &x, 8))
            return broken(r, f);
        e->t.shape[d] = (int64_t)x;
    }
    if (!get_number(r, &e->at, 8) || !get_number(r, &x, 4))
        return broken(r, f);
    e->crc = (uint32_t)x;
    if (tensor_measure(&e->t, r->path, f) != ST_OK)
        return f->code;
    if (e->at > r->size || e->t.bytes > r->size - e->at || e->at % dtype_size(e->t.dtype) != 0) {
        fault_set(f, ST_FORMAT, "%s is not a readable %s (%.120s lies outside the file)", r->path,
                  r->what, e->t.name);
        return fault_remedy(f, "the file was cut or altered: make it again");
    }
    return ST_OK;
}

static enum status get_attr(struct h5table *t, struct reader *r, struct fault *f)
{
    const char *name, *value;
    if (!get_string(r, &name) || !get_string(r, &value))
        return broken(r, f);
    return blobs_add(&t->attrs, name, value, strlen(value), f);
}

static enum status add_entry(struct h5table *t, size_t *cap, struct reader *r, struct fault *f)
{
    if (t->n == *cap) {
        size_t more = 2 * *cap + 64;
        struct h5table_entry *p = realloc(t->p, more * sizeof *p);
        if (!p)
            return fault_nomem(f, r->path, more * sizeof *p);
        t->p = p;
        *cap = more;
    }
    if (get_entry(&t->p[t->n], r, f) != ST_OK)
        return f->code;
    t->n++;
    return ST_OK;
}

static enum status read_records(struct h5table *t, struct reader *r, struct fault *f)
{
    size_t cap = 0;
    while (r->i < r->n) {
        const char *why;
        enum status s = ST_OK;
        switch (r->p[r->i++]) {
        case 'A': s = get_attr(t, r, f); break;
        case 'D': s = add_entry(t, &cap, r, f); break;
        case 'E':
            return get_string(r, &why) ? h5table_refuse(f, r->path, r->what, why) : broken(r, f);
        case 'Z': return r->i == r->n ? ST_OK : broken(r, f);
        default: return broken(r, f);
        }
        if (s != ST_OK)
            return s;
    }
    return broken(r, f); /* the child died before it said the end */
}

static int by_place(const void *a, const void *b)
{
    const struct h5table_entry *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->t.bytes < y->t.bytes ? -1 : x->t.bytes > y->t.bytes;
}

static int by_name(const void *a, const void *b)
{
    const struct h5table_entry *x = a, *y = b;
    int order = strcmp(x->group, y->group);
    return order ? order : strcmp(x->t.name, y->t.name);
}

static enum status check_entries(struct h5table *t, const struct reader *r, struct fault *f)
{
    uint64_t end = 0;
    if (t->n > 0)
        qsort(t->p, t->n, sizeof *t->p, by_place);
    for (size_t i = 0; i < t->n; i++) {
        if (t->p[i].t.bytes == 0)
            continue;
        if (t->p[i].at < end)
            return h5table_refuse(f, r->path, r->what, "two datasets overlap");
        end = t->p[i].at + t->p[i].t.bytes;
    }
    if (t->n > 0)
        qsort(t->p, t->n, sizeof *t->p, by_name);
    for (size_t i = 1; i < t->n; i++)
        if (by_name(&t->p[i - 1], &t->p[i]) == 0)
            return h5table_refuse(f, r->path, r->what, "a name stands twice");
    return ST_OK;
}

enum status h5table_parse(struct h5table *out, const char *bytes, size_t n, uint64_t size,
                          const char *path, const char *what, struct fault *f)
{
    struct h5table t = {.strings = malloc(n + 1)};
    if (!t.strings)
        return fault_nomem(f, path, n);
    if (n > 0)
        memcpy(t.strings, bytes, n);
    struct reader r = {.p = t.strings, .n = n, .size = size, .path = path, .what = what};
    if (read_records(&t, &r, f) != ST_OK || check_entries(&t, &r, f) != ST_OK) {
        h5table_free(&t);
        return f->code;
    }
    *out = t;
    return ST_OK;
}

void h5table_free(struct h5table *t)
{
    free(t->strings);
    free(t->p);
    blobs_free(&t->attrs);
    *t = (struct h5table){0};
}

/* ---- look-ups ------------------------------------------------------------------------------ */

const struct h5table_entry *h5table_group(const struct h5table *t, const char *group, size_t *n)
{
    size_t first = 0;
    while (first < t->n && strcmp(t->p[first].group, group) != 0)
        first++;
    size_t end = first;
    while (end < t->n && strcmp(t->p[end].group, group) == 0)
        end++;
    *n = end - first;
    return t->n > 0 ? t->p + first : NULL;
}

const struct h5table_entry *h5table_find(const struct h5table *t, const char *group,
                                         const char *name)
{
    struct h5table_entry key = {.group = group, .t.name = name};
    return t->n ? bsearch(&key, t->p, t->n, sizeof key, by_name) : NULL;
}

const char *h5table_attr(const struct h5table *t, const char *name)
{
    const struct blob *b = blobs_find(&t->attrs, name);
    return b ? (const char *)b->data : NULL;
}

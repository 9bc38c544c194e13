#include <stdlib.h>
#include <string.h>

#include "data/safetensors_impl.h"

static enum status refuse(struct fault *f, const char *where, const char *what)
{
    fault_set(f, ST_FORMAT, "%s is not a readable safetensors file: %s", where, what);
    return fault_remedy(f, "download or save the file again");
}

static enum status refuse_tensor(struct fault *f, const char *where, const char *name,
                                 const char *what)
{
    fault_set(f, ST_FORMAT, "%s: tensor %.120s %s", where, name, what);
    return fault_remedy(f, "download or save the file again");
}

static enum status read_shape(struct tensor *t, const struct json *shape, const char *where,
                              struct fault *f)
{
    if (json_kind(shape) != JSON_ARRAY)
        return refuse_tensor(f, where, t->name, "has no shape");
    for (const struct json *d = json_first(shape); d; d = json_next(d)) {
        if (t->ndim == TENSOR_DIMS_MAX)
            return refuse_tensor(f, where, t->name, "has more than 8 dimensions");
        int64_t size;
        if (!json_int(d, &size) || size < 0)
            return refuse_tensor(f, where, t->name, "has a dimension that is not a size");
        t->shape[t->ndim++] = size;
    }
    return tensor_measure(t, where, f);
}

static enum status read_entry(struct safetensors_entry *e, const struct json *v, size_t data,
                              size_t n, const char *where, struct fault *f)
{
    *e = (struct safetensors_entry){.t.name = json_key(v)};
    const char *dtype = json_string(json_get(v, "dtype"));
    const struct json *offsets = json_get(v, "data_offsets"), *first = json_first(offsets);
    int64_t begin, end;
    if (!dtype)
        return refuse_tensor(f, where, e->t.name, "has no dtype");
    if (!dtype_parse(&e->t.dtype, dtype)) {
        fault_set(f, ST_UNSUPPORTED, "%s: tensor %.120s has the unknown dtype %.20s", where,
                  e->t.name, dtype);
        return fault_remedy(f, "save the model in F32, F16 or BF16");
    }
    if (read_shape(&e->t, json_get(v, "shape"), where, f) != ST_OK)
        return f->code;
    if (json_kind(offsets) != JSON_ARRAY || json_count(offsets) != 2 || !json_int(first, &begin) ||
        !json_int(json_next(first), &end) || begin < 0 || end < begin)
        return refuse_tensor(f, where, e->t.name, "has no valid data_offsets");
    if ((uint64_t)end > n - data)
        return refuse_tensor(f, where, e->t.name, "ends past the end of the file");
    if ((uint64_t)(end - begin) != e->t.bytes)
        return refuse_tensor(f, where, e->t.name, "has data_offsets that do not fit its shape");
    e->at = data + (size_t)begin;
    return ST_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct safetensors_entry *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->t.bytes < y->t.bytes ? -1 : x->t.bytes > y->t.bytes;
}

static int by_name(const void *a, const void *b)
{
    const struct safetensors_entry *x = a, *y = b;
    return strcmp(x->t.name, y->t.name);
}

/* The data section is covered exactly once. Leaves the entries in name order. */
static enum status check_cover(struct safetensors_part *part, size_t data, size_t n,
                               const char *where, struct fault *f)
{
    size_t at = data;
    if (part->n > 0)
        qsort(part->p, part->n, sizeof *part->p, by_place);
    for (size_t i = 0; i < part->n; i++) {
        const struct safetensors_entry *e = &part->p[i];
        if (e->at != at)
            return refuse_tensor(f, where, e->t.name,
                                 e->at < at ? "overlaps another tensor" : "follows a hole");
        at += e->t.bytes;
    }
    if (at != n)
        return refuse(f, where, "bytes follow the last tensor");
    if (part->n > 0)
        qsort(part->p, part->n, sizeof *part->p, by_name);
    return ST_OK;
}

static enum status check_metadata(const struct json *m, const char *where, struct fault *f)
{
    if (json_kind(m) != JSON_OBJECT)
        return refuse(f, where, "__metadata__ is not an object");
    for (const struct json *v = json_first(m); v; v = json_next(v))
        if (!json_string(v))
            return refuse(f, where, "__metadata__ holds something that is not a string");
    return ST_OK;
}

static enum status read_header(struct safetensors_part *part, size_t data, size_t n,
                               const char *where, struct fault *f)
{
    const struct json *root = json_root(part->header);
    size_t members = json_count(root);
    if (json_kind(root) != JSON_OBJECT)
        return refuse(f, where, "its header is not an object");
    part->p = calloc(members + 1, sizeof *part->p);
    if (!part->p)
        return fault_nomem(f, where, members * sizeof *part->p);
    for (const struct json *v = json_first(root); v; v = json_next(v)) {
        enum status s = strcmp(json_key(v), "__metadata__") == 0
                            ? check_metadata(v, where, f)
                            : read_entry(&part->p[part->n++], v, data, n, where, f);
        if (s != ST_OK)
            return s;
    }
    return check_cover(part, data, n, where, f);
}

enum status safetensors_parse(struct safetensors_part *out, const unsigned char *bytes, size_t n,
                              const char *where, struct fault *f)
{
    struct safetensors_part part = {0};
    uint64_t length = 0;
    if (n < 8)
        return refuse(f, where, "it is shorter than eight bytes");
    for (int i = 7; i >= 0; i--)
        length = length << 8 | bytes[i];
    if (length > n - 8)
        return refuse(f, where, "its header is longer than the file");
    if (length > SAFETENSORS_HEADER_MAX)
        return refuse(f, where, "its header is longer than 100 MB");
    if (length == 0 || bytes[8] != '{')
        return refuse(f, where, "it has no JSON header");
    if (json_parse(&part.header, (const char *)bytes + 8, (size_t)length, where, f) != ST_OK ||
        read_header(&part, 8 + (size_t)length, n, where, f) != ST_OK) {
        safetensors_part_free(&part);
        return f->code;
    }
    *out = part;
    return ST_OK;
}

void safetensors_part_free(struct safetensors_part *part)
{
    json_close(&part->header);
    free(part->p);
    *part = (struct safetensors_part){0};
}

#include "data/tensor.h"

#include <stdio.h>

enum status tensor_measure(struct tensor *t, const char *where, struct fault *f)
{
    size_t bytes = dtype_size(t->dtype);
    if (t->ndim < 0 || t->ndim > TENSOR_DIMS_MAX)
        return fault_set(f, ST_FORMAT, "%s: tensor %s has %d dimensions, more than %d", where,
                         t->name, t->ndim, TENSOR_DIMS_MAX);
    for (int i = 0; i < t->ndim; i++) {
        if (t->shape[i] < 0)
            return fault_set(f, ST_FORMAT, "%s: tensor %s has a negative dimension", where,
                             t->name);
        /* PTRDIFF_MAX, so that differences of pointers into a tensor are defined. */
        if (t->shape[i] > 0 && bytes > (size_t)PTRDIFF_MAX / (size_t)t->shape[i])
            return fault_set(f, ST_FORMAT, "%s: the shape of tensor %s is too large for any file",
                             where, t->name);
        bytes *= (size_t)t->shape[i];
    }
    t->bytes = bytes;
    return ST_OK;
}

const char *tensor_describe(char *to, size_t size, const struct tensor *t)
{
    size_t n = 0;
    to[0] = '\0';
    for (int i = 0; i < t->ndim && n < size; i++)
        n += (size_t)snprintf(to + n, size - n, "%s%lld", i ? ", " : "[", (long long)t->shape[i]);
    if (n < size)
        snprintf(to + n, size - n, "%s %s", t->ndim ? "]" : "[]", dtype_name(t->dtype));
    return to;
}

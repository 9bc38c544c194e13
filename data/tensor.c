#include "data/tensor.h"

#include <stdio.h>
#include <string.h>

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

/* The bits that are all set in an element that is not finite; 0 where there is no such element. Of
 * F8_E4M3, which has NaN alone, that is the whole magnitude. */
static uint64_t exponent_bits(enum dtype t)
{
    switch (t) {
    case DT_F64: return 0x7ff0000000000000;
    case DT_F32: return 0x7f800000;
    case DT_F16: return 0x7c00;
    case DT_BF16: return 0x7f80;
    case DT_F8E4M3: return 0x7f;
    case DT_F8E5M2: return 0x7c;
    default: return 0;
    }
}

size_t tensor_first_not_finite(const struct tensor *t, const void *data)
{
    const unsigned char *p = data;
    size_t wide = dtype_size(t->dtype), count = t->bytes / wide;
    uint64_t mask = exponent_bits(t->dtype);
    for (size_t i = 0; mask && i < count; i++) {
        uint64_t bits = 0;
        memcpy(&bits, p + i * wide, wide); /* little-endian, as all files here and this machine */
        if ((bits & mask) == mask)
            return i;
    }
    return count;
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

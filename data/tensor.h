/* What a file says about one tensor: shared by base files, safetensors and whoever reads them. */
#ifndef DATA_TENSOR_H
#define DATA_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/dtype.h"
#include "kernels/status.h"

enum { TENSOR_DIMS_MAX = 8 };

struct tensor {
    const char *name; /* as Hugging Face names it; borrowed from whoever hands out the tensor */
    enum dtype dtype;
    int ndim; /* 0 for a scalar */
    int64_t shape[TENSOR_DIMS_MAX];
    size_t bytes; /* product of shape x size of dtype, checked */
};

/* Fills t->bytes from dtype, ndim and shape. ST_FORMAT names `where` and the tensor if a dimension
 * is negative, there are too many, or the product does not fit. */
enum status tensor_measure(struct tensor *t, const char *where, struct fault *f);

/* The first of t's elements at data that is infinite or NaN; t's count of elements if none is. data
 * need not be aligned. Elements of a type without such values are all finite. */
size_t tensor_first_not_finite(const struct tensor *t, const void *data);

/* "[2, 3] BF16" for messages; returns `to`. */
const char *tensor_describe(char *to, size_t size, const struct tensor *t);

#endif

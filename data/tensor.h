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

/* "[2, 3] BF16" for messages; returns `to`. */
const char *tensor_describe(char *to, size_t size, const struct tensor *t);

#endif

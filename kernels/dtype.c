#include "kernels/dtype.h"

static const struct {
    size_t size;
    const char *name;
} types[DT_COUNT] = {
#define X(name, size, text) [DT_##name] = {size, text},
    DTYPE_MAP(X)
#undef X
};

size_t dtype_size(enum dtype t)
{
    return types[t].size;
}

const char *dtype_name(enum dtype t)
{
    return types[t].name;
}

int dtype_parse(enum dtype *out, const char *name)
{
    for (int i = 0; i < DT_COUNT; i++) {
        if (strcmp(types[i].name, name) == 0) {
            *out = (enum dtype)i;
            return 1;
        }
    }
    return 0;
}

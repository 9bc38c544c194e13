/* How a struct json is a cJSON, for json.c and json_write.c alone. valueint, which cJSON fills by
 * rounding and which nothing here reads, carries a mark instead. */
#ifndef DATA_JSON_IMPL_H
#define DATA_JSON_IMPL_H

#include <cjson/cJSON.h>

#include "data/json.h"

struct json_doc {
    cJSON *root;
};

enum {
    MARK_FLOAT = 1, /* a number that was written with a fraction or an exponent */
    MARK_LOST = 2   /* a container to which something could not be added for want of memory */
};

static inline const cJSON *node(const struct json *v)
{
    return (const cJSON *)v;
}

#endif

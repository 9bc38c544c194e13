/* The table that the child sends about an HDF5 file of 64 KiB: the boundary to a process that a
 * hostile file may have taken over. */
#include <stdlib.h>
#include <string.h>

#include "data/h5table.h"
#include "tests/fuzz/fuzz.h"

int fuzz_h5table(const uint8_t *bytes, size_t n)
{
    struct fault f = {0};
    struct h5table t = {0};
    const uint64_t size = 65536;
    if (h5table_parse(&t, (const char *)bytes, n, size, "fuzz", "base file", &f) != ST_OK)
        return 0;
    for (size_t i = 0; i < t.n; i++) {
        const struct h5table_entry *e = &t.p[i];
        if (e->t.bytes > size || e->at > size - e->t.bytes || e->at % dtype_size(e->t.dtype) != 0 ||
            h5table_find(&t, e->group, e->t.name) != e)
            abort();
    }
    size_t count;
    h5table_group(&t, "weights", &count);
    h5table_attr(&t, "format");
    h5table_free(&t);
    return 0;
}

#ifdef FUZZ_MAIN
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    return fuzz_h5table(bytes, n);
}
#endif

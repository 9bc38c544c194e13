/* Every tensor of an accepted file lies inside it. */
#include <stdlib.h>

#include "data/safetensors_impl.h"
#include "tests/fuzz/fuzz.h"

int fuzz_safetensors(const uint8_t *bytes, size_t n)
{
    struct fault f = {0};
    struct safetensors_part part = {0};
    volatile unsigned sum = 0;
    if (safetensors_parse(&part, bytes, n, "fuzz", &f) != ST_OK)
        return 0;
    for (size_t i = 0; i < part.n; i++) {
        const struct safetensors_entry *e = &part.p[i];
        if (e->t.bytes > n || e->at > n - e->t.bytes)
            abort();
        if (e->t.bytes > 0)
            sum += (unsigned)bytes[e->at] + bytes[e->at + e->t.bytes - 1];
    }
    safetensors_part_free(&part);
    return 0;
}

#ifdef FUZZ_MAIN
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    return fuzz_safetensors(bytes, n);
}
#endif

/* config.json and generation_config.json (after a NUL byte): what is accepted is within bounds. */
#include <stdlib.h>
#include <string.h>

#include "model/config.h"
#include "tests/fuzz/fuzz.h"

int fuzz_config(const uint8_t *bytes, size_t n)
{
    static struct model_config c;
    struct blobs files = {0};
    struct fault f = {0};
    const uint8_t *cut = n > 0 ? memchr(bytes, 0, n) : NULL;
    size_t first = cut ? (size_t)(cut - bytes) : n;
    blobs_add(&files, "config.json", bytes, first, &f);
    if (cut)
        blobs_add(&files, "generation_config.json", cut + 1, n - first - 1, &f);
    if (model_config_read(&c, &files, &f) == ST_OK) {
        if (c.hidden < 1 || c.layers < 1 || c.layers > LAYERS_MAX || c.heads < 1 ||
            c.kv_heads < 1 || c.heads % c.kv_heads != 0 || c.head_dim < 1 || c.vocab < 1 ||
            c.max_positions < 1 || c.rot_dim > c.head_dim || c.eos_count < 0 ||
            c.eos_count > EOS_MAX)
            abort();
    } else if (f.code == ST_OK || f.text[0] == '\0') {
        abort(); /* a refusal says why */
    }
    blobs_free(&files);
    return 0;
}

#ifdef FUZZ_MAIN
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    return fuzz_config(bytes, n);
}
#endif

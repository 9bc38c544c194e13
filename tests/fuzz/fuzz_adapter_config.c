/* adapter_config.json, with its patterns matched against module names. */
#include <math.h>
#include <stdlib.h>

#include "data/adapter_impl.h"
#include "tests/fuzz/fuzz.h"

int fuzz_adapter_config(const uint8_t *bytes, size_t n)
{
    static const char *const modules[] = {"model.layers.11.self_attn.q_proj", "a", ""};
    struct fault f = {0};
    struct adapter_config c = {0};
    if (adapter_config_parse(&c, (const char *)bytes, n, "fuzz", &f) != ST_OK)
        return 0;
    for (size_t i = 0; i < 3; i++) {
        double rank = (double)c.rank, alpha = c.alpha;
        if (adapter_patterns_apply(&rank, &c.ranks, modules[i], "fuzz", &f) != ST_OK ||
            adapter_patterns_apply(&alpha, &c.alphas, modules[i], "fuzz", &f) != ST_OK)
            break;
        if (rank < 1 || !isfinite(adapter_scale(alpha, (int)rank, c.use_rslora)))
            abort();
    }
    adapter_config_free(&c);
    return 0;
}

#ifdef FUZZ_MAIN
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    return fuzz_adapter_config(bytes, n);
}
#endif

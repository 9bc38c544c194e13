/* The same comparison on the OpenCL device, one model of each family. Programs are built for a model's
 * shape: its tests share them through a cache of this run's own. */
#include "tests/data/scratch.h"

static int cache_make(void **state)
{
    return scratch_make(state) == 0 ? setenv("OCL_CACHE", scratch_folder, 0) : -1;
}

#define FIXTURE_DEVICES "opencl"
#define FIXTURE_SETUP   cache_make
#define FIXTURE_END     scratch_remove
#define FIXTURE_NAMES                                                                        \
    "llama3", "mistral", "qwen2_window", "qwen3_window", "gemma2", "gemma3", "gemma3_parts", \
        "phi3", "phi4", "smollm3", "gpt2"
#include "tests/model/test_fixtures.c"

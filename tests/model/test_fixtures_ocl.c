/* The same comparison on the OpenCL device. Programs are built for a model's shape: its tests share
 * them through a cache of this run's own. */
#include "tests/data/scratch.h"

static int cache_make(void **state)
{
    return scratch_make(state) == 0 ? setenv("OCL_CACHE", scratch_folder, 0) : -1;
}

#define FIXTURE_DEVICES "opencl"
#define FIXTURE_SETUP   cache_make
#include "tests/model/test_fixtures.c"

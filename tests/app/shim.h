/* For the program's tests on OpenCL: whether there is a device, and one that fails when told to.
 *
 *     opencl_needed();               // no device: skipped, or failed with REQUIRE_OCL=1
 *     shim("gpu memory=3000000");    // for the next run: what tests/opencl_shim.c lists
 *     WICK("eval", ...);
 *
 * The library is OUT/tests/opencl_shim.so. It is never sanitized, because the driver's compiler
 * loads it too; a sanitized program then wants to be told that it comes first. */
#ifndef TESTS_APP_SHIM_H
#define TESTS_APP_SHIM_H

#include "tests/app/program.h"

static inline void opencl_needed(void)
{
    static int there = -1;
    const char *require = getenv("REQUIRE_OCL");
    if (there < 0) {
        WICK("devices", "--json");
        program_done();
        there = strstr(program_said.out.p, "\"opencl:0\"") != NULL;
    }
    if (!there && require && strcmp(require, "1") == 0)
        fail_msg("REQUIRE_OCL=1, and wick devices lists no OpenCL device");
    if (!there) {
        print_message("there is no OpenCL device: skipped\n");
        skip();
    }
}

static inline void shim(const char *words)
{
    static char preload[2 * PATH_MAX], told[512], asan[1024];
    const char *out = getenv("OUT"), *options = getenv("ASAN_OPTIONS");
    char library[PATH_MAX], path[PATH_MAX];
    snprintf(library, sizeof library, "%s/tests/opencl_shim.so",
             out && *out ? out : "build/release");
    if (!realpath(library, path))
        fail_msg("%s is not there: make tests builds it", library);
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", path);
    assert_true((size_t)snprintf(told, sizeof told, "OCL_SHIM=%s", words) < sizeof told);
    snprintf(asan, sizeof asan, "ASAN_OPTIONS=%s%sverify_asan_link_order=0", options ? options : "",
             options ? ":" : "");
    program_next.env[0] = preload;
    program_next.env[1] = told;
    program_next.env[2] = asan;
}

#endif

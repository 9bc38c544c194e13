#include "app/bench_open.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/console.h"

/* Where drivers are told to keep their own compiled programs: NVIDIA, PoCL, Mesa, Intel. */
static const char *const driver_folders[] = {"CUDA_CACHE_PATH", "POCL_CACHE_DIR",
                                             "MESA_SHADER_CACHE_DIR", "NEO_CACHE_DIR"};
enum { DRIVERS = sizeof driver_folders / sizeof *driver_folders };

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    remove(path);
    return 0;
}

static enum status timed(double *out, const struct common *c, const char *folder, enum dtype dtype,
                         struct fault *f)
{
    const struct kern_specs usual = {.rows = 64,
                                     .width = 8192,
                                     .rank = 64,
                                     .heads = 32,
                                     .kv_heads = 8,
                                     .head_dim = 64,
                                     .keys = 64,
                                     .vocab = 32000,
                                     .hidden = 2048,
                                     .dtypes = 1u << dtype,
                                     .backward = true,
                                     .dropout = true};
    kern *k = NULL;
    double began = console_now();
    enum status s = device_open_at(&k, c, folder, f);
    if (s == ST_OK)
        s = kern_prepare(k, &usual, f);
    if (s == ST_OK)
        s = kern_sync(k, f);
    *out = console_now() - began;
    kern_close(&k);
    return s;
}

enum status bench_open(struct bench_open *out, const struct common *c, enum dtype dtype,
                       struct fault *f)
{
    const char *tmp = getenv("TMPDIR");
    char folder[1024];
    snprintf(folder, sizeof folder, "%s/wick-bench-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder)) {
        fault_set(f, ST_IO, "%.300s: %s", folder, strerror(errno));
        return fault_remedy(f, "set TMPDIR to a folder that can be written to");
    }
    console_note("building every program, to see how long that takes");
    for (int i = 0; i < DRIVERS; i++)
        setenv(driver_folders[i], folder, 1);
    enum status s = timed(&out->cold, c, folder, dtype, f);
    if (s == ST_OK)
        s = timed(&out->warm, c, folder, dtype, f);
    for (int i = 0; i < DRIVERS; i++)
        unsetenv(driver_folders[i]);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return s;
}

#include "app/bench_open.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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

/* What a child has to say. */
struct told {
    enum status status;
    struct bench_open times;
    struct fault fault;
};

/* Drivers look for their folders once a process, and some write there as late as at its end: so it
 * is a child that is told to use another one, and that has ended before the folder goes. */
static void open_twice(int to, const struct common *c, const char *folder, enum dtype dtype)
{
    struct told t = {.status = ST_OK};
    for (int i = 0; i < DRIVERS; i++)
        setenv(driver_folders[i], folder, 1);
    t.status = timed(&t.times.cold, c, folder, dtype, &t.fault);
    if (t.status == ST_OK)
        t.status = timed(&t.times.warm, c, folder, dtype, &t.fault);
    _exit(write(to, &t, sizeof t) == sizeof t ? 0 : 1); /* less than a pipe takes at once */
}

static enum status in_child(struct bench_open *out, const struct common *c, const char *folder,
                            enum dtype dtype, struct fault *f)
{
    int ends[2], how = 0;
    struct told t = {.status = ST_OK};
    pid_t pid = -1;
    if (pipe(ends) != 0)
        return fault_set(f, ST_IO, "a process to open the device in: %s", strerror(errno));
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        open_twice(ends[1], c, folder, dtype);
    }
    int err = errno;
    close(ends[1]);
    ssize_t n = pid < 0 ? -1 : read(ends[0], &t, sizeof t);
    close(ends[0]);
    if (pid < 0)
        return fault_set(f, ST_IO, "a process to open the device in: %s", strerror(err));
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
        ;
    if (n != (ssize_t)sizeof t) {
        fault_set(f, ST_DEVICE, "opening the device ended the process (status %d)", how);
        return fault_remedy(f, "use --device cpu, and report it with the driver's version");
    }
    if (t.status != ST_OK)
        *f = t.fault;
    else
        *out = t.times;
    return t.status;
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
    enum status s = in_child(out, c, folder, dtype, f);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return s;
}

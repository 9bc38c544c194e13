/* OpenBLAS, loaded at run time. A release older than the processor does not know its model number
 * and falls back to a kernel of 2004 ("Prescott": a fifth of the speed, seen with 0.3.21 on a
 * processor of 2023). It reads OPENBLAS_CORETYPE once, while it loads: so the choice is made here
 * before, from instruction sets, not from model numbers. */
#include "kernels/cpu_probe.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct cpu_blas blas;
static bool loaded;

/* dlsym gives an object pointer; ISO C has no cast from that to a function. */
static bool resolve(void *lib, const char *name, void *fn, size_t size)
{
    void *p = dlsym(lib, name);
    memcpy(fn, &p, size);
    return p != NULL;
}

static void describe(void *lib)
{
    char *(*corename)(void), *(*config)(void);
    if (resolve(lib, "openblas_get_corename", &corename, sizeof corename))
        snprintf(blas.core, sizeof blas.core, "%s", corename());
    if (resolve(lib, "openblas_get_config", &config, sizeof config))
        snprintf(blas.version, sizeof blas.version, "%s", config());
}

static void load(void)
{
    const char *core = cpu_blas_core();
    void (*set_threads)(int);
    if (core)
        setenv("OPENBLAS_CORETYPE", core, 0); /* a user's own choice stands */
    setenv("OPENBLAS_NUM_THREADS", "1", 1);   /* our tiles run side by side */
    void *lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return;
    if (!resolve(lib, "cblas_sgemm", &blas.sgemm, sizeof blas.sgemm)) {
        dlclose(lib);
        return;
    }
    if (resolve(lib, "openblas_set_num_threads", &set_threads, sizeof set_threads))
        set_threads(1);
    describe(lib);
    loaded = true; /* stays in memory until the process ends: it has no safe unload */
}

const struct cpu_blas *blas_load(void)
{
    pthread_once(&once, load);
    return loaded ? &blas : NULL;
}

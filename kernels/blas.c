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

lora_linear_fwd_fn lora_linear_fwd_blas;
lora_linear_bwd_fn lora_linear_bwd_blas;
linear_cross_entropy_fn linear_cross_entropy_blas;
attention_fwd_fn attention_fwd_blas;
attention_bwd_fn attention_bwd_blas;

const struct kern_ops cpu_ops_blas = {
    .lora_linear_fwd = lora_linear_fwd_blas,
    .lora_linear_bwd = lora_linear_bwd_blas,
    .linear_cross_entropy = linear_cross_entropy_blas,
    .attention_fwd = attention_fwd_blas,
    .attention_bwd = attention_bwd_blas,
};

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
    snprintf(blas.version, sizeof blas.version, "OpenBLAS");
    if (resolve(lib, "openblas_get_corename", &corename, sizeof corename))
        snprintf(blas.core, sizeof blas.core, "%s", corename());
    if (resolve(lib, "openblas_get_config", &config, sizeof config)) {
        const char *text = config(), *number = text + strcspn(text, " ");
        size_t n = (size_t)(number - text) + strspn(number, " ");
        snprintf(blas.version, sizeof blas.version, "%.*s", (int)(n + strcspn(text + n, " ")),
                 text);
    }
}

/* A build for one thread may not be called from several: its memory has no lock, unless it was
 * built with one, which it does not tell. */
static bool usable(void *lib)
{
    int (*parallel)(void);
    return resolve(lib, "cblas_sgemm", &blas.sgemm, sizeof blas.sgemm) &&
           (!resolve(lib, "openblas_get_parallel", &parallel, sizeof parallel) || parallel() != 0);
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
    if (!usable(lib)) {
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

/* ---- a measuring stick ------------------------------------------------------------------------ */

struct product {
    float *c;
    const float *a, *b;
    int ldc, lda, ldb;
    int m, n, depth, width; /* width: columns of a tile */
};

static void product_tile(kern *k, void *args, int tile, int worker)
{
    const struct product *p = args;
    int col = tile * p->width, cols = p->n - col < p->width ? p->n - col : p->width;
    (void)k, (void)worker;
    blas.sgemm(BLAS_ROW_MAJOR, BLAS_N, BLAS_T, p->m, cols, p->depth, 1.0f, p->a, p->lda,
               p->b + (size_t)col * (size_t)p->ldb, p->ldb, 0.0f, p->c + col, p->ldc);
}

/* As good as it gets: as few parts as there are threads. */
static void product(kern *k, struct kref c, struct kref a, struct kref b, int m, int n, int depth)
{
    struct product p = {.c = cpu_f32(c), .a = cpu_f32(a), .b = cpu_f32(b)};
    p.ldc = c.ld;
    p.lda = a.ld;
    p.ldb = b.ld;
    p.m = m;
    p.n = n;
    p.depth = depth;
    p.width = (n - 1) / cpu_workers(k) + 1;
    cpu_run(k, product_tile, &p, (n - 1) / p.width + 1);
}

const struct kern_rival *blas_rival(void)
{
    static const struct kern_rival rival = {"OpenBLAS", product};
    return blas_load() ? &rival : NULL;
}

/* CLBlast's SGEMM, to measure ours against. Loaded when asked for: the program does not need it. */
#include "kernels/gemm/gemm_ocl.h"

#include <dlfcn.h>
#include <string.h>

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 }; /* clblast_c.h */

static int (*sgemm)(int layout, int a_side, int b_side, size_t m, size_t n, size_t k, float alpha,
                    const cl_mem a, size_t a_at, size_t a_ld, const cl_mem b, size_t b_at,
                    size_t b_ld, float beta, cl_mem c, size_t c_at, size_t c_ld,
                    cl_command_queue *queue, cl_event *event);

static void gemm(kern *k, struct kref c, struct kref a, struct kref b, int m, int n, int depth)
{
    if (!kern_ok(k))
        return;
    int err = sgemm(ROW_MAJOR, PLAIN, TRANSPOSED, (size_t)m, (size_t)n, (size_t)depth, 1.0f,
                    a.buf->p, a.at, (size_t)a.ld, b.buf->p, b.at, (size_t)b.ld, 0.0f, c.buf->p,
                    c.at, (size_t)c.ld, &ocl_own(k)->queue, NULL);
    if (err != 0)
        kern_stick(k, ST_DEVICE, "CLBlastSgemm", "error %d", err);
}

const struct kern_rival *gemm_rival(void)
{
    static const struct kern_rival rival = {"CLBlast", gemm};
    void *lib = dlopen("libclblast.so.1", RTLD_NOW | RTLD_LOCAL);
    void *p = lib ? dlsym(lib, "CLBlastSgemm") : NULL;
    memcpy(&sgemm, &p, sizeof sgemm); /* ISO C has no cast from an object pointer to a function */
    return p ? &rival : NULL;         /* it stays loaded: its kernels may be under way */
}

/* Inside kernels/ only: what a device is made of. A device fills struct kern_device (buffers,
 * queue, weights, preparation) and the op table; kern.c does the rest: open by name, sticky
 * failure, memory accounts, checks of arguments that every device shares. */
#ifndef KERNELS_DEVICE_H
#define KERNELS_DEVICE_H

#include "kernels/ops.h"

struct kbuf {
    kern *k;
    enum dtype dtype;
    size_t count;
    void *p; /* CPU: the host pointer; OpenCL: the cl_mem */
};

/* A library's product C [m,n] = A [m,depth] B [n,depth]^T, all f32: a measuring stick for bench/. */
struct kern_rival {
    const char *name; /* "CLBlast" */
    void (*gemm)(kern *k, struct kref c, struct kref a, struct kref b, int m, int n, int depth);
};

/* Every call gets the handle; failures of the void ones stick (kern_stick). */
struct kern_device {
    void (*close)(kern *k);
    /* b has its dtype and count; the memory is zeroed. `what` is for messages. */
    enum status (*buf_new)(kern *k, kbuf *b, const char *what, struct fault *f);
    void (*buf_free)(kern *k, kbuf *b);
    void (*write)(kern *k, struct kref dst, const void *src, size_t count);
    void (*read)(kern *k, void *dst, struct kref src, size_t count);
    void (*finish)(kern *k); /* waits for everything enqueued */
    uint64_t (*mark)(kern *k);
    void (*wait)(kern *k, uint64_t mark);
    size_t (*weight_bytes)(const kern *k, const struct kweight_spec *s);
    enum status (*weight_load)(struct kweight **out, kern *k, const struct kweight_spec *s,
                               struct fault *f);
    void (*weight_free)(kern *k, struct kweight *w);
    enum status (*prepare)(kern *k, const struct kern_specs *s, struct fault *f);
    size_t (*scratch_bytes)(const kern *k, const struct kern_specs *s); /* that prepare adds */
    const struct kern_rival *(*rival)(void); /* gives NULL where none is installed; may be NULL */
};

struct kweight {
    kern *k;
    int rows, cols;
    enum dtype dtype;
    size_t bytes;
    void *p; /* the device's own layout */
};

/* What the default block rows (blocks.c) need between elementary rows; kern_prepare makes it. */
struct kern_scratch {
    kbuf *mid;  /* activations [rows, in]: N or M made again */
    kbuf *dmid; /* activations [rows, in]: dN or dM; backward only */
    kbuf *h;    /* f32 [rows, rank]: H of a forward that keeps nothing */
};

struct kern_state {
    const struct kern_device *device;
    struct kern_info info;
    struct kern_memory memory;
    struct kern_scratch scratch;
    enum status stuck; /* the first failure since the last sync */
    struct fault fault;
    void *own; /* struct cpu or struct ocl */
};

/* Records the first failure, with the op's name; later ones are dropped. */
void kern_stick(kern *k, enum status code, const char *op, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Whether nothing has failed since the last sync: every op begins with it. */
static inline bool kern_ok(const kern *k)
{
    return k->state->stuck == ST_OK;
}
/* Adds to (or takes from) the memory account. */
void kern_account(kern *k, int64_t bytes);

/* Devices. cpu_open takes what follows "cpu" in the name: "", ":ref", ":base", ":avx2", ":avx512".
 * ocl_open takes the index in ocl_list's order, or OCL_BEST (the best GPU, else the best of all),
 * or OCL_GPU (the best GPU, else ST_NODEVICE: what "auto" asks for). ocl_none.c gives both
 * ST_NODEVICE in a build without OpenCL. An open fills k->op, state->device, state->info and
 * state->own; when it fails it leaves nothing behind. */
enum { OCL_BEST = -1, OCL_GPU = -2 };
enum status cpu_open(kern *k, const char *which, const struct kern_options *o, struct fault *f);
enum status cpu_list(struct kern_info *out, struct fault *f);
enum status ocl_open(kern *k, int index, const struct kern_options *o, struct fault *f);
enum status ocl_list(struct kern_info **out, size_t *count, struct fault *f);
struct kern_cache ocl_cache_state(const char *dir);

/* A block's scratch matrix of `cols` columns; sticks ST_RANGE (and gives KREF_NONE) where
 * kern_prepare has not made that much. */
struct kref kern_scratch_ref(kern *k, kbuf *b, int rows, int cols, const char *op);

/* The block rows that every device starts with (kernels/blocks/blocks.c). */
#define OP(name)
#define BLOCK(name) name##_fn name##_default;
#include "kernels/ops.def"
#undef OP

#endif

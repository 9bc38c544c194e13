/* A compute device: its buffers, its frozen weights and its table of ops.
 *
 *     kern *k;
 *     if (kern_open(&k, "cpu", &(struct kern_options){0}, f) != ST_OK) return f->code;
 *     kbuf *x, *y, *w;
 *     kbuf_new(&x, k, DT_F32, 4 * 64, "x", f);  …
 *     kern_prepare(k, &(struct kern_specs){.rows = 4, .width = 64}, f);
 *     kern_write(k, kref(x, 0, 64), host, 4 * 64);
 *     k->op.softmax_fwd(k, kref(y, 0, 64), kref(x, 0, 64), 4, 64);
 *     kern_read(k, host, kref(y, 0, 64), 4 * 64);
 *     if (kern_sync(k, f) != ST_OK) …          // the first failure since the last sync, with its op
 *     kern_close(&k);
 *
 * (kernels/ops.h holds the table: include that to call ops.)
 *
 * Ops return nothing and may be asynchronous. The first failure sticks to the handle: later calls
 * do nothing, and kern_sync() or kern_wait() reports and clears it. Nobody outside kernels/ can tell
 * which device this is: buffers have no host pointers, and every row of the table is filled.
 *
 * Parameters of ops never vary in order: outputs, inputs, weights, dims outer to inner, scalars.
 * Dims are at least 1 (empty work is the caller's to skip). No op allocates: kern_prepare() sizes the
 * scratch and, on OpenCL, builds the programs. One thread at a time may use a handle.
 *
 * Equal calls give equal bits: work is cut into tiles that do not depend on the number of threads,
 * reductions run in a fixed order, and which variant of an op runs is a function of the device, its
 * features and the shape alone. */
#ifndef KERNELS_KERN_H
#define KERNELS_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/dtype.h"
#include "kernels/status.h"

typedef struct kern kern;
typedef struct kbuf kbuf; /* device memory: dtype and count fixed when made */
struct kweight;           /* a frozen matrix in whatever layout its device likes */

/* A place in a buffer, seen as a matrix: element (r, c) is `at + r * ld + c` elements from the
 * buffer's start. Vectors ignore ld. buf == NULL means "not there" where a contract allows it. */
struct kref {
    kbuf *buf;
    size_t at;
    int ld;
};

static inline struct kref kref(kbuf *buf, size_t at, int ld)
{
    struct kref r = {buf, at, ld};
    return r;
}

/* The same matrix from column `col` on. */
static inline struct kref kref_col(struct kref m, int col)
{
    m.at += (size_t)col;
    return m;
}

/* The same matrix from row `row` on. */
static inline struct kref kref_row(struct kref m, int row)
{
    m.at += (size_t)row * (size_t)m.ld;
    return m;
}

#define KREF_NONE ((struct kref){0})

/* Whether an output is written (=) or accumulated (+=). */
enum kwrite { K_SET, K_ADD };

enum kern_precision { KERN_AUTO, KERN_F32, KERN_BF16 };

struct kern_options {
    int threads;                   /* 0: one per usable core */
    enum kern_precision precision; /* of activations; auto: f32 on a CPU */
    const char *cache_dir;         /* of compiled device programs; NULL: none is kept */
};

/* device: "auto" (the best GPU, else the CPU), "cpu", "opencl" (prefers GPUs), "opencl:N" (N counts
 * as kern_list does). For tests and comparisons also "cpu:ref" (the scalar specification of every
 * op), "cpu:base", "cpu:avx2", "cpu:avx512" (the best of that instruction set at most), "cpu:blas"
 * (base with OpenBLAS's products: what "cpu" is on a processor with AVX but not AVX2). */
enum status kern_open(kern **out, const char *device, const struct kern_options *o,
                      struct fault *f);
void kern_close(kern **k);

struct kern_info {
    char id[32];       /* "cpu", "opencl:0" */
    char name[128];    /* the processor's or the device's own name */
    char backend[16];  /* "cpu", "opencl" */
    char platform[64]; /* of an OpenCL device: its driver's name; else empty */
    char version[128]; /* library or driver version */
    char tier[64];     /* "avx512", "base + OpenBLAS Sandybridge"; "portable" */
    char
        limits[160]; /* of an OpenCL device: largest buffer, local memory, work-group; else empty */
    char note[240];  /* why "auto" did not take a better device; else empty */
    uint64_t memory_bytes;
    int threads;
    enum kern_precision precision; /* F32 or BF16 */
    enum dtype activation;         /* dtype of activation buffers: DT_F32 or DT_BF16 */
};
const struct kern_info *kern_info(const kern *k);

/* All devices that kern_open can name, CPU first; *out is the caller's to free(). */
enum status kern_list(struct kern_info **out, size_t *count, struct fault *f);

/* What a folder of compiled device programs (kern_options.cache_dir) holds; zeros where there is none. */
struct kern_cache {
    int programs;
    uint64_t bytes;
};
struct kern_cache kern_cache_state(const char *dir);

/* Bytes of device memory held now and at most since open: buffers, weights, scratch. */
struct kern_memory {
    uint64_t now, peak;
};
struct kern_memory kern_memory(const kern *k);

/* ---- buffers --------------------------------------------------------------------------------- */

/* Zeroed. ST_NOMEM names what; so do ST_RANGE, for no elements or more than can be addressed, and
 * ST_UNSUPPORTED, for more than the device takes in one buffer. Buffers are freed before the handle
 * is closed. */
enum status kbuf_new(kbuf **out, kern *k, enum dtype dtype, size_t count, const char *what,
                     struct fault *f);
void kbuf_free(kbuf **b);
enum dtype kbuf_dtype(const kbuf *b);
size_t kbuf_count(const kbuf *b);

/* Copies `count` elements of the buffer's dtype; rows are contiguous (ld is ignored). src may be
 * reused when kern_write returns; dst of kern_read is valid after the next sync or wait. */
void kern_write(kern *k, struct kref dst, const void *src, size_t count);
void kern_read(kern *k, void *dst, struct kref src, size_t count);

/* Waits for everything enqueued; reports and clears the first failure. */
enum status kern_sync(kern *k, struct fault *f);
/* Marks this point of the queue; kern_wait waits until it is reached, and no longer. */
uint64_t kern_mark(kern *k);
enum status kern_wait(kern *k, uint64_t mark, struct fault *f);

/* ---- frozen matrices -------------------------------------------------------------------------- */

enum { KWEIGHT_PARTS = 4 };

/* W [rows, cols], row-major, one output feature a row; may join several tensors, one above the other
 * (q|k|v, gate|up). */
struct kweight_spec {
    int rows, cols;
    enum dtype dtype; /* of what read() hands out: DT_F32, DT_F16 or DT_BF16 */
    int parts;
    int part_rows[KWEIGHT_PARTS]; /* their sum is rows */
    /* Hands out `rows` whole rows of one part, from `row` on, row-major and contiguous. Called with
     * rising parts and rows, each row once. */
    enum status (*read)(void *ctx, int part, int row, int rows, void *dst, struct fault *f);
    void *ctx;
    const char *name; /* for messages */
};

/* Bytes of device memory the matrix will take: known before it is loaded. */
size_t kweight_bytes(const kern *k, const struct kweight_spec *s);
/* ST_UNSUPPORTED: not a dtype of weights, or more than the device takes in one buffer; ST_RANGE:
 * parts that do not make up the rows; ST_NOMEM; ST_DEVICE; or what read() fails with, which has
 * filled f. Weights are freed before the handle is closed. */
enum status kweight_load(struct kweight **out, kern *k, const struct kweight_spec *s,
                         struct fault *f);
void kweight_free(struct kweight **w);
enum dtype kweight_dtype(const struct kweight *w);
int kweight_rows(const struct kweight *w);
int kweight_cols(const struct kweight *w);

/* ---- prepare, then run ------------------------------------------------------------------------ */

/* The largest sizes that ops will be called with. Zero: not used. */
struct kern_specs {
    int rows;     /* token rows of one call */
    int width;    /* columns of the widest activation: in or out of any linear */
    int in_width; /* columns of the widest input of a linear; 0: as width */
    int rank;     /* sum of the ranks of one linear's adapters */
    int heads, kv_heads, head_dim, keys; /* attention; keys: key rows */
    int vocab, hidden;                   /* linear_cross_entropy */
    size_t adapter_values;               /* length of the flat adapter buffers */
    unsigned dtypes;                     /* of frozen matrices, a bit 1u << dtype each; 0: any */
    bool backward;
    bool dropout;
};

/* Bytes of device memory that kern_prepare will take beyond what is held: known before. */
uint64_t kern_prepare_bytes(const kern *k, const struct kern_specs *s);
/* Sizes the scratch, builds what must be built; fails before the first step or not at all. */
enum status kern_prepare(kern *k, const struct kern_specs *s, struct fault *f);

#endif

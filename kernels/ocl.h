/* Inside the OpenCL device only: how a row of the op table is written for it.
 *
 * A folder holds <op>.cl (device code, kernels/prelude.cl goes before it) and <op>_ocl.c (launchers):
 *
 *     static const char text[] = {
 *     #include "kernels/softmax/softmax.cl.h"
 *     };
 *     const struct ocl_source ocl_source_softmax = {"kernels/softmax/softmax.cl", text, NULL, NULL};
 *
 *     void softmax_fwd_ocl(kern *k, struct kref y, struct kref x, int rows, int cols)
 *     {
 *         OCL_RUN(k, "softmax_fwd", ocl_rows(k, rows, cols), BUF(y), BUF(x), ARG(rows), ARG(cols));
 *     }
 *
 *     kernel void softmax_fwd(MAT(float, y), MAT(const float, x), int rows, int cols) { … }
 *
 * and one line in ocl.def. kern_prepare builds every program that the run needs; a kernel is then found by
 * its name, which is also what failures are reported with. Nothing is allocated and nobody waits in
 * a launch: the queue is in order, so a kernel sees what the ones before it wrote.
 *
 * Launching does nothing after a failure (kern_ok), so launchers need not ask.
 *
 * Helpers in device code that take local memory are INLINE (prelude.cl says why).
 *
 * Work is cut by the shape and the device alone, sums run in a fixed order and floats are never
 * added atomically: two runs give the same bytes. */
#ifndef KERNELS_OCL_H
#define KERNELS_OCL_H

#include <CL/cl.h>

#include "kernels/device.h"

/* ---- programs ----------------------------------------------------------------------------------- */

struct ocl_source {
    const char *path; /* "kernels/softmax/softmax.cl": errors name it */
    const char *text;
    /* Writes "-DNAME=value …" to out ("" before the call); false: a run of these specs does not need
     * the program. NULL: always needed, without options. GROUP (ocl_group) is always defined. */
    bool (*options)(const kern *k, const struct kern_specs *s, char *out, size_t size);
    /* Floats of scratch that one op takes at most at a time. NULL: none. */
    size_t (*scratch)(const kern *k, const struct kern_specs *s);
};
#define OCL_PROGRAM(name) extern const struct ocl_source ocl_source_##name;
#include "kernels/ocl.def"

/* The variants: <op>_ocl in kernels/<folder>/<folder>_ocl.c. Block rows are the default ones. */
#define OP(name) name##_fn name##_ocl;
#define BLOCK(name)
#include "kernels/ops.def"
#undef OP

/* ---- the device --------------------------------------------------------------------------------- */

struct ocl_device {
    cl_platform_id platform;
    cl_device_id id;
    cl_device_type type;
    char name[128], driver[64], version[64], platform_name[64], platform_version[128];
    size_t group_max; /* work-items of a group, at most, in each of the first two dimensions too */
    uint64_t memory, buffer_max, local_size; /* bytes; local_size of one group's local memory */
    int units;                               /* compute units */
    bool unified;                            /* its memory is the host's */
    bool usable; /* available, has a compiler, OpenCL 1.2, little-endian */
};
const struct ocl_device *ocl_device(const kern *k);
static inline bool ocl_is_cpu(const struct ocl_device *d)
{
    return !(d->type & (CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR));
}

/* What has happened since open: tests assert how often the host waits and what crosses the bus. A
 * write or read is one call of kern_write or kern_read; uploads of weights count as uploads. waits:
 * calls that stopped the host until the device had done something. */
struct ocl_counts {
    uint64_t launches, writes, write_bytes, reads, read_bytes, uploads, upload_bytes, waits;
    uint64_t built, loaded; /* programs compiled from source; taken from the cache */
};
const struct ocl_counts *ocl_counts(const kern *k);

/* ---- launching ---------------------------------------------------------------------------------- */

/* Work-groups, and work-items in each. */
struct ocl_range {
    size_t groups[3], local[3];
};

/* Work-items of a group in the row-wise and flat kernels: a power of two, at most 256; less on a
 * device of type CPU, which runs the items of a group one after the other. GROUP in device code. */
int ocl_group(const kern *k);

/* Rows side by side: local is (lanes, GROUP / lanes), lanes a power of two, at most GROUP, that suits
 * `cols`; item (x, y) of group g is lane x of row g * get_local_size(1) + y (prelude.cl: ROW, LANE).
 * A group is alone with its rows, so lanes can be summed. Rows past the end must be guarded. */
struct ocl_range ocl_rows(const kern *k, size_t rows, int cols);
/* The same, the columns of a row dealt out to several groups (prelude.cl: EACH_COL): for kernels
 * that treat each element by itself. */
struct ocl_range ocl_cells(const kern *k, size_t rows, int cols);
/* Groups of GROUP items in a line, `each` elements an item, at most `most` groups (0: as many as it
 * takes); the kernel strides over what is left. */
struct ocl_range ocl_flat(const kern *k, size_t n, int each, size_t most);

enum ocl_kind { OCL_MATRIX, OCL_VECTOR, OCL_WEIGHT, OCL_VALUE };
struct ocl_arg {
    enum ocl_kind kind;
    struct kref ref;
    const struct kweight *weight;
    const void *value;
    size_t size;
};

/* Arguments, and what they become in the kernel (KREF_NONE: a NULL buffer, at 0):
 *   BUF(kref)     MAT(type, x):  global type *x_buf, long x_at, int x_ld
 *   VEC(kref)     VEC(type, x):  global type *x_buf, long x_at
 *   WGT(kweight)  global const void *w, int w_ld     (DT_F32, DT_F16 or DT_BF16: pass ARG(w->dtype))
 *   ARG(lvalue)   int, long, float, ulong … */
#define BUF(m) ((struct ocl_arg){.kind = OCL_MATRIX, .ref = (m)})
#define VEC(m) ((struct ocl_arg){.kind = OCL_VECTOR, .ref = (m)})
#define WGT(w) ((struct ocl_arg){.kind = OCL_WEIGHT, .weight = (w)})
#define ARG(x) ((struct ocl_arg){.kind = OCL_VALUE, .value = &(x), .size = sizeof(x)})

#define OCL_RUN(k, kernel, range, ...)                         \
    ocl_run(k, kernel, range, (struct ocl_arg[]){__VA_ARGS__}, \
            sizeof((struct ocl_arg[]){__VA_ARGS__}) / sizeof(struct ocl_arg))
void ocl_run(kern *k, const char *kernel, struct ocl_range range, const struct ocl_arg *arg,
             size_t args);

/* Records a failed CL call with the error in words; err is CL_SUCCESS: nothing. */
void ocl_stick(kern *k, const char *op, cl_int err);
/* The same for a failure that shows only when waiting: commands were accepted, and one died. */
void ocl_stick_lost(kern *k, cl_int err);
const char *ocl_error(cl_int err); /* "CL_OUT_OF_RESOURCES (…)" */
enum status ocl_fault(struct fault *f, const char *what, cl_int err);

/* ---- frozen matrices ---------------------------------------------------------------------------- */

/* Row-major in the matrix's own dtype, zero-padded so that kernels may read whole tiles: rows are ld
 * elements apart, ld a multiple of OCL_PAD_COLS; there are a multiple of OCL_PAD_ROWS rows, and
 * OCL_PAD_ROWS elements more after the last. One copy serves y = x W^T, dx = dy W, embedding rows
 * and logits. The buffer starts at the matrix: rows are aligned to 64 bytes at least. */
enum { OCL_PAD_COLS = 32, OCL_PAD_ROWS = 128 };
struct ocl_weight {
    struct kweight head; /* first: a struct kweight * is a struct ocl_weight * */
    cl_mem mem;
    int ld;
};
static inline const struct ocl_weight *ocl_weight(const struct kweight *w)
{
    return (const struct ocl_weight *)(const void *)w;
}
size_t ocl_weight_bytes(const kern *k, const struct kweight_spec *s);
enum status ocl_weight_load(struct kweight **out, kern *k, const struct kweight_spec *s,
                            struct fault *f);
void ocl_weight_free(kern *k, struct kweight *w);

/* ---- scratch ------------------------------------------------------------------------------------ */

/* f32 scratch of one op, from a stack that kern_prepare sized by the sources' scratch():
 *     size_t mark = ocl_scratch_mark(k);
 *     struct kref h = ocl_scratch(k, rows, rank, "lora_linear_bwd");   // ld = rank
 *     if (h.buf) …                           // else the failure has stuck
 *     ocl_scratch_release(k, mark);           // at once: the queue is in order
 * Every piece starts at a multiple of OCL_SCRATCH_ALIGN floats: scratch() must allow for that. */
enum { OCL_SCRATCH_ALIGN = 64 };
size_t ocl_scratch_mark(kern *k);
struct kref ocl_scratch(kern *k, size_t rows, int cols, const char *op);
void ocl_scratch_release(kern *k, size_t mark);

/* ---- the parts of the device (ocl.c puts them together) ------------------------------------------ */

struct ocl_stage; /* pinned staging memory: ocl_stage.c */
struct ocl_built; /* a program as built: ocl_program.c */
struct ocl_kernel {
    char name[48];
    cl_kernel kernel;
};
enum { OCL_KERNELS = 256, OCL_MARKS = 64, OCL_FLUSH = 64 };

struct ocl {
    struct ocl_device dev;
    cl_context context;
    cl_command_queue queue;
    struct ocl_counts counts;
    struct ocl_stage *stage;
    struct ocl_built *built;               /* one a source, in ocl.def's order */
    struct ocl_kernel kernel[OCL_KERNELS]; /* hashed by name */
    int kernels;                           /* of them in use */
    size_t kernel_group;                   /* what the latest built allow in a group */
    char *cache_dir;                       /* or NULL */
    kbuf *scratch;
    size_t scratch_used;
    uint64_t marks; /* the last one handed out */
    cl_event mark[OCL_MARKS];
};
static inline struct ocl *ocl_own(const kern *k)
{
    return k->state->own;
}

/* ocl_list.c: every device of every platform, in the order of "opencl:N"; the caller frees. */
enum status ocl_devices(struct ocl_device **out, size_t *count, struct fault *f);
/* ocl.c: the best of n, the first of equals; -1: none can be used. */
int ocl_best(const struct ocl_device *d, size_t n, bool cpus);

/* ocl_mem.c: the buffer and queue verbs of struct kern_device. */
enum status ocl_mem_new(kern *k, kbuf *b, const char *what, struct fault *f);
void ocl_mem_free(kern *k, kbuf *b);
void ocl_mem_write(kern *k, struct kref dst, const void *src, size_t count);
void ocl_mem_read(kern *k, void *dst, struct kref src, size_t count);
void ocl_mem_finish(kern *k);
uint64_t ocl_mem_mark(kern *k);
void ocl_mem_wait(kern *k, uint64_t mark);
/* A zeroed cl_mem of at least `bytes`; clear words where the device refuses that size. */
enum status ocl_mem_zeroed(cl_mem *out, kern *k, size_t bytes, const char *what, struct fault *f);

/* ocl_stage.c: a ring of pinned host memory. A piece is taken, filled and sent, or filled by a read
 * that is delivered to its destination once a wait has seen it done. Taking waits (and counts it) only
 * where the ring is still full of unfinished transfers. */
enum { OCL_STAGE_PIECE = 8 << 20 };                          /* bytes of one piece at most */
void *ocl_stage_take(kern *k, size_t bytes, const char *op); /* NULL: the failure has stuck */
/* Sends the piece just taken to mem: `rows` rows of row_bytes, pitch bytes apart in mem. */
void ocl_stage_send(kern *k, cl_mem mem, size_t at, size_t rows, size_t row_bytes, size_t pitch,
                    const char *op);
void ocl_stage_fetch(kern *k, void *dst, cl_mem mem, size_t at, size_t bytes, const char *op);
void ocl_stage_deliver(kern *k, uint64_t mark); /* the reads before this mark, all done */
void ocl_stage_close(kern *k);

/* ocl_program.c */
size_t ocl_program_scratch(const kern *k, const struct kern_specs *s);
enum status ocl_program_prepare(kern *k, const struct kern_specs *s, struct fault *f);
void ocl_program_close(kern *k);
cl_kernel ocl_program_kernel(const kern *k,
                             const char *name); /* NULL: none of that name is built */
/* Builds one source, through the cache where there is one. */
enum status ocl_program_build(cl_program *out, kern *k, const struct ocl_source *src,
                              const char *options, struct fault *f);

/* ocl_cache.c: compiled programs on disk, a file a key. A file is used only if it is this user's, bears
 * the key and its contents' hash is right; anything else counts as absent. Writing is atomic and
 * best effort: a cache that cannot be written costs time, not the run. */
enum { OCL_KEY = 32 };
struct ocl_blob {
    unsigned char *bytes; /* owned; free() */
    size_t size;
};
bool ocl_cache_get(struct ocl_blob *out, const char *dir, const unsigned char key[OCL_KEY]);
void ocl_cache_put(const char *dir, const unsigned char key[OCL_KEY], const struct ocl_blob *blob);

#endif

/* For tests of what an OpenCL device chooses by its limits: the device that there is is told to be another
 * one, and at the end every kernel that was built must have been launched.
 *
 *     struct check t = guise_open(&guise_wide);
 *     guise_prepare(&t, &(struct kern_specs){…});
 *     …                                             // ops on t.k[0] (reference) and t.k[1]
 *     guise_close(&t);
 *
 *     static void every_kernel(void **state) { (void)state; guise_every_kernel(false, NULL); } */
#ifndef TESTS_GUISE_H
#define TESTS_GUISE_H

#include "tests/check.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gemm/gemm_ocl.h"

/* What the device says it is. A device that takes smaller groups than `group_max` keeps its own limit. */
struct guise {
    const char *name;
    cl_device_type type;
    size_t group_max;
};
/* A CPU, whose groups have one item (16 in the row-wise kernels); a GPU with small groups; one with all. */
static const struct guise guise_single = {"single", CL_DEVICE_TYPE_CPU, 16};
static const struct guise guise_narrow = {"narrow", CL_DEVICE_TYPE_GPU, 64};
static const struct guise guise_wide = {"wide", CL_DEVICE_TYPE_GPU, 256};

/* ---- what was built, and what was launched ------------------------------------------------------- */

enum { GUISE_KERNELS = 1024 };
struct guise_kernel {
    const struct guise *guise;
    char name[48];
    bool basic, launched; /* basic: built whatever the specs are */
};
static struct guise_kernel guise_kernel[GUISE_KERNELS];
static const struct guise *guise_now;

static const struct ocl_source *const guise_source[] = {
#define OCL_PROGRAM(name) &ocl_source_##name,
#include "kernels/ocl.def"
};
enum { GUISE_SOURCES = sizeof guise_source / sizeof *guise_source };
static bool guise_wanted[GUISE_SOURCES];

static inline struct guise_kernel *guise_record(const char *name)
{
    struct guise_kernel *g = guise_kernel;
    while (g->guise && (g->guise != guise_now || strcmp(g->name, name) != 0))
        g++;
    assert_true(g + 1 < guise_kernel + GUISE_KERNELS);
    g->guise = guise_now;
    snprintf(g->name, sizeof g->name, "%s", name);
    return g;
}

/* The driver's own, with a record kept: this definition comes before the library's. */
CL_API_ENTRY cl_int CL_API_CALL clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel,
                                                       cl_uint dims, const size_t *offset,
                                                       const size_t *global, const size_t *local,
                                                       cl_uint count, const cl_event *before,
                                                       cl_event *event)
{
    static cl_int (*own)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *,
                         const size_t *, cl_uint, const cl_event *, cl_event *);
    char name[48] = "";
    if (!own)
        *(void **)&own = dlsym(RTLD_NEXT, "clEnqueueNDRangeKernel");
    assert_non_null(own);
    clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
    guise_record(name)->launched = true;
    return own(queue, kernel, dims, offset, global, local, count, before, event);
}

static inline void guise_note_built(const struct check *t, bool basic)
{
    const struct ocl *o = ocl_own(t->k[1]);
    for (int i = 0; i < OCL_KERNELS; i++) {
        if (o->kernel[i].kernel) {
            struct guise_kernel *g = guise_record(o->kernel[i].name);
            g->basic = g->basic || basic;
        }
    }
}

/* ---- the device ---------------------------------------------------------------------------------- */

/* check_open has prepared the device as what it is: here once more, as what it says it is. */
static inline struct check guise_open(const struct guise *g)
{
    struct check t = {.seed = 1};
    struct fault f = {0};
    t.k[0] = check_open("cpu:ref", 0);
    t.k[1] = check_open("opencl", 0);
    struct ocl_device *d = &ocl_own(t.k[1])->dev;
    d->type = g->type;
    if (d->group_max > g->group_max)
        d->group_max = g->group_max;
    guise_now = g;
    if (kern_prepare(t.k[1], &(struct kern_specs){0}, &f) != ST_OK)
        fail_msg("%s", f.text);
    guise_note_built(&t, true);
    return t;
}

static inline void guise_prepare(struct check *t, const struct kern_specs *s)
{
    char options[512];
    check_prepare(t, s);
    for (int i = 0; i < GUISE_SOURCES; i++) {
        options[0] = 0;
        if (!guise_source[i]->options ||
            guise_source[i]->options(t->k[1], s, options, sizeof options))
            guise_wanted[i] = true;
    }
}

static inline void guise_close(struct check *t)
{
    guise_note_built(t, false);
    check_free(t);
    kern_close(&t->k[0]);
    kern_close(&t->k[1]);
}

/* A matrix whose rows are aligned to 16 bytes, or not at all. */
static inline struct check_mat guise_mat(struct check *t, const char *name, int rows, int cols,
                                         bool aligned)
{
    int ld = (cols + 7) / 4 * 4;
    struct check_mat m = check_mat_of(t, name, DT_F32, rows, cols, ld + !aligned);
    m.at += aligned ? 3 - (m.at + 3) % 4 : (m.at + 1) % 2; /* a multiple of 4; an odd number */
    check_fill(t, &m, CHECK_NORMAL);
    return m;
}

/* Every kernel of every guise was launched: of the programs that all runs have (basic), or of the others.
 * only_wide: one that the others build but never choose. */
static inline void guise_every_kernel(bool basic, const char *only_wide)
{
    int launched = 0, forgotten = 0;
    kern *k = check_open("opencl", 0); /* skips where there is none */
    kern_close(&k);
    for (const struct guise_kernel *g = guise_kernel; g->guise; g++) {
        if (g->basic != basic)
            continue;
        bool excused = only_wide && g->guise != &guise_wide && strcmp(g->name, only_wide) == 0;
        if (!g->launched && !excused)
            print_error("%s/%s was built and never launched\n", g->guise->name, g->name);
        forgotten += !g->launched && !excused;
        launched += g->launched;
    }
    for (int i = 0; i < GUISE_SOURCES && !basic; i++) {
        if (!guise_wanted[i])
            print_error("nobody wanted number %d of ocl.def, %s\n", i, guise_source[i]->path);
        forgotten += !guise_wanted[i];
    }
    print_message("%d kernels launched\n", launched);
    assert_true(launched > 0);
    assert_int_equal(forgotten, 0);
}

#endif

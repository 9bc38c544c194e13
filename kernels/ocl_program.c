/* The kernel compiler: programs from embedded sources, for this device and this run's sizes. */
#include "kernels/ocl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/sha256.h"

enum { OPTIONS = 512, LOG_MAX = 1 << 20 };

struct ocl_built {
    cl_program program; /* NULL: not built yet */
    char options[OPTIONS];
};

static const struct ocl_source *const sources[] = {
#define OCL_PROGRAM(name) &ocl_source_##name,
#include "kernels/ocl.def"
};
enum { SOURCES = sizeof sources / sizeof *sources };

static const char prelude[] = {
#include "kernels/prelude.cl.h"
};

/* ---- building ------------------------------------------------------------------------------------ */

static void key_of(unsigned char key[OCL_KEY], const struct ocl_device *d,
                   const struct ocl_source *src, const char *options)
{
    const char *const parts[] = {"wick program cache 1",
                                 prelude,
                                 src->path,
                                 src->text,
                                 options,
                                 d->name,
                                 d->driver,
                                 d->version,
                                 d->platform_version};
    struct sha256 h = sha256_begin();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        sha256_add(&h, parts[i], strlen(parts[i]) + 1);
    sha256_end(&h, key);
}

/* The log's first line with "error" in it, else its first line. */
static const char *first_error(const char *log)
{
    for (const char *line = log; *line;) {
        size_t n = strcspn(line, "\n");
        const char *hit = strstr(line, "error");
        if (hit && hit < line + n)
            return line;
        line += n + (line[n] == '\n');
    }
    return log + strspn(log, " \r\n\t");
}

/* That line to out. Some drivers heed no #line and count through all of the text (from_source):
 * "<kernel>:176:12: …" becomes the file's name and its own line. */
static void tell_error(char *out, size_t size, const char *log, const struct ocl_source *src)
{
    const char *line = first_error(log), *path = src->path;
    int at = 0, digits = 0, before = 2;
    for (const char *c = prelude; *c; c++)
        before += *c == '\n';
    if (sscanf(line, "<kernel>:%9d%n", &at, &digits) == 1) {
        line += digits;
        if (at <= before) {
            path = "kernels/prelude.cl";
            before = 1;
        }
        snprintf(out, size, "%s:%d%.*s", path, at - before, (int)strcspn(line, "\n"), line);
        return;
    }
    snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
}

static enum status build_failed(kern *k, cl_program program, const struct ocl_source *src,
                                cl_int err, struct fault *f)
{
    char *log = calloc(1, LOG_MAX), line[300] = "";
    if (log) {
        clGetProgramBuildInfo(program, ocl_own(k)->dev.id, CL_PROGRAM_BUILD_LOG, LOG_MAX - 1, log,
                              NULL);
        tell_error(line, sizeof line, log, src);
        free(log);
    }
    fault_set(f, ST_DEVICE, "%s does not compile on %s: %s", src->path, k->state->info.id,
              line[0] ? line : ocl_error(err));
    return fault_remedy(f, "this is a defect of wick or of the driver %s: --device cpu works",
                        ocl_own(k)->dev.driver);
}

/* Line numbers in errors are those of the files; the prelude ends with a newline. */
static enum status from_source(cl_program *out, kern *k, const struct ocl_source *src,
                               const char *options, struct fault *f)
{
    struct ocl *o = ocl_own(k);
    char line[160];
    cl_int err;
    snprintf(line, sizeof line, "#line 1 \"%s\"\n", src->path);
    const char *text[] = {"#line 1 \"kernels/prelude.cl\"\n", prelude, line, src->text};
    cl_program p = clCreateProgramWithSource(o->context, 4, text, NULL, &err);
    if (err != CL_SUCCESS)
        return ocl_fault(f, src->path, err);
    err = clBuildProgram(p, 1, &o->dev.id, options, NULL, NULL);
    if (err != CL_SUCCESS) {
        build_failed(k, p, src, err, f);
        clReleaseProgram(p);
        return f->code;
    }
    o->counts.built++;
    *out = p;
    return ST_OK;
}

/* NULL where the driver does not want it any more. */
static cl_program from_binary(kern *k, const struct ocl_blob *b, const char *options)
{
    struct ocl *o = ocl_own(k);
    const unsigned char *bytes = b->bytes;
    cl_int err, state = CL_SUCCESS;
    cl_program p =
        clCreateProgramWithBinary(o->context, 1, &o->dev.id, &b->size, &bytes, &state, &err);
    if (err != CL_SUCCESS || state != CL_SUCCESS ||
        clBuildProgram(p, 1, &o->dev.id, options, NULL, NULL) != CL_SUCCESS) {
        if (err == CL_SUCCESS)
            clReleaseProgram(p);
        return NULL;
    }
    o->counts.loaded++;
    return p;
}

static void keep(const char *dir, const unsigned char key[OCL_KEY], cl_program p)
{
    struct ocl_blob b = {NULL, 0};
    if (clGetProgramInfo(p, CL_PROGRAM_BINARY_SIZES, sizeof b.size, &b.size, NULL) != CL_SUCCESS ||
        b.size == 0)
        return;
    b.bytes = malloc(b.size);
    if (b.bytes &&
        clGetProgramInfo(p, CL_PROGRAM_BINARIES, sizeof b.bytes, &b.bytes, NULL) == CL_SUCCESS)
        ocl_cache_put(dir, key, &b);
    free(b.bytes);
}

enum status ocl_program_build(cl_program *out, kern *k, const struct ocl_source *src,
                              const char *options, struct fault *f)
{
    struct ocl *o = ocl_own(k);
    struct ocl_blob b = {NULL, 0};
    unsigned char key[OCL_KEY];
    cl_program p = NULL;
    key_of(key, &o->dev, src, options);
    if (o->cache_dir && ocl_cache_get(&b, o->cache_dir, key)) {
        p = from_binary(k, &b, options);
        free(b.bytes);
    }
    if (!p) {
        if (from_source(&p, k, src, options, f) != ST_OK)
            return f->code;
        if (o->cache_dir)
            keep(o->cache_dir, key, p);
    }
    *out = p;
    return ST_OK;
}

/* ---- kernels by name ----------------------------------------------------------------------------- */

static struct ocl_kernel *slot_of(struct ocl *o, const char *name)
{
    uint32_t h = 2166136261u;
    for (const char *c = name; *c; c++)
        h = (h ^ (unsigned char)*c) * 16777619u;
    struct ocl_kernel *s = &o->kernel[h % OCL_KERNELS];
    while (s->kernel && strcmp(s->name, name) != 0)
        s = s + 1 < o->kernel + OCL_KERNELS ? s + 1 : o->kernel;
    return s;
}

cl_kernel ocl_program_kernel(const kern *k, const char *name)
{
    return slot_of(ocl_own(k), name)->kernel;
}

/* Work-items of a group that this kernel was compiled for, at most. */
static size_t group_of(const struct ocl *o, cl_kernel kernel)
{
    size_t most = 0;
    cl_int err = clGetKernelWorkGroupInfo(kernel, o->dev.id, CL_KERNEL_WORK_GROUP_SIZE, sizeof most,
                                          &most, NULL);
    return err == CL_SUCCESS && most > 0 ? most : SIZE_MAX;
}

/* The kernels of one program into the table; those of an earlier build of it go. The table is never
 * more than half full, so that a search ends. */
static enum status index_kernels(struct ocl *o, cl_program p, const char *path, struct fault *f)
{
    enum { MOST = OCL_KERNELS / 2 };
    cl_kernel made[MOST];
    cl_uint n = 0;
    cl_int err = clCreateKernelsInProgram(p, MOST, made, &n);
    if (err != CL_SUCCESS)
        return ocl_fault(f, path, err);
    for (cl_uint i = 0; i < n; i++) {
        char name[sizeof o->kernel->name] = "";
        clGetKernelInfo(made[i], CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
        struct ocl_kernel *s = slot_of(o, name);
        size_t most = group_of(o, made[i]);
        if (!s->kernel && o->kernels == MOST) {
            for (; i < n; i++)
                clReleaseKernel(made[i]);
            return fault_set(f, ST_RANGE, "%s: there are more than %d kernels", path, MOST);
        }
        if (s->kernel)
            clReleaseKernel(s->kernel);
        else
            o->kernels++;
        s->kernel = made[i];
        memcpy(s->name, name, sizeof name);
        o->kernel_group = most < o->kernel_group ? most : o->kernel_group;
    }
    return ST_OK;
}

/* ---- prepare ------------------------------------------------------------------------------------- */

static enum status prepare_one(kern *k, int i, const struct kern_specs *s, struct fault *f)
{
    struct ocl *o = ocl_own(k);
    struct ocl_built *b = &o->built[i];
    char own[OPTIONS / 2] = "", options[OPTIONS];
    if (sources[i]->options && !sources[i]->options(k, s, own, sizeof own))
        return ST_OK;
    snprintf(options, sizeof options, "-cl-std=CL1.2 -DGROUP=%d %s", ocl_group(k), own);
    if (b->program && strcmp(options, b->options) == 0)
        return ST_OK;
    cl_program p = NULL;
    if (ocl_program_build(&p, k, sources[i], options, f) != ST_OK)
        return f->code;
    if (index_kernels(o, p, sources[i]->path, f) != ST_OK) {
        clReleaseProgram(p);
        return f->code;
    }
    if (b->program)
        clReleaseProgram(b->program);
    b->program = p;
    memcpy(b->options, options, sizeof options);
    return ST_OK;
}

/* Floats: ops use it in turn. */
static size_t scratch_values(const kern *k, const struct kern_specs *s)
{
    size_t most = 0;
    for (int i = 0; i < SOURCES; i++) {
        size_t n = sources[i]->scratch ? sources[i]->scratch(k, s) : 0;
        most = n > most ? n : most;
    }
    return most;
}

size_t ocl_program_scratch(const kern *k, const struct kern_specs *s)
{
    const kbuf *own = ocl_own(k)->scratch;
    size_t most = scratch_values(k, s), have = own ? own->count : 0;
    return most > have ? (most - have) * sizeof(float) : 0;
}

static enum status prepare_scratch(kern *k, const struct kern_specs *s, struct fault *f)
{
    struct ocl *o = ocl_own(k);
    size_t most = scratch_values(k, s);
    if (most == 0 || (o->scratch && o->scratch->count >= most))
        return ST_OK;
    kbuf_free(&o->scratch); /* first, so that the two are never there at once */
    return kbuf_new(&o->scratch, k, DT_F32, most, "scratch", f);
}

enum status ocl_program_prepare(kern *k, const struct kern_specs *s, struct fault *f)
{
    struct ocl *o = ocl_own(k);
    if (!o->built && !(o->built = calloc(SOURCES, sizeof *o->built)))
        return fault_nomem(f, "the programs", SOURCES * sizeof *o->built);
    for (;;) {
        o->kernel_group = SIZE_MAX;
        if (prepare_scratch(k, s, f) != ST_OK)
            return f->code;
        for (int i = 0; i < SOURCES; i++) {
            if (prepare_one(k, i, s, f) != ST_OK)
                return f->code;
        }
        if (o->kernel_group >= (size_t)ocl_group(k))
            return ST_OK;
        /* A kernel wants too much of the device for groups of that size: all once more, for smaller
         * ones. */
        o->dev.group_max = o->kernel_group;
    }
}

void ocl_program_close(kern *k)
{
    struct ocl *o = ocl_own(k);
    for (int i = 0; i < OCL_KERNELS; i++) {
        if (o->kernel[i].kernel)
            clReleaseKernel(o->kernel[i].kernel);
    }
    for (int i = 0; o->built && i < SOURCES; i++) {
        if (o->built[i].program)
            clReleaseProgram(o->built[i].program);
    }
    free(o->built);
    o->built = NULL;
}

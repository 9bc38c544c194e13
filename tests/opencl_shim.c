/* An OpenCL that fails when it is told to: a library for LD_PRELOAD, between the program and the
 * loader of drivers, so that the program's tests meet what no healthy driver shows:
 * tests/app/shim.h.
 *
 *     OCL_SHIM="gpu break=kernels/softmax/softmax.cl" LD_PRELOAD=…/opencl_shim.so wick …
 *
 *   gpu               the devices say they are GPUs, and "auto" takes them
 *   group=N           the most work-items of a group that they tell of
 *   no-platform       there is no platform: clGetPlatformIDs fails as the loader's does
 *   no-device         the platforms have no devices
 *   break=PATH        the source of that name gets a line that does not compile
 *   wrong             one bit of whatever is read from the device is another
 *   says=BYTES        the memory that the device tells of
 *   piece=BYTES       the largest buffer that it tells of and makes
 *   memory=BYTES      what its buffers may have together; clCreateBuffer fails beyond
 *   lose=CALL:N:ERR   the N-th call of that name fails with this error, and all that follow: the
 *                     device is gone
 *   drop=N:ERR        the N-th launch and all that follow are accepted and never run; waiting tells
 *   launches=FILE     how many kernels were launched, written at exit
 *
 * Everything else goes to the real library. */
#include <CL/cl_icd.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what was asked for ---------------------------------------------------------------------- */

/* What stands behind a word: "" where nothing does, NULL where the word is not there. */
static const char *told(const char *word)
{
    const char *all = getenv("OCL_SHIM");
    size_t n = strlen(word);
    for (const char *p = all; p && *p; p += strcspn(p, " "), p += strspn(p, " ")) {
        if (strncmp(p, word, n) == 0 && (p[n] == '\0' || p[n] == ' '))
            return "";
        if (strncmp(p, word, n) == 0 && (p[n] == '=' || p[n] == ':'))
            return p + n + 1;
    }
    return NULL;
}

static unsigned long long number(const char *word, unsigned long long otherwise)
{
    const char *value = told(word);
    return value ? strtoull(value, NULL, 10) : otherwise;
}

/* The library's own function of this name. */
static void *real(const char *name)
{
    void *p = dlsym(RTLD_NEXT, name);
    if (!p) {
        fprintf(stderr, "opencl_shim: the OpenCL library has no %s\n", name);
        abort();
    }
    return p;
}

/* own: the function that the one at hand stands before. */
#define OWN(name)             \
    static cl_api_##name own; \
    if (!own)                 \
    *(void **)&own = real(#name)

/* ---- losing the device ----------------------------------------------------------------------- */

static struct {
    unsigned long launches, calls; /* calls: of the one that is to fail */
    cl_int error;                  /* CL_SUCCESS: the device is there */
    bool silent;                   /* only waiting tells */
} fate;

/* Whether the call fails, and with what. */
static cl_int gone(const char *name)
{
    const char *lose = told("lose");
    size_t n = strlen(name);
    unsigned long at = 0;
    int error = 0;
    if (fate.error == CL_SUCCESS && lose && strncmp(lose, name, n) == 0 &&
        sscanf(lose + n, ":%lu:%d", &at, &error) == 2 && ++fate.calls == at)
        fate.error = error;
    return fate.silent ? CL_SUCCESS : fate.error;
}

static void tell(void)
{
    const char *name = told("launches");
    char path[512] = "";
    FILE *to;
    if (!name)
        return;
    snprintf(path, sizeof path, "%.*s", (int)strcspn(name, " "), name);
    to = fopen(path, "w");
    if (to) {
        fprintf(to, "%lu\n", fate.launches);
        fclose(to);
    }
}

static bool launch_dropped(void)
{
    const char *drop = told("drop");
    unsigned long at = 0;
    int error = 0;
    if (fate.launches++ == 0)
        atexit(tell);
    if (drop && sscanf(drop, "%lu:%d", &at, &error) == 2 && fate.launches == at) {
        fate.error = error;
        fate.silent = true;
    }
    return fate.silent;
}

/* An event of a command that is never run, where one is asked for. */
static cl_int accept(cl_command_queue queue, cl_event *event)
{
    static cl_api_clEnqueueMarkerWithWaitList marker;
    if (!marker)
        *(void **)&marker = real("clEnqueueMarkerWithWaitList");
    return event ? marker(queue, 0, NULL, event) : CL_SUCCESS;
}

/* ---- platforms and devices ------------------------------------------------------------------- */

enum { PLATFORM_NOT_FOUND = -1001 };

CL_API_ENTRY cl_int CL_API_CALL clGetPlatformIDs(cl_uint n, cl_platform_id *p, cl_uint *count)
{
    OWN(clGetPlatformIDs);
    return told("no-platform") ? PLATFORM_NOT_FOUND : own(n, p, count);
}

CL_API_ENTRY cl_int CL_API_CALL clGetDeviceIDs(cl_platform_id platform, cl_device_type type,
                                               cl_uint n, cl_device_id *d, cl_uint *count)
{
    OWN(clGetDeviceIDs);
    return told("no-device") ? CL_DEVICE_NOT_FOUND : own(platform, type, n, d, count);
}

CL_API_ENTRY cl_int CL_API_CALL clGetDeviceInfo(cl_device_id d, cl_device_info what, size_t size,
                                                void *value, size_t *size_out)
{
    OWN(clGetDeviceInfo);
    cl_int err = own(d, what, size, value, size_out);
    cl_ulong *bytes = value;
    size_t *items = value;
    if (err != CL_SUCCESS || !value)
        return err;
    if (what == CL_DEVICE_TYPE && told("gpu"))
        *(cl_device_type *)value = CL_DEVICE_TYPE_GPU;
    if (what == CL_DEVICE_MAX_WORK_GROUP_SIZE)
        *items = number("group", *items);
    if (what == CL_DEVICE_GLOBAL_MEM_SIZE)
        *bytes = number("says", *bytes);
    if (what == CL_DEVICE_MAX_MEM_ALLOC_SIZE)
        *bytes = number("piece", *bytes);
    return err;
}

/* ---- programs -------------------------------------------------------------------------------- */

CL_API_ENTRY cl_program CL_API_CALL clCreateProgramWithSource(cl_context context, cl_uint count,
                                                              const char **text,
                                                              const size_t *length, cl_int *err)
{
    OWN(clCreateProgramWithSource);
    enum { PIECES = 16 };
    const char *word = told("break"), *longer[PIECES];
    char path[256] = "";
    bool broken = false;
    if (word)
        snprintf(path, sizeof path, "\"%.*s\"", (int)strcspn(word, " "), word);
    for (cl_uint i = 0; word && !length && count < PIECES && i < count; i++) {
        longer[i] = text[i];
        broken = broken || strstr(text[i], path);
    }
    if (!broken)
        return own(context, count, text, length, err);
    longer[count] = "\nkernel void broken(void) { this_is_not_declared = 1; }\n";
    return own(context, count + 1, longer, NULL, err);
}

/* ---- memory ---------------------------------------------------------------------------------- */

enum { BUFFERS = 4096 };
static struct {
    cl_mem mem;
    size_t size;
} buffer[BUFFERS];
static size_t buffer_bytes;

/* The slot of this buffer; NULL: a free one. */
static size_t slot_of(cl_mem mem)
{
    size_t i = 0;
    while (i < BUFFERS && buffer[i].mem != mem)
        i++;
    return i;
}

CL_API_ENTRY cl_mem CL_API_CALL clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size,
                                               void *host, cl_int *err)
{
    OWN(clCreateBuffer);
    size_t i = slot_of(NULL);
    cl_int refused = CL_SUCCESS;
    if (flags & CL_MEM_ALLOC_HOST_PTR) /* the host's memory, not the device's */
        return own(context, flags, size, host, err);
    if (size > number("piece", size))
        refused = CL_INVALID_BUFFER_SIZE;
    else if (told("memory") && (i == BUFFERS || buffer_bytes + size > number("memory", 0)))
        refused = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    if (refused != CL_SUCCESS) {
        *err = refused;
        return NULL;
    }
    cl_mem mem = own(context, flags, size, host, err);
    if (mem && i < BUFFERS) {
        buffer[i].mem = mem;
        buffer[i].size = size;
        buffer_bytes += size;
    }
    return mem;
}

CL_API_ENTRY cl_int CL_API_CALL clReleaseMemObject(cl_mem mem)
{
    OWN(clReleaseMemObject);
    size_t i = slot_of(mem);
    if (mem && i < BUFFERS) {
        buffer_bytes -= buffer[i].size;
        buffer[i].mem = NULL;
    }
    return own(mem);
}

/* ---- the queue ------------------------------------------------------------------------------- */

CL_API_ENTRY cl_int CL_API_CALL clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel,
                                                       cl_uint dims, const size_t *offset,
                                                       const size_t *global, const size_t *local,
                                                       cl_uint count, const cl_event *before,
                                                       cl_event *event)
{
    OWN(clEnqueueNDRangeKernel);
    cl_int err = gone("clEnqueueNDRangeKernel");
    if (launch_dropped())
        return accept(queue, event);
    return err != CL_SUCCESS
               ? err
               : own(queue, kernel, dims, offset, global, local, count, before, event);
}

CL_API_ENTRY cl_int CL_API_CALL clEnqueueFillBuffer(cl_command_queue queue, cl_mem mem,
                                                    const void *pattern, size_t pattern_size,
                                                    size_t at, size_t size, cl_uint count,
                                                    const cl_event *before, cl_event *event)
{
    OWN(clEnqueueFillBuffer);
    cl_int err = gone("clEnqueueFillBuffer");
    if (fate.silent)
        return accept(queue, event);
    return err != CL_SUCCESS
               ? err
               : own(queue, mem, pattern, pattern_size, at, size, count, before, event);
}

CL_API_ENTRY cl_int CL_API_CALL clEnqueueWriteBuffer(cl_command_queue queue, cl_mem mem,
                                                     cl_bool wait, size_t at, size_t size,
                                                     const void *from, cl_uint count,
                                                     const cl_event *before, cl_event *event)
{
    OWN(clEnqueueWriteBuffer);
    cl_int err = gone("clEnqueueWriteBuffer");
    if (fate.silent)
        return accept(queue, event);
    return err != CL_SUCCESS ? err : own(queue, mem, wait, at, size, from, count, before, event);
}

/* Where a bit is to be another, the read has ended when the call has. */
CL_API_ENTRY cl_int CL_API_CALL clEnqueueReadBuffer(cl_command_queue queue, cl_mem mem,
                                                    cl_bool wait, size_t at, size_t size, void *to,
                                                    cl_uint count, const cl_event *before,
                                                    cl_event *event)
{
    OWN(clEnqueueReadBuffer);
    cl_int err = gone("clEnqueueReadBuffer");
    bool wrong = told("wrong") != NULL;
    if (fate.silent)
        return accept(queue, event);
    if (err == CL_SUCCESS)
        err = own(queue, mem, wrong ? CL_TRUE : wait, at, size, to, count, before, event);
    if (err == CL_SUCCESS && wrong && size > 2)
        ((unsigned char *)to)[2] ^= 1;
    return err;
}

CL_API_ENTRY cl_int CL_API_CALL clEnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint count,
                                                            const cl_event *before, cl_event *event)
{
    OWN(clEnqueueMarkerWithWaitList);
    cl_int err = gone("clEnqueueMarkerWithWaitList");
    return err != CL_SUCCESS ? err : own(queue, count, before, event);
}

/* ---- waiting --------------------------------------------------------------------------------- */

CL_API_ENTRY cl_int CL_API_CALL clFinish(cl_command_queue queue)
{
    OWN(clFinish);
    cl_int err = gone("clFinish"), done = own(queue);
    return fate.silent ? fate.error : err != CL_SUCCESS ? err : done;
}

CL_API_ENTRY cl_int CL_API_CALL clWaitForEvents(cl_uint count, const cl_event *event)
{
    OWN(clWaitForEvents);
    cl_int err = gone("clWaitForEvents");
    if (fate.silent)
        return CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
    return err != CL_SUCCESS ? err : own(count, event);
}

CL_API_ENTRY cl_int CL_API_CALL clGetEventInfo(cl_event event, cl_event_info what, size_t size,
                                               void *value, size_t *size_out)
{
    OWN(clGetEventInfo);
    cl_int err = own(event, what, size, value, size_out);
    if (err == CL_SUCCESS && value && what == CL_EVENT_COMMAND_EXECUTION_STATUS &&
        fate.error != CL_SUCCESS)
        *(cl_int *)value = fate.error;
    return err;
}

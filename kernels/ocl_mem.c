/* Buffers and the queue of an OpenCL device. */
#include "kernels/ocl.h"

#include <stdlib.h>
#include <string.h>

enum { GRAIN = 64 }; /* buffers are so many bytes, or a multiple */

/* ---- buffers ------------------------------------------------------------------------------------ */

static enum status too_large(struct fault *f, const struct ocl_device *d, const char *what,
                             size_t bytes)
{
    fault_set(f, ST_UNSUPPORTED,
              "%s needs %zu bytes in one piece; the device %s allows at most %llu", what, bytes,
              d->name, (unsigned long long)d->buffer_max);
    return fault_remedy(f, "use a smaller batch or model, or --device cpu");
}

/* Filling also makes the driver take the memory now, so that a lack of it shows here. */
enum status ocl_mem_zeroed(cl_mem *out, kern *k, size_t bytes, const char *what, struct fault *f)
{
    struct ocl *o = ocl_own(k);
    const cl_uint zero = 0;
    cl_int err;
    cl_mem mem;
    if (bytes > SIZE_MAX - GRAIN)
        return fault_nomem(f, what, bytes);
    size_t size = (bytes + GRAIN - 1) / GRAIN * GRAIN;
    /* Many drivers allow more than they promise: ask. */
    mem = clCreateBuffer(o->context, CL_MEM_READ_WRITE, size, NULL, &err);
    if (err == CL_SUCCESS) {
        err = clEnqueueFillBuffer(o->queue, mem, &zero, sizeof zero, 0, size, 0, NULL, NULL);
        if (err != CL_SUCCESS)
            clReleaseMemObject(mem);
    }
    if (err != CL_SUCCESS && size > o->dev.buffer_max)
        return too_large(f, &o->dev, what, bytes);
    if (err == CL_MEM_OBJECT_ALLOCATION_FAILURE || err == CL_OUT_OF_RESOURCES ||
        err == CL_OUT_OF_HOST_MEMORY)
        return fault_nomem(f, what, bytes);
    if (err != CL_SUCCESS)
        return ocl_fault(f, what, err);
    *out = mem;
    return ST_OK;
}

enum status ocl_mem_new(kern *k, kbuf *b, const char *what, struct fault *f)
{
    cl_mem mem = NULL;
    if (ocl_mem_zeroed(&mem, k, b->count * dtype_size(b->dtype), what, f) != ST_OK)
        return f->code;
    b->p = mem;
    return ST_OK;
}

void ocl_mem_free(kern *k, kbuf *b)
{
    (void)k;
    clReleaseMemObject(b->p); /* the driver keeps it until the queue is done with it */
}

/* ---- transfers ---------------------------------------------------------------------------------- */

void ocl_mem_write(kern *k, struct kref dst, const void *src, size_t count)
{
    struct ocl *o = ocl_own(k);
    size_t size = dtype_size(dst.buf->dtype), bytes = count * size, at = dst.at * size;
    o->counts.writes++;
    o->counts.write_bytes += bytes;
    for (size_t done = 0; done < bytes && kern_ok(k);) {
        size_t n = bytes - done < OCL_STAGE_PIECE ? bytes - done : OCL_STAGE_PIECE;
        void *host = ocl_stage_take(k, n, "kern_write");
        if (!host)
            return;
        memcpy(host, (const unsigned char *)src + done, n);
        ocl_stage_send(k, dst.buf->p, at + done, 1, n, n, "kern_write");
        done += n;
    }
}

void ocl_mem_read(kern *k, void *dst, struct kref src, size_t count)
{
    struct ocl *o = ocl_own(k);
    size_t size = dtype_size(src.buf->dtype), bytes = count * size, at = src.at * size;
    o->counts.reads++;
    o->counts.read_bytes += bytes;
    for (size_t done = 0; done < bytes && kern_ok(k);) {
        size_t n = bytes - done < OCL_STAGE_PIECE ? bytes - done : OCL_STAGE_PIECE;
        ocl_stage_fetch(k, (unsigned char *)dst + done, src.buf->p, at + done, n, "kern_read");
        done += n;
    }
}

/* ---- marks and waits ----------------------------------------------------------------------------- */

void ocl_mem_finish(kern *k)
{
    struct ocl *o = ocl_own(k);
    o->counts.waits++;
    ocl_stick_lost(k, clFinish(o->queue));
    ocl_stage_deliver(k, UINT64_MAX);
}

uint64_t ocl_mem_mark(kern *k)
{
    struct ocl *o = ocl_own(k);
    cl_event *slot = &o->mark[(o->marks + 1) % OCL_MARKS];
    cl_event e = NULL;
    cl_int err = clEnqueueMarkerWithWaitList(o->queue, 0, NULL, &e);
    if (err == CL_SUCCESS)
        err = clFlush(o->queue);
    ocl_stick(k, "kern_mark", err);
    if (*slot)
        clReleaseEvent(*slot);
    *slot = e;
    return ++o->marks;
}

/* A mark so old that its event is gone is waited for by the oldest there is: the queue is in order. */
void ocl_mem_wait(kern *k, uint64_t mark)
{
    struct ocl *o = ocl_own(k);
    if (mark + OCL_MARKS <= o->marks)
        mark = o->marks - OCL_MARKS + 1;
    cl_event e = mark >= 1 && mark <= o->marks ? o->mark[mark % OCL_MARKS] : NULL;
    if (!e)
        return;
    o->counts.waits++;
    ocl_stick_lost(k, clWaitForEvents(1, &e));
    ocl_stage_deliver(k, mark);
}

/* The ring of pinned host memory between the program's pages and the device. */
#include "kernels/ocl.h"

#include <stdlib.h>
#include <string.h>

enum { RING = 4 * OCL_STAGE_PIECE, ALIGN = 256, PIECES = 256 };

/* A stretch of the ring in use: until `done`, and if it was a read, until it is delivered. */
struct piece {
    size_t begin, end;
    cl_event done;
    void *dst; /* a read's destination; NULL: a write */
    uint64_t mark;
};

struct ocl_stage {
    cl_mem mem;
    unsigned char *host;
    size_t head, taken;         /* where the next piece begins; what was taken and not yet sent */
    struct piece piece[PIECES]; /* a queue: the oldest at `first` */
    int first, count;
};

static enum status stage_new(kern *k)
{
    struct ocl *o = ocl_own(k);
    struct ocl_stage *s = calloc(1, sizeof *s);
    cl_int err = CL_OUT_OF_HOST_MEMORY;
    if (s)
        s->mem =
            clCreateBuffer(o->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, RING, NULL, &err);
    if (err == CL_SUCCESS) {
        s->host = clEnqueueMapBuffer(o->queue, s->mem, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, RING,
                                     0, NULL, NULL, &err);
        if (err != CL_SUCCESS)
            clReleaseMemObject(s->mem);
    }
    if (err != CL_SUCCESS) {
        free(s);
        ocl_stick(k, "pinned memory", err);
        return ST_DEVICE;
    }
    o->stage = s;
    return ST_OK;
}

static struct piece *oldest(struct ocl_stage *s)
{
    return &s->piece[s->first];
}

static bool finished(cl_event e)
{
    cl_int state = CL_QUEUED;
    return clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL) ==
               CL_SUCCESS &&
           state == CL_COMPLETE;
}

static void deliver(struct ocl_stage *s, struct piece *p)
{
    if (p->dst)
        memcpy(p->dst, s->host + p->begin, p->end - p->begin);
    p->dst = NULL;
}

/* Takes the oldest piece off the queue, waiting for it where it is still under way. */
static void retire(kern *k)
{
    struct ocl *o = ocl_own(k);
    struct ocl_stage *s = o->stage;
    struct piece *p = oldest(s);
    if (!finished(p->done)) {
        o->counts.waits++;
        ocl_stick(k, "a transfer", clWaitForEvents(1, &p->done));
    }
    deliver(s, p);
    clReleaseEvent(p->done);
    s->first = (s->first + 1) % PIECES;
    s->count--;
}

static bool overlaps(const struct ocl_stage *s, size_t begin, size_t end)
{
    for (int i = 0; i < s->count; i++) {
        const struct piece *p = &s->piece[(s->first + i) % PIECES];
        if (p->begin < end && begin < p->end)
            return true;
    }
    return false;
}

void *ocl_stage_take(kern *k, size_t bytes, const char *op)
{
    struct ocl_stage *s = ocl_own(k)->stage;
    if (!s && stage_new(k) != ST_OK)
        return NULL;
    s = ocl_own(k)->stage;
    if (bytes > OCL_STAGE_PIECE) {
        kern_stick(k, ST_RANGE, op, "%zu bytes are too many for one piece", bytes);
        return NULL;
    }
    if (bytes > RING - s->head)
        s->head = 0;
    while (s->count == PIECES || overlaps(s, s->head, s->head + bytes))
        retire(k);
    s->taken = bytes;
    return kern_ok(k) ? s->host + s->head : NULL;
}

/* The piece taken is now in use until `done`. */
static void push(kern *k, cl_event done, void *dst)
{
    struct ocl *o = ocl_own(k);
    struct ocl_stage *s = o->stage;
    s->piece[(s->first + s->count++) % PIECES] =
        (struct piece){s->head, s->head + s->taken, done, dst, o->marks + 1};
    s->head += (s->taken + ALIGN - 1) / ALIGN * ALIGN;
    if (s->head >= RING)
        s->head = 0;
}

void ocl_stage_send(kern *k, cl_mem mem, size_t at, size_t rows, size_t row_bytes, size_t pitch,
                    const char *op)
{
    struct ocl *o = ocl_own(k);
    struct ocl_stage *s = o->stage;
    const unsigned char *src = s->host + s->head;
    const size_t to[3] = {at % pitch, at / pitch, 0}, from[3] = {0, 0, 0};
    const size_t region[3] = {row_bytes, rows, 1};
    cl_event done = NULL;
    cl_int err;
    if (rows == 1 || pitch == row_bytes)
        err = clEnqueueWriteBuffer(o->queue, mem, CL_FALSE, at, rows * row_bytes, src, 0, NULL,
                                   &done);
    else
        err = clEnqueueWriteBufferRect(o->queue, mem, CL_FALSE, to, from, region, pitch, 0,
                                       row_bytes, 0, src, 0, NULL, &done);
    if (err == CL_SUCCESS)
        push(k, done, NULL);
    ocl_stick(k, op, err);
}

void ocl_stage_fetch(kern *k, void *dst, cl_mem mem, size_t at, size_t bytes, const char *op)
{
    struct ocl *o = ocl_own(k);
    void *host = ocl_stage_take(k, bytes, op);
    cl_event done = NULL;
    if (!host)
        return;
    cl_int err = clEnqueueReadBuffer(o->queue, mem, CL_FALSE, at, bytes, host, 0, NULL, &done);
    if (err == CL_SUCCESS)
        push(k, done, dst);
    ocl_stick(k, op, err);
}

void ocl_stage_deliver(kern *k, uint64_t mark)
{
    struct ocl_stage *s = ocl_own(k)->stage;
    for (int i = 0; s && i < s->count; i++) {
        struct piece *p = &s->piece[(s->first + i) % PIECES];
        if (p->mark <= mark)
            deliver(s, p);
    }
    while (s && s->count > 0 && !oldest(s)->dst && finished(oldest(s)->done))
        retire(k);
}

void ocl_stage_close(kern *k)
{
    struct ocl *o = ocl_own(k);
    struct ocl_stage *s = o->stage;
    if (!s)
        return;
    clFinish(o->queue);
    for (int i = 0; i < s->count; i++)
        clReleaseEvent(s->piece[(s->first + i) % PIECES].done);
    clEnqueueUnmapMemObject(o->queue, s->mem, s->host, 0, NULL, NULL);
    clFinish(o->queue);
    clReleaseMemObject(s->mem);
    free(s);
    o->stage = NULL;
}

#include <stdio.h>

#include "kernels/ocl.h"

/* One text of two files: the first one's closing 0 becomes a line's end. */
static const char text[] = {
#include "kernels/attention/attention.cl.h"
    +'\n',
#include "kernels/attention/attention_bwd.cl.h"
};

/* ---- tiles --------------------------------------------------------------------------------------- */

/* attention.cl's macros: what fits into 48 KiB of local memory, into 32 KiB, and for a CPU's one item. */
struct tiles {
    int items, fwd_q, fwd_k, bwd_q, bwd_k;
};
enum { WIDE_HEAD = 128 };

static struct tiles tiles_of(const kern *k, int head_dim)
{
    const struct ocl_device *d = ocl_device(k);
    if (ocl_is_cpu(d) || d->group_max < 64)
        return (struct tiles){1, 16, 16, 16, 16};
    if (d->group_max < 128 || d->local_size < 47 << 10)
        return (struct tiles){64, 32, 16, 16, 16};
    return (struct tiles){128, head_dim > WIDE_HEAD ? 32 : 64, 32, 32, 32};
}

static bool options(const kern *k, const struct kern_specs *s, char *out, size_t size)
{
    struct tiles t = tiles_of(k, s->head_dim);
    if (s->heads == 0 || s->head_dim == 0)
        return false;
    snprintf(out, size, "-DHEAD_DIM=%d -DITEMS=%d -DFWD_Q=%d -DFWD_K=%d -DBWD_Q=%d -DBWD_K=%d",
             s->head_dim, t.items, t.fwd_q, t.fwd_k, t.bwd_q, t.bwd_k);
    return true;
}

/* D of the backward pass. */
static size_t scratch(const kern *k, const struct kern_specs *s)
{
    (void)k;
    return s->backward ? (size_t)s->rows * (size_t)s->heads + OCL_SCRATCH_ALIGN : 0;
}

const struct ocl_source ocl_source_attention = {"kernels/attention/attention.cl", text, options,
                                                scratch};

/* ---- calls --------------------------------------------------------------------------------------- */

/* attention.cl has the same struct. */
struct attention_shape {
    cl_int q_rows, k_rows, q_offset, heads, kv_heads, window;
    cl_float scale, softcap;
};

static struct attention_shape shape_of(const struct attention_dims *d)
{
    return (struct attention_shape){d->q_rows,   d->k_rows, d->q_offset, d->heads,
                                    d->kv_heads, d->window, d->scale,    d->softcap};
}

static struct ocl_range tiles_by_heads(const struct tiles *t, int rows, int tile, int heads)
{
    return (struct ocl_range){{((size_t)rows + (size_t)tile - 1) / (size_t)tile, (size_t)heads, 1},
                              {(size_t)t->items, 1, 1}};
}

/* A kernel's name with its head_dim: one that kern_prepare was not told of is not there. */
struct name {
    char text[40];
};

static struct name named(const char *kernel, const struct attention_dims *d)
{
    struct name n;
    snprintf(n.text, sizeof n.text, "%s_%d", kernel, d->head_dim);
    return n;
}

void attention_fwd_ocl(kern *k, struct kref o, struct kref lse, struct kref q, struct kref key,
                       struct kref v, struct kref start, const struct attention_dims *d)
{
    struct tiles t = tiles_of(k, d->head_dim);
    struct attention_shape s = shape_of(d);
    const int want_lse = lse.buf != NULL;
    OCL_RUN(k, named("attention_fwd", d).text, tiles_by_heads(&t, d->q_rows, t.fwd_q, d->heads),
            BUF(o), VEC(lse), BUF(q), BUF(key), BUF(v), VEC(start), ARG(s), ARG(want_lse));
}

void attention_bwd_ocl(kern *k, struct kref dq, struct kref dk, struct kref dv, struct kref dout,
                       struct kref q, struct kref key, struct kref v, struct kref o,
                       struct kref lse, struct kref start, const struct attention_dims *d)
{
    struct tiles t = tiles_of(k, d->head_dim);
    struct attention_shape s = shape_of(d);
    size_t mark = ocl_scratch_mark(k), pairs = (size_t)d->q_rows * (size_t)d->heads;
    struct kref delta = ocl_scratch(k, pairs, 1, "attention_bwd");
    OCL_RUN(k, named("attention_delta", d).text, ocl_flat(k, pairs, 1, 0), VEC(delta), BUF(dout),
            BUF(o), ARG(d->q_rows), ARG(d->heads));
    OCL_RUN(k, named("attention_dq", d).text, tiles_by_heads(&t, d->q_rows, t.bwd_q, d->heads),
            BUF(dq), BUF(dout), BUF(q), BUF(key), BUF(v), VEC(lse), VEC(delta), VEC(start), ARG(s));
    OCL_RUN(k, named("attention_dkv", d).text, tiles_by_heads(&t, d->k_rows, t.bwd_k, d->kv_heads),
            BUF(dk), BUF(dv), BUF(dout), BUF(q), BUF(key), BUF(v), VEC(lse), VEC(delta), VEC(start),
            ARG(s));
    ocl_scratch_release(k, mark);
}

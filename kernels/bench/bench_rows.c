/* Norms and softmax over rows, attention, cross-entropy. */
#include "kernels/bench/bench_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- rows ---------------------------------------------------------------------------------------- */

struct row_args {
    struct kref y, x, w, bias, stat;
    int rows, cols;
};

static void softmax(struct bench *b, const void *args)
{
    const struct row_args *a = args;
    b->k->op.softmax_fwd(b->k, a->y, a->x, a->rows, a->cols);
}

static void layernorm(struct bench *b, const void *args)
{
    const struct row_args *a = args;
    b->k->op.layernorm_fwd(b->k, a->y, kref_col(a->stat, a->rows), a->stat, a->x, a->w, a->bias,
                           a->rows, a->cols, 1e-5f);
}

static void rmsnorm(struct bench *b, const void *args)
{
    const struct row_args *a = args;
    b->k->op.rmsnorm_fwd(b->k, a->y, a->stat, a->x, a->w, a->rows, 1, a->cols, 1e-5f, 0.0f);
}

void bench_rowwise(struct bench *b)
{
    static const struct {
        const char *op;
        bench_call *call;
    } ops[] = {{"softmax_fwd", softmax}, {"layernorm_fwd", layernorm}, {"rmsnorm_fwd", rmsnorm}};
    static const int shapes[][2] = {{32, 1024}, {4096, 4096}};
    for (int i = 0; i < 6; i++) {
        struct row_args a = {.rows = shapes[i % 2][0], .cols = shapes[i % 2][1]};
        struct bench_case c = {.op = ops[i / 2].op, .call = ops[i / 2].call, .args = &a};
        c.bytes = 8.0 * a.rows * a.cols;
        c.flops = 5.0 * a.rows * a.cols;
        snprintf(c.shape, sizeof c.shape, "%dx%d", a.rows, a.cols);
        if (!bench_wanted(b, c.op, c.shape, c.flops))
            continue;
        bench_prepare(b, &(struct kern_specs){.rows = a.rows, .width = a.cols});
        a.x = bench_mat(b, a.rows, a.cols);
        a.y = bench_mat(b, a.rows, a.cols);
        a.w = bench_mat(b, 1, a.cols);
        a.bias = bench_mat(b, 1, a.cols);
        a.stat = bench_mat(b, 1, 2 * a.rows);
        bench_run(b, &c);
        bench_done(b);
    }
}

/* ---- attention ----------------------------------------------------------------------------------- */

struct attention_args {
    struct attention_dims d;
    struct kref qkv, dqkv, o, dout, lse, start;
};

static struct kref key_of(const struct attention_args *a, struct kref m)
{
    return kref_col(m, a->d.heads * a->d.head_dim);
}

static struct kref v_of(const struct attention_args *a, struct kref m)
{
    return kref_col(m, (a->d.heads + a->d.kv_heads) * a->d.head_dim);
}

static void attention_fwd(struct bench *b, const void *args)
{
    const struct attention_args *a = args;
    b->k->op.attention_fwd(b->k, a->o, a->lse, a->qkv, key_of(a, a->qkv), v_of(a, a->qkv), a->start,
                           &a->d);
}

static void attention_bwd(struct bench *b, const void *args)
{
    const struct attention_args *a = args;
    b->k->op.attention_bwd(b->k, a->dqkv, key_of(a, a->dqkv), v_of(a, a->dqkv), a->dout, a->qkv,
                           key_of(a, a->qkv), v_of(a, a->qkv), a->o, a->lse, a->start, &a->d);
}

static struct kref starts(struct bench *b, int documents, int tokens)
{
    int n = documents * tokens;
    int32_t *v = malloc((size_t)n * sizeof *v);
    if (!v) {
        if (b->status == ST_OK)
            b->status = fault_nomem(b->f, "a benchmark", (size_t)n * sizeof *v);
        return KREF_NONE;
    }
    for (int i = 0; i < n; i++)
        v[i] = i - i % tokens;
    struct kref r = bench_ints(b, v, n);
    free(v);
    return r;
}

static void attention_buffers(struct bench *b, struct attention_args *a, int documents, int tokens)
{
    int rows = a->d.q_rows, width = (a->d.heads + 2 * a->d.kv_heads) * a->d.head_dim;
    bench_prepare(b, &(struct kern_specs){.rows = rows,
                                          .width = width,
                                          .heads = a->d.heads,
                                          .kv_heads = a->d.kv_heads,
                                          .head_dim = a->d.head_dim,
                                          .keys = rows,
                                          .backward = true});
    a->qkv = bench_mat(b, rows, width);
    a->dqkv = bench_mat(b, rows, width);
    a->o = bench_mat(b, rows, a->d.heads * a->d.head_dim);
    a->dout = bench_mat(b, rows, a->d.heads * a->d.head_dim);
    a->lse = bench_mat(b, rows, a->d.heads);
    a->start = starts(b, documents, tokens);
}

static void attention_case(struct bench *b, int documents, int tokens, int heads, int kv_heads,
                           int head_dim)
{
    int rows = documents * tokens;
    struct attention_args a = {.d = {rows, rows, 0, heads, kv_heads, head_dim}};
    struct bench_case c = {.op = "attention_fwd", .call = attention_fwd, .args = &a};
    a.d.scale = 1.0f / sqrtf((float)head_dim);
    snprintf(c.shape, sizeof c.shape, "%dx%d heads %d/%d of %d", documents, tokens, heads, kv_heads,
             head_dim);
    c.flops = 2.0 * rows * tokens * heads * head_dim; /* two products over half of the square */
    c.bytes = 8.0 * rows * (heads + kv_heads) * head_dim;
    bool fwd = bench_wanted(b, "attention_fwd", c.shape, c.flops);
    bool bwd = bench_wanted(b, "attention_bwd", c.shape, 2.5 * c.flops);
    if (!fwd && !bwd)
        return;
    attention_buffers(b, &a, documents, tokens);
    if (fwd)
        bench_run(b, &c);
    else if (b->status == ST_OK)
        attention_fwd(b, &a); /* backward wants its lse */
    c.op = "attention_bwd";
    c.call = attention_bwd;
    c.flops *= 2.5;
    c.bytes *= 2.0;
    if (bwd)
        bench_run(b, &c);
    bench_done(b);
}

void bench_attention(struct bench *b)
{
    attention_case(b, 1, 512, 9, 3, 64);
    attention_case(b, 8, 1024, 9, 3, 64);
    attention_case(b, 4, 2048, 32, 8, 64);
    attention_case(b, 2, 2048, 32, 8, 128);
}

/* ---- cross-entropy ------------------------------------------------------------------------------- */

struct loss_args {
    struct cross_entropy_dims d;
    struct kref loss, x, dx, index, labels;
    const struct kweight *w;
};

static void loss_call(struct bench *b, const void *args)
{
    const struct loss_args *a = args;
    b->k->op.linear_cross_entropy(b->k, a->loss, KREF_NONE, a->dx, a->x, a->index, a->labels, a->w,
                                  &a->d);
}

static void loss_case(struct bench *b, int rows, int cols, int vocab)
{
    struct loss_args a = {.d = {rows, rows, cols, vocab, 1.0f / (float)rows, 0.0f}};
    struct bench_case c = {.op = "linear_cross_entropy", .call = loss_call, .args = &a};
    snprintf(c.shape, sizeof c.shape, "%dx%d, vocabulary %d", rows, cols, vocab);
    c.flops = 4.0 * rows * cols * vocab;
    c.bytes = (b->o->dtype == DT_F32 ? 8.0 : 4.0) * cols * vocab + 8.0 * rows * cols;
    if (!bench_wanted(b, c.op, c.shape, c.flops))
        return;
    int32_t *v = malloc((size_t)rows * sizeof *v);
    if (!v) {
        b->status = fault_nomem(b->f, "a benchmark", (size_t)rows * sizeof *v);
        return;
    }
    for (int i = 0; i < rows; i++)
        v[i] = i;
    bench_prepare(
        b, &(struct kern_specs){
               .rows = rows, .width = cols, .vocab = vocab, .hidden = cols, .backward = true});
    a.loss = bench_mat(b, 1, 1);
    a.x = bench_mat(b, rows, cols);
    a.dx = bench_mat(b, rows, cols);
    a.index = bench_ints(b, v, rows);
    for (int i = 0; i < rows; i++)
        v[i] = (int32_t)((int64_t)i * 7919 % vocab);
    a.labels = bench_ints(b, v, rows);
    a.w = bench_weight(b, vocab, cols);
    bench_run(b, &c);
    bench_done(b);
    free(v);
}

void bench_cross_entropy(struct bench *b)
{
    loss_case(b, 512, 576, 49152);
    loss_case(b, 8192, 576, 49152);
    loss_case(b, 4096, 2048, 128256);
}

#include <math.h>
#include <stdio.h>

#include "kernels/verify/verify_impl.h"

struct linear_case {
    int rows, in, out, adapters, rank;
    enum dtype dtype;
    float dropout;
};

static size_t describe_linear(struct klinear *lin, const struct linear_case *c)
{
    size_t at = 0;
    *lin = (struct klinear){.in = c->in, .out = c->out, .nlora = c->adapters};
    for (int j = 0; j < c->adapters; j++) {
        int cols = c->out / c->adapters;
        lin->lora[j] = (struct klora){.col = j * cols,
                                      .cols = cols,
                                      .rank = c->rank,
                                      .scale = 0.5f + (float)j,
                                      .a = at,
                                      .b = at + (size_t)(c->rank * c->in),
                                      .id = (uint32_t)j};
        at += (size_t)c->rank * (size_t)(c->in + cols);
    }
    return at;
}

static void linear(struct verify *v, const struct linear_case *c)
{
    struct klinear lin;
    const struct kweight *w[2];
    const struct kdropout drop = {.p = c->dropout, .seed = 11, .step = 2, .micro = 0};
    int values = (int)describe_linear(&lin, c), rank = klinear_rank(&lin);
    snprintf(v->shape, sizeof v->shape, "%d x %d -> %d %s, rank %d x %d%s", c->rows, c->in, c->out,
             dtype_name(c->dtype), c->adapters, c->rank, c->dropout > 0 ? ", dropout" : "");
    verify_prepare(v, &(struct kern_specs){.rows = c->rows,
                                           .width = c->in > c->out ? c->in : c->out,
                                           .rank = rank,
                                           .adapter_values = (size_t)values,
                                           .backward = true,
                                           .dropout = c->dropout > 0});
    verify_weight(v, w, c->out, c->in, c->dtype);
    /* Without adapters h, parameters and gradients are there all the same, and not looked at. */
    int some = values > 0 ? values : 1;
    struct pair x = verify_fill(v, c->rows, c->in, 1), p = verify_fill(v, 1, some, 0.2);
    struct pair g = verify_fill(v, 1, some, 0.2), res = verify_fill(v, c->rows, c->out, 1);
    struct pair y = verify_zeros(v, c->rows, c->out);
    struct pair h = verify_zeros(v, c->rows, rank > 0 ? rank : 1);
    struct pair dy = verify_fill(v, c->rows, c->out, 1), dx = verify_fill(v, c->rows, c->in, 1);
    struct pair bias = verify_fill(v, 1, c->out, 1);
    for (int i = 0; i < 2 && v->status == ST_OK; i++) {
        lin.w = w[i];
        lin.bias = AT(bias);
        v->k[i]->op.lora_linear_fwd(v->k[i], AT(y), AT(h), AT(x), AT(res), AT(p), &lin, c->rows,
                                    &drop);
        v->k[i]->op.lora_linear_bwd(v->k[i], AT(dx), AT(g), AT(dy), AT(x), AT(h), AT(p), &lin,
                                    c->rows, &drop, K_ADD);
    }
    verify_same(v, "lora_linear_fwd", "y", &y);
    verify_same(v, "lora_linear_fwd", "h", &h);
    verify_same(v, "lora_linear_bwd", "dx", &dx);
    verify_same(v, "lora_linear_bwd", "grads", &g);
    verify_done(v);
}

struct attention_case {
    int rows, heads, kv_heads, head_dim, window, documents;
    float softcap;
};

static void attention(struct verify *v, const struct attention_case *c)
{
    int32_t start[256];
    struct attention_dims d = {c->rows,     c->rows,     0,         c->heads,
                               c->kv_heads, c->head_dim, c->window, 1 / sqrtf((float)c->head_dim),
                               c->softcap};
    int wide = c->heads * c->head_dim, narrow = c->kv_heads * c->head_dim;
    snprintf(v->shape, sizeof v->shape, "%d rows, %d/%d heads of %d%s%s", c->rows, c->heads,
             c->kv_heads, c->head_dim, c->window ? ", window" : "", c->softcap > 0 ? ", cap" : "");
    verify_prepare(v, &(struct kern_specs){.rows = c->rows,
                                           .width = wide,
                                           .heads = c->heads,
                                           .kv_heads = c->kv_heads,
                                           .head_dim = c->head_dim,
                                           .keys = c->rows,
                                           .backward = true});
    for (int i = 0; i < c->rows; i++)
        start[i] = i * c->documents / c->rows * c->rows / c->documents;
    struct pair st = verify_ints(v, start, c->rows), q = verify_fill(v, c->rows, wide, 1);
    struct pair kk = verify_fill(v, c->rows, narrow, 1), val = verify_fill(v, c->rows, narrow, 1);
    struct pair o = verify_zeros(v, c->rows, wide), lse = verify_zeros(v, c->rows, c->heads);
    struct pair dout = verify_fill(v, c->rows, wide, 1), dq = verify_zeros(v, c->rows, wide);
    struct pair dk = verify_zeros(v, c->rows, narrow), dv = verify_zeros(v, c->rows, narrow);
    BOTH(v, attention_fwd, AT(o), AT(lse), AT(q), AT(kk), AT(val), AT(st), &d);
    verify_same(v, "attention_fwd", "o", &o);
    verify_same(v, "attention_fwd", "lse", &lse);
    BOTH(v, attention_bwd, AT(dq), AT(dk), AT(dv), AT(dout), AT(q), AT(kk), AT(val), AT(o), AT(lse),
         AT(st), &d);
    verify_same(v, "attention_bwd", "dq", &dq);
    verify_same(v, "attention_bwd", "dk", &dk);
    verify_same(v, "attention_bwd", "dv", &dv);
    verify_done(v);
}

static void head(struct verify *v, int rows, int cols, int vocab, enum dtype dtype, float softcap)
{
    int32_t index[128], labels[128], ids[128], n = 0;
    const struct kweight *w[2];
    snprintf(v->shape, sizeof v->shape, "%d x %d -> %d %s", rows, cols, vocab, dtype_name(dtype));
    for (int i = 0; i < rows; i++) {
        ids[i] = (i * 31) % vocab;
        if (i % 3 != 1 || rows == 1) {
            index[n] = i;
            labels[n++] = (i * 17) % vocab;
        }
    }
    struct cross_entropy_dims d = {n, rows, cols, vocab, 0.01f, softcap};
    verify_prepare(
        v, &(struct kern_specs){
               .rows = rows, .width = cols, .vocab = vocab, .hidden = cols, .backward = true});
    verify_weight(v, w, vocab, cols, dtype);
    struct pair x = verify_fill(v, rows, cols, 1), loss = verify_zeros(v, 1, 1);
    struct pair nll = verify_zeros(v, 1, n), dx = verify_fill(v, rows, cols, 1);
    struct pair ix = verify_ints(v, index, n), lab = verify_ints(v, labels, n);
    struct pair id = verify_ints(v, ids, rows), y = verify_zeros(v, rows, cols);
    BOTH(v, embedding_fwd, AT(y), AT(id), w[i], rows, 1.5f);
    verify_same(v, "embedding_fwd", "y", &y);
    BOTH(v, linear_cross_entropy, AT(loss), AT(nll), AT(dx), AT(x), AT(ix), AT(lab), w[i], &d);
    verify_same(v, "linear_cross_entropy", "loss", &loss);
    verify_same(v, "linear_cross_entropy", "nll", &nll);
    verify_same(v, "linear_cross_entropy", "dx", &dx);
    verify_done(v);
}

/* A norm and the linears behind it, then an activation and its linear, both recomputing. */
static void blocks(struct verify *v, int rows, int in, int out)
{
    struct klinear lin;
    const struct kweight *w[2];
    const struct linear_case c = {rows, in, out, 2, 8, DT_F32, 0};
    const struct kdropout none = {0};
    int values = (int)describe_linear(&lin, &c), rank = klinear_rank(&lin);
    snprintf(v->shape, sizeof v->shape, "%d x %d -> %d", rows, in, out);
    verify_prepare(v, &(struct kern_specs){.rows = rows,
                                           .width = 2 * in > out ? 2 * in : out,
                                           .rank = rank,
                                           .adapter_values = (size_t)values,
                                           .backward = true});
    verify_weight(v, w, out, in, DT_F32);
    struct pair x = verify_fill(v, rows, in, 1), p = verify_fill(v, 1, values, 0.2);
    struct pair nw = verify_fill(v, 1, in, 1), stat = verify_zeros(v, 1, 2 * rows);
    struct pair y = verify_zeros(v, rows, out), h = verify_zeros(v, rows, rank);
    struct pair dy = verify_fill(v, rows, out, 1), dx = verify_fill(v, rows, in, 1);
    struct pair gu = verify_fill(v, rows, 2 * in, 1), dgu = verify_zeros(v, rows, 2 * in);
    struct pair g = verify_zeros(v, 1, values);
    for (int i = 0; i < 2 && v->status == ST_OK; i++) {
        kern *k = v->k[i];
        const struct ksaved saved = {AT(stat), AT(h), KREF_NONE};
        const struct knorm norm = {KNORM_RMS, AT(nw), KREF_NONE, 1e-5f, 0};
        lin.w = w[i];
        k->op.norm_linear_fwd(k, AT(y), &saved, AT(x), AT(p), &norm, &lin, rows, &none);
        k->op.norm_linear_bwd(k, AT(dx), AT(g), AT(dy), &saved, AT(x), AT(p), &norm, &lin, rows,
                              &none);
        k->op.act_linear_fwd(k, AT(y), &saved, AT(gu), AT(y), AT(p), KACT_SWIGLU, &lin, rows,
                             &none);
        k->op.act_linear_bwd(k, AT(dgu), AT(g), AT(dy), &saved, AT(gu), AT(p), KACT_SWIGLU, &lin,
                             rows, &none);
    }
    verify_same(v, "norm_linear_bwd", "dx", &dx);
    verify_same(v, "act_linear_fwd", "y", &y);
    verify_same(v, "act_linear_bwd", "dgu", &dgu);
    verify_same(v, "blocks", "grads", &g);
    verify_done(v);
}

void verify_heavy(struct verify *v)
{
    static const struct linear_case linears[] = {
        {1, 1, 1, 1, 1, DT_F32, 0},       {17, 67, 129, 0, 0, DT_F32, 0},
        {33, 96, 96, 3, 8, DT_BF16, 0},   {64, 192, 130, 2, 16, DT_F16, 0.25f},
        {129, 257, 64, 1, 33, DT_F32, 0}, {70, 576, 384, 3, 16, DT_F32, 0.1f},
    };
    static const struct attention_case attentions[] = {
        {1, 1, 1, 16, 0, 1, 0},     {65, 4, 2, 64, 0, 3, 0}, {100, 3, 1, 40, 17, 2, 0},
        {130, 2, 2, 128, 0, 1, 30}, {70, 8, 2, 80, 0, 4, 0},
    };
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++)
        linear(v, &linears[i]);
    for (size_t i = 0; i < sizeof attentions / sizeof *attentions; i++)
        attention(v, &attentions[i]);
    head(v, 1, 5, 7, DT_F32, 0);
    head(v, 33, 64, 1031, DT_BF16, 0);
    head(v, 100, 192, 4099, DT_F32, 0);
    head(v, 40, 96, 515, DT_F16, 30);
    blocks(v, 37, 96, 130);
}

#include "model/generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/rng.h"
#include "model/rotary.h"

static int32_t largest(const float *x, int n)
{
    int32_t best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* ---- a partial order by logit: larger first, lower id first among equals ------------------- */

static bool before(const float *x, int32_t a, int32_t b)
{
    return x[a] > x[b] || (x[a] == x[b] && a < b);
}

/* Sinks order[i] in the heap of n whose top is the first in order. */
static void sink(const float *x, int32_t *order, int n, int i)
{
    for (;;) {
        int child = 2 * i + 1;
        if (child >= n)
            return;
        if (child + 1 < n && before(x, order[child + 1], order[child]))
            child++;
        if (!before(x, order[child], order[i]))
            return;
        int32_t swap = order[i];
        order[i] = order[child];
        order[child] = swap;
        i = child;
    }
}

/* Takes the heap's top; it stays behind the heap's end. */
static int32_t take(const float *x, int32_t *order, int *n)
{
    int32_t top = order[0];
    (*n)--;
    order[0] = order[*n];
    order[*n] = top;
    sink(x, order, *n, 0);
    return top;
}

/* ---- sampling ------------------------------------------------------------------------------ */

struct draw {
    const float *logits;
    int32_t *order; /* a heap; what was taken stands behind its end, the last first */
    int vocab, left;
    double top, temperature;
};

static double weight(const struct draw *d, int32_t id)
{
    return exp(((double)d->logits[id] - d->top) / d->temperature);
}

/* The i-th most likely id. */
static int32_t ranked(struct draw *d, int i)
{
    while (d->vocab - d->left <= i)
        take(d->logits, d->order, &d->left);
    return d->order[d->vocab - 1 - i];
}

static double weight_of_all(const struct draw *d)
{
    double sum = 0;
    for (int i = 0; i < d->vocab; i++)
        sum += weight(d, i);
    return sum;
}

/* u in [0, 1) among all ids, by id: nothing was cut. */
static int32_t draw_plain(const struct draw *d, double u)
{
    double at = u * weight_of_all(d);
    int32_t id = 0, last = 0;
    for (; id < d->vocab && at >= 0; id++) {
        at -= weight(d, id);
        last = id;
    }
    return last;
}

/* u in [0, 1) among the top_k, then among those whose share reaches top_p. */
static int32_t draw_cut(struct draw *d, const struct generate_options *o, double u)
{
    int most = o->top_k > 0 && o->top_k < d->vocab ? o->top_k : d->vocab, kept = 0;
    double total = 0, sum = 0;
    for (int i = 0; i < d->vocab; i++)
        d->order[i] = i;
    for (int i = d->vocab / 2 - 1; i >= 0; i--)
        sink(d->logits, d->order, d->vocab, i);
    if (most == d->vocab)
        total = weight_of_all(d);
    for (int i = 0; most < d->vocab && i < most; i++)
        total += weight(d, ranked(d, i));
    double reach = o->top_p > 0 && o->top_p < 1 ? o->top_p * total : total;
    while (kept < most && (kept == 0 || sum < reach))
        sum += weight(d, ranked(d, kept++));
    double at = u * sum;
    for (int i = 0; i < kept; i++) {
        at -= weight(d, ranked(d, i));
        if (at < 0)
            return ranked(d, i);
    }
    return ranked(d, kept - 1);
}

int32_t generate_sample(const float *logits, int32_t *order, int vocab,
                        const struct generate_options *o, int at)
{
    struct draw d = {.logits = logits, .order = order, .vocab = vocab, .left = vocab};
    int32_t best = largest(logits, vocab);
    uint32_t word[4];
    if (o->temperature <= 0)
        return best;
    d.top = (double)logits[best];
    d.temperature = o->temperature;
    rng_philox(word, o->seed, 0x67656e6572617465u, (uint64_t)at);
    double u = (double)rng_uniform(word[0]);
    bool cut = (o->top_k > 0 && o->top_k < vocab) || (o->top_p > 0 && o->top_p < 1);
    return cut ? draw_cut(&d, o, u) : draw_plain(&d, u);
}

static bool stops(const struct generate_options *o, int32_t id)
{
    for (int i = 0; i < o->stop_count; i++)
        if (o->stop[i] == id)
            return true;
    return false;
}

static enum status check_finite(const float *logits, int vocab, struct fault *f)
{
    for (int i = 0; i < vocab; i++)
        if (!isfinite(logits[i]))
            return fault_set(f, ST_NUMERIC, "the logit of token %d is not finite", i);
    return ST_OK;
}

struct text_ids {
    int32_t *ids; /* the prompt and what came after */
    int n, cached;
};

/* Whether keys rotated for a text of `was` tokens do not serve one of `is`: longrope has other
 * factors beyond the original context, and transformers drops its cache there. Dynamic rope keeps
 * what is cached, there as here. */
static bool outgrown(const struct model_config *c, int was, int is)
{
    const struct rope_config *r = &c->rope[0];
    return r->kind == ROPE_LONGROPE && rotary_choice(r, was) != rotary_choice(r, is);
}

/* The logits after the last token; what is not in the cache yet goes there. */
static enum status advance(struct model *m, struct text_ids *t, float *logits, struct fault *f)
{
    const struct model_config *c = model_config_of(m);
    if (outgrown(c, t->cached, t->n))
        t->cached = 0;
    if (model_decode(m, t->ids + t->cached, t->n - t->cached, t->cached, logits, f) != ST_OK)
        return f->code;
    t->cached = t->n;
    return check_finite(logits, c->vocab, f);
}

static enum status run(struct model *m, struct text_ids *t, const struct generate_options *o,
                       float *logits, int32_t *order, generate_token_fn *token, void *ctx,
                       struct generate_result *r, struct fault *f)
{
    while (r->count < o->max_tokens && !r->stopped) {
        if (advance(m, t, logits, f) != ST_OK)
            return f->code;
        int32_t id = generate_sample(logits, order, model_config_of(m)->vocab, o, t->n);
        t->ids[t->n++] = id;
        r->count++;
        r->stopped = stops(o, id);
        enum status code = token ? token(ctx, id, f) : ST_OK;
        if (code != ST_OK)
            return code;
    }
    return ST_OK;
}

enum status generate(struct model *m, const int32_t *prompt, int n,
                     const struct generate_options *o, generate_token_fn *token, void *ctx,
                     struct generate_result *result, struct fault *f)
{
    size_t vocab = (size_t)model_config_of(m)->vocab, room = (size_t)n + (size_t)o->max_tokens;
    struct generate_result r = {0};
    float *logits = malloc(vocab * sizeof *logits);
    int32_t *order = malloc(vocab * sizeof *order);
    struct text_ids t = {.ids = malloc(room * sizeof *t.ids), .n = n};
    enum status code = ST_OK;
    if (!logits || !order || !t.ids)
        code = fault_nomem(f, "the logits", vocab * 8 + room * 4);
    if (code == ST_OK) {
        memcpy(t.ids, prompt, (size_t)n * sizeof *prompt);
        code = run(m, &t, o, logits, order, token, ctx, &r, f);
    }
    free(logits);
    free(order);
    free(t.ids);
    if (code == ST_OK)
        *result = r;
    return code;
}

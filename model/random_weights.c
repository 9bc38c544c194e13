#include "model/random_weights.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/rng.h"

enum { TABLE = 1048573 }; /* the largest prime below 2^20 */

struct random_weights {
    struct wanted *w;
    struct tensor *t; /* one for each wanted */
    size_t n;
    unsigned char *table; /* [TABLE] of dtype */
    enum dtype dtype;
    double norm; /* what the weight of a norm is stored as */
};

static void put(void *table, size_t i, float x, enum dtype dtype)
{
    uint16_t h = dtype == DT_F16 ? f32_to_f16(x) : f32_to_bf16(x);
    if (dtype == DT_F32)
        memcpy((char *)table + 4 * i, &x, 4);
    else
        memcpy((char *)table + 2 * i, &h, 2);
}

static const struct tensor *find(void *ctx, const char *name)
{
    const struct random_weights *r = ctx;
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->w[i].name, name) == 0)
            return &r->t[i];
    return NULL;
}

static const struct tensor *at_index(void *ctx, size_t i)
{
    const struct random_weights *r = ctx;
    return i < r->n ? &r->t[i] : NULL;
}

static enum status read_some(void *ctx, const struct tensor *t, size_t at, void *to, size_t n,
                             uint32_t *crc, struct fault *f)
{
    const struct random_weights *r = ctx;
    const struct wanted *w = &r->w[t - r->t];
    size_t size = dtype_size(r->dtype), first = at / size, count = n / size;
    (void)crc, (void)f;
    if (w->cols == 0) {
        for (size_t i = 0; i < count; i++)
            put(to, i, w->norm ? (float)r->norm : 0.0f, r->dtype);
        return ST_OK;
    }
    size_t from = ((size_t)(t - r->t) * 2654435761u + first) % TABLE;
    for (size_t done = 0; done < count;) {
        size_t part = count - done < TABLE - from ? count - done : TABLE - from;
        memcpy((char *)to + done * size, r->table + from * size, part * size);
        done += part;
        from = 0;
    }
    return ST_OK;
}

static void release(void *ctx, const struct tensor *t)
{
    (void)ctx, (void)t;
}

static enum status fill_table(struct random_weights *r, uint64_t seed, struct fault *f)
{
    const float bound = 0.0346410162f; /* 0.02 sqrt 3 */
    uint32_t word[4];
    r->table = malloc((size_t)TABLE * dtype_size(r->dtype));
    if (!r->table)
        return fault_nomem(f, "random weights", (size_t)TABLE * 4);
    for (size_t i = 0; i < TABLE; i++) {
        if (i % 4 == 0)
            rng_philox(word, seed, 0, i / 4);
        put(r->table, i, (2.0f * rng_uniform(word[i % 4]) - 1.0f) * bound, r->dtype);
    }
    return ST_OK;
}

enum status random_weights_new(struct random_weights **out, const struct model_config *c,
                               enum dtype dtype, uint64_t seed, struct fault *f)
{
    if (dtype != DT_F32 && dtype != DT_F16 && dtype != DT_BF16)
        return fault_set(f, ST_UNSUPPORTED, "random weights of type %s", dtype_name(dtype));
    struct random_weights *r = calloc(1, sizeof *r);
    if (!r)
        return fault_nomem(f, "random weights", sizeof *r);
    r->dtype = dtype;
    r->norm = 1 - c->norm_add;
    if (weights_wanted(&r->w, &r->n, c, f) != ST_OK || fill_table(r, seed, f) != ST_OK)
        goto fail;
    r->t = calloc(r->n, sizeof *r->t);
    if (!r->t) {
        fault_nomem(f, "random weights", r->n * sizeof *r->t);
        goto fail;
    }
    for (size_t i = 0; i < r->n; i++) {
        const struct wanted *w = &r->w[i];
        r->t[i] = (struct tensor){.name = w->name, .dtype = dtype, .ndim = w->cols ? 2 : 1};
        r->t[i].shape[0] = w->transposed ? w->cols : w->rows;
        r->t[i].shape[1] = w->transposed ? w->rows : w->cols;
        if (tensor_measure(&r->t[i], "random weights", f) != ST_OK)
            goto fail;
    }
    *out = r;
    return ST_OK;
fail:
    random_weights_free(&r);
    return f->code;
}

void random_weights_free(struct random_weights **rp)
{
    struct random_weights *r = *rp;
    if (!r)
        return;
    free(r->w);
    free(r->t);
    free(r->table);
    free(r);
    *rp = NULL;
}

struct tensor_source weights_of_random(struct random_weights *r)
{
    return (struct tensor_source){"random weights", find, at_index, NULL, read_some, release, r};
}

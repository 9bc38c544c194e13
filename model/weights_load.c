/* From a tensor source to the device: joined matrices, one buffer of norms and biases. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/weights.h"

struct loader {
    const struct tensor_source *s;
    const struct model_config *c;
    kern *k;
    const struct model_progress *progress;
    uint64_t done, total;
    struct fault *f;
};

/* One matrix on the device while it is read: its tensors, one above the other. */
struct matrix {
    struct loader *l;
    const struct tensor *part[KWEIGHT_PARTS];
    uint32_t crc;
    bool transposed;
    char name[MODULE_NAME_MAX];
    struct kweight_spec spec;
};

static void advance(struct loader *l, uint64_t bytes)
{
    l->done += bytes;
    if (l->progress && l->progress->fn)
        l->progress->fn(l->progress->ctx, l->done, l->total);
}

/* ---- conversions --------------------------------------------------------------------------- */

static void to_f32(float *to, const void *from, enum dtype dtype, size_t n)
{
    const unsigned char *p = from;
    uint16_t h;
    for (size_t i = 0; i < n; i++) {
        if (dtype == DT_F32) {
            memcpy(&to[i], p + 4 * i, 4);
            continue;
        }
        memcpy(&h, p + 2 * i, 2);
        to[i] = dtype == DT_F16 ? f16_to_f32(h) : bf16_to_f32(h);
    }
}

/* ---- matrices ------------------------------------------------------------------------------ */

static enum status read_converted(struct matrix *m, const struct tensor *t, int row, int rows,
                                  float *dst, struct fault *f)
{
    size_t cols = (size_t)m->spec.cols, bytes = cols * dtype_size(t->dtype);
    void *raw = malloc(bytes);
    enum status code = ST_OK;
    if (!raw)
        return fault_nomem(f, "a row of weights", bytes);
    for (int r = 0; r < rows && code == ST_OK; r++) {
        code = m->l->s->read(m->l->s->ctx, t, (size_t)(row + r) * bytes, raw, bytes, &m->crc, f);
        if (code == ST_OK)
            to_f32(dst + (size_t)r * cols, raw, t->dtype, cols);
    }
    free(raw);
    return code;
}

/* Rows of the matrix are columns of the file's tensor, which is in one part. The first call
 * goes through it for the checksum; a source without a view of its memory is gone through each
 * time. */
static enum status read_transposed(struct matrix *m, const struct tensor *t, int row, int rows,
                                   unsigned char *dst, struct fault *f)
{
    const struct tensor_source *s = m->l->s;
    size_t size = dtype_size(t->dtype), in = (size_t)t->shape[0], out = (size_t)t->shape[1];
    const unsigned char *whole = s->data ? s->data(s->ctx, t) : NULL;
    unsigned char *line = malloc(out * size);
    enum status code = ST_OK;
    if (!line)
        return fault_nomem(f, "a row of weights", out * size);
    for (size_t i = 0; i < in && code == ST_OK; i++) {
        const unsigned char *p = whole ? whole + i * out * size : line;
        if (row == 0 || !whole)
            code = s->read(s->ctx, t, i * out * size, line, out * size, &m->crc, f);
        for (size_t r = 0; r < (size_t)rows && code == ST_OK; r++)
            memcpy(dst + (r * in + i) * size, p + ((size_t)row + r) * size, size);
    }
    free(line);
    return code;
}

static enum status read_rows(void *ctx, int part, int row, int rows, void *dst, struct fault *f)
{
    struct matrix *m = ctx;
    const struct tensor_source *s = m->l->s;
    const struct tensor *t = m->part[part];
    size_t bytes = (size_t)m->spec.cols * dtype_size(t->dtype);
    enum status code;
    if (m->transposed)
        code = read_transposed(m, t, row, rows, dst, f);
    else if (t->dtype != m->spec.dtype)
        code = read_converted(m, t, row, rows, dst, f);
    else
        code = s->read(s->ctx, t, (size_t)row * bytes, dst, (size_t)rows * bytes, &m->crc, f);
    if (code != ST_OK)
        return code;
    if (row + rows == m->spec.part_rows[part])
        s->release(s->ctx, t);
    advance(m->l, (uint64_t)rows * bytes);
    return ST_OK;
}

static void add_part(struct matrix *m, const char *stem, int rows)
{
    char name[MODULE_NAME_MAX + 16];
    snprintf(name, sizeof name, "%s.weight", stem);
    const struct tensor *t = weights_find(m->l->s, m->l->c, name);
    if (m->spec.parts == 0) {
        snprintf(m->name, sizeof m->name, "%s", stem);
        m->spec.dtype = t->dtype;
    } else if (m->spec.dtype != t->dtype) {
        m->spec.dtype = DT_F32;
    }
    m->part[m->spec.parts] = t;
    m->spec.part_rows[m->spec.parts++] = rows;
    m->spec.rows += rows;
}

static struct matrix matrix_of(struct loader *l, int cols)
{
    struct matrix m = {.l = l};
    m.spec.cols = cols;
    m.spec.read = read_rows;
    return m;
}

static struct matrix named_matrix(struct loader *l, const char *stem, int rows)
{
    struct matrix m = matrix_of(l, l->c->hidden);
    add_part(&m, stem, rows);
    return m;
}

static struct matrix site_matrix(struct loader *l, int layer, enum site site)
{
    struct matrix m = matrix_of(l, site_dims(l->c, site).in);
    struct module mod;
    m.transposed = l->c->conv1d;
    for (int slot = 0; slot < MODULE_SLOTS; slot++)
        if (module_get(&mod, l->c, layer, slot) && mod.site == site)
            add_part(&m, mod.name, mod.out);
    return m;
}

static enum status load(struct loader *l, struct kweight **out, struct matrix *m)
{
    m->spec.ctx = m;
    m->spec.name = m->name;
    return kweight_load(out, l->k, &m->spec, l->f);
}

/* Whether logits have a matrix of their own. A checkpoint of a tied model that holds another
 * lm_head is not tied in truth; transformers reads it so. */
static bool own_head(const struct loader *l)
{
    const struct family *fam = family_find(l->c->family);
    const struct tensor_source *s = l->s;
    char name[MODULE_NAME_MAX];
    if (!l->c->tied)
        return true;
    snprintf(name, sizeof name, "%s.weight", fam->embed);
    const struct tensor *head = weights_find(s, l->c, "lm_head.weight");
    const struct tensor *embed = weights_find(s, l->c, name);
    if (!head || head->dtype != embed->dtype)
        return head != NULL;
    return memcmp(s->data(s->ctx, head), s->data(s->ctx, embed), head->bytes) != 0;
}

/* ---- norms and biases ---------------------------------------------------------------------- */

struct vectors {
    struct loader *l;
    float *p;
    size_t n, cap;
};

/* Appends one vector; its place, or NO_VECTOR after a failure (in l->f). */
static int64_t add_vector(struct vectors *v, const char *stem, const char *suffix, int count)
{
    struct loader *l = v->l;
    char name[MODULE_NAME_MAX + 16];
    uint32_t crc = 0;
    if (l->f->code != ST_OK)
        return NO_VECTOR;
    snprintf(name, sizeof name, "%s.%s", stem, suffix);
    const struct tensor *t = weights_find(l->s, l->c, name);
    void *raw = malloc(t->bytes);
    if (!raw) {
        fault_nomem(l->f, name, t->bytes);
        return NO_VECTOR;
    }
    enum status code = l->s->read(l->s->ctx, t, 0, raw, t->bytes, &crc, l->f);
    if (code == ST_OK)
        to_f32(v->p + v->n, raw, t->dtype, (size_t)count);
    free(raw);
    if (code != ST_OK)
        return NO_VECTOR;
    l->s->release(l->s->ctx, t);
    advance(l, t->bytes);
    v->n += (size_t)count;
    return (int64_t)(v->n - (size_t)count);
}

static enum status layer_vectors(struct vectors *v, struct layer_weights *lw, int layer)
{
    const struct model_config *c = v->l->c;
    char name[MODULE_NAME_MAX];
    struct module mod;
    for (int i = 0; i < NORM_SLOTS; i++) {
        int cols = i == NORM_Q || i == NORM_K ? c->head_dim : c->hidden;
        lw->norm[i] = lw->norm_bias[i] = NO_VECTOR;
        if (!norm_name(name, c, layer, (enum norm_slot)i))
            continue;
        lw->norm[i] = add_vector(v, name, "weight", cols);
        if (c->norm == KNORM_LAYER)
            lw->norm_bias[i] = add_vector(v, name, "bias", cols);
    }
    for (int i = 0; i < SITES; i++)
        lw->bias[i] = NO_VECTOR;
    for (int slot = 0; slot < MODULE_SLOTS; slot++) { /* a site's biases stand side by side */
        if (!module_get(&mod, c, layer, slot) || !mod.bias)
            continue;
        int64_t at = add_vector(v, mod.name, "bias", mod.out);
        if (lw->bias[mod.site] == NO_VECTOR)
            lw->bias[mod.site] = at;
    }
    return v->l->f->code;
}

static enum status load_vectors(struct loader *l, struct weights *w, size_t count)
{
    const struct family *fam = family_find(l->c->family);
    struct vectors v = {.l = l, .cap = count};
    v.p = malloc(count * sizeof *v.p);
    if (!v.p)
        return fault_nomem(l->f, "norms and biases", count * sizeof *v.p);
    for (int i = 0; i < l->c->layers && l->f->code == ST_OK; i++)
        layer_vectors(&v, &w->layer[i], i);
    if (l->f->code == ST_OK)
        w->final_norm = add_vector(&v, fam->final_norm, "weight", l->c->hidden);
    if (l->f->code == ST_OK && l->c->norm == KNORM_LAYER)
        w->final_bias = add_vector(&v, fam->final_norm, "bias", l->c->hidden);
    if (l->f->code == ST_OK &&
        kbuf_new(&w->vectors, l->k, DT_F32, count, "norms and biases", l->f) == ST_OK)
        kern_write(l->k, kref(w->vectors, 0, 0), v.p, count);
    free(v.p);
    return l->f->code;
}

/* ---- all of it ----------------------------------------------------------------------------- */

/* Bytes in the file, and elements of all vectors together. */
static enum status survey(struct loader *l, size_t *vectors)
{
    struct wanted *w = NULL;
    size_t n = 0;
    if (weights_wanted(&w, &n, l->c, l->f) != ST_OK)
        return l->f->code;
    *vectors = 0;
    for (size_t i = 0; i < n; i++) {
        l->total += weights_find(l->s, l->c, w[i].name)->bytes;
        *vectors += w[i].cols == 0 ? (size_t)w[i].rows : 0;
    }
    free(w);
    return ST_OK;
}

enum status weights_measure(uint64_t *bytes, const kern *k, const struct tensor_source *s,
                            const struct model_config *c, struct fault *f)
{
    const struct family *fam = family_find(c->family);
    struct loader l = {.s = s, .c = c, .f = f};
    size_t vectors;
    if (survey(&l, &vectors) != ST_OK)
        return f->code;
    struct matrix m = named_matrix(&l, fam->embed, c->vocab);
    uint64_t sum = kweight_bytes(k, &m.spec) + vectors * sizeof(float);
    if (own_head(&l))
        sum += kweight_bytes(k, &m.spec);
    if (c->learned_positions) {
        m = named_matrix(&l, fam->positions, c->max_positions);
        sum += kweight_bytes(k, &m.spec);
    }
    for (int i = 0; i < c->layers; i++) {
        for (int site = 0; site < SITES; site++) {
            m = site_matrix(&l, i, (enum site)site);
            sum += kweight_bytes(k, &m.spec);
        }
    }
    *bytes = sum;
    return ST_OK;
}

static enum status load_matrices(struct loader *l, struct weights *w)
{
    const struct family *fam = family_find(l->c->family);
    bool own = own_head(l);
    struct matrix m = named_matrix(l, fam->embed, l->c->vocab);
    if (load(l, &w->embed, &m) != ST_OK)
        return l->f->code;
    w->head = w->embed;
    if (own) {
        w->head = NULL;
        m = named_matrix(l, "lm_head", l->c->vocab);
        if (load(l, &w->head, &m) != ST_OK)
            return l->f->code;
    }
    if (l->c->learned_positions) {
        m = named_matrix(l, fam->positions, l->c->max_positions);
        if (load(l, &w->positions, &m) != ST_OK)
            return l->f->code;
    }
    for (int i = 0; i < l->c->layers; i++) {
        for (int site = 0; site < SITES; site++) {
            m = site_matrix(l, i, (enum site)site);
            if (load(l, &w->layer[i].site[site], &m) != ST_OK)
                return l->f->code;
        }
    }
    return ST_OK;
}

enum status weights_load(struct weights **out, kern *k, const struct tensor_source *s,
                         const struct model_config *c, const struct model_progress *progress,
                         struct fault *f)
{
    struct loader l = {.s = s, .c = c, .k = k, .progress = progress, .f = f};
    size_t vectors = 0;
    struct weights *w = calloc(1, sizeof *w);
    f->code = ST_OK;
    if (!w)
        return fault_nomem(f, "the weights", sizeof *w);
    w->layers = c->layers;
    w->final_bias = NO_VECTOR;
    w->layer = calloc((size_t)c->layers, sizeof *w->layer);
    if (!w->layer) {
        fault_nomem(f, "the weights", (size_t)c->layers * sizeof *w->layer);
        goto fail;
    }
    if (survey(&l, &vectors) != ST_OK || weights_measure(&w->bytes, k, s, c, f) != ST_OK ||
        load_matrices(&l, w) != ST_OK || load_vectors(&l, w, vectors) != ST_OK)
        goto fail;
    *out = w;
    return ST_OK;
fail:
    weights_free(&w);
    return f->code;
}

void weights_free(struct weights **wp)
{
    struct weights *w = *wp;
    if (!w)
        return;
    for (int i = 0; w->layer && i < w->layers; i++)
        for (int site = 0; site < SITES; site++)
            kweight_free(&w->layer[i].site[site]);
    if (w->head != w->embed)
        kweight_free(&w->head);
    w->head = NULL;
    kweight_free(&w->embed);
    kweight_free(&w->positions);
    kbuf_free(&w->vectors);
    free(w->layer);
    free(w);
    *wp = NULL;
}

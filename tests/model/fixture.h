/* The committed fixtures (tests/fixtures/model/NAME, scripts/make_model_fixtures.py) as the
 * model tests use them: a tiny checkpoint, adapters, rows, and what transformers + PEFT made
 * of them. */
#ifndef TESTS_MODEL_FIXTURE_H
#define TESTS_MODEL_FIXTURE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/file.h"
#include "data/json.h"
#include "data/safetensors.h"
#include "model/adapters.h"
#include "model/model.h"
#include "tests/check.h"

enum { FIXTURE_PATH = 512, FIXTURE_ROWS = 400 };

/* All that are committed. */
#define FIXTURE_NAMES                                                                           \
    "llama2", "llama3", "llama_linear", "llama_linear4", "llama_bias", "mistral", "qwen2",      \
        "qwen3", "qwen3_untied", "qwen2_window", "qwen3_window", "llama_yarn", "llama_dynamic", \
        "gemma2", "gemma3", "gemma3_parts", "phi3", "phi4", "smollm3", "gpt2"

struct fixture {
    char dir[FIXTURE_PATH];
    struct blobs files;
    struct model_config c;
    struct safetensors *hf, *ref;
    struct json_doc *doc;
    const struct json *json; /* ref.json */
};

/* A call that must succeed: prints the fault's sentence where it does not. */
#define OK(call)                                                         \
    do {                                                                 \
        struct fault f = {0};                                            \
        if ((call) != ST_OK)                                             \
            fail_msg("%s: %s [%s]", #call, f.text, status_text(f.code)); \
    } while (0)

static inline void fixture_path(char to[FIXTURE_PATH], const struct fixture *x, const char *name)
{
    snprintf(to, FIXTURE_PATH, "%.300s/%.200s", x->dir, name);
}

static inline void fixture_open(struct fixture *x, const char *dir)
{
    char path[FIXTURE_PATH];
    struct text text = {0};
    *x = (struct fixture){0};
    snprintf(x->dir, sizeof x->dir, "%s", dir);
    fixture_path(path, x, "hf/config.json");
    OK(file_read_blob(&x->files, path, "config.json", 1 << 20, &f));
    fixture_path(path, x, "hf/generation_config.json");
    OK(file_read_blob(&x->files, path, "generation_config.json", 1 << 20, &f));
    OK(model_config_read(&x->c, &x->files, &f));
    fixture_path(path, x, "hf");
    OK(safetensors_open(&x->hf, path, &f));
    fixture_path(path, x, "ref.safetensors");
    if (file_kind(path) == FILE_REGULAR)
        OK(safetensors_open(&x->ref, path, &f));
    fixture_path(path, x, "ref.json");
    OK(file_read(&text, path, 1 << 26, &f));
    OK(json_parse(&x->doc, text.p, text.n, "ref.json", &f));
    text_free(&text);
    x->json = json_root(x->doc);
}

static inline void fixture_close(struct fixture *x)
{
    blobs_free(&x->files);
    safetensors_close(&x->hf);
    safetensors_close(&x->ref);
    json_close(&x->doc);
}

static inline struct model *fixture_model(struct fixture *x, kern *k, struct adapters *a,
                                          struct model_shape shape)
{
    struct model *m = NULL;
    OK(model_open_files(&m, k, x->hf, x->dir, &x->c, a, &shape, &f));
    return m;
}

static inline struct adapters *fixture_adapters(const struct fixture *x, const char *name)
{
    char path[FIXTURE_PATH];
    struct adapters *a = NULL;
    fixture_path(path, x, name);
    OK(adapters_load(&a, &x->c, path, &f));
    return a;
}

static inline double fixture_number(const struct json *o, const char *key)
{
    return json_number(json_get(o, key), NAN);
}

/* ---- batches ------------------------------------------------------------------------------- */

struct rows {
    struct batch b;
    int32_t ids[FIXTURE_ROWS], pos[FIXTURE_ROWS], start[FIXTURE_ROWS];
    int32_t index[FIXTURE_ROWS], labels[FIXTURE_ROWS], line[64];
};

static inline void rows_clear(struct rows *r)
{
    r->b = (struct batch){.ids = r->ids,
                          .pos = r->pos,
                          .start = r->start,
                          .index = r->index,
                          .labels = r->labels,
                          .line = r->line};
}

/* One more document: every token but the first is a target. */
static inline void rows_add(struct rows *r, const int32_t *ids, int n)
{
    int first = r->b.rows;
    assert_true(first + n <= FIXTURE_ROWS && r->b.documents < 64);
    for (int i = 0; i < n; i++) {
        int at = first + i;
        r->ids[at] = ids[i];
        r->pos[at] = i;
        r->start[at] = first;
        if (i + 1 == n)
            continue;
        r->index[r->b.labelled] = at;
        r->labels[r->b.labelled++] = ids[i + 1];
    }
    r->line[r->b.documents] = 100 + r->b.documents;
    r->b.documents++;
    r->b.rows += n;
}

/* ids of a JSON list; how many. */
static inline int fixture_ids(int32_t *to, const struct json *list)
{
    int n = 0;
    for (const struct json *v = json_first(list); v; v = json_next(v)) {
        int64_t id;
        assert_true(n < FIXTURE_ROWS && json_int(v, &id));
        to[n++] = (int32_t)id;
    }
    return n;
}

static inline const struct json *fixture_item(const struct json *list, int i)
{
    const struct json *v = json_first(list);
    while (v && i-- > 0)
        v = json_next(v);
    assert_non_null(v);
    return v;
}

static inline void rows_add_json(struct rows *r, const struct json *list)
{
    int32_t ids[FIXTURE_ROWS];
    rows_add(r, ids, fixture_ids(ids, list));
}

/* ---- comparing ----------------------------------------------------------------------------- */

/* max |got - want| / max |want| */
static inline double worst_difference(const float *got, const float *want, size_t n)
{
    double worst = 0, top = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)want[i]);
        worst = d <= worst ? worst : d; /* NaN passes on */
        top = fmax(top, fabs((double)want[i]));
    }
    return worst / top;
}

/* |got - want|_F / |want|_F */
static inline double frobenius(const float *got, const float *want, size_t n)
{
    double d2 = 0, w2 = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)got[i] - (double)want[i];
        d2 += d * d;
        w2 += (double)want[i] * (double)want[i];
    }
    return sqrt(d2 / w2);
}

static inline const float *fixture_tensor(const struct fixture *x, const char *name, size_t count)
{
    const struct tensor *t = safetensors_find(x->ref, name);
    assert_non_null(t);
    assert_int_equal(t->bytes, count * sizeof(float));
    return safetensors_data(x->ref, t);
}

/* ---- a committed fixture on the CPU ---------------------------------------------------------- */

static inline void open_named(struct fixture *x, kern **k, const char *name)
{
    char dir[FIXTURE_PATH];
    snprintf(dir, sizeof dir, "tests/fixtures/model/%s", name);
    fixture_open(x, dir);
    *k = check_open("cpu", 2);
}

static inline void close_named(struct fixture *x, kern **k)
{
    kern_close(k);
    fixture_close(x);
}

static inline struct adapters *new_adapters(const struct fixture *x,
                                            const struct adapter_spec *spec)
{
    struct adapters *a = NULL;
    OK(adapters_new(&a, &x->c, spec, 7, &f));
    return a;
}

/* One optimizer step over one batch. */
static inline void rows_step(struct model *m, struct rows *r, int number)
{
    struct train_hyper h = {1e-2, 0.9, 0.999, 1e-8, 0.01, 1.0, number};
    OK(model_train_micro(m, &r->b, r->b.labelled, number, 0, &f));
    OK(model_train_update(m, &h, &f));
}

/* The checkpoint once more at `path`, with one tensor more (zeros) unless that is NULL. change sees
 * the bytes of each tensor before they are written. */
static inline struct safetensors *
fixture_changed(const struct fixture *x, const char *path, const struct tensor *more,
                void (*change)(void *ctx, const struct tensor *t, void *bytes), void *ctx)
{
    struct safetensors_out *w = NULL;
    struct safetensors *st = NULL;
    OK(safetensors_create(&w, path, 0, &f));
    for (size_t i = 0; i < safetensors_count(x->hf); i++)
        OK(safetensors_declare(w, safetensors_tensor(x->hf, i), &f));
    if (more)
        OK(safetensors_declare(w, more, &f));
    for (const struct tensor *t; (t = safetensors_next(w)) != NULL;) {
        const struct tensor *old = safetensors_find(x->hf, t->name);
        void *bytes = calloc(1, t->bytes);
        assert_non_null(bytes);
        if (old)
            memcpy(bytes, safetensors_data(x->hf, old), t->bytes);
        change(ctx, t, bytes);
        OK(safetensors_write(w, bytes, t->bytes, &f));
        free(bytes);
    }
    OK(safetensors_commit(w, &f));
    safetensors_out_close(&w);
    OK(safetensors_open(&st, path, &f));
    return st;
}

/* Rows first, first + 1, … of ref.json in one batch. */
static inline void rows_of(struct rows *r, const struct fixture *x, int first, int count)
{
    rows_clear(r);
    for (int i = 0; i < count; i++)
        rows_add_json(r, fixture_item(json_get(x->json, "rows"), first + i));
}

#endif

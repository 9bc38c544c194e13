/* A fixture's files as a base, and merged with an adapter: as import and merge do it. In a scratch
 * folder (tests/data/scratch.h). */
#ifndef TESTS_MODEL_MERGED_H
#define TESTS_MODEL_MERGED_H

#include "model/merge.h"
#include "tests/data/scratch.h"
#include "tests/model/fixture.h"

static inline struct base *base_from(const struct fixture *x)
{
    struct base_out *w = NULL;
    struct base *b = NULL;
    const char *path = scratch_path("base.h5");
    OK(base_create(&w, path, x->c.family, "test", &f));
    for (size_t i = 0; i < safetensors_count(x->hf); i++) {
        const struct tensor *t = safetensors_tensor(x->hf, i);
        OK(base_add_tensor(w, t, safetensors_data(x->hf, t), &f));
    }
    for (size_t i = 0; i < x->files.n; i++)
        OK(base_add_file(w, x->files.p[i].name, x->files.p[i].data, x->files.p[i].size, &f));
    OK(base_commit(w, &f));
    base_out_close(&w);
    OK(base_open(&b, path, &f));
    return b;
}

static inline enum status append(void *ctx, const void *bytes, size_t n, struct fault *f)
{
    return safetensors_write(ctx, bytes, n, f);
}

/* The whole merge into one safetensors file. */
static inline struct safetensors *merged(const struct base *b, const struct fixture *x,
                                         const struct adapters *a, struct merge_stats *stats)
{
    struct merge *m = NULL;
    struct safetensors_out *w = NULL;
    struct safetensors *st = NULL;
    const char *path = scratch_path("merged.safetensors");
    OK(merge_open(&m, b, &x->c, a, &f));
    OK(safetensors_create(&w, path, 0, &f));
    for (size_t i = 0; i < base_count(b); i++)
        OK(safetensors_declare(w, base_tensor(b, i), &f));
    for (const struct tensor *t; (t = safetensors_next(w)) != NULL;)
        OK(merge_tensor(m, t, append, w, &f));
    OK(merge_check(m, &f));
    OK(safetensors_commit(w, &f));
    safetensors_out_close(&w);
    *stats = merge_stats(m);
    merge_close(&m);
    OK(safetensors_open(&st, path, &f));
    return st;
}

#endif

#include <stdlib.h>
#include <string.h>

#include "data/base.h"
#include "data/chat.h"
#include "data/h5out.h"

struct base_out {
    struct h5out *h5;
};

enum status base_create(struct base_out **out, const char *path, const char *family,
                        const char *source, struct fault *f)
{
    const char *const attrs[][2] = {{"format", "wick base"},
                                    {"version", "1"},
                                    {"family", family},
                                    {"source", source},
                                    {"created_by", "wick"}};
    struct base_out *w = calloc(1, sizeof *w);
    if (!w)
        return fault_nomem(f, path, sizeof *w);
    enum status s = h5out_create(&w->h5, path, "base file", f);
    for (size_t i = 0; i < sizeof attrs / sizeof *attrs && s == ST_OK; i++)
        s = h5out_attr(w->h5, attrs[i][0], attrs[i][1], f);
    if (s == ST_OK)
        *out = w;
    else
        base_out_close(&w);
    return s;
}

enum status base_begin(struct base_out *w, const struct tensor *t, struct fault *f)
{
    return h5out_begin(w->h5, "weights", t, f);
}

enum status base_append(struct base_out *w, const void *bytes, size_t n, struct fault *f)
{
    return h5out_append(w->h5, bytes, n, f);
}

enum status base_add_tensor(struct base_out *w, const struct tensor *t, const void *bytes,
                            struct fault *f)
{
    struct tensor copy = *t;
    if (tensor_measure(&copy, "a tensor", f) != ST_OK || base_begin(w, t, f) != ST_OK)
        return f->code;
    return base_append(w, bytes, copy.bytes, f);
}

enum status base_add_file(struct base_out *w, const char *name, const void *bytes, size_t n,
                          struct fault *f)
{
    char *stored = strdup(name);
    if (!stored)
        return fault_nomem(f, name, n);
    if (chat_template_name(NULL, SIZE_MAX, name))
        stored[strlen(CHAT_FOLDER)] = ':';
    struct tensor t = {.name = stored, .dtype = DT_U8, .ndim = 1, .shape = {(int64_t)n}};
    enum status s = h5out_begin(w->h5, "files", &t, f);
    free(stored);
    return s == ST_OK ? h5out_append(w->h5, bytes, n, f) : s;
}

enum status base_commit(struct base_out *w, struct fault *f)
{
    return h5out_commit(w->h5, f);
}

void base_out_close(struct base_out **w)
{
    if (!*w)
        return;
    h5out_close(&(*w)->h5);
    free(*w);
    *w = NULL;
}

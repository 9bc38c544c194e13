/* Plain text: one token stream cut at seq_max, read a piece at a time. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset_impl.h"
#include "data/textstream.h"

struct stream {
    struct dataset *d;
    struct ids ids;     /* tokens that are in no row yet */
    struct text marks;  /* [seq_max] all of them targets */
    int line;           /* where the first of ids begins */
    int32_t *line_ends; /* [size] how many a token has; -1: nobody asked yet */
    int size;
};

/* How many lines a token ends, by what it decodes to. */
static enum status count_lines(struct stream *s, int32_t *count, int32_t id, struct fault *f)
{
    struct text t = {0};
    *count = id >= 0 && id < s->size ? s->line_ends[id] : 0;
    if (*count >= 0)
        return ST_OK;
    enum status st = tokenizer_decode(s->d->o.tokenizer, &t, &id, 1, false, f);
    *count = 0;
    for (size_t i = 0; i < t.n; i++)
        *count += t.p[i] == '\n';
    s->line_ends[id] = *count;
    text_free(&t);
    return st;
}

static enum status add_row(struct stream *s, size_t at, size_t n, struct fault *f)
{
    const struct ids ids = {s->ids.p + at, n, n};
    const struct text target = {s->marks.p, n, n};
    int line = s->line;
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < n; i++) {
        int32_t count;
        st = count_lines(s, &count, ids.p[i], f);
        s->line = count < INT_MAX - s->line ? s->line + count : INT_MAX;
    }
    return st == ST_OK ? dataset_add_row(s->d, &ids, &target, line, f) : st;
}

/* Makes rows of what fills them; of the rest too if it is the last, unless it is one token, which
 * has nothing to predict. */
static enum status take_rows(struct stream *s, bool last, struct fault *f)
{
    size_t most = (size_t)s->d->o.seq_max, at = 0;
    enum status st = dataset_mark(&s->marks, 0, most < s->ids.n ? most : s->ids.n, 1, f);
    for (; st == ST_OK && s->ids.n - at >= most; at += most)
        st = add_row(s, at, most, f);
    if (st == ST_OK && last && s->ids.n - at > 1)
        st = add_row(s, at, s->ids.n - at, f);
    if (st == ST_OK && at > 0) {
        memmove(s->ids.p, s->ids.p + at, (s->ids.n - at) * sizeof *s->ids.p);
        s->ids.n -= at;
    }
    return st;
}

static enum status stream_open(struct stream *s, struct fault *f)
{
    s->line = 1;
    s->size = tokenizer_size(s->d->o.tokenizer);
    s->line_ends = malloc((size_t)s->size * sizeof *s->line_ends);
    if (!s->line_ends)
        return fault_nomem(f, "the list of tokens", (size_t)s->size * sizeof *s->line_ends);
    for (int i = 0; i < s->size; i++)
        s->line_ends[i] = -1;
    return ST_OK;
}

enum status dataset_add_stream(struct dataset *d, struct lines *l, struct fault *f)
{
    struct stream s = {.d = d};
    struct textstream *t = NULL;
    bool more = true;
    d->kind = "plain text";
    enum status st = stream_open(&s, f);
    if (st == ST_OK)
        st = textstream_open(&t, l, d->o.tokenizer, d->path, 0, f);
    while (st == ST_OK && more) {
        st = textstream_next(t, &s.ids, &more, f);
        if (st == ST_OK)
            st = take_rows(&s, !more, f);
        dataset_tell(d, l);
    }
    textstream_close(&t);
    ids_free(&s.ids);
    text_free(&s.marks);
    free(s.line_ends);
    return st;
}

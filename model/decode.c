/* Generation: new rows against the keys and values of those before. */
#include "model/model_impl.h"

/* At most rows_max tokens in one pass of the pages; all of them are rotated as those of a text of
 * `reach` tokens. */
static enum status decode_some(struct model *m, const int32_t *ids, int n, int at, int reach,
                               struct fault *f)
{
    int32_t *pos = m->host_ints + 5 * (size_t)m->shape.rows_max;
    int32_t *start = pos + m->shape.rows_max;
    for (int i = 0; i < n; i++) {
        pos[i] = at + i;
        start[i] = 0;
    }
    union {
        const int32_t *from;
        int32_t *to;
    } in = {ids}; /* a batch is only read */
    const struct batch b = {.rows = n, .ids = in.to, .pos = pos, .start = start};
    if (batch_load(m, &b, reach, f) != ST_OK)
        return f->code;
    m->pass.at = at;
    m->pass.cached = true;
    pages_forward(m);
    return ST_OK;
}

enum status model_decode(struct model *m, const int32_t *ids, int n, int at, float *logits,
                         struct fault *f)
{
    int rows = 0;
    if (n < 1 || at < 0 || n > m->shape.keys_max - at) {
        fault_set(f, ST_RANGE, "%d tokens after %d do not fit the cache of %d", n, at,
                  m->shape.keys_max);
        return fault_remedy(f, "shorten the prompt or ask for fewer tokens");
    }
    for (int done = 0; done < n; done += rows) {
        rows = n - done < m->shape.rows_max ? n - done : m->shape.rows_max;
        if (decode_some(m, ids + done, rows, at + done, at + n, f) != ST_OK)
            return f->code;
    }
    const int32_t last = rows - 1;
    return pages_logits(m, &last, 1, logits, f);
}

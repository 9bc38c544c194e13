/* A micro-batch checked and on its way to the device, with the rotary tables that it needs. */
#include <string.h>

#include "model/model_impl.h"

static enum status check_rows(const struct model *m, const struct batch *b, struct fault *f)
{
    for (int r = 0; r < b->rows; r++) {
        if (b->ids[r] < 0 || b->ids[r] >= m->c.vocab) {
            fault_set(f, ST_RANGE, "token id %d is not below the model's vocabulary of %d",
                      (int)b->ids[r], m->c.vocab);
            return fault_remedy(f, "the tokenizer does not belong to this model");
        }
        if (b->pos[r] < 0 || b->pos[r] >= m->c.max_positions || b->pos[r] >= m->positions) {
            fault_set(f, ST_RANGE, "position %d is beyond the model's %d", (int)b->pos[r],
                      m->positions);
            return fault_remedy(f, "cut the text to at most %d tokens", m->positions);
        }
        if (b->start[r] < 0 || b->start[r] > r)
            return fault_set(f, ST_RANGE, "row %d begins its document at row %d", r,
                             (int)b->start[r]);
    }
    return ST_OK;
}

static enum status check_labels(const struct model *m, const struct batch *b, struct fault *f)
{
    if (b->labelled < 0 || b->labelled > b->rows)
        return fault_set(f, ST_RANGE, "%d labels for %d rows", b->labelled, b->rows);
    for (int i = 0; i < b->labelled; i++) {
        if (b->index[i] < 0 || b->index[i] >= b->rows || (i > 0 && b->index[i] <= b->index[i - 1]))
            return fault_set(f, ST_RANGE, "label %d is for row %d of %d", i, (int)b->index[i],
                             b->rows);
        if (b->labels[i] < 0 || b->labels[i] >= m->c.vocab)
            return fault_set(f, ST_RANGE, "label %d is not below the model's vocabulary of %d",
                             (int)b->labels[i], m->c.vocab);
    }
    return ST_OK;
}

/* Makes the tables again only where the choice changes: dynamic and longrope alone do. */
static void load_rope(struct model *m, int which, int longest)
{
    struct rope_tables *t = &m->rope[which];
    int half = m->c.rot_dim / 2, choice = rotary_choice(&m->c.rope[which], longest);
    float inv[ROPE_DIMS_MAX], *cosines = m->host_rope;
    size_t count = (size_t)m->positions * (size_t)half;
    float *sines = cosines + count;
    if (t->choice == choice)
        return;
    float factor = rotary_frequencies(inv, &m->c, which, choice);
    rotary_tables(cosines, sines, inv, factor, m->positions, half);
    kern_write(m->k, t->cosines, cosines, count);
    kern_write(m->k, t->sines, sines, count);
    t->choice = choice;
}

static void load_tables(struct model *m, int longest)
{
    bool used[2] = {false, false};
    for (int i = 0; i < m->c.layers; i++)
        if (m->layer[i].rope >= 0)
            used[m->layer[i].rope] = true;
    for (int which = 0; which < 2; which++)
        if (used[which])
            load_rope(m, which, longest);
}

enum status batch_load(struct model *m, const struct batch *b, int reach, struct fault *f)
{
    size_t rows = (size_t)b->rows, n = (size_t)b->labelled;
    struct pass *p = &m->pass;
    int longest = b->longest > reach ? b->longest : reach;
    if (b->rows < 1 || b->rows > m->shape.rows_max)
        return fault_set(f, ST_RANGE, "a batch of %d rows; the model was opened for 1 to %d",
                         b->rows, m->shape.rows_max);
    if (check_rows(m, b, f) != ST_OK || check_labels(m, b, f) != ST_OK)
        return f->code;
    for (int r = 0; r < b->rows; r++)
        if (b->pos[r] >= longest)
            longest = b->pos[r] + 1;
    int32_t *to = m->host_ints;
    memcpy(to, b->ids, rows * sizeof *to);
    memcpy(to + rows, b->pos, rows * sizeof *to);
    memcpy(to + 2 * rows, b->start, rows * sizeof *to);
    if (n > 0) {
        memcpy(to + 3 * rows, b->index, n * sizeof *to);
        memcpy(to + 3 * rows + n, b->labels, n * sizeof *to);
    }
    kern_write(m->k, kref(m->ints.buf, 0, 0), to, 3 * rows + 2 * n);
    *p = (struct pass){.rows = b->rows, .labelled = b->labelled};
    p->ids = kref(m->ints.buf, 0, 0);
    p->pos = kref(m->ints.buf, rows, 0);
    p->start = kref(m->ints.buf, 2 * rows, 0);
    p->index = kref(m->ints.buf, 3 * rows, 0);
    p->labels = kref(m->ints.buf, 3 * rows + n, 0);
    load_tables(m, longest);
    return ST_OK;
}

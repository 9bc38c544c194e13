/* Holding lines out of a dataset, for evaluation. */
#include <stdlib.h>
#include <string.h>

#include "data/dataset_impl.h"
#include "kernels/rng.h"

/* Keeps this choice apart from other uses of the seed. */
static const uint64_t HOLD_OUT_STREAM = 0x484F4C444F5554ull;

static bool same_line(const struct dataset *d, size_t i, size_t j)
{
    const struct row_entry *a = &d->row[i], *b = &d->row[j];
    return a->file == b->file && a->line == b->line && !d->part[a->file].stream;
}

static size_t count_lines(const struct dataset *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->rows; i++)
        n += i == 0 || !same_line(d, i, i - 1);
    return n;
}

/* A dataset without rows over the same files and the same store. */
static enum status empty_twin(struct dataset **out, const struct dataset *d, size_t rows,
                              struct fault *f)
{
    struct dataset *t = calloc(1, sizeof *t);
    if (!t)
        return fault_nomem(f, "a dataset", sizeof *t);
    t->o = d->o;
    t->identity = d->identity;
    t->store = tokenstore_share(d->store);
    t->part = calloc(d->parts, sizeof *t->part);
    t->row = malloc(rows * sizeof *t->row);
    bool whole = t->part && t->row;
    for (; whole && t->parts < d->parts; t->parts++) {
        t->part[t->parts] = d->part[t->parts];
        t->part[t->parts].path = strdup(d->part[t->parts].path);
        whole = t->part[t->parts].path != NULL;
    }
    if (!whole) {
        dataset_close(&t);
        return fault_nomem(f, "the list of rows", rows * sizeof *t->row);
    }
    *out = t;
    return ST_OK;
}

/* Selection sampling (Knuth, TAOCP 2, algorithm 3.4.2 S): of the lines left, each goes with the
 * chance that fills what is wanted, so exactly `want` go. */
enum status dataset_hold_out(struct dataset **out, struct dataset *d, double share, uint64_t seed,
                             struct fault *f)
{
    struct dataset *held = NULL;
    size_t lines = count_lines(d), left = lines, kept = 0, line = 0;
    size_t want = (size_t)(share * (double)lines + 0.5);
    if (lines < 2) {
        fault_set(f, ST_RANGE, "%s has one line: none can be held out for validation",
                  d->parts > 0 ? d->part[0].path : "the data");
        return fault_remedy(f, "give more data, or a validation file");
    }
    want = want < 1 ? 1 : want > lines - 1 ? lines - 1 : want;
    if (empty_twin(&held, d, d->rows, f) != ST_OK)
        return f->code;
    for (size_t i = 0, next; i < d->rows; i = next) {
        uint32_t w[4];
        rng_philox(w, seed, HOLD_OUT_STREAM, line++);
        uint64_t draw = (uint64_t)w[0] << 32 | w[1];
        bool goes = (size_t)(((unsigned __int128)draw * left--) >> 64) < want;
        want -= goes;
        for (next = i; next < d->rows && (next == i || same_line(d, next, i)); next++)
            if (goes)
                held->row[held->rows++] = d->row[next];
            else
                d->row[kept++] = d->row[next];
    }
    d->rows = kept;
    dataset_measure(d);
    dataset_measure(held);
    *out = held;
    return ST_OK;
}

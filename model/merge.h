/* Adapters merged into the base's tensors, one tensor at a time.
 *
 *     struct merge *mg;
 *     merge_open(&mg, base, c, adapters, f);              // NULL: the base as it is
 *     for (const struct tensor *t; (t = safetensors_next(out)) != NULL;)
 *         merge_tensor(mg, t, write, out, f);              // write appends bytes to a file
 *     merge_check(mg, f);                                  // every adapter has found its tensor
 *     struct merge_stats s = merge_stats(mg);
 *     merge_close(&mg);
 *
 * The base file is read (and its checksums compared), never what a device holds. The delta s B
 * A is computed in f32, added in f32, and rounded once to the weight's type. Tensors without
 * an adapter pass through byte for byte. A bf16 weight cannot hold every small delta: the
 * share that rounding took is measured. */
#ifndef MODEL_MERGE_H
#define MODEL_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

struct merge;

/* Takes the next n bytes of the tensor that merge_tensor was called for. */
typedef enum status merge_sink_fn(void *ctx, const void *bytes, size_t n, struct fault *f);

/* base, c and a are borrowed. */
enum status merge_open(struct merge **out, const struct base *base, const struct model_config *c,
                       const struct adapters *a, struct fault *f);
void merge_close(struct merge **m);

/* t is a tensor of the base (by its name; tensors of a copy of the base's list will do). ST_NUMERIC
 * if the adapter is not finite, or makes a finite weight one that its type cannot hold. */
enum status merge_tensor(struct merge *m, const struct tensor *t, merge_sink_fn *sink, void *ctx,
                         struct fault *f);

/* After all tensors: ST_FORMAT if an adapter's matrix was not among them. */
enum status merge_check(const struct merge *m, struct fault *f);

struct merge_stats {
    int tensors_merged;
    double delta_lost; /* sum |delta - (new - old)| / sum |delta| over all of them; in [0, 1] */
    double worst_lost; /* the same of the worst tensor */
    char worst[160];   /* its name; empty where nothing was lost */
};
struct merge_stats merge_stats(const struct merge *m);

#endif

/* A model's frozen tensors: what they are called, whether they fit the config, and the way to
 * the device.
 *
 *     struct tensor_source s = weights_of_base(base);
 *     if (weights_check(&s, c, f) != ST_OK) …             // before anything is loaded or written
 *     struct weights *w;
 *     weights_load(&w, k, &s, c, progress, f);
 *     weights_free(&w);
 *
 * A tensor source is wherever tensors are found by name: a base file, safetensors (so that
 * import checks a checkpoint before it writes a byte), or random numbers.
 *
 * Checksums are compared in the pass that packs or uploads, and mapped pages are let go tensor
 * by tensor. Matrices that share an input become one on the device (q|k|v, gate|up); parts of
 * different types are joined as f32. Norms and biases are f32, in one buffer. Tied logits use
 * the embedding. */
#ifndef MODEL_WEIGHTS_H
#define MODEL_WEIGHTS_H

#include "data/safetensors.h"
#include "kernels/kern.h"
#include "model/model.h"
#include "model/modules.h"

struct tensor_source {
    const char *where; /* names it in messages */
    const struct tensor *(*find)(void *ctx, const char *name);
    const struct tensor *(*at)(void *ctx, size_t i); /* the i-th of all; NULL after the last */
    /* The whole tensor in memory, maybe not aligned; NULL where there is no such view. */
    const void *(*data)(void *ctx, const struct tensor *t);
    /* As base_read: with calls from the tensor's first byte to its last, *crc checks it. */
    enum status (*read)(void *ctx, const struct tensor *t, size_t at, void *to, size_t n,
                        uint32_t *crc, struct fault *f);
    void (*release)(void *ctx, const struct tensor *t);
    void *ctx;
};

struct tensor_source weights_of_base(const struct base *b);
struct tensor_source weights_of_safetensors(const struct safetensors *st, const char *where);

/* Every tensor that c needs is there, in F32, F16 or BF16, with c's shape; ST_FORMAT and
 * ST_UNSUPPORTED name the first that is not. Tensors that c does not need are passed over,
 * but not in the text model's layers, embedding, last norm and head: ST_UNSUPPORTED. */
enum status weights_check(const struct tensor_source *s, const struct model_config *c,
                          struct fault *f);

/* ---- what a model needs -------------------------------------------------------------------- */

/* One tensor of a checkpoint. cols = 0: a vector of `rows`. */
struct wanted {
    char name[MODULE_NAME_MAX + 16];
    int rows, cols;
    bool norm;       /* the weight of a norm: ones, in a random model */
    bool transposed; /* the file holds [cols, rows] (Conv1D) */
};

/* All of them; the caller's to free(). */
enum status weights_wanted(struct wanted **out, size_t *count, const struct model_config *c,
                           struct fault *f);

/* Finds a tensor under its own name or another that files of the family use (family_alias). */
const struct tensor *weights_find(const struct tensor_source *s, const struct model_config *c,
                                  const char *name);

/* ---- on the device ------------------------------------------------------------------------- */

enum { NO_VECTOR = -1 };

struct layer_weights {
    struct kweight *site[SITES];
    int64_t bias[SITES]; /* where in vectors, or NO_VECTOR */
    int64_t norm[NORM_SLOTS], norm_bias[NORM_SLOTS];
};

struct weights {
    struct kweight *embed, *positions;
    struct kweight *head; /* embed itself when tied */
    kbuf *vectors;        /* f32: norms and biases */
    int64_t final_norm, final_bias;
    int layers;
    struct layer_weights *layer;
    uint64_t bytes; /* on the device */
};

/* Device memory that weights_load will take. */
enum status weights_measure(uint64_t *bytes, const kern *k, const struct tensor_source *s,
                            const struct model_config *c, struct fault *f);
enum status weights_load(struct weights **out, kern *k, const struct tensor_source *s,
                         const struct model_config *c, const struct model_progress *progress,
                         struct fault *f);
void weights_free(struct weights **w);

#endif

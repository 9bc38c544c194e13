/* A decoder-only transformer with LoRA adapters, as pages of op calls.
 *
 *     struct model_config c;
 *     model_config_read(&c, base_files(base), f);              // config.json -> numbers and flags
 *     struct adapter_spec spec = {.rank = 16, .alpha = 32, .target_modules = "all-linear"};
 *     struct adapters *a;
 *     adapters_new(&a, &c, &spec, seed, f);                    // which matrices, initial values
 *     struct model *m;
 *     struct model_shape shape = {.rows_max = 4096, .backward = true};
 *     model_open(&m, k, base, &c, a, &shape, NULL, f);         // weights to the device
 *     model_forward(m, &batch, nll, &loss_sum, f);             // evaluation
 *     …
 *     model_close(&m); adapters_free(&a);
 *
 * The model layer calls ops and nothing else of a device. Families differ by data: one line of
 * the table in model/family.c (names, flags) and what config.json says. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "data/base.h"
#include "data/batch.h"
#include "data/safetensors.h"
#include "data/text.h"
#include "kernels/kern.h"
#include "kernels/status.h"
#include "model/config.h"

struct model;
struct adapters;

/* ---- adapters: a set of (A, B) pairs in one flat f32 array, PEFT keys sorted --------------- */

struct adapter_spec {
    int rank;
    double alpha;
    double dropout;
    bool use_rslora;            /* s = alpha / sqrt(rank) instead of alpha / rank */
    const char *target_modules; /* "all-linear", "q_proj,v_proj", or a regex (PEFT's full match) */
    int num_layers;             /* the last N layers; 0: all */
};

/* Chooses the matrices and fills A with PEFT's initial values (kaiming uniform, a = sqrt 5:
 * U(-1/sqrt(in), 1/sqrt(in))) from the counter-based generator, B with zeros. Rank 0, a rank
 * above a matrix's smaller side, or a name no matrix has (the fault lists the known ones):
 * ST_USAGE. */
enum status adapters_new(struct adapters **out, const struct model_config *c,
                         const struct adapter_spec *spec, uint64_t seed, struct fault *f);
/* From a PEFT directory; shapes are held against the model's (ST_FORMAT names the key). */
enum status adapters_load(struct adapters **out, const struct model_config *c, const char *dir,
                          struct fault *f);
/* Takes the values of a PEFT directory into a set that was planned by adapters_new: same keys,
 * same shapes, else ST_FORMAT naming the first difference. */
enum status adapters_init_from(struct adapters *a, const char *dir, struct fault *f);
/* Writes adapter_model.safetensors and adapter_config.json into dir (made if need be). */
enum status adapters_save(const struct adapters *a, const char *dir, const char *base_name,
                          struct fault *f);
void adapters_free(struct adapters **a);

size_t adapters_values(const struct adapters *a); /* trainable numbers in all */
int adapters_count(const struct adapters *a);     /* adapted matrices */
double adapters_scale(const struct adapters *a);  /* s of the first (they may differ when loaded) */
float *adapters_data(struct adapters *a);         /* the flat array on the host, owned by a */

/* ---- the model on a device ----------------------------------------------------------------- */

struct model_shape {
    int rows_max;         /* token rows of the largest batch */
    int keys_max;         /* generation: length of the key/value cache; 0: none */
    bool backward;        /* training */
    bool grad_checkpoint; /* keep each layer's input alone, run the layer again in backward */
    int layers;           /* the first so many alone, to time them; 0: all */
};

/* What long loading tells: bytes done of all. May be NULL. */
typedef void model_progress_fn(void *ctx, uint64_t done, uint64_t total);
struct model_progress {
    model_progress_fn *fn;
    void *ctx;
};

/* adapters may be NULL (the base alone); else borrowed until model_close: its values are copied
 * to the device. base is not needed after this call. A model opened for backward without
 * adapters only runs forward. The model holds one batch at a time: rows_max is the largest that
 * any call brings, and positions reach to the larger of rows_max and keys_max. Weights are
 * CRC-checked while they are read. The sum of device memory is held against the device's first. */
enum status model_open(struct model **out, kern *k, struct base *base, const struct model_config *c,
                       struct adapters *a, const struct model_shape *shape,
                       const struct model_progress *progress, struct fault *f);
/* The same with random weights of c's shape (deviation 0.02), for `bench train` and tests. */
enum status model_open_random(struct model **out, kern *k, const struct model_config *c,
                              enum dtype dtype, struct adapters *a, const struct model_shape *shape,
                              uint64_t seed, struct fault *f);
/* The same from safetensors, without a base file (tests, comparisons); where names it in
 * messages. */
enum status model_open_files(struct model **out, kern *k, const struct safetensors *st,
                             const char *where, const struct model_config *c, struct adapters *a,
                             const struct model_shape *shape, struct fault *f);
/* How many bytes of the device's memory would be taken after model_open with the same, those taken
 * now among them. Loads nothing. */
enum status model_measure(uint64_t *bytes, kern *k, struct base *base, const struct model_config *c,
                          struct adapters *a, const struct model_shape *shape, struct fault *f);
void model_close(struct model **m);

/* Whether a checkpoint has every tensor that the config needs, in a type and shape that fit:
 * what model_open checks first, and import before it writes. ST_FORMAT or ST_UNSUPPORTED name
 * the tensor. */
enum status model_check_files(const struct safetensors *st, const char *where,
                              const struct model_config *c, struct fault *f);

/* Loss without gradients: *loss_sum = sum of nll; nll [labelled] may be NULL. No dropout. */
enum status model_forward(struct model *m, const struct batch *b, float *nll, double *loss_sum,
                          struct fault *f);
/* Logits [count, vocab] of the given rows (tests, generation without a cache, merge's proof). */
enum status model_logits(struct model *m, const struct batch *b, const int32_t *rows, int count,
                         float *logits, struct fault *f);

/* ---- training ------------------------------------------------------------------------------
 *
 * One optimizer step is a window of micro-batches whose targets are counted beforehand:
 *
 *     for (micro = 0; micro < n; micro++)
 *         model_train_micro(m, &batch[micro], window_targets, step, micro, f);
 *     model_train_update(m, &hyper, f);
 *     model_train_result(m, &result, f);           // may be called one step late
 *
 * Nothing waits but model_train_result. On a norm or loss that is not finite nothing was
 * updated and result.finite is false. */

struct train_hyper {
    double lr, beta1, beta2, eps, weight_decay, max_grad_norm; /* max_grad_norm 0: no clipping */
    int step;                                                  /* counts from 1 */
};

struct train_result {
    double loss;      /* sum of the window's token losses / its targets */
    double grad_norm; /* before clipping */
    bool finite;
};

enum status model_train_begin(struct model *m, uint64_t seed,
                              struct fault *f); /* moments are zero */
enum status model_train_micro(struct model *m, const struct batch *b, int64_t window_targets,
                              int step, int micro, struct fault *f);
enum status model_train_update(struct model *m, const struct train_hyper *h, struct fault *f);
enum status model_train_result(struct model *m, struct train_result *r, struct fault *f);

/* Device <-> host copies of the flat state, adapters_values() floats each; any may be NULL. For
 * checkpoints and the saved adapter. Both wait for the device. */
enum status model_state_read(struct model *m, float *params, float *m1, float *m2, struct fault *f);
enum status model_state_write(struct model *m, const float *params, const float *m1,
                              const float *m2, struct fault *f);
/* Gradients of the open window (tests, selftest). */
enum status model_grads_read(struct model *m, float *grads, struct fault *f);
/* Replays one micro-batch with a check after every layer and names in the fault the first
 * tensor and row that is not finite (ST_NUMERIC); ST_OK if all are finite. */
enum status model_find_nonfinite(struct model *m, const struct batch *b, int64_t window_targets,
                                 int step, int micro, struct fault *f);

/* ---- generation with a key/value cache ----------------------------------------------------- */

/* Appends n tokens to the cache (from position `at`, which equals the tokens cached) and gives
 * the logits [vocab] of the last one. Needs keys_max > 0. at = 0 starts anew. A rope that depends
 * on the length takes at + n for it; keys already cached stay as they were rotated. */
enum status model_decode(struct model *m, const int32_t *ids, int n, int at, float *logits,
                         struct fault *f);

const struct model_config *model_config_of(const struct model *m);
uint64_t model_weight_bytes(const struct model *m);

#endif

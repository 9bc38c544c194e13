/* safetensors files, single and sharded, read through a map and written as a stream.
 *
 *     struct safetensors *st = NULL;
 *     if (safetensors_open(&st, "model", f) != ST_OK) return f->code;   // a folder or a file
 *     for (size_t i = 0; i < safetensors_count(st); i++) {              // in name order
 *         const struct tensor *t = safetensors_tensor(st, i);
 *         use(t, safetensors_data(st, t));
 *     }
 *     safetensors_close(&st);
 *
 * Writing, in two phases, so that many gigabytes never stand in memory:
 *
 *     struct safetensors_out *w = NULL;
 *     safetensors_create(&w, "out/model.safetensors", 0, f);            // or 5 << 30 to shard
 *     for (...) safetensors_declare(w, tensor, f);
 *     for (const struct tensor *t; (t = safetensors_next(w)) != NULL;)
 *         safetensors_write(w, bytes_of(t), t->bytes, f);               // or in several pieces
 *     safetensors_commit(w, f);
 *     safetensors_out_close(&w);                     // undoes what is not committed
 *
 * The reader is strict: a header inside the file and below 100 MB, known dtypes, shape x size =
 * length without overflow, offsets in range that neither overlap nor leave holes, names and
 * __metadata__ keys that stand once. Every fault names the file and the tensor. */
#ifndef DATA_SAFETENSORS_H
#define DATA_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "data/tensor.h"
#include "kernels/status.h"

struct safetensors;

/* path: a .safetensors file, a *.index.json, or a folder that holds model.safetensors or else
 * model.safetensors.index.json. The shards of an index stand in its folder or below it; each tensor
 * of weight_map is in its shard and in no other. */
enum status safetensors_open(struct safetensors **out, const char *path, struct fault *f);
void safetensors_close(struct safetensors **st);

size_t safetensors_count(const struct safetensors *st);
const struct tensor *safetensors_tensor(const struct safetensors *st, size_t i); /* name order */
const struct tensor *safetensors_find(const struct safetensors *st, const char *name); /* or NULL */

/* t came from this st. The bytes are mapped, little-endian, and need not be aligned. */
const void *safetensors_data(const struct safetensors *st, const struct tensor *t);
void safetensors_release(const struct safetensors *st,
                         const struct tensor *t); /* drops its pages */

struct safetensors_out;

/* With shard_bytes > 0, tensors go greedily, as declared, into files of at most that many data
 * bytes (a larger tensor has a file of its own): model-00001-of-0000N.safetensors beside path, and
 * model.safetensors.index.json; one shard only gives path itself. 0: always one file. */
enum status safetensors_create(struct safetensors_out **out, const char *path, size_t shard_bytes,
                               struct fault *f);

/* Copies *t, name included; t->bytes is computed here. ST_FORMAT if the name is a duplicate. */
enum status safetensors_declare(struct safetensors_out *w, const struct tensor *t, struct fault *f);

/* The tensor that the next byte belongs to, or NULL when all are written. The order is that of
 * declaring, with wider dtypes first within a file (so that each is aligned to its size). */
const struct tensor *safetensors_next(struct safetensors_out *w);

/* Its bytes, from the first to the last, in one call or several; never across two tensors. A tensor
 * without elements takes one call with n = 0. The first call ends the declaring. */
enum status safetensors_write(struct safetensors_out *w, const void *bytes, size_t n,
                              struct fault *f);

/* Every tensor has been written: the files that safetensors_commit will name, so that others can be
 * added that take their names with them (config.json last). */
struct file_set;
enum status safetensors_seal(struct safetensors_out *w, struct file_set **files, struct fault *f);

/* Every tensor has been written: the files get their names, the index last; all of them or none
 * (file_set_commit says what that means where an earlier checkpoint is replaced). */
enum status safetensors_commit(struct safetensors_out *w, struct fault *f);

/* Frees; without a successful commit no file of it stays, and those that it was to replace stand as
 * they did. NULL-safe, nulls. */
void safetensors_out_close(struct safetensors_out **w);

#endif

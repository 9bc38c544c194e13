/* Checkpoints: named arrays and texts in one HDF5 file with checksums, written whole or not at all.
 *
 *     struct checkpoint_out *w = NULL;
 *     checkpoint_create(&w, "run/checkpoints/000100.h5", f);
 *     checkpoint_add(w, "adapter", DT_F32, params, count, f);
 *     checkpoint_add_text(w, "state", json_text, f);
 *     checkpoint_commit(w, f);
 *     checkpoint_out_close(&w);                        // undoes what is not committed
 *
 *     struct checkpoint *c = NULL;
 *     checkpoint_open(&c, path, f);                    // every byte is checked here
 *     const float *params = checkpoint_get(c, "adapter", DT_F32, count);   // NULL if it is not so
 *     const char *state = checkpoint_text(c, "state");
 *     checkpoint_close(&c);
 *
 * A file that is truncated, altered or something else is ST_FORMAT with its path, read with the
 * same distrust as a base file (data/base.h). */
#ifndef DATA_CHECKPOINT_H
#define DATA_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/dtype.h"
#include "kernels/status.h"

struct checkpoint;

enum status checkpoint_open(struct checkpoint **out, const char *path, struct fault *f);
void checkpoint_close(struct checkpoint **c);
/* Whether a file says that it is a checkpoint, damaged or not. */
bool checkpoint_is(const char *path);

/* The array if it is there with this dtype and count, else NULL. Lives as long as c; read-only. */
const void *checkpoint_get(const struct checkpoint *c, const char *name, enum dtype dtype,
                           size_t count);
/* Elements of an array of any dtype; 0 if absent. */
size_t checkpoint_size(const struct checkpoint *c, const char *name);
const char *checkpoint_text(const struct checkpoint *c, const char *name); /* NULL if absent */

struct checkpoint_out;

enum status checkpoint_create(struct checkpoint_out **out, const char *path, struct fault *f);
enum status checkpoint_add(struct checkpoint_out *w, const char *name, enum dtype dtype,
                           const void *data, size_t count, struct fault *f);
enum status checkpoint_add_text(struct checkpoint_out *w, const char *name, const char *text,
                                struct fault *f);
enum status checkpoint_commit(struct checkpoint_out *w, struct fault *f);
void checkpoint_out_close(struct checkpoint_out **w);

#endif

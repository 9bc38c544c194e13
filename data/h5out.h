/* Writing an HDF5 file of plain datasets with checksums, whole or not at all: what base files and
 * checkpoints are made of.
 *
 *     struct h5out *o = NULL;
 *     h5out_create(&o, path, "base file", f);
 *     h5out_attr(o, "format", "wick base", f);
 *     h5out_begin(o, "weights", tensor, f);
 *     h5out_append(o, bytes, tensor->bytes, f);         // or in pieces
 *     h5out_commit(o, f);
 *     h5out_close(&o);                                  // undoes what is not committed
 *
 * libhdf5 lays the file out and writes the metadata; the data go straight to the offset that it
 * gave each dataset, through our own checked writes: on a full disk H5Dwrite's bytes may still sit
 * in a cache whose loss H5Fclose does not report. Before the rename the finished file is opened
 * anew and its table of contents compared. Equal calls give equal bytes: no times are stored. */
#ifndef DATA_H5OUT_H
#define DATA_H5OUT_H

#include <stddef.h>

#include "data/tensor.h"
#include "kernels/status.h"

struct h5out;

/* what is "base file" or "checkpoint". The target must be a regular file or absent. */
enum status h5out_create(struct h5out **out, const char *path, const char *what, struct fault *f);
enum status h5out_attr(struct h5out *o, const char *name, const char *value, struct fault *f);

/* The name is not empty, not ".", new in its group and without a slash, else ST_FORMAT. */
enum status h5out_begin(struct h5out *o, const char *group, const struct tensor *t,
                        struct fault *f);
enum status h5out_append(struct h5out *o, const void *bytes, size_t n, struct fault *f);
enum status h5out_commit(struct h5out *o, struct fault *f);
void h5out_close(struct h5out **o);

#endif

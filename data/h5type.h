/* How element types stand in HDF5 files, for the files that read or write HDF5.
 *
 * Little-endian always. bf16 and the 8-bit floats are custom float types, which any HDF5 tool can
 * describe and convert; BOOL is the enum {FALSE, TRUE} that h5py uses. */
#ifndef DATA_H5TYPE_H
#define DATA_H5TYPE_H

#include <hdf5.h>

#include "kernels/dtype.h"
#include "kernels/status.h"

/* Silences libhdf5's printing and its exit handler (which would write to files that failed). Call
 * it before any other use of the library; again costs nothing. */
void h5type_start(void);

/* ST_NOMEM unless some MiB can be had: libhdf5 1.10 follows a null pointer where an allocation
 * fails while it opens or makes a file. Ask before it does either. */
enum status h5type_room(const char *path, struct fault *f);

hid_t h5type_make(enum dtype t);              /* negative on failure; the caller closes it */
int h5type_find(enum dtype *out, hid_t type); /* 0 if it is none of ours */
hid_t h5type_access(void); /* a file access list: locking off, latest checksummed format */

#endif

/* The plain table of what stands in an HDF5 file: all that this process learns about a foreign one.
 *
 *     struct h5table t = {0};
 *     if (h5table_read(&t, path, size, "base file", f) != ST_OK) return f->code;
 *     const struct h5table_entry *e = h5table_find(&t, "weights", name);
 *     pread(fd, to, e->t.bytes, e->at);
 *     h5table_free(&t);
 *
 * h5table_read forks: libhdf5 can crash, stall or eat all memory on a hostile file, so a child with
 * limits walks the file and sends the table through a pipe as bytes (h5walk.c). h5table_parse
 * trusts none of them: it is the boundary, and the fuzzer's entry. What it accepts is in range of
 * the file, aligned to the dtype, free of overlaps and sorted by group and name. */
#ifndef DATA_H5TABLE_H
#define DATA_H5TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "data/tensor.h"
#include "data/text.h"
#include "kernels/status.h"

struct h5table_entry {
    struct tensor t; /* first: a tensor handed out is the address of its entry */
    const char *group;
    uint64_t at; /* from the start of the file */
    uint32_t crc;
};

struct h5table {
    char *strings;      /* holds every name */
    struct blobs attrs; /* the root's attributes, as texts */
    struct h5table_entry *p;
    size_t n;
};

/* size is the file's, `what` is "base file" or "checkpoint" for the messages. */
enum status h5table_read(struct h5table *out, const char *path, uint64_t size, const char *what,
                         struct fault *f);
enum status h5table_parse(struct h5table *out, const char *bytes, size_t n, uint64_t size,
                          const char *path, const char *what, struct fault *f);
void h5table_free(struct h5table *t);

/* The entries of a group are neighbours: the first (to be looked at only if *n > 0). */
const struct h5table_entry *h5table_group(const struct h5table *t, const char *group, size_t *n);
const struct h5table_entry *h5table_find(const struct h5table *t, const char *group,
                                         const char *name);
const char *h5table_attr(const struct h5table *t, const char *name); /* NULL if absent */

/* "PATH is not a readable base file (why)". */
enum status h5table_refuse(struct fault *f, const char *path, const char *what, const char *why);

/* ---- the bytes: how the child says it ------------------------------------------------------ */

enum status h5table_put_attr(struct text *to, const char *name, const char *value, struct fault *f);
enum status h5table_put_entry(struct text *to, const struct h5table_entry *e, struct fault *f);
enum status h5table_put_failure(struct text *to, const char *why, struct fault *f);
enum status h5table_put_end(struct text *to, struct fault *f);

/* Walks the file with libhdf5, here and now, and says what it found or why it could not. For the
 * child, and for a file that this process has just written. */
void h5walk_describe(struct text *out, const char *path);

#endif

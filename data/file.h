/* Files, with every call checked: whole reads, read-only maps, and writes that appear whole or not
 * at all.
 *
 *     struct file_out o = {0};
 *     enum status s = file_out_open(&o, "run/train.json", f);
 *     if (s == ST_OK)
 *         s = file_out_write(&o, p, n, f);
 *     if (s == ST_OK)
 *         s = file_out_commit(&o, f);
 *     file_out_abort(&o);                     // undoes what is not committed
 *
 * Input must be a regular file: a folder, a pipe or a device is refused at once, never waited for.
 * Faults name the path and carry a remedy. */
#ifndef DATA_FILE_H
#define DATA_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/text.h"
#include "kernels/status.h"

enum file_kind { FILE_ABSENT, FILE_REGULAR, FILE_FOLDER, FILE_OTHER };

enum file_kind file_kind(const char *path); /* links are followed */

/* Appends "folder/name" to *to. */
enum status file_join(struct text *to, const char *folder, const char *name, struct fault *f);

/* Appends the whole file; ST_RANGE if it is larger than max bytes, ST_ABSENT if it is not there. */
enum status file_read(struct text *to, const char *path, size_t max, struct fault *f);

/* The same into a list, under `name`. */
enum status file_read_blob(struct blobs *to, const char *path, const char *name, size_t max,
                           struct fault *f);

struct file_map {
    const unsigned char *p; /* never NULL after opening, even for an empty file */
    size_t n;
    int fd; /* open for pread; -1 in a closed map */
};

/* A descriptor to read from and the file's size; the caller closes it. */
enum status file_open(int *fd, uint64_t *size, const char *path, struct fault *f);

enum status file_map_open(struct file_map *m, const char *path, struct fault *f);
void file_map_close(struct file_map *m); /* safe on a zeroed or closed map */
void file_map_release(const struct file_map *m, size_t at, size_t n); /* drops whole pages of it */

/* Reads exactly n bytes at an offset; a file that ends earlier is ST_FORMAT. */
enum status file_pread(int fd, void *to, size_t n, uint64_t at, const char *path, struct fault *f);

/* A file being written. A regular or absent target is written as PATH.tmp in the same folder and
 * renamed by commit, after an fsync of the file and before one of the folder; a link to a regular
 * file is written through. Devices, pipes and /dev/stdout are written directly. A PATH.tmp that a
 * killed process left is replaced; one that somebody is writing, in this process or another, is
 * ST_IO. Never both committed and aborted: abort after commit does
 * nothing. The struct is zeroed by the caller before open. */
struct file_out {
    char *path, *temp; /* temp is NULL when writing directly */
    int fd;
    bool open;
    uint64_t written;
};

enum status file_out_open(struct file_out *o, const char *path, struct fault *f);
enum status file_out_write(struct file_out *o, const void *bytes, size_t n, struct fault *f);
enum status file_out_pwrite(struct file_out *o, const void *bytes, size_t n, uint64_t at,
                            struct fault *f); /* not for direct targets */
enum status file_out_commit(struct file_out *o, struct fault *f);
void file_out_abort(struct file_out *o);

/* open, write, commit (or abort) in one call. */
enum status file_write(const char *path, const void *bytes, size_t n, struct fault *f);

/* Makes a folder and those above it; one that is there is fine. */
enum status file_mkdirs(const char *path, struct fault *f);

/* The sentence and remedy for an errno: verb is "read", "write", "create"... */
enum status file_fault(struct fault *f, const char *verb, const char *path, int error);

#endif

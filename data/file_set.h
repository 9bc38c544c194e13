/* Several files that are of use only together: all are written under temporary names, and take
 * their own at the end, or none does.
 *
 *     struct file_set s = {0};
 *     struct file_out *o;
 *     file_set_open(&s, &o, "out/model.safetensors", f);       // o is valid until the next open
 *     file_out_write(o, bytes, n, f);
 *     file_set_drop(&s, "out/model.safetensors.index.json", f);
 *     file_set_write(&s, "out/config.json", p, n, f);
 *     file_set_commit(&s, f);
 *     file_set_abort(&s);                             // undoes what is not committed, and frees
 *
 * The file without which readers find nothing is to be opened last: while names change hands it is
 * the first to go and the last to come. */
#ifndef DATA_FILE_SET_H
#define DATA_FILE_SET_H

#include "data/file.h"

struct file_set_part;

struct file_set {
    struct file_set_part *p;
    size_t n, cap;
};

/* As file_out_open; never commit *o by itself. */
enum status file_set_open(struct file_set *s, struct file_out **o, const char *path,
                          struct fault *f);
/* The i-th that was opened or dropped; NULL if there is none. */
struct file_out *file_set_at(const struct file_set *s, size_t i);
/* Opens one and writes all of it. */
enum status file_set_write(struct file_set *s, const char *path, const void *bytes, size_t n,
                           struct fault *f);
/* A file that goes when the others take their names; it need not be there. */
enum status file_set_drop(struct file_set *s, const char *path, struct fault *f);

/* On failure, file_set_abort brings back what stood there before. A process that is killed here
 * leaves either all of the old files, all of the new ones, or a folder without the last of them: no
 * reader finds a mix. In the last case the old files are called NAME.old.tmp and the new ones NAME
 * or NAME.tmp; writing the same files again replaces them. A single file with nothing to drop is
 * replaced in one step (file_out_commit). */
enum status file_set_commit(struct file_set *s, struct fault *f);
void file_set_abort(struct file_set *s); /* safe on a zeroed or committed set */

#endif

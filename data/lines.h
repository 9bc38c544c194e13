/* A text file as a stream: its lines, or the elements of one JSON array, never held whole; plain or
 * gzip'd (told by its first bytes, several members one after another are one text).
 *
 *     struct lines *l = NULL;
 *     struct line at;
 *     enum status s = lines_open(&l, "train.jsonl.gz", f);
 *     while (s == ST_OK && (s = lines_next(l, &at, f)) == ST_OK && at.p)
 *         …                           // at.p[0..at.n), line at.number; good till the next call
 *     uint32_t crc = lines_crc(l);             // of the file's own bytes, once its end was reached
 *     lines_close(&l);
 *
 * A byte order mark at the beginning is passed over. A file whose name ends in .json or .json.gz
 * and whose first character is [ gives the array's elements instead of lines, each with the number
 * of the line it begins in; whether an element is JSON is the reader's to find out.
 *
 * Bounds: a line or element of more than LINES_LONGEST bytes is ST_RANGE, and so is a gzip file
 * that expands to more than LINES_EXPANSION times its size (beyond the first 64 MiB): no text does.
 * A gzip file that is cut short, altered, or followed by something else is ST_FORMAT. */
#ifndef DATA_LINES_H
#define DATA_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/text.h"
#include "kernels/status.h"

enum { LINES_LONGEST = 1 << 28, LINES_EXPANSION = 200 };

struct lines;

struct line {
    const char *p; /* NULL: there are no more */
    size_t n;
    int number; /* from 1 */
};

enum status lines_open(struct lines **out, const char *path, struct fault *f);
/* The same over bytes in memory, which must outlive it; path names them. */
enum status lines_open_memory(struct lines **out, const char *path, const void *bytes, size_t n,
                              struct fault *f);
void lines_close(struct lines **l);

enum status lines_next(struct lines *l, struct line *at, struct fault *f);
/* Appends the next n bytes, line ends included, or all that are left, which *ended then tells. */
enum status lines_text(struct lines *l, struct text *to, size_t n, bool *ended, struct fault *f);

uint32_t lines_crc(const struct lines *l);
uint64_t lines_size(const struct lines *l); /* of the file, as it is on the disk */
uint64_t lines_done(const struct lines *l); /* how much of that was read */

#endif

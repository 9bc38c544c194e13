/* The base file: one HDF5 file that holds a model's weights, configuration and tokenizer.
 *
 *     struct base *b = NULL;
 *     if (base_open(&b, "model.h5", f) != ST_OK) return f->code;
 *     const struct tensor *t = base_find(b, "model.embed_tokens.weight");
 *     const uint16_t *rows = base_data(b, t);                 // mapped: no copy
 *     const struct blob *config = blobs_find(base_files(b), "config.json");
 *     base_close(&b);
 *
 * Layout (any HDF5 tool reads it):
 *     root attributes   format "wick base", version "1", family, source, created_by
 *     /weights/NAME     one contiguous little-endian dataset per tensor, each on a 4096-byte
 *                       boundary, attribute crc32c; bf16 is a custom 2-byte float type
 *     /files/NAME       config.json, tokenizer.json... byte for byte, as u8, attribute crc32c; of
 *                       additional_chat_templates/x.jinja the NAME has ':' for '/'
 *
 * libhdf5 can crash or stall on a hostile file. A forked child with limits on time and memory
 * walks the file and sends a plain table of names, shapes and offsets through a pipe; this process
 * checks that table and from then on only maps the file. A child that dies means "not a readable
 * base file". So open a base before threads are started.
 *
 * Writing goes to PATH.tmp, which takes its name when all is on the disk:
 *
 *     struct base_out *w = NULL;
 *     base_create(&w, path, "llama", "Org/Name", f);
 *     base_add_tensor(w, tensor, bytes, f);        // or base_begin + base_append, in pieces
 *     base_add_file(w, "config.json", p, n, f);
 *     base_commit(w, f);
 *     base_out_close(&w);                          // undoes what is not committed */
#ifndef DATA_BASE_H
#define DATA_BASE_H

#include <stddef.h>
#include <stdint.h>

#include "data/tensor.h"
#include "data/text.h"
#include "kernels/status.h"

struct base;

/* The files are read and their checksums compared here; tensors are not touched.
 * ST_FORMAT: not a readable base file. ST_ABSENT, ST_IO, ST_NOMEM as ever. */
enum status base_open(struct base **out, const char *path, struct fault *f);
void base_close(struct base **b);

size_t base_count(const struct base *b);
const struct tensor *base_tensor(const struct base *b, size_t i);       /* in name order */
const struct tensor *base_find(const struct base *b, const char *name); /* NULL if absent */
const struct blobs *base_files(const struct base *b);
const char *base_family(const struct base *b);
const char *base_source(const struct base *b); /* the Hugging Face id or path it came from */
const char *base_created_by(const struct base *b);
const char *base_path(const struct base *b);

/* Names the contents: a checksum over all names, shapes and checksums of tensors and files. */
uint32_t base_identity(const struct base *b);

/* t came from this b. Mapped read-only and aligned to its dtype; nothing is checked. */
const void *base_data(const struct base *b, const struct tensor *t);
void base_release(const struct base *b, const struct tensor *t); /* drops its mapped pages */

/* Copies bytes [at, at + n) of t to `to`. With crc not NULL, calls that go through the tensor from
 * 0 to its end also check it: *crc carries the running checksum (set here when at is 0) and the
 * call that reaches the end compares; ST_FORMAT then names the damaged tensor. */
enum status base_read(const struct base *b, const struct tensor *t, size_t at, void *to, size_t n,
                      uint32_t *crc, struct fault *f);

/* Compares a tensor's checksum; ST_FORMAT names the tensor. base_check_all goes through every
 * tensor, drops pages as it goes, and tells bytes done and bytes in all (progress may be NULL). */
enum status base_check(const struct base *b, const struct tensor *t, struct fault *f);
enum status base_check_all(const struct base *b,
                           void (*progress)(void *arg, size_t done, size_t total), void *arg,
                           struct fault *f);

struct base_out;

enum status base_create(struct base_out **out, const char *path, const char *family,
                        const char *source, struct fault *f);
enum status base_add_tensor(struct base_out *w, const struct tensor *t, const void *bytes,
                            struct fault *f);

/* The same in pieces: begin, then append until t->bytes are there, then the next. t->bytes is
 * computed from the shape. A name that is empty, twice, or holds a slash is ST_FORMAT. */
enum status base_begin(struct base_out *w, const struct tensor *t, struct fault *f);
enum status base_append(struct base_out *w, const void *bytes, size_t n, struct fault *f);

enum status base_add_file(struct base_out *w, const char *name, const void *bytes, size_t n,
                          struct fault *f);
enum status base_commit(struct base_out *w, struct fault *f);
void base_out_close(struct base_out **w); /* frees; removes the temporary unless committed */

#endif

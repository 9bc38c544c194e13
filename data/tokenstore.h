/* Rows of tokens, more than memory may hold: up to a limit they stay in memory, beyond it they go
 * to a temporary file that has no name (it is gone when the program ends, however it ends), from
 * which a row is read when it is asked for.
 *
 *     struct tokenstore *s = NULL;
 *     tokenstore_open(&s, 64 << 20, NULL, f);
 *     uint64_t at;
 *     tokenstore_add(s, &at, ids, target, n, f);       // as many as there are
 *     tokenstore_seal(s, f);                           // no more; from now on rows can be read
 *     const int32_t *ids = tokenstore_row(s, at, n);   // borrowed; its n marks are at ids + n
 *     tokenstore_check(s, f);                          // whether all of them could be read
 *     tokenstore_close(&s); */
#ifndef DATA_TOKENSTORE_H
#define DATA_TOKENSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/status.h"

struct tokenstore;

/* folder: where the temporary file goes, borrowed; NULL: /var/tmp, which is on a disk where /tmp
 * may be in memory, else /tmp. */
enum status tokenstore_open(struct tokenstore **out, size_t limit, const char *folder,
                            struct fault *f);
struct tokenstore *tokenstore_share(struct tokenstore *s); /* the last close frees it */
void tokenstore_close(struct tokenstore **s);

/* A row of n ids and n marks; *at is its address. Not after sealing. */
enum status tokenstore_add(struct tokenstore *s, uint64_t *at, const int32_t *ids,
                           const char *target, size_t n, struct fault *f);
enum status tokenstore_seal(struct tokenstore *s, struct fault *f);

/* Good until TOKENSTORE_VIEWS more rows were asked for. A row that cannot be read back is zeros,
 * and the failure sticks for tokenstore_check. */
enum { TOKENSTORE_VIEWS = 4 };
const int32_t *tokenstore_row(struct tokenstore *s, uint64_t at, size_t n);
enum status tokenstore_check(const struct tokenstore *s, struct fault *f);

#endif

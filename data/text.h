/* Growing byte and id arrays: the only two containers that data/ hands around.
 *
 *     struct text t = {0};
 *     if (text_add(&t, "hello", 5, f) != ST_OK) ...
 *     text_free(&t);                  // safe on a zeroed struct; zeroes it again
 *
 * text always keeps a NUL after its last byte (not counted in n), so t.p is a C string when it
 * holds no NUL itself; an empty text may have p == NULL. Appending fails with ST_NOMEM and then
 * leaves the contents as they were. */
#ifndef DATA_TEXT_H
#define DATA_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/status.h"

struct text {
    char *p;
    size_t n, cap;
};

struct ids {
    int32_t *p;
    size_t n, cap;
};

enum status text_add(struct text *t, const char *bytes, size_t n, struct fault *f);
enum status text_adds(struct text *t, const char *string, struct fault *f);
enum status text_addf(struct text *t, struct fault *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
enum status text_addc(struct text *t, uint32_t codepoint, struct fault *f); /* as UTF-8 */
void text_free(struct text *t);

bool text_ends(const char *s, const char *end); /* s ends with it */
int text_hex_digit(char c);                     /* its value, or -1 */

enum status ids_add(struct ids *a, int32_t id, struct fault *f);
enum status ids_adds(struct ids *a, const int32_t *p, size_t n, struct fault *f);
void ids_free(struct ids *a);

/* Decodes the code point at s[*i] and moves *i past it. Invalid UTF-8 (overlong, surrogate,
 * above U+10FFFF, cut) gives 0xFFFFFFFF and moves *i by one. Needs *i < n. */
uint32_t utf8_next(const char *s, size_t n, size_t *i);

/* 1 if all n bytes are valid UTF-8; else 0, with the offset of the first bad byte in *bad (may be
 * NULL). */
int utf8_valid(const char *s, size_t n, size_t *bad);

/* Bytes of named files kept together: the /files group of a base file, or a checkpoint folder. */
struct blob {
    char *name;          /* "tokenizer.json" */
    unsigned char *data; /* owned by whoever owns the list */
    size_t size;
};

struct blobs {
    struct blob *p;
    size_t n, cap;
};

const struct blob *blobs_find(const struct blobs *b, const char *name); /* NULL if absent */
enum status blobs_add(struct blobs *b, const char *name, const void *data, size_t size,
                      struct fault *f); /* copies */
void blobs_free(struct blobs *b);

#endif

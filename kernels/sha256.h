/* SHA-256 (FIPS 180-4), for the keys and contents of cached device programs.
 *
 *     struct sha256 h = sha256_begin();
 *     sha256_add(&h, bytes, size);
 *     unsigned char digest[SHA256_SIZE];
 *     sha256_end(&h, digest); */
#ifndef KERNELS_SHA256_H
#define KERNELS_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32 };

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[64]; /* the bytes since the last whole block */
};

struct sha256 sha256_begin(void);
void sha256_add(struct sha256 *h, const void *bytes, size_t size);
void sha256_end(struct sha256 *h, unsigned char digest[SHA256_SIZE]);

#endif

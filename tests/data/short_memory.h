/* Fails the n-th allocation, for loops over "what if this one fails".
 *
 *     for (long n = 1;; n++) {
 *         short_memory_after(n);
 *         s = x_open(&x, ...);
 *         bool reached = short_memory_end();   // false: fewer than n allocations were made
 *         ...
 *     }
 *
 * Works by standing in for malloc, calloc and realloc in the whole program, so only where nothing
 * else does: not under the sanitizers (short_memory_works is 0, the test skips). */
#ifndef TESTS_DATA_SHORT_MEMORY_H
#define TESTS_DATA_SHORT_MEMORY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

static long short_memory_left;

static inline void short_memory_after(long n)
{
    short_memory_left = n;
}

static inline bool short_memory_end(void)
{
    bool reached = short_memory_left == 0;
    short_memory_left = -1;
    return reached;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
enum { short_memory_works = 0 };
#else
enum { short_memory_works = 1 };

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);

static inline bool short_memory_now(void)
{
    bool now = short_memory_left > 0 && --short_memory_left == 0;
    if (now)
        errno = ENOMEM;
    return now;
}

void *malloc(size_t n)
{
    return short_memory_now() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return short_memory_now() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return short_memory_now() ? NULL : __libc_realloc(p, n);
}
#endif

#endif

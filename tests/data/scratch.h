/* A folder of a test's own, gone at its end.
 *
 *     cmocka_unit_test_setup_teardown(test_x, scratch_make, scratch_remove)
 *     ... scratch_path("a.h5") ...          // one of eight static buffers
 *     scratch_count()                       // entries in it: nothing partial was left */
#ifndef TESTS_DATA_SCRATCH_H
#define TESTS_DATA_SCRATCH_H

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_folder[64];

static inline int scratch_make(void **state)
{
    (void)state;
    snprintf(scratch_folder, sizeof scratch_folder, "/tmp/wick-test-XXXXXX");
    return mkdtemp(scratch_folder) ? 0 : -1;
}

static inline int scratch_drop(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline int scratch_remove(void **state)
{
    (void)state;
    return nftw(scratch_folder, scratch_drop, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *scratch_path(const char *name)
{
    static char paths[8][256];
    static int turn;
    char *p = paths[turn++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", scratch_folder, name);
    return p;
}

static inline int scratch_count(void)
{
    int n = 0;
    DIR *d = opendir(scratch_folder);
    if (!d)
        return -1;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static inline void scratch_write(const char *path, const void *bytes, size_t n)
{
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(bytes, 1, n, out) != n || fclose(out) != 0)
        abort();
}

/* The whole file in malloced memory. */
static inline unsigned char *scratch_read(const char *path, size_t *n)
{
    FILE *in = fopen(path, "rb");
    struct stat st;
    if (!in || fstat(fileno(in), &st) != 0)
        abort();
    unsigned char *p = malloc((size_t)st.st_size + 1);
    if (!p || fread(p, 1, (size_t)st.st_size, in) != (size_t)st.st_size)
        abort();
    fclose(in);
    *n = (size_t)st.st_size;
    return p;
}

#endif

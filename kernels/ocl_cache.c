/* Compiled programs on disk. A file is: magic, key, payload's SHA-256, payload's size, payload. */
#include "kernels/ocl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernels/sha256.h"

enum { MAGIC = 8, PATH = 4096, ABANDONED = 3600 }; /* seconds: no writing takes that long */
static const size_t payload_max = (size_t)1 << 30;
static const char magic[MAGIC] = {'w', 'i', 'c', 'k', 'o', 'c', 'l', '1'};

struct head {
    char magic[MAGIC];
    unsigned char key[OCL_KEY], hash[SHA256_SIZE];
    uint64_t size;
};

static void hash_of(unsigned char out[SHA256_SIZE], const struct ocl_blob *b)
{
    struct sha256 h = sha256_begin();
    sha256_add(&h, b->bytes, b->size);
    sha256_end(&h, out);
}

/* dir/<key in hex><suffix>; false: too long. */
static bool path_of(char path[PATH], const char *dir, const unsigned char key[OCL_KEY],
                    const char *suffix)
{
    char hex[2 * OCL_KEY + 1];
    for (int i = 0; i < OCL_KEY; i++)
        snprintf(hex + 2 * i, 3, "%02x", key[i]);
    int n = snprintf(path, PATH, "%s/%s.clbin%s", dir, hex, suffix);
    return n > 0 && n < PATH;
}

static bool read_whole(int fd, void *dst, size_t size)
{
    unsigned char *p = dst;
    while (size > 0) {
        ssize_t n = read(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static bool write_whole(int fd, const void *src, size_t size)
{
    const unsigned char *p = src;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static bool read_checked(struct ocl_blob *b, int fd, const unsigned char key[OCL_KEY])
{
    struct head head;
    struct stat st;
    unsigned char hash[SHA256_SIZE];
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
        !read_whole(fd, &head, sizeof head))
        return false;
    if (memcmp(head.magic, magic, MAGIC) != 0 || memcmp(head.key, key, OCL_KEY) != 0 ||
        head.size == 0 || head.size > payload_max ||
        (uint64_t)st.st_size != head.size + sizeof head)
        return false;
    b->size = (size_t)head.size;
    b->bytes = malloc(b->size);
    if (!b->bytes || !read_whole(fd, b->bytes, b->size))
        return false;
    hash_of(hash, b);
    return memcmp(hash, head.hash, SHA256_SIZE) == 0;
}

bool ocl_cache_get(struct ocl_blob *out, const char *dir, const unsigned char key[OCL_KEY])
{
    char path[PATH];
    struct ocl_blob b = {NULL, 0};
    if (!path_of(path, dir, key, ""))
        return false;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool good = read_checked(&b, fd, key);
    close(fd);
    if (good)
        *out = b;
    else
        free(b.bytes);
    return good;
}

/* Makes the folder and those above it that are missing. */
static void make_folders(const char *dir)
{
    char path[PATH];
    int n = snprintf(path, sizeof path, "%s", dir);
    if (n <= 0 || n >= PATH)
        return;
    for (int i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        char c = path[i];
        path[i] = '\0';
        mkdir(path, 0700);
        path[i] = c;
    }
}

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    return n > m && strcmp(name + n - m, ending) == 0;
}

/* Removes what processes that were killed while they wrote have left. */
static void drop_abandoned(const char *dir)
{
    DIR *d = opendir(dir);
    time_t now = time(NULL);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        if (strstr(e->d_name, ".clbin.") && ends_with(e->d_name, ".tmp") &&
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            st.st_mtime < now - ABANDONED)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

void ocl_cache_put(const char *dir, const unsigned char key[OCL_KEY], const struct ocl_blob *blob)
{
    struct head head = {.size = blob->size};
    char path[PATH], temporary[PATH], suffix[32];
    snprintf(suffix, sizeof suffix, ".%ld.tmp", (long)getpid());
    if (!path_of(path, dir, key, "") || !path_of(temporary, dir, key, suffix))
        return;
    memcpy(head.magic, magic, MAGIC);
    memcpy(head.key, key, OCL_KEY);
    hash_of(head.hash, blob);
    make_folders(dir);
    drop_abandoned(dir);
    /* A file left by a dead process of the same number is in the way of O_EXCL. */
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    bool good = write_whole(fd, &head, sizeof head) && write_whole(fd, blob->bytes, blob->size);
    if (close(fd) != 0 || !good || rename(temporary, path) != 0)
        unlink(temporary);
}

struct kern_cache ocl_cache_state(const char *dir)
{
    struct kern_cache c = {0};
    DIR *d = dir ? opendir(dir) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        if (!ends_with(e->d_name, ".clbin") ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        c.programs++;
        c.bytes += (uint64_t)st.st_size;
    }
    if (d)
        closedir(d);
    return c;
}

#include "data/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum status file_fault(struct fault *f, const char *verb, const char *path, int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        fault_set(f, ST_ABSENT, "cannot %s %s: no such file or folder", verb, path);
        return fault_remedy(f, "check the path, and that the folder above it is there");
    case EACCES:
    case EPERM:
    case EROFS:
        fault_set(f, ST_IO, "cannot %s %s: %s", verb, path, strerror(error));
        return fault_remedy(f, "check the permissions of the file and its folder");
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        fault_set(f, ST_IO, "cannot %s %s: %s", verb, path, strerror(error));
        return fault_remedy(f, "free some space there, or choose a folder on another disk");
    case ENOMEM: return fault_nomem(f, path, 0);
    default:
        fault_set(f, ST_IO, "cannot %s %s: %s", verb, path, strerror(error));
        return fault_remedy(f, "check the path and the disk it is on");
    }
}

enum file_kind file_kind(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return FILE_ABSENT;
    return S_ISREG(st.st_mode) ? FILE_REGULAR : S_ISDIR(st.st_mode) ? FILE_FOLDER : FILE_OTHER;
}

enum status file_join(struct text *to, const char *folder, const char *name, struct fault *f)
{
    size_t n = strlen(folder);
    const char *slash = n > 0 && folder[n - 1] == '/' ? "" : "/";
    return text_addf(to, f, "%s%s%s", folder, slash, name);
}

/* Opens a regular file for reading; O_NONBLOCK, so that a pipe without a writer cannot stop us
 * before fstat tells that it is one. */
static enum status open_regular(int *out, struct stat *st, const char *path, struct fault *f)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return file_fault(f, "read", path, errno);
    if (fstat(fd, st) != 0) {
        file_fault(f, "read", path, errno);
        close(fd);
        return f->code;
    }
    if (!S_ISREG(st->st_mode)) {
        close(fd);
        fault_set(f, ST_IO, "cannot read %s: it is %s", path,
                  S_ISDIR(st->st_mode) ? "a folder" : "not a regular file");
        return fault_remedy(f, "give the path of a file");
    }
    *out = fd;
    return ST_OK;
}

static enum status read_fd(struct text *to, int fd, size_t max, const char *path, struct fault *f)
{
    char chunk[1 << 16];
    size_t total = 0;
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_fault(f, "read", path, errno);
        if (got == 0)
            return text_add(to, "", 0, f); /* so that even an empty file gives a string */
        if ((size_t)got > max - total) {
            fault_set(f, ST_RANGE, "%s is larger than %zu bytes", path, max);
            return fault_remedy(f, "check that this is the file you mean");
        }
        if (text_add(to, chunk, (size_t)got, f) != ST_OK)
            return f->code;
        total += (size_t)got;
    }
}

enum status file_read(struct text *to, const char *path, size_t max, struct fault *f)
{
    struct stat st;
    int fd = -1;
    size_t before = to->n;
    if (open_regular(&fd, &st, path, f) != ST_OK)
        return f->code;
    enum status s = read_fd(to, fd, max, path, f);
    if (s != ST_OK && to->p) {
        to->n = before;
        to->p[before] = '\0';
    }
    close(fd);
    return s;
}

enum status file_read_blob(struct blobs *to, const char *path, const char *name, size_t max,
                           struct fault *f)
{
    struct text t = {0};
    enum status s = file_read(&t, path, max, f);
    if (s == ST_OK)
        s = blobs_add(to, name, t.p, t.n, f);
    text_free(&t);
    return s;
}

enum status file_open(int *fd, uint64_t *size, const char *path, struct fault *f)
{
    struct stat st;
    enum status s = open_regular(fd, &st, path, f);
    if (s == ST_OK)
        *size = (uint64_t)st.st_size;
    return s;
}

enum status file_map_open(struct file_map *m, const char *path, struct fault *f)
{
    struct stat st;
    int fd = -1;
    void *p = NULL;
    if (open_regular(&fd, &st, path, f) != ST_OK)
        return f->code;
    size_t n = (size_t)st.st_size;
    if (n > 0)
        p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        if (errno == ENOMEM)
            fault_nomem(f, path, n);
        else
            file_fault(f, "map", path, errno);
        close(fd);
        return f->code;
    }
    *m = (struct file_map){.p = n > 0 ? p : (const void *)"", .n = n, .fd = fd};
    return ST_OK;
}

void file_map_close(struct file_map *m)
{
    if (!m->p)
        return;
    if (m->n > 0)
        munmap((void *)(uintptr_t)m->p, m->n);
    close(m->fd);
    *m = (struct file_map){.fd = -1};
}

void file_map_release(const struct file_map *m, size_t at, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), start = at / page * page;
    if (n > 0 && at < m->n && n <= m->n - at)
        madvise((void *)((uintptr_t)m->p + start), at + n - start, MADV_DONTNEED);
}

enum status file_pread(int fd, void *to, size_t n, uint64_t at, const char *path, struct fault *f)
{
    char *p = to;
    while (n > 0) {
        ssize_t got = pread(fd, p, n < (1u << 30) ? n : 1u << 30, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_fault(f, "read", path, errno);
        if (got == 0) {
            fault_set(f, ST_FORMAT, "%s ends too early: it was cut while it was in use", path);
            return fault_remedy(f, "make the file again");
        }
        p += got;
        n -= (size_t)got;
        at += (uint64_t)got;
    }
    return ST_OK;
}

enum status file_mkdirs(const char *path, struct fault *f)
{
    struct text t = {0};
    enum status s = text_adds(&t, path, f);
    for (size_t i = 1; s == ST_OK && i <= t.n; i++) {
        if (t.p[i] != '/' && t.p[i] != '\0')
            continue;
        char kept = t.p[i];
        t.p[i] = '\0';
        int error = mkdir(t.p, 0777) != 0 ? errno : 0;
        if (error && error != EEXIST && file_kind(t.p) != FILE_FOLDER)
            s = file_fault(f, "make the folder", t.p, error);
        t.p[i] = kept;
    }
    text_free(&t);
    if (s == ST_OK && file_kind(path) != FILE_FOLDER) {
        fault_set(f, ST_IO, "cannot make the folder %s: a file has that name", path);
        s = fault_remedy(f, "choose another name, or move that file away");
    }
    return s;
}

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/file.h"

/* /dev/stdout must be our own descriptor: opening it anew would start at the beginning of the file
 * that it was redirected to. Returns -1 for other paths. */
static int standard_stream(const char *path)
{
    static const char *const names[2][3] = {{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"},
                                            {"/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"}};
    for (int s = 0; s < 2; s++)
        for (int k = 0; k < 3; k++)
            if (strcmp(path, names[s][k]) == 0)
                return s + 1;
    return -1;
}

static enum status open_direct(struct file_out *o, int standard, struct fault *f)
{
    o->fd = standard >= 0 ? fcntl(standard, F_DUPFD_CLOEXEC, 3)
                          : open(o->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (o->fd < 0)
        return file_fault(f, "write", o->path, errno);
    return ST_OK;
}

static enum status in_use(const struct file_out *o, struct fault *f)
{
    fault_set(f, ST_IO, "cannot write %s: another process is writing it", o->path);
    return fault_remedy(f, "wait until it is done, or choose another name");
}

/* The file that stands at the path is the one that is open. */
static bool is_at(const char *path, int fd)
{
    struct stat there, ours;
    return lstat(path, &there) == 0 && fstat(fd, &ours) == 0 && there.st_dev == ours.st_dev &&
           there.st_ino == ours.st_ino;
}

/* Who writes a temporary holds a lock on it, which ends with the process; one without is a killed
 * process's and goes. Where the file system has no locks, all go. */
static enum status drop_left(struct file_out *o, struct fault *f)
{
    int fd = open(o->temp, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    enum status s = ST_OK;
    if (fd < 0 && errno == ENOENT)
        return ST_OK;
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        s = in_use(o, f);
    else if (fd >= 0 && !is_at(o->temp, fd))
        s = ST_OK; /* another process was faster: the next look sees what it made */
    else if (unlink(o->temp) != 0 && errno != ENOENT)
        s = file_fault(f, "write", o->temp, errno);
    if (fd >= 0)
        close(fd);
    return s;
}

/* Between open and flock another process may take ours for a killed one's, hence the last look. */
static enum status make_temp(struct file_out *o, struct fault *f)
{
    for (int tries = 0; tries < 20; tries++) {
        if (drop_left(o, f) != ST_OK)
            return f->code;
        o->fd = open(o->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (o->fd < 0 && errno == EEXIST)
            continue;
        if (o->fd < 0)
            return file_fault(f, "write", o->path, errno);
        bool held = flock(o->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
        if (held && is_at(o->temp, o->fd))
            return ST_OK;
        close(o->fd);
        o->fd = -1;
    }
    return in_use(o, f);
}

static enum status open_temp(struct file_out *o, const struct stat *old, struct fault *f)
{
    struct text t = {0};
    if (text_addf(&t, f, "%s.tmp", o->path) != ST_OK)
        return f->code;
    o->temp = t.p;
    enum status s = make_temp(o, f);
    if (s == ST_OK && old && fchmod(o->fd, old->st_mode & 0777) != 0) {
        s = file_fault(f, "write", o->path, errno);
        unlink(o->temp);
        close(o->fd);
    }
    if (s != ST_OK) {
        free(o->temp);
        o->temp = NULL;
    }
    return s;
}

enum status file_out_open(struct file_out *o, const char *path, struct fault *f)
{
    struct stat st, link;
    int standard = standard_stream(path);
    bool there = stat(path, &st) == 0, regular = there && S_ISREG(st.st_mode);
    if (there && S_ISDIR(st.st_mode)) {
        fault_set(f, ST_IO, "cannot write %s: it is a folder", path);
        return fault_remedy(f, "give the path of a file");
    }
    *o = (struct file_out){.fd = -1};
    if (regular && lstat(path, &link) == 0 && S_ISLNK(link.st_mode) && standard < 0)
        o->path = realpath(path, NULL);
    else
        o->path = strdup(path);
    if (!o->path)
        return errno == ENOMEM ? fault_nomem(f, path, 0) : file_fault(f, "write", path, errno);
    enum status s = standard >= 0 || (there && !regular) ? open_direct(o, standard, f)
                                                         : open_temp(o, regular ? &st : NULL, f);
    if (s != ST_OK) {
        free(o->path);
        *o = (struct file_out){.fd = -1};
        return s;
    }
    o->open = true;
    return ST_OK;
}

enum status file_out_write(struct file_out *o, const void *bytes, size_t n, struct fault *f)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t put = write(o->fd, p, n < (1u << 30) ? n : 1u << 30);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return file_fault(f, "write", o->path, put < 0 ? errno : ENOSPC);
        p += put;
        n -= (size_t)put;
        o->written += (uint64_t)put;
    }
    return ST_OK;
}

enum status file_out_pwrite(struct file_out *o, const void *bytes, size_t n, uint64_t at,
                            struct fault *f)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t put = pwrite(o->fd, p, n < (1u << 30) ? n : 1u << 30, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return file_fault(f, "write", o->path, put < 0 ? errno : ENOSPC);
        p += put;
        n -= (size_t)put;
        at += (uint64_t)put;
        o->written += (uint64_t)put;
    }
    return ST_OK;
}

/* Some file systems cannot sync a folder or a pipe and say so with EINVAL: nothing is lost. */
static int sync_fd(int fd)
{
    while (fsync(fd) != 0) {
        if (errno == EINVAL || errno == EROFS || errno == ENOTSUP)
            return 0;
        if (errno != EINTR)
            return -1;
    }
    return 0;
}

/* Cuts the path for a moment rather than copying it: nothing may run short of memory here. */
static enum status sync_folder_of(char *path, struct fault *f)
{
    enum status s = ST_OK;
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    const char *folder = !slash ? "." : slash == path ? "/" : path;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || sync_fd(fd) != 0)
        s = file_fault(f, "write", folder, errno);
    if (fd >= 0)
        close(fd);
    if (slash)
        *slash = '/';
    return s;
}

static void forget(struct file_out *o)
{
    free(o->path);
    free(o->temp);
    *o = (struct file_out){.fd = -1};
}

/* The lock must last until the rename, but the close that may fail comes before it: a second
 * descriptor keeps it. */
static enum status publish(struct file_out *o, struct fault *f)
{
    int keep = fcntl(o->fd, F_DUPFD_CLOEXEC, 3), fd = o->fd;
    if (keep < 0)
        return file_fault(f, "write", o->path, errno);
    o->fd = keep;
    if (close(fd) != 0 && errno != EINTR)
        return file_fault(f, "write", o->path, errno);
    if (!is_at(o->temp, keep))
        return in_use(o, f);
    if (rename(o->temp, o->path) != 0)
        return file_fault(f, "write", o->path, errno);
    enum status s = sync_folder_of(o->path, f);
    close(keep);
    forget(o);
    return s;
}

enum status file_out_commit(struct file_out *o, struct fault *f)
{
    if (o->temp)
        return sync_fd(o->fd) == 0 ? publish(o, f) : file_fault(f, "write", o->path, errno);
    int fd = o->fd;
    o->fd = -1;
    if (close(fd) != 0 && errno != EINTR)
        return file_fault(f, "write", o->path, errno);
    forget(o);
    return ST_OK;
}

void file_out_abort(struct file_out *o)
{
    if (!o->open)
        return;
    if (o->temp && o->fd >= 0 && is_at(o->temp, o->fd))
        unlink(o->temp);
    if (o->fd >= 0)
        close(o->fd);
    forget(o);
}

enum status file_write(const char *path, const void *bytes, size_t n, struct fault *f)
{
    struct file_out o = {0};
    if (file_out_open(&o, path, f) != ST_OK)
        return f->code;
    if (file_out_write(&o, bytes, n, f) != ST_OK || file_out_commit(&o, f) != ST_OK)
        file_out_abort(&o);
    else
        return ST_OK;
    return f->code;
}
